// A kind of key as OpenSSL names it.
#pragma once

#include "openssl.hpp"

#include <ksign/key_kind.hpp>

#include <optional>

namespace ksign {

/// What OpenSSL needs to know to make one.
struct KeyKindParameters {
    const char* algorithm; ///< EVP_PKEY_CTX_new_from_name's: "RSA", "EC", "ML-DSA-65".
    unsigned bits;         ///< Of RSA, else 0.
    const char* curve;     ///< Of EC, else null.
};

[[nodiscard]] KeyKindParameters key_kind_parameters(KeyKind kind) noexcept;

/// A key's kind; nothing for one that is none of them (RSA-1024, brainpool, Ed25519).
[[nodiscard]] std::optional<KeyKind> kind_of_key(const EVP_PKEY* key);

/// Whether kernels have RSA keys of so many bits: rsa_check_key_length() of crypto/rsa.c, not in FIPS mode.
[[nodiscard]] bool is_rsa_length(int bits) noexcept;

} // namespace ksign
