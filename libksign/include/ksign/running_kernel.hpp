// What the running kernel tells of itself: its keyrings, its modules, its log.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel_facts.hpp>
#include <ksign/trust.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// A module that is loaded now.
struct LoadedModule {
    std::string name;
    std::string taints; ///< Its own, by the kernel's letters: "OE"; E is unsigned.
};

/// Each part is empty where it can't be read.
struct RunningKernel {
    std::string release;
    std::string banner; ///< "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) …"
    std::optional<Lockdown> lockdown;
    std::optional<bool> enforced; ///< module.sig_enforce
    std::vector<LoadedModule> modules;
    bool tainted_by_unsigned = false; ///< TAINT_UNSIGNED_MODULE: one was loaded since the boot, perhaps gone again.
    std::vector<std::string> log;     ///< Lines of the kernel's log that are about signatures of modules.
};

/// Reads ROOT/proc, ROOT/sys and ROOT/dev/kmsg. Nothing if no kernel runs there: the root is an image.
[[nodiscard]] KSIGN_EXPORT std::optional<RunningKernel> read_running_kernel(const std::filesystem::path& root = "/");

/// Adds what this machine's firmware gives a kernel at boot, by the rules of security/integrity/platform_certs: UEFI's
/// db to .platform; machine owner keys, where Secure Boot is on, to .machine or .platform; dbx and MokListX revoke.
/// Nothing where ROOT/sys shows no such firmware.
KSIGN_EXPORT void add_firmware_keys(TrustedKeys& keys, const KernelFacts& kernel,
                                    const std::filesystem::path& root = "/");

/// Compares with ROOT/proc/keys what the running kernel should trust; what differs is in the notes.
KSIGN_EXPORT void compare_with_loaded_keys(TrustedKeys& keys, const std::filesystem::path& root = "/");

} // namespace ksign
