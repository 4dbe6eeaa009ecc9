// The certificates that a kernel trusts, and where it has each from.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// A certificate as a kernel sees it. Copies share it.
class KSIGN_EXPORT KernelCertificate {
  public:
    /// Of bytes that are one certificate in DER. Throws Error (certificate).
    [[nodiscard]] static KernelCertificate parse(std::span<const std::byte> der, const std::string& subject);
    /// Those of a file: DER (one or several after each other), or PEM. At least one. Throws Error (system,
    /// certificate).
    [[nodiscard]] static std::vector<KernelCertificate> load(const std::filesystem::path& file);

    /// The subject's common name, or its whole subject if it has none.
    [[nodiscard]] const std::string& name() const noexcept;
    /// The issuer's common name, which modinfo shows as the signer.
    [[nodiscard]] const std::string& issuer() const noexcept;
    /// "0A:1B:…", as modinfo's sig_key.
    [[nodiscard]] const std::string& serial() const noexcept;
    /// The subject key identifier, "0A:1B:…"; empty if it has none.
    [[nodiscard]] const std::string& key_id() const noexcept;
    /// "RSA-4096", "ECDSA P-384".
    [[nodiscard]] const std::string& key_description() const noexcept;
    /// SHA-256 of the certificate, in lower case without colons.
    [[nodiscard]] const std::string& fingerprint() const noexcept;

    struct Parts;
    /// For libksign itself.
    [[nodiscard]] const Parts& parts() const noexcept { return *parts_; }

  private:
    explicit KernelCertificate(std::shared_ptr<const Parts> parts) noexcept;
    std::shared_ptr<const Parts> parts_;
};

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

/// What a kernel's keyrings hold.
struct TrustedKeys {
    std::vector<TrustEntry> entries;
    /// What the .blacklist keyring gets as "tbs:", for certificates that must not be loaded: hashes of their signed
    /// part, and all else that an entry of the firmware's list holds.
    std::vector<std::vector<std::byte>> revoked_hashes;
    /// What was looked for and could not be read, or is no proof; for people.
    std::vector<std::string> notes;

    /// Adds one, unless that keyring holds it already.
    KSIGN_EXPORT void add(TrustEntry entry);
};

/// What the certificates of a kernel are, by the files that are installed with it: certs-local, certs/signing_key.x509
/// and what CONFIG_SYSTEM_TRUSTED_KEYS names in its build folder. They are those that its build was given; only the
/// image proves it. What can't be read is in the notes.
KSIGN_EXPORT void add_installed_certificates(TrustedKeys& keys, const Kernel& kernel);

} // namespace ksign
