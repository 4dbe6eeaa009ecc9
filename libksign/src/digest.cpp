#include "digest.hpp"

#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace ksign {
namespace {

struct HashRow {
    HashAlgorithm algorithm;
    std::string_view kernel_name;
    int nid;
};

constexpr std::array hash_rows{
    HashRow{HashAlgorithm::sha1, "sha1", NID_sha1},
    HashRow{HashAlgorithm::sha224, "sha224", NID_sha224},
    HashRow{HashAlgorithm::sha256, "sha256", NID_sha256},
    HashRow{HashAlgorithm::sha384, "sha384", NID_sha384},
    HashRow{HashAlgorithm::sha512, "sha512", NID_sha512},
    HashRow{HashAlgorithm::sha3_256, "sha3-256", NID_sha3_256},
    HashRow{HashAlgorithm::sha3_384, "sha3-384", NID_sha3_384},
    HashRow{HashAlgorithm::sha3_512, "sha3-512", NID_sha3_512},
};

const HashRow& row_of(HashAlgorithm algorithm) noexcept {
    return *std::ranges::find(hash_rows, algorithm, &HashRow::algorithm);
}

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
    return std::ranges::equal(left, right,
                              [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

} // namespace

std::string_view hash_name(HashAlgorithm algorithm) noexcept {
    return row_of(algorithm).kernel_name;
}

std::optional<HashAlgorithm> parse_hash(std::string_view name) noexcept {
    for (const HashRow& row : hash_rows) {
        if (equal_ignoring_case(row.kernel_name, name)) {
            return row.algorithm;
        }
    }
    return std::nullopt;
}

std::vector<std::string_view> hash_names() {
    std::vector<std::string_view> names;
    names.reserve(hash_rows.size());
    for (const HashRow& row : hash_rows) {
        names.push_back(row.kernel_name);
    }
    return names;
}

const EVP_MD* digest_method(HashAlgorithm algorithm) {
    const EVP_MD* method = EVP_get_digestbynid(row_of(algorithm).nid);
    if (method == nullptr) {
        throw Error(ErrorCode::crypto, std::string(hash_name(algorithm)), "this OpenSSL does not have the hash");
    }
    return method;
}

std::optional<HashAlgorithm> hash_of_nid(int nid) noexcept {
    for (const HashRow& row : hash_rows) {
        if (row.nid == nid) {
            return row.algorithm;
        }
    }
    return std::nullopt;
}

Digest::Digest(HashAlgorithm algorithm) : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), digest_method(algorithm), nullptr) != 1) {
        throw openssl_error(ErrorCode::crypto, std::string(hash_name(algorithm)), "digest");
    }
}

void Digest::update(std::span<const std::byte> bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
        throw openssl_error(ErrorCode::crypto, "digest", "update");
    }
}

std::vector<std::byte> Digest::finish() {
    std::vector<std::byte> value(EVP_MAX_MD_SIZE);
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(value.data()), &size) != 1) {
        throw openssl_error(ErrorCode::crypto, "digest", "finish");
    }
    value.resize(size);
    return value;
}

} // namespace ksign
