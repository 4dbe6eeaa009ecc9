// Makes private keys and their self-signed certificates.
#pragma once

#include "key_kind.hpp"

#include <ksign/certificate_request.hpp>
#include <ksign/hash.hpp>
#include <ksign/secret.hpp>

#include <cstddef>
#include <vector>

namespace ksign {

/// The RSA size that a request's profile asks for (default_bits, "rsa:2048" of `openssl req` without a size); RSA-4096
/// if it says nothing. Throws Error (certificate) for an unreadable profile or a size that is none of KeyKind's.
[[nodiscard]] KeyKind usual_rsa_kind(const CertificateRequest& request);

/// Throws Error (crypto) where OpenSSL does not have the kind, or fails.
[[nodiscard]] KeyHandle make_private_key(KeyKind kind);

/// A certificate for a key, signed by itself. Its own signature, which kernels do not need, is by @p hash, or by the
/// SHA-2 of the same size where OpenSSL can't sign with it. Throws Error (certificate) for a broken profile.
[[nodiscard]] CertificateHandle make_certificate(EVP_PKEY* key, HashAlgorithm hash, const CertificateRequest& request);

/// A key as unencrypted PKCS#8 in PEM.
[[nodiscard]] Secret private_key_pem(const EVP_PKEY* key);

[[nodiscard]] std::vector<std::byte> certificate_pem(const X509* certificate);
[[nodiscard]] std::vector<std::byte> certificate_der(const X509* certificate);

} // namespace ksign
