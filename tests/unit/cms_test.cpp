#include "cms.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "certificate.hpp"
#include "expect_error.hpp"
#include "key_sample.hpp"

#include <openssl/cms.h>
#include <openssl/err.h>

using namespace ksign;
using namespace ksign::test;

namespace {

constexpr SignatureForm usual_form{};
constexpr SignatureForm by_key_id{true, false};
constexpr SignatureForm with_certificate{false, true};

const Bytes& content() {
    static const Bytes bytes = random_bytes(5000);
    return bytes;
}

Bytes digest_of(HashAlgorithm hash, ByteView bytes = content()) {
    Digest digest(hash);
    digest.update(bytes);
    return digest.finish();
}

CmsHandle parsed(ByteView signature) {
    const unsigned char* position = unsigned_view(signature).data();
    return CmsHandle(d2i_CMS_ContentInfo(nullptr, &position, static_cast<long>(signature.size())));
}

BioPointer bio_of(ByteView bytes) {
    return {BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())), BIO_free_all};
}

struct StackFree {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_free(stack); }
};

/// What OpenSSL itself says of a detached signature: independent of how ksign makes and checks it.
bool openssl_verifies(ByteView signature, X509* certificate, ByteView bytes = content()) {
    const CmsHandle cms = parsed(signature);
    const std::unique_ptr<STACK_OF(X509), StackFree> certificates(sk_X509_new_null());
    sk_X509_push(certificates.get(), certificate);
    const BioPointer data = bio_of(bytes);
    const bool right = cms && CMS_verify(cms.get(), certificates.get(), nullptr, data.get(), nullptr,
                                         CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
    ERR_clear_error();
    return right;
}

CMS_SignerInfo* signer_info(CMS_ContentInfo* cms) {
    return sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
}

Bytes der_of(CMS_ContentInfo* cms) {
    const BioPointer bio = memory_bio();
    openssl_expect(i2d_CMS_bio(bio.get(), cms));
    return content_of(bio.get());
}

/// A signature made by OpenSSL alone, in one go.
Bytes openssl_signature(const KeySample& sample, const EVP_MD* hash, unsigned flags, ByteView bytes = content()) {
    const BioPointer data = bio_of(bytes);
    const CmsHandle cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags | CMS_PARTIAL | CMS_BINARY));
    if (!cms ||
        CMS_add1_signer(cms.get(), sample.certificate.get(), sample.key.get(), hash, flags | CMS_BINARY) == nullptr ||
        CMS_final(cms.get(), data.get(), nullptr, flags | CMS_BINARY) != 1) {
        ERR_clear_error();
        return {};
    }
    return der_of(cms.get());
}

constexpr unsigned sign_file_flags = CMS_NOCERTS | CMS_DETACHED | CMS_NOSMIMECAP | CMS_NOATTR;

const EVP_MD* openssl_hash(HashAlgorithm hash) {
    return EVP_get_digestbyname(hash == HashAlgorithm::sha3_256   ? "SHA3-256"
                                : hash == HashAlgorithm::sha3_384 ? "SHA3-384"
                                : hash == HashAlgorithm::sha3_512 ? "SHA3-512"
                                                                  : std::string(hash_name(hash)).c_str());
}

Bytes usual_signature(const KeySample& sample = rsa_sample(), HashAlgorithm hash = HashAlgorithm::sha256) {
    return sign_digest(signer_of(sample), hash, digest_of(hash), usual_form);
}

bool is_right(ByteView signature, const KeySample& sample = rsa_sample(), HashAlgorithm hash = HashAlgorithm::sha256,
              const SignatureForm& form = usual_form) {
    return is_right_signature(signature, signer_of(sample), hash, digest_of(hash), form);
}

} // namespace

TEST_CASE("signatures of every key and hash verify by OpenSSL", "[cms]") {
    for (const auto& [name, sample] : {std::pair<std::string, const KeySample*>{"RSA", &rsa_sample()},
                                       {"P-256", &ec_sample("P-256")},
                                       {"P-384", &ec_sample("P-384")},
                                       {"P-521", &ec_sample("P-521")}}) {
        const Signer signer = signer_of(*sample);
        for (const HashAlgorithm hash :
             {HashAlgorithm::sha224, HashAlgorithm::sha256, HashAlgorithm::sha384, HashAlgorithm::sha512}) {
            for (const SignatureForm& form : {usual_form, by_key_id, with_certificate, SignatureForm{true, true}}) {
                INFO(name << ", " << hash_name(hash) << ", key id " << form.by_key_id << ", certificate "
                          << form.include_certificate);
                const Bytes signature = sign_digest(signer, hash, digest_of(hash), form);
                CHECK(openssl_verifies(signature, sample->certificate.get()));
                CHECK(is_right_signature(signature, signer, hash, digest_of(hash), form));
                const CmsHandle cms = parsed(signature);
                CHECK(CMS_is_detached(cms.get()) == 1);
                CHECK(OBJ_obj2nid(CMS_get0_eContentType(cms.get())) == NID_pkcs7_data);
                CHECK(CMS_signed_get_attr_count(signer_info(cms.get())) <= 0);
                CHECK(CMS_unsigned_get_attr_count(signer_info(cms.get())) <= 0);
                CHECK((der_of(cms.get()) == signature)); // it is DER
            }
        }
    }
}

TEST_CASE("ML-DSA signatures have attributes, verify by OpenSSL, and are right only untouched", "[cms]") {
    for (const char* type : {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}) {
        if (!has_key_type(type)) {
            WARN("this OpenSSL has no " << type);
            continue;
        }
        INFO(type);
        const KeySample sample = make_sample(make_key(type));
        const Signer signer = signer_of(sample);
        CHECK(signer.key_type() == KeyType::ml_dsa);
        CHECK(signer.key_description() == type);
        constexpr HashAlgorithm hash = HashAlgorithm::sha512;
        for (const SignatureForm& form : {usual_form, by_key_id, with_certificate}) {
            const Bytes signature = sign_digest(signer, hash, digest_of(hash), form);
            CHECK(openssl_verifies(signature, sample.certificate.get()));
            CHECK_FALSE(openssl_verifies(signature, sample.certificate.get(), random_bytes(4999)));
            CHECK(is_right_signature(signature, signer, hash, digest_of(hash), form));
            CHECK_FALSE(is_right_signature(signature, signer, hash, digest_of(hash, random_bytes(9)), form));
            CHECK_NOTHROW(expect_signature_of(signature, sample.certificate.get(), hash, digest_of(hash), "a.ko"));
            const CmsHandle cms = parsed(signature);
            CHECK(CMS_signed_get_attr_count(signer_info(cms.get())) == 2);
            CHECK((der_of(cms.get()) == signature)); // it is DER
            CHECK(describe_signature(signature, "a.ko").algorithm == type);
        }
        const Bytes signature = sign_digest(signer, hash, digest_of(hash), usual_form);
        for (std::size_t at = 0; at < signature.size(); at += at < 300 ? 1 : 97) {
            Bytes changed = signature;
            changed[at] ^= std::byte{1};
            if (is_right_signature(changed, signer, hash, digest_of(hash), usual_form)) {
                FAIL_CHECK("right although byte " << at << " was changed");
            }
        }
    }
}

TEST_CASE("ML-DSA is signed with the one hash that kernels take", "[cms]") {
    if (!has_key_type("ML-DSA-44")) {
        WARN("this OpenSSL has no ML-DSA");
        return;
    }
    const Signer signer = signer_of(make_sample(make_key("ML-DSA-44")));
    for (const HashAlgorithm hash : {HashAlgorithm::sha256, HashAlgorithm::sha384, HashAlgorithm::sha3_512}) {
        const Error error =
            error_of([&] { static_cast<void>(sign_digest(signer, hash, digest_of(hash), usual_form)); });
        CHECK(error.code() == ErrorCode::crypto);
        CHECK(mentions(error.reason(), "sha512 alone"));
    }
}

TEST_CASE("signatures with SHA-3 are made exactly where OpenSSL can", "[cms]") {
    for (const auto& [name, sample] :
         {std::pair<std::string, const KeySample*>{"RSA", &rsa_sample()}, {"P-384", &ec_sample()}}) {
        const Signer signer = signer_of(*sample);
        for (const HashAlgorithm hash : {HashAlgorithm::sha3_256, HashAlgorithm::sha3_384, HashAlgorithm::sha3_512}) {
            INFO(name << ", " << hash_name(hash));
            const bool openssl_can = !openssl_signature(*sample, openssl_hash(hash), sign_file_flags).empty();
            try {
                const Bytes signature = sign_digest(signer, hash, digest_of(hash), usual_form);
                CHECK(openssl_can);
                CHECK(openssl_verifies(signature, sample->certificate.get()));
                CHECK(describe_signature(signature, "a.ko").hash == hash_name(hash));
            } catch (const Error& error) {
                CHECK_FALSE(openssl_can);
                CHECK(error.code() == ErrorCode::crypto);
                CHECK_FALSE(mentions(error.reason(), "unknown cause"));
                WARN("this OpenSSL can't sign " << hash_name(hash) << " with " << name << ": " << error.what());
            }
        }
    }
}

TEST_CASE("with RSA the bytes are those that OpenSSL makes the way sign-file does", "[cms]") {
    for (const HashAlgorithm hash : {HashAlgorithm::sha256, HashAlgorithm::sha384, HashAlgorithm::sha512}) {
        const Signer signer = signer_of(rsa_sample());
        CHECK((sign_digest(signer, hash, digest_of(hash), usual_form) ==
               openssl_signature(rsa_sample(), openssl_hash(hash), sign_file_flags)));
        CHECK((sign_digest(signer, hash, digest_of(hash), by_key_id) ==
               openssl_signature(rsa_sample(), openssl_hash(hash), sign_file_flags | CMS_USE_KEYID)));
        CHECK((sign_digest(signer, hash, digest_of(hash), with_certificate) ==
               openssl_signature(rsa_sample(), openssl_hash(hash),
                                 sign_file_flags & ~static_cast<unsigned>(CMS_NOCERTS))));
    }
}

TEST_CASE("a signature by key id needs a certificate that has one", "[cms]") {
    CertificateForm form;
    form.with_key_id = false;
    const Signer signer = signer_of(make_sample(rsa_sample().key, form));
    CHECK_NOTHROW(sign_digest(signer, HashAlgorithm::sha256, digest_of(HashAlgorithm::sha256), usual_form));
    const Error error = error_of([&] {
        static_cast<void>(sign_digest(signer, HashAlgorithm::sha256, digest_of(HashAlgorithm::sha256), by_key_id));
    });
    CHECK(error.code() == ErrorCode::crypto);
    CHECK_FALSE(mentions(error.reason(), "unknown cause"));
}

TEST_CASE("a digest of the wrong length is not signed", "[cms]") {
    for (const KeySample* sample : {&rsa_sample(), &ec_sample()}) {
        CHECK(error_of([&] {
                  static_cast<void>(
                      sign_digest(signer_of(*sample), HashAlgorithm::sha256, random_bytes(31), usual_form));
              }).code() == ErrorCode::crypto);
    }
}

TEST_CASE("a signature is right only by its own key, hash, form and digest", "[cms]") {
    for (const KeySample* sample : {&rsa_sample(), &ec_sample()}) {
        const Signer signer = signer_of(*sample);
        constexpr HashAlgorithm hash = HashAlgorithm::sha256;
        const Bytes signature = sign_digest(signer, hash, digest_of(hash), usual_form);
        REQUIRE(is_right(signature, *sample));

        // Another key of the same name and serial number, and one with another serial number.
        const KeySample same_name =
            make_sample(sample == &rsa_sample() ? other_rsa_sample().key : make_ec_key("P-384"));
        CHECK_FALSE(is_right(signature, same_name));
        CertificateForm other_serial;
        other_serial.serial = "55";
        CHECK_FALSE(is_right(signature, make_sample(sample->key, other_serial)));

        CHECK_FALSE(
            is_right_signature(signature, signer, HashAlgorithm::sha512, digest_of(HashAlgorithm::sha512), usual_form));
        CHECK_FALSE(is_right_signature(signature, signer, HashAlgorithm::sha3_256, digest_of(HashAlgorithm::sha256),
                                       usual_form));
        CHECK_FALSE(is_right(signature, *sample, hash, by_key_id));
        CHECK_FALSE(is_right(signature, *sample, hash, with_certificate));
        CHECK_FALSE(is_right(sign_digest(signer, hash, digest_of(hash), by_key_id), *sample));
        CHECK_FALSE(is_right(sign_digest(signer, hash, digest_of(hash), with_certificate), *sample));

        for (std::size_t at = 0; at < 32; ++at) {
            Bytes digest = digest_of(hash);
            digest[at] ^= std::byte{1};
            CHECK_FALSE(is_right_signature(signature, signer, hash, digest, usual_form));
        }
        CHECK_FALSE(is_right_signature(signature, signer, hash, {}, usual_form));
    }
}

TEST_CASE("a signature with any byte changed is not right", "[cms]") {
    for (const KeySample* sample : {&rsa_sample(), &ec_sample()}) {
        const Signer signer = signer_of(*sample);
        const Bytes signature = usual_signature(*sample);
        const Bytes digest = digest_of(HashAlgorithm::sha256);
        std::string taken;
        for (std::size_t at = 0; at < signature.size(); ++at) {
            for (const unsigned bit : {0U, 3U, 7U}) {
                Bytes changed = signature;
                changed[at] ^= std::byte{1} << bit;
                if (is_right_signature(changed, signer, HashAlgorithm::sha256, digest, usual_form)) {
                    taken += " " + std::to_string(at) + "." + std::to_string(bit);
                }
            }
        }
        INFO("taken for right although changed (byte.bit):" << taken);
        CHECK(taken.empty());
    }
}

TEST_CASE("a signature with bytes missing or added is not right", "[cms]") {
    const Bytes signature = usual_signature();
    for (std::size_t length = 0; length < signature.size(); ++length) {
        if (is_right(prefix_of(signature, length))) {
            FAIL_CHECK("right although only " << length << " bytes are left");
        }
        if (length > 20) {
            length += 50;
        }
    }
    CHECK_FALSE(is_right(joined({signature, bytes_from({0})})));
    CHECK_FALSE(is_right(random_bytes(500)));
}

TEST_CASE("forms that the kernel refuses are not right", "[cms]") {
    const auto made = [](unsigned flags) {
        const Bytes signature = openssl_signature(rsa_sample(), EVP_sha256(), flags);
        REQUIRE_FALSE(signature.empty());
        return signature;
    };
    REQUIRE(is_right(made(sign_file_flags)));
    // pkcs7_verify.c: signed attributes are rejected in a module's signature.
    const Bytes with_attributes = made(sign_file_flags & ~static_cast<unsigned>(CMS_NOATTR));
    CHECK(openssl_verifies(with_attributes, rsa_sample().certificate.get()));
    CHECK_FALSE(is_right(with_attributes));
    CHECK(describe_signature(with_attributes, "a.ko").has_signed_attributes);
    // pkcs7_supply_detached_data(): there must be no content inside.
    CHECK_FALSE(is_right(made(sign_file_flags & ~static_cast<unsigned>(CMS_DETACHED))));
}

TEST_CASE("two signers are not right", "[cms]") {
    const BioPointer data = bio_of(content());
    const unsigned flags = sign_file_flags | CMS_BINARY;
    const CmsHandle cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags | CMS_PARTIAL));
    for (const KeySample* sample : {&rsa_sample(), &ec_sample()}) {
        openssl_expect(CMS_add1_signer(cms.get(), sample->certificate.get(), sample->key.get(), EVP_sha256(), flags));
    }
    openssl_expect(CMS_final(cms.get(), data.get(), nullptr, flags));
    const Bytes signature = der_of(cms.get());
    CHECK_FALSE(is_right(signature));
    CHECK(error_of([&] { static_cast<void>(describe_signature(signature, "a.ko")); }).code() ==
          ErrorCode::malformed_signature);
}

TEST_CASE("a certificate inside must be the signer's own", "[cms]") {
    // sign_digest() puts no other there.
    const CmsHandle cms = parsed(usual_signature());
    openssl_expect(CMS_add1_cert(cms.get(), ec_sample().certificate.get()));
    CHECK_FALSE(is_right(der_of(cms.get()), rsa_sample(), HashAlgorithm::sha256, with_certificate));
}

TEST_CASE("a signature made elsewhere is checked by a certificate", "[cms]") {
    constexpr HashAlgorithm hash = HashAlgorithm::sha256;
    X509* certificate = rsa_sample().certificate.get();
    const auto check = [&](ByteView signature, X509* by, HashAlgorithm with, const Bytes& digest) {
        expect_signature_of(signature, by, with, digest, "the signature");
    };
    const Bytes signature = openssl_signature(rsa_sample(), EVP_sha256(), sign_file_flags);
    CHECK_NOTHROW(check(signature, certificate, hash, digest_of(hash)));
    CHECK_NOTHROW(check(openssl_signature(rsa_sample(), EVP_sha256(), sign_file_flags | CMS_USE_KEYID), certificate,
                        hash, digest_of(hash)));
    CHECK(error_of([&] { check(signature, other_rsa_sample().certificate.get(), hash, digest_of(hash)); }).code() ==
          ErrorCode::crypto);
    CHECK(error_of([&] {
              check(signature, certificate, HashAlgorithm::sha512, digest_of(HashAlgorithm::sha512));
          }).code() == ErrorCode::crypto);
    CHECK(error_of([&] { check(signature, certificate, hash, random_bytes(32)); }).code() == ErrorCode::crypto);
    CHECK(error_of([&] {
              check(openssl_signature(rsa_sample(), EVP_sha256(), sign_file_flags & ~static_cast<unsigned>(CMS_NOATTR)),
                    certificate, hash, digest_of(hash));
          }).code() == ErrorCode::crypto);
    CHECK(error_of([&] { check(random_bytes(300), certificate, hash, digest_of(hash)); }).code() ==
          ErrorCode::malformed_signature);
}

TEST_CASE("a signature says who made it", "[cms]") {
    const SignatureDescription usual = describe_signature(usual_signature(), "a.ko");
    CHECK(usual.signer == "ksign test key");
    CHECK(usual.serial == "1A:2B:3C:4D");
    CHECK(usual.key_id.empty());
    CHECK(usual.hash == "sha256");
    CHECK(usual.algorithm == "rsaEncryption");
    CHECK_FALSE(usual.has_signed_attributes);
    CHECK(usual.certificates == 0);
    CHECK(usual.size == usual_signature().size());
    CHECK(usual.problem.empty());

    const SignatureDescription ecdsa = describe_signature(usual_signature(ec_sample(), HashAlgorithm::sha512), "a.ko");
    CHECK(ecdsa.hash == "sha512");
    CHECK(ecdsa.algorithm == "ecdsa-with-SHA512");

    const Signer signer = signer_of(rsa_sample());
    const Bytes digest = digest_of(HashAlgorithm::sha256);
    const SignatureDescription key_id =
        describe_signature(sign_digest(signer, HashAlgorithm::sha256, digest, {true, true}), "a.ko");
    const ASN1_OCTET_STRING* expected = X509_get0_subject_key_id(rsa_sample().certificate.get());
    CHECK(key_id.key_id ==
          colon_hex({ASN1_STRING_get0_data(expected), static_cast<std::size_t>(ASN1_STRING_length(expected))}));
    CHECK(key_id.signer.empty());
    CHECK(key_id.serial.empty());
    CHECK(key_id.certificates == 1);
}

TEST_CASE("a signature with a hash that no kernel knows says so by OpenSSL's name", "[cms]") {
    const Bytes signature = openssl_signature(rsa_sample(), EVP_get_digestbyname("SHA512-256"), sign_file_flags);
    REQUIRE_FALSE(signature.empty());
    CHECK(describe_signature(signature, "a.ko").hash == "sha512-256");
    CHECK_FALSE(is_right(signature));
}

TEST_CASE("what is no signature can't be described", "[cms]") {
    for (const Bytes& bytes : {Bytes{}, random_bytes(300), bytes_from({0x30, 0x00}),
                               certificate_der(rsa_sample().certificate.get()), prefix_of(usual_signature(), 100)}) {
        const Error error = error_of([&] { static_cast<void>(describe_signature(bytes, "a.ko")); });
        CHECK(error.code() == ErrorCode::malformed_signature);
        CHECK(error.subject() == "a.ko");
    }
    // A CMS message of another kind.
    const BioPointer data = bio_of(content());
    const CmsHandle other(CMS_data_create(data.get(), CMS_BINARY));
    CHECK(error_of([&] { static_cast<void>(describe_signature(der_of(other.get()), "a.ko")); }).code() ==
          ErrorCode::malformed_signature);
}
