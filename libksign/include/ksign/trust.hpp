// The certificates that a kernel trusts, and where it has each from.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel.hpp>
#include <ksign/kernel_certificate.hpp>
#include <ksign/kernel_config.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// The kernel's keyrings, as far as they decide about modules (certs/system_keyring.c, certs/blacklist.c).
enum class Keyring {
    builtin,   ///< .builtin_trusted_keys
    secondary, ///< .secondary_trusted_keys, which links to the builtin ones
    machine,   ///< .machine, which the secondary ones link to
    platform,  ///< .platform: mainline does not look there for modules; Debian's kernels do
    revoked,   ///< .blacklist
};

/// ".builtin_trusted_keys" and so on.
[[nodiscard]] KSIGN_EXPORT std::string_view keyring_name(Keyring keyring) noexcept;

/// One certificate in one keyring.
struct TrustEntry {
    KernelCertificate certificate;
    Keyring keyring{};
    std::string origin; ///< For people: "built into /boot/vmlinuz-6.12.1".
};

/// A certificate that was given to a kernel, and that it does not take.
struct UnusableKey {
    TrustEntry entry;
    std::string reason;
};

/// What a kernel's keyrings hold.
struct TrustedKeys {
    std::vector<TrustEntry> entries;
    /// What the .blacklist keyring gets as "tbs:", for certificates that must not be loaded: hashes of their signed
    /// part, and all else that an entry of the firmware's list holds.
    std::vector<std::vector<std::byte>> revoked_hashes;
    /// Certificates of which it is not known whether the kernel trusts them: nothing that is here says so.
    std::vector<TrustEntry> unproven;
    /// Certificates of which it is known that the kernel's build did not have them built in.
    std::vector<TrustEntry> left_out;
    /// Why it may have others built in than are known here, as the one of its own build; empty: all of them are known.
    std::string unknown_builtin;
    /// Why not all that the kernel trusts is known: "FILE: open: Permission denied", for each that this user may not
    /// read.
    std::vector<std::string> unread;
    /// What was looked for and could not be read, or is no proof; for people, with what to do. What is in unread is
    /// here, too.
    std::vector<std::string> notes;

    /// Adds one, unless that keyring holds it already.
    KSIGN_EXPORT void add(TrustEntry entry);
};

/// A certificate in the build folder of a kernel.
struct InstalledCertificate {
    KernelCertificate certificate;
    std::string origin; ///< For people: "certs-local of kernel 6.12.1".
    /// Whether the kernel's configuration has it built in; nothing: there is no configuration.
    std::optional<bool> named;
};

/// What is in a kernel's build folder.
struct InstalledCertificates {
    std::vector<InstalledCertificate> certificates;
    bool has_build_key = false;      ///< That of the kernel's own modules is among them.
    std::vector<std::string> unread; ///< As TrustedKeys::unread.
    std::vector<std::string> notes;  ///< As TrustedKeys::notes.
};

/// The certificates of certs-local, certs/signing_key.x509, and what CONFIG_SYSTEM_TRUSTED_KEYS of @p config names, in
/// a kernel's build folder. One that can't be read keeps none of the others away.
[[nodiscard]] KSIGN_EXPORT InstalledCertificates find_installed_certificates(const Kernel& kernel,
                                                                             const std::optional<KernelConfig>& config);

/// Adds what a kernel's certificates are by the files that are installed with it, where no image proves it: those of
/// find_installed_certificates() that the configuration has built in. Without a configuration, those of certs-local are
/// unproven; one that it does not name is left out, and in the notes. Where the headers do not hold the certificate of
/// the kernel's own build (certs/signing_key.x509), what else is built in is unknown.
KSIGN_EXPORT void add_installed_certificates(TrustedKeys& keys, const Kernel& kernel,
                                             const std::optional<KernelConfig>& config);

} // namespace ksign
