// What the commands' arguments have in common.
#pragma once

#include "command_line.hpp"
#include "settings.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/sign.hpp>

#include <optional>
#include <string>
#include <vector>

namespace ksign::hook {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

/// -k and --root; @p use says what the kernel is named for.
void add_kernel_options(Options& options, const std::string& use);
/// --level, --max-size and --dry-run.
void add_file_options(Options& options);
/// --config.
void add_settings_option(Options& options);

/// The kernel that -k names, below --root. Nothing without -k. Throws UsageError, and not_installed_error() unless an
/// option --image stands in for what is installed: a name with a slip in it would else be one of which nothing is
/// known.
[[nodiscard]] std::optional<Kernel> kernel_of(const Values& values);

/// Whether a kernel has a folder in lib/modules.
[[nodiscard]] bool is_installed(const Kernel& kernel);
/// The error that says that it has none, and which kernels have.
[[nodiscard]] Error not_installed_error(const Kernel& kernel);

/// Of --config, else of ksign.conf below --root.
[[nodiscard]] Settings settings_of(const Values& values);

/// The settings, overridden by the options.
[[nodiscard]] FileOptions file_options_of(const Values& values, const Settings& settings);

/// A hash's name from an option. Throws UsageError that lists the known ones.
[[nodiscard]] std::optional<HashAlgorithm> hash_of(const std::optional<std::string>& name);

} // namespace ksign::hook
