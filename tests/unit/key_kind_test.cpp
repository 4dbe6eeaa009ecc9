#include "key_kind.hpp"

#include "catch.hpp"
#include "key_sample.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <set>
#include <string>

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a kind of key is found by its name", "[key_kind]") {
    for (const std::string_view name : key_kind_names()) {
        const auto kind = parse_key_kind(name);
        REQUIRE(kind);
        CHECK(key_kind_name(*kind) == name);
    }
    CHECK(parse_key_kind("rsa-2048") == KeyKind::rsa_2048);
    CHECK(parse_key_kind("rsa-3072") == KeyKind::rsa_3072);
    CHECK(parse_key_kind("rsa-4096") == KeyKind::rsa_4096);
    CHECK(parse_key_kind("p-256") == KeyKind::p_256);
    CHECK(parse_key_kind("p-384") == KeyKind::p_384);
    CHECK(parse_key_kind("p-521") == KeyKind::p_521);
    CHECK(parse_key_kind("ml-dsa-44") == KeyKind::ml_dsa_44);
    CHECK(parse_key_kind("ml-dsa-65") == KeyKind::ml_dsa_65);
    CHECK(parse_key_kind("ml-dsa-87") == KeyKind::ml_dsa_87);
}

TEST_CASE("every kind of key is listed once", "[key_kind]") {
    const auto names = key_kind_names();
    CHECK(names.size() == 9);
    CHECK(std::set<std::string_view>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("the case of a kind's name does not matter", "[key_kind]") {
    CHECK(parse_key_kind("P-384") == KeyKind::p_384);
    CHECK(parse_key_kind("RSA-4096") == KeyKind::rsa_4096);
    CHECK(parse_key_kind("Ml-Dsa-65") == KeyKind::ml_dsa_65);
}

TEST_CASE("what names no kind of key is none", "[key_kind]") {
    for (const std::string_view name : {"", "rsa", "ec", "rsa-", "rsa-1024", "rsa-40960", "p-38", "p-3844", "p384",
                                        " p-384", "p-384 ", "secp384r1", "ed25519", "ml-dsa", "rsa-4096\n"}) {
        INFO("'" << name << "'");
        CHECK_FALSE(parse_key_kind(name));
    }
}

TEST_CASE("kinds of keys have Arch-SKM's words for their families", "[key_kind]") {
    CHECK(key_kind_family(KeyKind::rsa_2048) == "rsa");
    CHECK(key_kind_family(KeyKind::rsa_4096) == "rsa");
    CHECK(key_kind_family(KeyKind::p_256) == "ec");
    CHECK(key_kind_family(KeyKind::p_521) == "ec");
    CHECK(key_kind_family(KeyKind::ml_dsa_44) == "mldsa");
    CHECK(key_kind_family(KeyKind::ml_dsa_87) == "mldsa");
}

TEST_CASE("OpenSSL is told the size or the curve of a key", "[key_kind]") {
    const auto rsa = key_kind_parameters(KeyKind::rsa_3072);
    CHECK(std::string(rsa.algorithm) == "RSA");
    CHECK(rsa.bits == 3072);
    CHECK(rsa.curve == nullptr);
    CHECK(key_kind_parameters(KeyKind::rsa_4096).bits == 4096);
    const auto elliptic = key_kind_parameters(KeyKind::p_384);
    CHECK(std::string(elliptic.algorithm) == "EC");
    CHECK(elliptic.bits == 0);
    CHECK(std::string(elliptic.curve) == "secp384r1");
    CHECK(std::string(key_kind_parameters(KeyKind::ml_dsa_87).algorithm) == "ML-DSA-87");
}

TEST_CASE("the kind of a key is recognized", "[key_kind]") {
    CHECK(kind_of_key(rsa_sample().key.get()) == KeyKind::rsa_2048);
    CHECK(kind_of_key(ec_sample("P-256").key.get()) == KeyKind::p_256);
    CHECK(kind_of_key(ec_sample("P-384").key.get()) == KeyKind::p_384);
    CHECK(kind_of_key(ec_sample("P-521").key.get()) == KeyKind::p_521);
    CHECK(kind_of_key(X509_get0_pubkey(ec_sample("P-384").certificate.get())) == KeyKind::p_384);
}

TEST_CASE("a key of another kind is none of them", "[key_kind]") {
    CHECK_FALSE(kind_of_key(make_rsa_key(1024).get()));
    CHECK_FALSE(kind_of_key(make_ec_key("secp256k1").get()));
    CHECK_FALSE(kind_of_key(make_ec_key("brainpoolP384r1").get()));
    CHECK_FALSE(kind_of_key(make_key("ED25519").get()));
}

TEST_CASE("every OpenSSL can make RSA and EC keys", "[key_kind]") {
    CHECK(can_make_key(KeyKind::rsa_2048));
    CHECK(can_make_key(KeyKind::rsa_4096));
    CHECK(can_make_key(KeyKind::p_256));
    CHECK(can_make_key(KeyKind::p_521));
}

TEST_CASE("whether OpenSSL can make ML-DSA keys is found out without an error left behind", "[key_kind]") {
    ERR_clear_error();
    const bool can = can_make_key(KeyKind::ml_dsa_65);
    CHECK(can == can_make_key(KeyKind::ml_dsa_44));
    CHECK(can == (OPENSSL_version_major() > 3 || (OPENSSL_version_major() == 3 && OPENSSL_version_minor() >= 5)));
    CHECK(ERR_peek_error() == 0);
}
