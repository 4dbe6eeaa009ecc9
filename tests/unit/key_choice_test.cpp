#include <ksign/key_choice.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace ksign;
using namespace ksign::test;

namespace {

/// Configurations in files of their own, since a KernelConfig comes from one.
class Configs {
  public:
    Configs& add(const std::string& name, std::string_view text) {
        write_file(folder_ / name, text);
        configs_.push_back(KernelConfig::load(folder_ / name));
        return *this;
    }
    [[nodiscard]] KeyChoice choose(const KeyWish& wish = {}) const { return choose_key(configs_, wish); }
    [[nodiscard]] Error refusal(const KeyWish& wish = {}) const {
        const Error error = error_of([&] { static_cast<void>(choose(wish)); });
        CHECK(error.code() == ErrorCode::kernel);
        CHECK_FALSE(error.remedy().empty());
        return error;
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

  private:
    TemporaryFolder folder_;
    std::vector<KernelConfig> configs_;
};

constexpr std::string_view with_rsa = "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_KEY_TYPE_RSA=y\n"
                                      "CONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_ECDSA=y\n"
                                      "CONFIG_CRYPTO_SHA512=y\n";
constexpr std::string_view with_ecdsa = "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\n"
                                        "CONFIG_MODULE_SIG_HASH=\"sha512\"\nCONFIG_CRYPTO_RSA=y\n"
                                        "CONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_SHA512=y\n";
// As Debian 12's 6.1: no ECDSA, and no word on the type of its own key.
constexpr std::string_view rsa_only = "# Linux/x86 6.1.0 Kernel Configuration\nCONFIG_MODULE_SIG=y\n"
                                      "CONFIG_MODULE_SIG_HASH=\"sha256\"\nCONFIG_CRYPTO_RSA=y\n"
                                      "# CONFIG_CRYPTO_ECDSA is not set\nCONFIG_CRYPTO_SHA256=y\n"
                                      "CONFIG_CRYPTO_SHA512=y\n";

KeyWish wish_for(KeyKind kind) {
    KeyWish wish;
    wish.kind = kind;
    return wish;
}

KeyWish wish_for(HashAlgorithm hash) {
    KeyWish wish;
    wish.hash = hash;
    return wish;
}

} // namespace

TEST_CASE("without a configuration Arch-SKM's defaults are chosen", "[key_choice]") {
    const KeyChoice choice = Configs().choose();
    CHECK(choice.kind == KeyKind::p_384);
    CHECK(choice.hash == HashAlgorithm::sha512);
    CHECK(choice.remark.empty());
    KeyWish wish = wish_for(KeyKind::p_521);
    wish.hash = HashAlgorithm::sha3_256;
    CHECK(Configs().choose(wish).kind == KeyKind::p_521);
    CHECK(Configs().choose(wish).hash == HashAlgorithm::sha3_256);
}

TEST_CASE("a configuration that says nothing gets Arch-SKM's defaults", "[key_choice]") {
    const KeyChoice choice = Configs().add("a", "# CONFIG_MODULE_SIG is not set\n").choose();
    CHECK(choice.kind == KeyKind::p_384);
    CHECK(choice.hash == HashAlgorithm::sha512);
    CHECK(choice.remark.empty());
}

TEST_CASE("the configuration's type of key and hash are chosen", "[key_choice]") {
    CHECK(Configs().add("a", with_rsa).choose().kind == KeyKind::rsa_4096);
    CHECK(Configs().add("a", with_ecdsa).choose().kind == KeyKind::p_384);
    for (const auto& [option, kind] : {std::pair("44", KeyKind::ml_dsa_44), std::pair("65", KeyKind::ml_dsa_65),
                                       std::pair("87", KeyKind::ml_dsa_87)}) {
        const std::string text = std::string("CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_KEY_TYPE_MLDSA_") + option +
                                 "=y\nCONFIG_CRYPTO_MLDSA=y\nCONFIG_CRYPTO_SHA512=y\n"
                                 "CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA=y\n";
        CHECK(Configs().add("a", text).choose().kind == kind);
    }
    const KeyChoice choice =
        Configs()
            .add("a", "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha3-384\"\nCONFIG_CRYPTO_ECDSA=y\n")
            .choose();
    CHECK(choice.hash == HashAlgorithm::sha3_384);
    CHECK(choice.remark.empty());
}

TEST_CASE("the profile says how large an RSA key is", "[key_choice]") {
    const TemporaryFolder folder;
    write_file(folder / "x509.genkey", "[ req ]\ndefault_bits = 2048\n");
    KeyWish wish;
    wish.certificate.profile = folder / "x509.genkey";
    CHECK(Configs().add("a", with_rsa).choose(wish).kind == KeyKind::rsa_2048);
    CHECK(Configs().add("a", rsa_only).choose(wish).kind == KeyKind::rsa_2048);
    CHECK(Configs().add("a", with_ecdsa).choose(wish).kind == KeyKind::p_384);
    wish.kind = KeyKind::rsa_4096;
    CHECK(Configs().add("a", with_rsa).choose(wish).kind == KeyKind::rsa_4096);
}

TEST_CASE("an unreadable profile is told before anything is chosen", "[key_choice]") {
    KeyWish wish;
    wish.certificate.profile = "/nonexistent/x509.genkey";
    CHECK(error_of([&] { static_cast<void>(choose_key({}, wish)); }).code() == ErrorCode::certificate);
}

TEST_CASE("what somebody asks for goes before the configuration", "[key_choice]") {
    Configs configs;
    configs.add("a", with_rsa);
    CHECK(configs.choose(wish_for(KeyKind::p_256)).kind == KeyKind::p_256);
    CHECK(configs.choose(wish_for(KeyKind::p_256)).remark.empty());
    CHECK(configs.choose(wish_for(HashAlgorithm::sha384)).hash == HashAlgorithm::sha384);
    CHECK(configs.choose(wish_for(HashAlgorithm::sha384)).kind == KeyKind::rsa_4096);
}

TEST_CASE("a kernel without ECDSA gets RSA, with a remark", "[key_choice]") {
    Configs configs;
    configs.add("a", rsa_only);
    const KeyChoice choice = configs.choose();
    CHECK(choice.kind == KeyKind::rsa_4096);
    CHECK(choice.hash == HashAlgorithm::sha256);
    CHECK(mentions(choice.remark, "rsa-4096 in place of p-384: "));
    CHECK(mentions(choice.remark, "CONFIG_CRYPTO_ECDSA is not set"));
    CHECK(mentions(choice.remark, configs.path("a")));
}

TEST_CASE("who may expect an EC key is told why it is RSA", "[key_choice]") {
    Configs configs;
    configs.add("a", std::string(rsa_only) + "CONFIG_MODULE_SIG_KEY_TYPE_RSA=y\n");
    CHECK(configs.choose().kind == KeyKind::rsa_4096);
    CHECK(mentions(configs.choose().remark, "CONFIG_CRYPTO_ECDSA is not set"));
    CHECK(configs.choose(wish_for(KeyKind::rsa_2048)).remark.empty());
    CHECK(Configs().add("a", with_rsa).choose().remark.empty());
}

TEST_CASE("one kernel without ECDSA decides for all", "[key_choice]") {
    Configs configs;
    configs.add("new", "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_SHA256=y\n");
    configs.add("old", rsa_only);
    const KeyChoice choice = configs.choose();
    CHECK(choice.kind == KeyKind::rsa_4096);
    CHECK(mentions(choice.remark, configs.path("old")));
}

TEST_CASE("a kind that is asked for and can't be verified is an error", "[key_choice]") {
    Configs configs;
    configs.add("a", rsa_only);
    const Error error = configs.refusal(wish_for(KeyKind::p_384));
    CHECK(mentions(error.subject(), "p-384"));
    CHECK(mentions(error.reason(), "CONFIG_CRYPTO_ECDSA is not set"));
    CHECK(mentions(error.reason(), configs.path("a")));
    CHECK(mentions(configs.refusal(wish_for(KeyKind::ml_dsa_65)).reason(), "CONFIG_CRYPTO_MLDSA is not set"));
}

TEST_CASE("a hash that can't be verified is an error, whatever the key", "[key_choice]") {
    const Error error = Configs().add("a", with_ecdsa).refusal(wish_for(HashAlgorithm::sha3_256));
    CHECK(mentions(error.reason(), "CONFIG_CRYPTO_SHA3 is not set"));
}

TEST_CASE("a kernel that verifies no kind of key is an error", "[key_choice]") {
    CHECK(mentions(Configs().add("a", "CONFIG_MODULE_SIG=y\n").refusal().reason(), "can't verify"));
}

TEST_CASE("P-521 is for kernels from 6.10", "[key_choice]") {
    const auto config = [](const std::string& version) {
        return "# Linux/x86 " + version + " Kernel Configuration\n" + std::string(with_ecdsa);
    };
    const Error error = Configs().add("a", config("6.9.12")).refusal(wish_for(KeyKind::p_521));
    CHECK(mentions(error.reason(), "6.10"));
    CHECK(mentions(error.reason(), "is of 6.9"));
    CHECK(Configs().add("a", config("6.10.0")).choose(wish_for(KeyKind::p_521)).kind == KeyKind::p_521);
    CHECK(Configs().add("a", config("7.0.0")).choose(wish_for(KeyKind::p_521)).kind == KeyKind::p_521);
    CHECK(Configs().add("a", with_ecdsa).choose(wish_for(KeyKind::p_521)).kind == KeyKind::p_521);
}

TEST_CASE("configurations that disagree are named, both", "[key_choice]") {
    SECTION("on the type of key") {
        Configs configs;
        configs.add("one", with_rsa).add("other", with_ecdsa);
        const Error error = configs.refusal();
        CHECK(error.subject() == configs.path("other"));
        CHECK(mentions(error.reason(), configs.path("one")));
        CHECK(mentions(error.reason(), "rsa-4096"));
        CHECK(mentions(error.reason(), "p-384"));
    }
    SECTION("on the hash") {
        Configs configs;
        configs.add("one", "CONFIG_MODULE_SIG_HASH=\"sha256\"\n")
            .add("silent", "CONFIG_A=y\n")
            .add("other", with_ecdsa);
        const Error error = configs.refusal();
        CHECK(error.subject() == configs.path("other"));
        CHECK(mentions(error.reason(), configs.path("one")));
        CHECK(mentions(error.reason(), "sha256"));
        CHECK(mentions(error.reason(), "sha512"));
    }
}

TEST_CASE("configurations that say nothing do not disagree", "[key_choice]") {
    const KeyChoice choice =
        Configs().add("silent", "CONFIG_A=y\n").add("one", with_rsa).add("same", with_rsa).choose();
    CHECK(choice.kind == KeyKind::rsa_4096);
    CHECK(choice.hash == HashAlgorithm::sha512);
}
