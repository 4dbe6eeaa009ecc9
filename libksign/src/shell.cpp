#include <ksign/shell.hpp>

namespace ksign {
namespace {

bool is_this_system(const std::filesystem::path& root) {
    return root.lexically_normal() == "/";
}

} // namespace

std::string shell_quoted(std::string_view word) {
    const bool plain =
        !word.empty() &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=") ==
            std::string_view::npos;
    if (plain) {
        return std::string(word);
    }
    std::string text = "'";
    for (const char character : word) {
        text += character == '\'' ? "'\\''" : std::string(1, character);
    }
    return text + "'";
}

std::string shell_path(const std::filesystem::path& path) {
    return shell_quoted((path.native().starts_with('-') ? "./" : "") + path.native());
}

std::string shell_line(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) {
        line += (line.empty() ? "" : " ") + shell_quoted(word);
    }
    return line;
}

std::string shell_root_option(const std::filesystem::path& root) {
    return is_this_system(root) ? "" : " --root " + shell_path(root);
}

std::string shell_chroot(const std::filesystem::path& root) {
    return is_this_system(root) ? "" : "chroot " + shell_path(root) + " ";
}

} // namespace ksign
