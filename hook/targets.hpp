// From the words of a command line to the modules that they stand for.
#pragma once

#include "report.hpp"

#include <ksign/kernel.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ksign::hook {

/// Does one module, and reports it. May throw Error.
using ModuleAction = std::function<void(const std::filesystem::path&)>;

/// All modules that words stand for: a file, a folder's modules, or with a kernel and no slash a module's name. A word
/// that stands for nothing is reported as failed.
[[nodiscard]] std::vector<std::filesystem::path>
find_targets(const std::vector<std::string>& words, const std::optional<Kernel>& kernel, ModuleReport& report);

/// Goes through modules; one that fails is reported and does not stop the rest.
void for_each_module(const std::vector<std::filesystem::path>& modules, ModuleReport& report,
                     const ModuleAction& action);

/// As above for words: a file, a folder's modules, or with a kernel and no slash a module's name. A word that stands
/// for nothing is reported as failed.
void for_each_module(const std::vector<std::string>& words, const std::optional<Kernel>& kernel, ModuleReport& report,
                     const ModuleAction& action);

} // namespace ksign::hook
