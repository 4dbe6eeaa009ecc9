// What a shell's script assigns to its variables. It is not run, only looked through.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ksign {

/// What the last of the lines that assign to a variable gives it, without quotes. Nothing if none does.
[[nodiscard]] std::optional<std::string> assigned_in(const std::string& text, const std::string& name);

/// The same of a file, links followed. One that can't be read assigns nothing.
[[nodiscard]] std::optional<std::string> assigned(const std::filesystem::path& file, const std::string& name);

} // namespace ksign
