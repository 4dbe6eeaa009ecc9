#include "signer.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "key_sample.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

/// Loading a pair whose files hold these bytes.
Signer load(const Bytes& key, const Bytes& certificate) {
    const TemporaryFolder folder;
    write_key_file(folder / "key.pem", key);
    write_file(folder / "certificate", certificate);
    return Signer::load({(folder / "key.pem").string(), folder / "certificate", {}});
}

Error refusal(const KeySample& key, const KeySample& certificate) {
    return error_of([&] { load(key_pem(key.key.get()), certificate_der(certificate.certificate.get())); });
}

} // namespace

TEST_CASE("a signer says what key it has", "[signer]") {
    CertificateForm form;
    form.common_name = "my kernel";
    form.serial = "9F01";
    const Signer rsa = signer_of(make_sample(rsa_sample().key, form));
    CHECK(rsa.key_type() == KeyType::rsa);
    CHECK(rsa.key_description() == "RSA-2048");
    CHECK(rsa.name() == "my kernel");
    CHECK(rsa.serial() == "9F:01");
    for (const std::string curve : {"P-256", "P-384", "P-521"}) {
        const Signer signer = signer_of(ec_sample(curve.c_str()));
        CHECK(signer.key_type() == KeyType::ecdsa);
        CHECK(signer.key_description() == "ECDSA " + curve);
    }
    CHECK(key_type_name(KeyType::rsa) == "RSA");
    CHECK(key_type_name(KeyType::ecdsa) == "ECDSA");
    CHECK(key_type_name(KeyType::ml_dsa) == "ML-DSA");
}

TEST_CASE("a signer is loaded from one file that holds key and certificate", "[signer]") {
    const TemporaryFolder folder;
    const Bytes key = key_pem(rsa_sample().key.get());
    const Bytes certificate = certificate_pem(rsa_sample().certificate.get());
    for (const Bytes& content : {joined({key, certificate}), joined({certificate, key})}) {
        write_key_file(folder / "both.pem", content);
        CHECK(Signer::load({(folder / "both.pem").string(), folder / "both.pem", {}}).name() == "ksign test key");
        CHECK(Signer::load({(folder / "both.pem").string(), {}, {}}).name() == "ksign test key");
    }
}

TEST_CASE("a signer's certificate is DER or PEM", "[signer]") {
    const Bytes key = key_pem(rsa_sample().key.get());
    CHECK(load(key, certificate_der(rsa_sample().certificate.get())).name() == "ksign test key");
    CHECK(load(key, certificate_pem(rsa_sample().certificate.get())).name() == "ksign test key");
}

TEST_CASE("a key and another's certificate are no signer", "[signer]") {
    for (const auto& [key, certificate] :
         {std::pair{&rsa_sample(), &other_rsa_sample()}, std::pair{&rsa_sample(), &ec_sample()},
          std::pair{&ec_sample(), &rsa_sample()}, std::pair{&ec_sample("P-256"), &ec_sample("P-384")}}) {
        const Error error = refusal(*key, *certificate);
        CHECK(error.code() == ErrorCode::certificate);
        CHECK(mentions(error.reason(), "is not the certificate of the key"));
        CHECK_FALSE(error.remedy().empty());
    }
}

TEST_CASE("keys that no kernel verifies with are refused", "[signer]") {
    const auto reason_of = [](const KeySample& sample) {
        const Error error = refusal(sample, sample);
        CHECK(error.code() == ErrorCode::key);
        CHECK(mentions(error.reason(), "ksign does not sign with keys of this type"));
        CHECK(mentions(error.remedy(), "use RSA, ECDSA"));
        return error.reason();
    };
    CHECK(mentions(reason_of(make_sample(make_key("ED25519"))), "ED25519"));
    CHECK(mentions(reason_of(make_sample(make_ec_key("secp256k1"))), "another curve"));
    CHECK(mentions(reason_of(make_sample(make_ec_key("P-224"))), "another curve"));
    CHECK(mentions(reason_of(make_sample(make_key("RSA-PSS"))), "RSA-PSS"));
}

TEST_CASE("RSA keys of lengths that no kernel has are refused", "[signer]") {
    const KeySample odd = make_sample(make_rsa_key(1280));
    const Error error = refusal(odd, odd);
    CHECK(error.code() == ErrorCode::key);
    CHECK(mentions(error.reason(), "an RSA key of 1280 bits"));
    CHECK(mentions(error.remedy(), "2048, 3072 or 4096"));
}

TEST_CASE("a signer without a file is none", "[signer]") {
    const TemporaryFolder folder;
    write_key_file(folder / "key.pem", key_pem(rsa_sample().key.get()));
    write_file(folder / "certificate", certificate_der(rsa_sample().certificate.get()));
    const auto code = [&](const char* key, const char* certificate) {
        return error_of([&] {
                   static_cast<void>(Signer::load({(folder / key).string(), folder / certificate, {}}));
               })
            .code();
    };
    CHECK(code("missing", "certificate") == ErrorCode::system);
    CHECK(code("key.pem", "missing") == ErrorCode::system);
    CHECK(code("certificate", "certificate") == ErrorCode::key);
    CHECK(code("key.pem", "key.pem") == ErrorCode::certificate);
}

TEST_CASE("a copy of a signer is the same signer", "[signer]") {
    const Signer signer = signer_of(rsa_sample());
    const Signer copy = signer; // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(&copy.parts() == &signer.parts());
}

TEST_CASE("a signer has no key that others can get at, unless told to", "[signer]") {
    const TemporaryFolder folder;
    write_file(folder / "both.pem",
               joined({key_pem(rsa_sample().key.get()), certificate_pem(rsa_sample().certificate.get())}));
    std::filesystem::permissions(folder / "both.pem", std::filesystem::perms(0644));
    SignerSource source{(folder / "both.pem").string(), {}, {}};
    const Error error = error_of([&] { static_cast<void>(Signer::load(source)); });
    CHECK(error.code() == ErrorCode::key);
    CHECK(mentions(error.reason(), "anybody may read it (mode 0644)"));
    source.insecure = true;
    CHECK(Signer::load(source).name() == "ksign test key");
}
