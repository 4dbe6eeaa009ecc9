// The options of a kernel's configuration that its algorithms go by (crypto/Kconfig).
#pragma once

#include <ksign/hash.hpp>
#include <ksign/signer.hpp>

#include <string_view>

namespace ksign {

/// "CRYPTO_ECDSA": without it, signatures of such keys can't be verified.
[[nodiscard]] std::string_view key_option(KeyType type);

/// "CRYPTO_SHA512": one for each family of hashes.
[[nodiscard]] std::string_view hash_option(HashAlgorithm hash);

} // namespace ksign
