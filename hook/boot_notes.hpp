// What is left to do after installed modules were signed, before the next boot.
#pragma once

#include <filesystem>
#include <vector>

namespace ksign::hook {

/// Says of modules that were just signed, and of which some may be installed ones, that depmod has nothing to do, and
/// whether the initramfs of their kernel holds older copies: then what rebuilds it, or with @p rebuild runs that.
/// Throws Error if it is to be rebuilt and cannot be.
void tell_before_boot(const std::vector<std::filesystem::path>& modules, bool rebuild);

} // namespace ksign::hook
