// A running digest over a stream of bytes.
#pragma once

#include "openssl.hpp"

#include <ksign/hash.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace ksign {

/// OpenSSL's method for an algorithm. Throws Error (crypto) where this OpenSSL has none: SHA-3 for CMS needs 3.2.
[[nodiscard]] const EVP_MD* digest_method(HashAlgorithm algorithm);

/// The algorithm of an OpenSSL object identifier number (NID), or nothing where no kernel knows it.
[[nodiscard]] std::optional<HashAlgorithm> hash_of_nid(int nid) noexcept;

/// One message digest. Not to be used after finish().
class Digest {
  public:
    explicit Digest(HashAlgorithm algorithm);
    void update(std::span<const std::byte> bytes);
    [[nodiscard]] std::vector<std::byte> finish();

  private:
    DigestContext context_;
};

} // namespace ksign
