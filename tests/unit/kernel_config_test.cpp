#include <ksign/kernel_config.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

KernelConfig config_of(std::string_view text) {
    const TemporaryFolder folder;
    write_file(folder / ".config", text);
    return KernelConfig::load(folder / ".config");
}

// As Debian 12's 6.1 has it: no CRYPTO_ECDSA.
constexpr std::string_view debian_12 = R"(#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_MODULE_SIG=y
# CONFIG_MODULE_SIG_FORCE is not set
# CONFIG_MODULE_SIG_ALL is not set
CONFIG_MODULE_SIG_SHA256=y
CONFIG_MODULE_SIG_HASH="sha256"
CONFIG_MODULE_COMPRESS_NONE=y
CONFIG_CRYPTO_RSA=y
# CONFIG_CRYPTO_ECDSA is not set
CONFIG_CRYPTO_SHA1=y
CONFIG_CRYPTO_SHA256=y
CONFIG_CRYPTO_SHA512=m
# CONFIG_CRYPTO_SHA3 is not set
CONFIG_SYSTEM_TRUSTED_KEYS=""
)";

} // namespace

TEST_CASE("a configuration's options are read", "[kernel_config]") {
    const KernelConfig config =
        config_of("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=\"text = x\"\nCONFIG_E=0x10\n"
                  "CONFIG_F=n\nCONFIG_EMPTY=\"\"\nOTHER=y\n CONFIG_INDENTED=y\nCONFIG_NOVALUE\nCONFIG_LAST=y");
    CHECK(config.enabled("A"));
    CHECK(config.enabled("B"));
    CHECK_FALSE(config.enabled("C"));
    CHECK_FALSE(config.value("C"));
    CHECK(config.value("D") == "text = x");
    CHECK_FALSE(config.enabled("D"));
    CHECK(config.value("E") == "0x10");
    CHECK_FALSE(config.enabled("F"));
    CHECK(config.value("EMPTY") == "");
    CHECK_FALSE(config.value("OTHER"));
    CHECK_FALSE(config.value("INDENTED"));
    CHECK_FALSE(config.value("NOVALUE"));
    CHECK(config.enabled("LAST")); // no line end
    CHECK_FALSE(config.value("CONFIG_A"));
}

TEST_CASE("a configuration that sets nothing has nothing", "[kernel_config]") {
    const KernelConfig config = config_of("# CONFIG_MODULE_SIG is not set\n");
    CHECK_FALSE(config.module_hash());
    CHECK_FALSE(config.enabled("MODULE_SIG"));
}

TEST_CASE("a configuration that can't be read is told", "[kernel_config]") {
    const TemporaryFolder folder;
    CHECK(error_of([&] { static_cast<void>(KernelConfig::load(folder / "missing")); }).code() == ErrorCode::system);
    CHECK(error_of([&] { static_cast<void>(KernelConfig::load(folder.path())); }).code() == ErrorCode::system);
    write_file(folder / "huge", Bytes(5U << 20U));
    CHECK(error_of([&] { static_cast<void>(KernelConfig::load(folder / "huge")); }).code() == ErrorCode::limit);
    for (const std::string_view text :
         {"", "example\n", "# Linux/x86 6.12.1 Kernel Configuration\n", "CONFIG\n x CONFIG_A=y"}) {
        INFO(text);
        const Error error = error_of([&] { static_cast<void>(config_of(text)); });
        CHECK(error.code() == ErrorCode::kernel);
        CHECK_FALSE(error.remedy().empty());
    }
}

TEST_CASE("the hash of a kernel's own modules is known", "[kernel_config]") {
    CHECK(config_of(debian_12).module_hash() == HashAlgorithm::sha256);
    CHECK(config_of("CONFIG_MODULE_SIG_HASH=\"sha3-512\"\n").module_hash() == HashAlgorithm::sha3_512);
    CHECK_FALSE(config_of("CONFIG_MODULE_SIG_HASH=\"md5\"\n").module_hash());
    CHECK_FALSE(config_of("# CONFIG_MODULE_SIG is not set\n").module_hash());
}

TEST_CASE("Debian 12's kernel verifies RSA and no ECDSA", "[kernel_config]") {
    const KernelConfig config = config_of(debian_12);
    CHECK_FALSE(config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha256));
    CHECK_FALSE(config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha512)); // a module of the kernel's
    CHECK_FALSE(config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha384));
    CHECK_FALSE(config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha1));
    const auto ecdsa = config.why_not_verifiable(KeyType::ecdsa, HashAlgorithm::sha256);
    REQUIRE(ecdsa);
    CHECK(mentions(ecdsa->reason, "ECDSA"));
    CHECK(mentions(ecdsa->reason, "CONFIG_CRYPTO_ECDSA is not set"));
    CHECK(mentions(ecdsa->reason, ".config"));
    const auto sha3 = config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha3_256);
    REQUIRE(sha3);
    CHECK(mentions(sha3->reason, "sha3-256"));
    CHECK(mentions(sha3->reason, "CONFIG_CRYPTO_SHA3 is not set"));
}

TEST_CASE("a kernel verifies the hash of its own modules, whatever its option is called", "[kernel_config]") {
    // Linux 7.0 has CRYPTO_LIB_SHA512.
    const KernelConfig config =
        config_of("CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_ECDSA=y\n");
    CHECK_FALSE(config.why_not_verifiable(KeyType::ecdsa, HashAlgorithm::sha512));
    CHECK(config.why_not_verifiable(KeyType::ecdsa, HashAlgorithm::sha256));
    CHECK(config.why_not_verifiable(KeyType::rsa, HashAlgorithm::sha512));
}

TEST_CASE("a kernel verifies ML-DSA if it has it, takes our attributes, and with sha512", "[kernel_config]") {
    const std::string base = "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_SHA512=y\nCONFIG_CRYPTO_SHA256=y\n";
    const auto none = config_of(base).why_not_verifiable(KeyType::ml_dsa, HashAlgorithm::sha512);
    REQUIRE(none);
    CHECK(mentions(none->reason, "CONFIG_CRYPTO_MLDSA is not set"));
    CHECK(mentions(none->remedy, "CONFIG_CRYPTO_ECDSA or CONFIG_CRYPTO_RSA"));
    const auto older = config_of(base + "CONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_RSA=y\n")
                           .why_not_verifiable(KeyType::ml_dsa, HashAlgorithm::sha512);
    REQUIRE(older);
    CHECK(mentions(older->remedy, "RSA or ECDSA"));
    const auto strict =
        config_of(base + "CONFIG_CRYPTO_MLDSA=y\n").why_not_verifiable(KeyType::ml_dsa, HashAlgorithm::sha512);
    REQUIRE(strict);
    CHECK(mentions(strict->reason, "CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA is not set"));
    const KernelConfig able =
        config_of(base + "CONFIG_CRYPTO_MLDSA=y\nCONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA=y\n");
    CHECK_FALSE(able.why_not_verifiable(KeyType::ml_dsa, HashAlgorithm::sha512));
    const auto hash = able.why_not_verifiable(KeyType::ml_dsa, HashAlgorithm::sha256);
    REQUIRE(hash);
    CHECK(mentions(hash->reason, "sha512 alone"));
}

TEST_CASE("no type of key is advised that a kernel does not verify", "[kernel_config]") {
    const auto remedy_for = [](KeyType type, const std::string& options) {
        const auto obstacle =
            config_of("CONFIG_MODULE_SIG=y\n" + options).why_not_verifiable(type, HashAlgorithm::sha512);
        REQUIRE(obstacle);
        return obstacle->remedy;
    };
    CHECK(mentions(remedy_for(KeyType::ecdsa, "CONFIG_CRYPTO_RSA=y\n"), "an RSA key"));
    CHECK(mentions(remedy_for(KeyType::rsa, "CONFIG_CRYPTO_ECDSA=y\n"), "an ECDSA key"));
    CHECK(mentions(remedy_for(KeyType::ecdsa, ""), "verifies no other type either"));
    CHECK(mentions(remedy_for(KeyType::rsa, ""), "verifies no other type either"));
}

TEST_CASE("nothing stands against signing for a kernel that verifies nothing", "[kernel_config]") {
    const KernelConfig config = config_of("# CONFIG_MODULE_SIG is not set\n");
    CHECK_FALSE(config.why_not_verifiable(KeyType::ecdsa, HashAlgorithm::sha3_512));
}
