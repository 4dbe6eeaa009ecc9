#include <ksign/kmod.hpp>

#include "file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <system_error>
#include <vector>

namespace ksign {
namespace {

constexpr std::string_view library = "libkmod.so.2";

/// The parts of a library's version after the first: {4, 1} of libkmod.so.2.4.1. Zeros where there are none.
std::array<unsigned, 2> version_of(std::string_view name) {
    std::array<unsigned, 2> version{};
    name.remove_prefix(std::min(name.size(), library.size()));
    for (unsigned& part : version) {
        if (!name.starts_with('.')) {
            break;
        }
        name.remove_prefix(1);
        const auto* const end = std::from_chars(name.data(), name.data() + name.size(), part).ptr;
        name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    }
    return version;
}

/// The folders of libraries, multiarch ones too.
std::vector<std::filesystem::path> library_folders(const std::filesystem::path& root) {
    std::vector<std::filesystem::path> folders;
    for (const char* const top : {"usr/lib64", "usr/lib", "lib64", "lib"}) {
        folders.push_back(root / top);
        for_each_entry(root / top, [&folders](const std::filesystem::directory_entry& entry) {
            if (entry.path().filename().string().find("-linux-") != std::string::npos) {
                folders.push_back(entry.path());
            }
        });
    }
    return folders;
}

} // namespace

bool kmod_decompresses_itself(const std::filesystem::path& root) {
    constexpr std::array<unsigned, 2> first_that_leaves_it{4, 1};
    for (const std::filesystem::path& folder : library_folders(root)) {
        std::error_code missing;
        const auto target = std::filesystem::read_symlink(folder / library, missing);
        if (!missing) {
            return version_of(target.filename().string()) < first_that_leaves_it;
        }
    }
    return false;
}

} // namespace ksign
