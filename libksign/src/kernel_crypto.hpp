// What one kernel's crypto can do, and what it makes of certificates and signatures.
#pragma once

#include "kernel_certificate.hpp"
#include "pkcs7.hpp"

#include <ksign/kernel_config.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ksign {

/// What is signed: a digest, and for algorithms that hash by themselves the bytes.
struct SignedContent {
    HashAlgorithm hash{};
    std::span<const std::byte> digest;
    /// ML-DSA: those of the content, or of the signed attributes. Asked for once a key is about to verify with them, as
    /// they may be a whole module.
    std::function<std::span<const std::byte>()> bytes;
};

class KernelCrypto {
  public:
    /// A configuration that is not known is taken to have everything.
    KernelCrypto(KernelVersion version, std::optional<KernelConfig> config)
        : version_(version), config_(std::move(config)) {}

    [[nodiscard]] Pkcs7Knowledge knowledge() const;
    [[nodiscard]] bool has(HashAlgorithm hash) const;
    /// The option of a hash that is not built in, but a module: it must be loadable itself.
    [[nodiscard]] std::string_view module_option(HashAlgorithm hash) const;
    [[nodiscard]] bool has(PublicKeyAlgorithm algorithm) const;

    /// Why x509_cert_parse() fails for a certificate; nothing if it does not.
    [[nodiscard]] std::optional<KernelFailure> why_not_parsed(const KernelCertificate& certificate) const;

    /// The digest of a certificate that x509_get_sig_params() looks for among the revoked ones.
    [[nodiscard]] std::vector<std::byte> revocation_digest(const KernelCertificate& certificate) const;

    /// public_key_verify_signature(): nothing if the key made the signature.
    /// Throws Error (crypto) if this OpenSSL can't tell.
    [[nodiscard]] std::optional<KernelFailure> why_not_verified(const KernelCertificate& key,
                                                                PublicKeyAlgorithm algorithm,
                                                                const SignedContent& content,
                                                                std::span<const std::byte> signature) const;

  private:
    [[nodiscard]] bool enabled(std::string_view option) const { return !config_ || config_->enabled(option); }

    KernelVersion version_;
    std::optional<KernelConfig> config_;
};

/// "RSA", "ECDSA", "ML-DSA-44".
[[nodiscard]] std::string_view algorithm_name(PublicKeyAlgorithm algorithm) noexcept;

} // namespace ksign
