// Commands in messages: to be copied into a shell as they stand.
#pragma once

#include <ksign/export.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// A word as a shell takes it: in quotes where it needs them.
[[nodiscard]] KSIGN_EXPORT std::string shell_quoted(std::string_view word);

/// A path as a shell takes it, and no command for an option: "-x" becomes "./-x".
[[nodiscard]] KSIGN_EXPORT std::string shell_path(const std::filesystem::path& path);

/// Words as one line: `chroot '/mnt/my image' update-initramfs -u -k 6.12.1`.
[[nodiscard]] KSIGN_EXPORT std::string shell_line(const std::vector<std::string>& words);

/// What a command of ksign's needs for a system below @p root: " --root DIR"; nothing for "/".
[[nodiscard]] KSIGN_EXPORT std::string shell_root_option(const std::filesystem::path& root);

/// What goes before any other command for a system below @p root: "chroot DIR "; nothing for "/".
[[nodiscard]] KSIGN_EXPORT std::string shell_chroot(const std::filesystem::path& root);

} // namespace ksign
