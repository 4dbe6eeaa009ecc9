// What a kernel's configuration says by its version: the other half of the room kernel_config.
#include <ksign/kernel_config.hpp>

#include "catch.hpp"

#include <string>

using namespace ksign;
using namespace ksign::test;

namespace {

KernelConfig config_of(std::string_view text) {
    return KernelConfig::parse(text, ".config");
}

std::string head(const std::string& version) {
    return "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 " + version + " Kernel Configuration\n#\n";
}

std::optional<KernelVersion> version_of(const std::string& text) {
    return config_of(text).version();
}

} // namespace

TEST_CASE("a configuration tells its kernel's version", "[kernel_config]") {
    CHECK(version_of(head("6.12.1")) == KernelVersion{6, 12});
    CHECK(version_of(head("7.3.0-rc1-arch1")) == KernelVersion{7, 3});
    CHECK(version_of(head("6.1.0-18-amd64")) == KernelVersion{6, 1});
    CHECK(version_of(head("7.0")) == KernelVersion{7, 0});
    CHECK(version_of("# Linux/arm64 10.20.30 Kernel Configuration") == KernelVersion{10, 20});
    CHECK(version_of(head("6.12.1") + head("5.4.0")) == KernelVersion{6, 12}); // the first
}

TEST_CASE("a configuration need not tell a version", "[kernel_config]") {
    for (const std::string text :
         {"", "CONFIG_A=y\n", "# Linux/x86 Kernel Configuration\n", "# Linux/x86 six.one Kernel Configuration\n",
          "# Linux/x86 6 Kernel Configuration\n", "# Linux/x86 6. Kernel Configuration\n",
          "# Linux/x86 6.12.1 Kernel Configuration and more\n", "Linux/x86 6.12.1 Kernel Configuration\n",
          "# Linux/ Kernel Configuration\n", "# 6.12.1 Kernel Configuration\n"}) {
        INFO(text);
        CHECK_FALSE(version_of(text));
    }
}

TEST_CASE("versions are compared by their numbers", "[kernel_config]") {
    CHECK(KernelVersion{6, 9} < KernelVersion{6, 10});
    CHECK(KernelVersion{6, 99} < KernelVersion{7, 0});
    CHECK(KernelVersion{6, 12} == KernelVersion{6, 12});
}

TEST_CASE("an option that a later line unsets is not set", "[kernel_config]") {
    // Once: KernelConfig::load() passes over "is not set". To Kconfig the last line counts (confdata.c,
    // conf_read_simple()), and so it does to ConfigText. Appended fragments give such files.
    const KernelConfig config = config_of("CONFIG_MODULE_SIG_FORCE=y\n# CONFIG_MODULE_SIG_FORCE is not set\n");
    CHECK_FALSE(config.enabled("MODULE_SIG_FORCE"));
}

TEST_CASE("of an option that is there twice the last value counts", "[kernel_config]") {
    CHECK(config_of("CONFIG_A=y\nCONFIG_A=m\n").value("A") == "m");
    CHECK(config_of("# CONFIG_A is not set\nCONFIG_A=y\n").enabled("A"));
}

TEST_CASE("a kernel verifies the kinds of keys that it has the algorithms for", "[kernel_config]") {
    const KernelConfig config =
        config_of(head("6.12.1") + "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_RSA=y\n"
                                   "CONFIG_CRYPTO_ECDSA=m\n");
    for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::rsa_4096, KeyKind::p_256, KeyKind::p_384, KeyKind::p_521}) {
        CHECK_FALSE(config.why_not_verifiable(kind, HashAlgorithm::sha512));
        CHECK(config.why_not_verifiable(kind, HashAlgorithm::sha3_512)); // not by that hash
    }
    const auto post_quantum = config.why_not_verifiable(KeyKind::ml_dsa_65, HashAlgorithm::sha512);
    REQUIRE(post_quantum);
    CHECK(mentions(post_quantum->reason, "CONFIG_CRYPTO_MLDSA is not set"));
    CHECK(mentions(post_quantum->reason, ".config"));
    CHECK_FALSE(post_quantum->remedy.empty());
}

TEST_CASE("a kernel with ML-DSA, and the waiver for its attributes, verifies it", "[kernel_config]") {
    const KernelConfig config =
        config_of(head("7.3.0") + "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_MLDSA=y\nCONFIG_CRYPTO_SHA512=y\n"
                                  "CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA=y\n");
    for (const KeyKind kind : {KeyKind::ml_dsa_44, KeyKind::ml_dsa_65, KeyKind::ml_dsa_87}) {
        CHECK_FALSE(config.why_not_verifiable(kind, HashAlgorithm::sha512));
    }
    CHECK(mentions(config.why_not_verifiable(KeyKind::p_384, HashAlgorithm::sha512)->reason, "CRYPTO_ECDSA"));
    CHECK(mentions(config.why_not_verifiable(KeyKind::rsa_4096, HashAlgorithm::sha512)->reason, "CRYPTO_RSA"));
}

TEST_CASE("P-521 came with Linux 6.10", "[kernel_config]") {
    const std::string options = "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_ECDSA=y\n";
    const auto obstacle = [&](const std::string& version, KeyKind kind) {
        return config_of(version + options).why_not_verifiable(kind, HashAlgorithm::sha512);
    };
    const auto before = obstacle(head("6.9.7"), KeyKind::p_521);
    REQUIRE(before);
    CHECK(mentions(before->reason, "P-521"));
    CHECK(mentions(before->reason, "6.9"));
    CHECK(mentions(before->remedy, "P-384"));
    CHECK(obstacle(head("5.15.0"), KeyKind::p_521));
    CHECK_FALSE(obstacle(head("6.9.7"), KeyKind::p_384));
    CHECK_FALSE(obstacle(head("6.10.0"), KeyKind::p_521));
    CHECK_FALSE(obstacle("", KeyKind::p_521)); // no version: nothing is known against it
}

TEST_CASE("nothing stands against a kind of key where nothing is verified", "[kernel_config]") {
    const KernelConfig config = config_of(head("5.4.0") + "# CONFIG_MODULE_SIG is not set\n");
    for (const KeyKind kind : {KeyKind::rsa_2048, KeyKind::p_521, KeyKind::ml_dsa_87}) {
        CHECK_FALSE(config.why_not_verifiable(kind, HashAlgorithm::sha3_512));
    }
}
