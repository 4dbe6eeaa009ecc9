#include "private_file.hpp"

#include <ksign/error.hpp>
#include <ksign/shell.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <system_error>

namespace ksign {
namespace {

std::string mode_text(mode_t mode) {
    std::array<char, 8> text{};
    static_cast<void>(std::snprintf(text.data(), text.size(), "%04o", mode & 07777U));
    return text.data();
}

Error insecure(const std::string& path, const std::string& what, mode_t mode, const std::string& remedy) {
    return {ErrorCode::key, path, what + " (mode " + mode_text(mode) + ")",
            remedy + "; if it must be as it is: --insecure, or insecure-keys = yes in ksign.conf"};
}

/// Refuses what others than owner and group may read, or others than the owner may write to. A pipe counts as well, a
/// terminal does not.
void expect_secure_file(const std::string& path, const struct stat& status) {
    const mode_t mode = status.st_mode;
    if (!S_ISREG(mode) && !S_ISFIFO(mode)) {
        return;
    }
    const bool others_read = (mode & S_IROTH) != 0;
    const bool others_write = (mode & S_IWOTH) != 0;
    const bool group_writes = (mode & S_IWGRP) != 0;
    if (!others_read && !others_write && !group_writes) {
        return;
    }
    const std::string who = others_read || others_write ? "anybody may " : "its group may ";
    const std::string what = others_read ? (others_write ? "read and write it" : "read it") : "write to it";
    const std::string others = std::string(others_read ? "r" : "") + (others_write ? "w" : "");
    const std::string change = std::string(group_writes ? "g-w" : "") + (group_writes && !others.empty() ? "," : "") +
                               (others.empty() ? "" : "o-" + others);
    throw insecure(path, who + what, mode, "chmod " + change + " " + shell_path(path));
}

/// Refuses a folder in which anybody may put another file in the key's place. With the sticky bit only owners may
/// (as in /tmp). What has no name any more is in none.
void expect_secure_folder(const std::string& path, const struct stat& file) {
    std::error_code problem;
    const std::filesystem::path folder = std::filesystem::canonical(path, problem).parent_path();
    struct stat status {};
    if (!S_ISREG(file.st_mode) || problem || ::stat(folder.c_str(), &status) != 0) {
        return;
    }
    if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
        throw insecure(path, "anybody may replace it: they may write to its folder " + folder.string(), status.st_mode,
                       "chmod o-w " + shell_path(folder));
    }
}

} // namespace

void expect_private_file(const std::string& path, const struct stat& status) {
    expect_secure_file(path, status);
    expect_secure_folder(path, status);
}

} // namespace ksign
