#include "kernel_options.hpp"

namespace ksign {

std::string_view key_option(KeyType type) {
    // crypto/Kconfig
    switch (type) {
    case KeyType::rsa:
        return "CRYPTO_RSA";
    case KeyType::ecdsa:
        return "CRYPTO_ECDSA";
    case KeyType::ml_dsa:
        return "CRYPTO_MLDSA";
    }
    return {};
}

std::string_view hash_option(HashAlgorithm hash) {
    // crypto/Kconfig: one option for each family.
    switch (hash) {
    case HashAlgorithm::sha1:
        return "CRYPTO_SHA1";
    case HashAlgorithm::sha224:
    case HashAlgorithm::sha256:
        return "CRYPTO_SHA256";
    case HashAlgorithm::sha384:
    case HashAlgorithm::sha512:
        return "CRYPTO_SHA512";
    case HashAlgorithm::sha3_256:
    case HashAlgorithm::sha3_384:
    case HashAlgorithm::sha3_512:
        return "CRYPTO_SHA3";
    }
    return {};
}

} // namespace ksign
