// A kernel's keyrings, and what it finds in them for a signed message (crypto/asymmetric_keys).
#pragma once

#include "kernel_crypto.hpp"

#include <ksign/kernel_facts.hpp>
#include <ksign/trust.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// The keys that one search goes through.
using KeyList = std::vector<const TrustEntry*>;

class Keyrings {
  public:
    /// Sorts what the kernel takes from what it does not. Keys and crypto must outlive this.
    Keyrings(const KernelFacts& facts, const TrustedKeys& keys, const KernelCrypto& crypto);

    /// VERIFY_USE_SECONDARY_KEYRING: secondary, and what it links to.
    [[nodiscard]] const KeyList& secondary() const noexcept { return secondary_; }
    /// VERIFY_USE_PLATFORM_KEYRING; empty where the kernel does not look there for modules.
    [[nodiscard]] const KeyList& platform() const noexcept { return platform_; }
    /// The revocation list.
    [[nodiscard]] const KeyList& revoked() const noexcept { return revoked_; }
    [[nodiscard]] const std::vector<UnusableKey>& unusable() const noexcept { return unusable_; }
    /// Whether a certificate is revoked by its hash (is_hash_blacklisted()).
    [[nodiscard]] bool is_revoked_by_hash(const KernelCertificate& certificate) const;
    /// Whether the firmware revokes it by its hash, in an entry as UEFI has it.
    [[nodiscard]] bool is_revoked_for_firmware(const KernelCertificate& certificate) const;

  private:
    void place(const TrustEntry& entry, const KernelFacts& facts);

    const TrustedKeys& keys_;
    const KernelCrypto& crypto_;
    KeyList secondary_;
    KeyList platform_;
    KeyList revoked_;
    std::vector<UnusableKey> unusable_;
};

/// The keys of a list that have an identifier as their first or second one (find_asymmetric_key() with one).
/// The kernel takes the one that it comes upon first.
[[nodiscard]] KeyList keys_by_id(const KeyList& keys, std::string_view id);

/// Whether an identifier is one of a certificate's first two (asymmetric_match_key_ids()).
[[nodiscard]] bool has_id(const KernelCertificate& certificate, std::string_view id);

/// Checks one parsed message: pkcs7_verify() and pkcs7_validate_trust().
class MessageCheck {
  public:
    /// Gives what one signer signed. May throw Error.
    using ContentOf = std::function<SignedContent(const Pkcs7Signer&)>;

    MessageCheck(const Pkcs7Message& message, const KernelCrypto& crypto, const Keyrings& keyrings,
                 ContentOf content_of);

    /// pkcs7_verify(): that the message is right in itself.
    [[nodiscard]] std::optional<KernelFailure> verify();
    /// pkcs7_validate_trust(): that one of the keys made it. Sets key() on success.
    [[nodiscard]] std::optional<KernelFailure> validate_trust(const KeyList& keys);
    /// The trusted key that validate_trust() found; null before.
    [[nodiscard]] const TrustEntry* key() const noexcept { return key_; }
    /// Whether several trusted keys bear the signer's identifier, of which the kernel tries one only.
    [[nodiscard]] bool is_ambiguous() const noexcept { return ambiguous_; }

  private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    struct SignerState {
        std::size_t certificate = none; ///< Index of the certificate in the message that made it.
        bool unsupported = false;
        bool revoked = false;
        SignedContent content;
    };
    struct CertificateState {
        std::size_t issuer = none; ///< Index of the certificate in the message that signed it.
        bool self_signed = false;
    };

    [[nodiscard]] std::optional<KernelFailure> verify_one(std::size_t index);
    [[nodiscard]] std::optional<KernelFailure> digest(std::size_t index);
    [[nodiscard]] std::optional<KernelFailure> verify_chain(SignerState& state);
    [[nodiscard]] std::size_t issuer_of(std::size_t certificate) const;
    [[nodiscard]] std::optional<KernelFailure> validate_one(const Pkcs7Signer& signer, const SignerState& state,
                                                            const KeyList& keys);
    [[nodiscard]] std::optional<KernelFailure> matched(const TrustEntry& key, std::optional<KernelFailure> failure);
    [[nodiscard]] std::optional<KernelFailure> certificate_failure(const KernelCertificate& issuer,
                                                                   const KernelCertificate& certificate) const;

    const Pkcs7Message& message_;
    const KernelCrypto& crypto_;
    const Keyrings& keyrings_;
    ContentOf content_of_;
    std::vector<SignerState> signers_;
    std::vector<CertificateState> certificates_;
    const TrustEntry* key_ = nullptr;
    bool ambiguous_ = false;
};

} // namespace ksign
