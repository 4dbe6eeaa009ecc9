#include "bytes.hpp"
#include "catch.hpp"
#include "digest.hpp"

#include <openssl/objects.h>

#include <iomanip>
#include <sstream>

using namespace ksign;
using namespace ksign::test;

namespace {

std::string hex(ByteView bytes) {
    std::ostringstream text;
    text << std::hex << std::setfill('0');
    for (const std::byte byte : bytes) {
        text << std::setw(2) << std::to_integer<int>(byte);
    }
    return text.str();
}

std::string digest_of(HashAlgorithm hash, ByteView bytes) {
    Digest digest(hash);
    digest.update(bytes);
    return hex(digest.finish());
}

} // namespace

TEST_CASE("every hash has the kernel's name, and is found by it in any case", "[digest]") {
    const auto names = hash_names();
    CHECK(names == std::vector<std::string_view>{"sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384",
                                                 "sha3-512"});
    for (const auto name : names) {
        const auto hash = parse_hash(name);
        REQUIRE(hash);
        CHECK(hash_name(*hash) == name);
    }
    CHECK(parse_hash("SHA512") == HashAlgorithm::sha512);
    CHECK(parse_hash("Sha3-256") == HashAlgorithm::sha3_256);
}

TEST_CASE("what is no hash's name finds none", "[digest]") {
    for (const std::string_view name :
         {"", "md5", "sha", "sha2", "sha5120", "sha512 ", " sha512", "sha3", "sha3_256"}) {
        INFO("'" << name << "'");
        CHECK_FALSE(parse_hash(name));
    }
}

TEST_CASE("digests are those of the published test vectors", "[digest]") {
    // FIPS 180-2, appendix B, and FIPS 202's examples: "abc".
    const Bytes abc = bytes_of("abc");
    CHECK(digest_of(HashAlgorithm::sha1, abc) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(digest_of(HashAlgorithm::sha224, abc) == "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
    CHECK(digest_of(HashAlgorithm::sha256, abc) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest_of(HashAlgorithm::sha384, abc) ==
          "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    CHECK(digest_of(HashAlgorithm::sha512, abc) ==
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643c"
          "e80e2a9ac94fa54ca49f");
    CHECK(digest_of(HashAlgorithm::sha3_256, abc) ==
          "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
    CHECK(digest_of(HashAlgorithm::sha3_384, abc) ==
          "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25");
    CHECK(digest_of(HashAlgorithm::sha3_512, abc) ==
          "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408"
          "d5a56592f8274eec53f0");
    CHECK(digest_of(HashAlgorithm::sha256, {}) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("a digest does not depend on how its bytes come", "[digest]") {
    const Bytes content = random_bytes(10000);
    Digest digest(HashAlgorithm::sha256);
    for (std::size_t at = 0; at < content.size(); at += 7) {
        digest.update(ByteView(content).subspan(at, std::min<std::size_t>(7, content.size() - at)));
        digest.update({});
    }
    CHECK(hex(digest.finish()) == digest_of(HashAlgorithm::sha256, content));
}

TEST_CASE("a hash is found by OpenSSL's number", "[digest]") {
    CHECK(hash_of_nid(NID_sha384) == HashAlgorithm::sha384);
    CHECK(hash_of_nid(NID_sha3_512) == HashAlgorithm::sha3_512);
    CHECK_FALSE(hash_of_nid(NID_md5));
    CHECK_FALSE(hash_of_nid(NID_undef));
}
