// What is known of a kernel, as far as it decides about modules.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel_config.hpp>

#include <optional>
#include <string>

namespace ksign {

enum class Lockdown { none, integrity, confidentiality };

/// How a module gets into the kernel.
enum class LoadMethod {
    modprobe, ///< As kmod does it: by the kernel's decompressor where it has the container's, else decompressed before.
    kernel,   ///< By the kernel's decompressor: finit_module() with MODULE_INIT_COMPRESSED_FILE.
    plain,    ///< The file's bytes as they are: insmod of old, init_module().
};

/// What is known of a kernel.
struct KernelFacts {
    std::string release;                ///< "6.12.1-arch1"; empty: not known.
    std::string banner;                 ///< Of its image; says whose kernel it is.
    std::optional<KernelConfig> config; ///< Nothing: not known, and taken to have all that it may.
    bool enforced = true;               ///< module.sig_enforce=1
    Lockdown lockdown = Lockdown::none;
    LoadMethod method = LoadMethod::modprobe;
    bool kmod_decompresses = false; ///< Whatever the kernel can, as kmod before 31 does: kmod_decompresses_itself().
    std::string signing_command =
        "ksign sign --key KEY --certificate CERTIFICATE"; ///< For remedies; a path follows it.
    /// The key that signing_command takes, if this kernel does not trust it ("certs-local of kernel 6.12.1"): that
    /// command is no remedy then. Empty: it does, or nothing is known.
    std::string untrusted_signing_key = {};
    bool signing_key_is_own = true; ///< That key is of the kernel's build folder; else one that serves several kernels.
};

/// A kernel's version, by its release, else by its configuration's first lines. Nothing: neither tells.
[[nodiscard]] KSIGN_EXPORT std::optional<KernelVersion> version_of(const KernelFacts& facts) noexcept;

/// Whether a kernel looks for a module's key in .platform too: mainline does not. By the patch "KEYS: Make use of
/// platform keyring for module signature verify" those of Debian, Ubuntu, Fedora, RHEL and what is made of it, SUSE and
/// Amazon Linux do; banner and release tell them.
[[nodiscard]] KSIGN_EXPORT bool trusts_platform_keys(const KernelFacts& facts);

/// Whether a kernel looks at machine owner keys at all where Secure Boot is on. From 5.18 to 7.0 load_uefi_certs() asks
/// arch_ima_get_secureboot(), which always says no without CONFIG_IMA_ARCH_POLICY.
[[nodiscard]] KSIGN_EXPORT bool takes_machine_owner_keys(const KernelFacts& facts);

} // namespace ksign
