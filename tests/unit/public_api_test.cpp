// The library as a user has it: public headers, the shared library, nothing of its inside.
#include <ksign/container.hpp>
#include <ksign/error.hpp>
#include <ksign/hash.hpp>
#include <ksign/kernel.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/kernel_image.hpp>
#include <ksign/key_store.hpp>
#include <ksign/module.hpp>
#include <ksign/secret.hpp>
#include <ksign/sign.hpp>
#include <ksign/signature.hpp>
#include <ksign/signer.hpp>
#include <ksign/trust.hpp>
#include <ksign/verdict.hpp>

#include "bytes.hpp"
#include "catch.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"
#include "image_sample.hpp"
#include "kernel_root.hpp"
#include "key_sample.hpp"

using namespace ksign::test;

TEST_CASE("a module is signed for a kernel through the shared library", "[public_api]") {
    const KernelRoot root;
    const std::string modules = "lib/modules/6.12.1/";
    root.file(modules + "build/.config",
              "CONFIG_MODULE_SIG=y\nCONFIG_MODULE_SIG_HASH=\"sha384\"\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA512=y\n");
    root.file(modules + "build/certs-local/current/signing_prv.pem", text_of(key_pem(rsa_sample().key.get(), "pin")));
    root.file(modules + "build/certs-local/current/signing_crt.crt",
              text_of(certificate_der(rsa_sample().certificate.get())));
    root.file(modules + "build/certs-local/current/khash", "sha384\n");
    root.file(modules + "extra/a-b.ko", text_of(make_module()));
    std::filesystem::permissions(root / (modules + "build/certs-local/current/signing_prv.pem"),
                                 std::filesystem::perms(0600));
    root.file("pin", "pin\n");
    std::filesystem::permissions(root / "pin", std::filesystem::perms(0600));

    const ksign::Kernel kernel(ksign::KernelRelease("6.12.1"), root.path());
    const auto location = ksign::find_kernel_key(kernel);
    REQUIRE(location);
    const auto config = kernel.config();
    REQUIRE(config);
    const ksign::Signer signer =
        ksign::Signer::load({location->key, location->certificate, [&root](const std::string&) {
                                 return std::optional(ksign::Secret::from_file(root / "pin"));
                             }});
    ksign::SignOptions options;
    options.hash = *config->module_hash();
    CHECK(location->hash == options.hash);
    CHECK_FALSE(config->why_not_verifiable(signer.key_type(), options.hash));

    const std::filesystem::path module = kernel.module_file("a_b");
    CHECK(ksign::find_modules(kernel.modules_folder()) == std::vector{module});
    CHECK(kernel.dkms_modules().empty());
    CHECK(ksign::make_detached_signature(module, signer, options).size() > 100);
    CHECK(ksign::sign_module(module, signer, options).outcome == ksign::SignOutcome::signed_first);
    CHECK(ksign::sign_module(module, signer, options).outcome == ksign::SignOutcome::unchanged);
    const ksign::ModuleDescription description = ksign::describe_module(module);
    REQUIRE(description.signatures.size() == 1);
    CHECK(description.signatures.front().signer == signer.name());
    CHECK(description.signatures.front().serial == signer.serial());
    CHECK(description.signatures.front().hash == ksign::hash_name(options.hash));
    CHECK(signer.key_description() == "RSA-2048");
    CHECK(ksign::key_type_name(signer.key_type()) == "RSA");
    CHECK(ksign::container_name(description.container) == "plain");
    CHECK(ksign::strip_signatures(module, options.files) == 1);
    CHECK(read_file(module) == make_module());
}

TEST_CASE("a kernel's answer is foretold through the shared library", "[public_api]") {
    const KernelRoot root;
    const Bytes certificate = certificate_der(rsa_sample().certificate.get());
    const ksign::Kernel kernel(ksign::KernelRelease("6.12.1-test"), root.path());
    root.file("boot/vmlinuz-6.12.1-test", text_of(make_vmlinux({{certificate}})));
    root.file("boot/config-6.12.1-test", "CONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA512=y\n");
    const auto module = root.file("lib/modules/6.12.1-test/a.ko", text_of(make_module()));

    ksign::KernelFacts facts;
    facts.config = ksign::find_kernel_config(kernel);
    REQUIRE(facts.config);
    const auto file = ksign::find_kernel_image(kernel);
    REQUIRE(file);
    const ksign::KernelImage image = ksign::read_kernel_image(*file);
    facts.release = image.release;
    CHECK_FALSE(ksign::trusts_platform_keys(facts));
    ksign::TrustedKeys keys;
    ksign::add_image_certificates(keys, image);
    ksign::add_installed_certificates(keys, kernel, facts.config);
    REQUIRE(keys.entries.size() == 1);
    CHECK(ksign::keyring_name(keys.entries[0].keyring) == ".builtin_trusted_keys");
    CHECK(keys.entries[0].certificate.serial() == "1A:2B:3C:4D");
    const ksign::Judge judge(facts, keys);
    CHECK(judge.unusable_keys().empty());
    CHECK(judge.facts().release == "6.12.1-test");
    CHECK(judge.judge(module).error_name == "EKEYREJECTED");
    ksign::SignOptions options;
    static_cast<void>(ksign::sign_module(module, signer_of(rsa_sample()), options));
    ksign::judge_all(judge, {module}, 1, ksign::usual_max_payload, [](std::size_t, const ksign::JudgedModule& judged) {
        REQUIRE(judged.verdict);
        CHECK(ksign::answer_name(judged.verdict->answer) == "loads");
    });
}

TEST_CASE("an error of the shared library is caught outside", "[public_api]") {
    const ksign::Error error = error_of([] { static_cast<void>(ksign::describe_module("/nonexistent/a.ko")); });
    CHECK(error.code() == ksign::ErrorCode::system);
    CHECK(std::string(error.what()) == "/nonexistent/a.ko: open: No such file or directory");
    const ksign::Error made_here(ksign::ErrorCode::usage, "subject", "reason");
    CHECK_THROWS_AS(throw made_here, std::exception);
}

TEST_CASE("the rest of the public interface is there", "[public_api]") {
    CHECK(ksign::hash_names().size() == 8);
    CHECK(ksign::parse_hash("sha512") == ksign::HashAlgorithm::sha512);
    CHECK(ksign::container_levels(ksign::ContainerKind::zstd).highest == 22);
    CHECK(ksign::module_name("a-b.ko.zst") == "a_b");
    CHECK(ksign::has_module_name("a-b.ko.zst"));
    CHECK_FALSE(ksign::KernelRelease::running().text().empty());
    CHECK(ksign::resolve_in_root("/", "/..") == "/");
    char secret[] = "secret";
    ksign::wipe_memory(secret, sizeof(secret));
    CHECK(secret[0] == '\0');
    CHECK(error_of([] { ksign::attach_signature("/nonexistent/a.ko", {}, std::nullopt, {}); }).code() ==
          ksign::ErrorCode::system);
    CHECK(ksign::KernelConfig::parse("CONFIG_A=y\n", "here").enabled("A"));
    CHECK(error_of([] { static_cast<void>(ksign::KernelCertificate::load("/nonexistent/a.der")); }).code() ==
          ksign::ErrorCode::system);
    CHECK(error_of([] { static_cast<void>(ksign::KernelConfig::load("/nonexistent/.config")); }).code() ==
          ksign::ErrorCode::system);
}
