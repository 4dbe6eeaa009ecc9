// Other programs, run to their end.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign::hook {

/// A program's file by its name, as a shell finds it in PATH. Nothing if there is none.
[[nodiscard]] std::optional<std::filesystem::path> find_program(const std::string& name);

/// Runs a program with the streams of this process, in @p folder. The first word is its path.
/// Returns its exit code, or 128 and the number of the signal that ended it. Throws Error (system).
int run_program(const std::vector<std::string>& words, const std::filesystem::path& folder = ".");

/// The same, with its standard output on our standard error: what it writes is none of our results.
int run_program_aside(const std::vector<std::string>& words);

/// The same, with what it writes to its standard output in @p output, and without input.
int run_program(const std::vector<std::string>& words, std::string& output);

} // namespace ksign::hook
