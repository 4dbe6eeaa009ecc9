// CMS SignedData (RFC 5652) as the kernel takes it for a module: detached, one signer; signed attributes with
// ML-DSA alone.
#pragma once

#include "digest.hpp"

#include <ksign/signature.hpp>
#include <ksign/signer.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// Signs a payload's digest, and verifies the result with the certificate before it is returned, as DER.
/// With RSA the bytes are those that the kernel's sign-file writes. Throws Error (crypto).
[[nodiscard]] std::vector<std::byte> sign_digest(const Signer& signer, HashAlgorithm hash,
                                                 std::span<const std::byte> digest, const SignatureForm& form);

/// Whether a signature is one that sign_digest() could have made of these arguments, and right: by this certificate,
/// with this hash, in this form. False too for what does not parse.
[[nodiscard]] bool is_right_signature(std::span<const std::byte> signature, const Signer& signer, HashAlgorithm hash,
                                      std::span<const std::byte> digest, const SignatureForm& form);

/// Throws Error (crypto) unless a certificate's key made the signature over a payload with this digest.
void expect_signature_of(std::span<const std::byte> signature, X509* certificate, HashAlgorithm hash,
                         std::span<const std::byte> digest, const std::string& subject);

/// Throws Error (malformed_signature) unless it is a CMS message with one signer and without the content, as
/// pkcs7_supply_detached_data() of the kernel wants it.
void expect_detached(std::span<const std::byte> signature, const std::string& subject);

/// What a signature says of itself. Throws Error (malformed_signature) if it is no CMS SignedData with one signer.
[[nodiscard]] SignatureDescription describe_signature(std::span<const std::byte> signature, const std::string& subject);

} // namespace ksign
