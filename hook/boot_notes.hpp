// What is left to do after installed modules were signed, before the next boot.
#pragma once

#include <filesystem>
#include <vector>

namespace ksign::hook {

/// A module that is signed now.
struct HandledModule {
    std::filesystem::path path;
    bool changed = false; ///< By this run; by one that is no dry run, if this is one.
};

/// Says of modules, of which some may be installed ones, that depmod has nothing to do, and whether the initramfs of
/// their kernel holds older copies: then what rebuilds it, or with @p rebuild runs that, for whichever run changed
/// them; with @p dry_run too, says that it would. Throws Error if it is to be rebuilt and cannot be.
void tell_before_boot(const std::vector<HandledModule>& modules, bool rebuild, bool dry_run);

} // namespace ksign::hook
