// A private key with its certificate.
#pragma once

#include <ksign/export.hpp>
#include <ksign/key_kind.hpp>
#include <ksign/secret.hpp>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ksign {

/// The kind of a key, as far as a kernel's configuration tells such apart.
enum class KeyType {
    rsa,
    ecdsa,
    ml_dsa, ///< Linux 7.0 and OpenSSL 3.5.
};

/// "RSA", "ECDSA", "ML-DSA".
[[nodiscard]] KSIGN_EXPORT std::string_view key_type_name(KeyType type) noexcept;

/// Where a key and its certificate are.
struct SignerSource {
    std::string key;                   ///< A PEM file, or a `pkcs11:` URI (RFC 7512).
    std::filesystem::path certificate; ///< DER or PEM, or a `pkcs11:` URI. Empty: under the key's own name, be it a
                                       ///< file that holds both or an object of a token.
    PassphraseSource passphrase;       ///< May be empty: there is none.
    bool insecure = false;             ///< Take a file of the key, or of a PIN that a URI names, that others may read,
                                       ///< write to or replace.
};

/// A private key and the certificate that belongs to it, loaded and found to match; there is no other Signer.
/// Copies share the key.
class KSIGN_EXPORT Signer {
  public:
    /// Throws Error (key, certificate): unreadable, wrong passphrase, not a pair, or a type of key that no kernel
    /// verifies modules with.
    [[nodiscard]] static Signer load(const SignerSource& source);

    [[nodiscard]] KeyType key_type() const noexcept;
    /// Nothing: one that kernels verify with and ksign does not make, as RSA-1024.
    [[nodiscard]] std::optional<KeyKind> key_kind() const;
    /// "RSA-4096", "ECDSA P-384", "ML-DSA-65".
    [[nodiscard]] const std::string& key_description() const noexcept;
    /// The key's path or URI, without the PIN that a URI may carry.
    [[nodiscard]] const std::string& key_source() const noexcept;
    /// The certificate's subject's common name, or its whole subject if it has none.
    [[nodiscard]] const std::string& name() const noexcept;
    /// The certificate's serial number as modinfo's sig_key shows it: "0A:1B:…".
    [[nodiscard]] const std::string& serial() const noexcept;

    struct Parts;
    /// For libksign itself.
    [[nodiscard]] const Parts& parts() const noexcept { return *parts_; }

  private:
    explicit Signer(std::shared_ptr<const Parts> parts) noexcept;
    std::shared_ptr<const Parts> parts_;
};

} // namespace ksign
