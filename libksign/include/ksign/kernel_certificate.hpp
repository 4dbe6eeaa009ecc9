// A certificate as a kernel sees it.
#pragma once

#include <ksign/export.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
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

} // namespace ksign
