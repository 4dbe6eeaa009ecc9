// What a Signer holds, for the rooms that sign.
#pragma once

#include "openssl.hpp"
#include "token.hpp"

#include <ksign/signer.hpp>

namespace ksign {

struct Signer::Parts {
    std::unique_ptr<TokenSession> tokens; ///< If key or certificate is from one. Before the key, so it goes after it.
    KeyHandle key;
    CertificateHandle certificate;
    KeyType type{};
    std::string key_description;
    std::string name;
    std::string serial;
    std::string subject; ///< The key's path or URI, for messages.
};

/// Whether a key is of one of the sizes of ML-DSA (FIPS 204); told by name, which OpenSSL before 3.5 does not know.
[[nodiscard]] bool is_ml_dsa(const EVP_PKEY* key);

} // namespace ksign
