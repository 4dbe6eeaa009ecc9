// Keys and certificates made in this process, and the files that hold them.
#pragma once

#include "bytes.hpp"
#include "temporary_folder.hpp"

#include <ksign/signer.hpp>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ksign::test {

using KeyPointer = std::shared_ptr<EVP_PKEY>;
using CertificatePointer = std::shared_ptr<X509>;

struct KeySample {
    KeyPointer key;
    CertificatePointer certificate;
};

struct CertificateForm {
    std::string common_name = "ksign test key"; ///< Empty: none.
    std::string organization = {};              ///< Empty: none.
    std::string serial = "1A2B3C4D";            ///< Hexadecimal.
    bool with_key_id = true;                    ///< With the extension that SignatureForm::by_key_id needs.
    std::vector<std::pair<int, const char*>> extensions = {}; ///< {NID_basic_constraints, "critical,CA:TRUE"}
    const char* hash = "SHA256";                              ///< That it is signed with.
};

template <typename Value> Value openssl_expect(Value value) {
    if (!value) {
        throw std::runtime_error("OpenSSL refused to make what the test needs");
    }
    return value;
}

inline KeyPointer make_rsa_key(std::size_t bits = 2048) {
    return {openssl_expect(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", bits)), EVP_PKEY_free};
}

/// @param curve  OpenSSL's name: "P-256", "secp256k1"
inline KeyPointer make_ec_key(const char* curve) {
    return {openssl_expect(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve)), EVP_PKEY_free};
}

/// A key of a type that needs no parameter: "ED25519", "RSA-PSS".
inline KeyPointer make_key(const char* type) {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        openssl_expect(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)), EVP_PKEY_CTX_free);
    openssl_expect(EVP_PKEY_keygen_init(context.get()) == 1);
    EVP_PKEY* key = nullptr;
    openssl_expect(EVP_PKEY_generate(context.get(), &key) == 1);
    return {key, EVP_PKEY_free};
}

/// Whether this OpenSSL has the type: 3.0 has no ML-DSA.
inline bool has_key_type(const char* type) {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
        EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), EVP_PKEY_CTX_free);
    ERR_clear_error();
    return context != nullptr;
}

/// A self-signed certificate of a key.
inline CertificatePointer make_certificate(EVP_PKEY* key, const CertificateForm& form = {}) {
    CertificatePointer certificate(openssl_expect(X509_new()), X509_free);
    X509_set_version(certificate.get(), 2);
    BIGNUM* parsed = nullptr;
    openssl_expect(BN_hex2bn(&parsed, form.serial.c_str()));
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(parsed, BN_free);
    const std::unique_ptr<ASN1_INTEGER, decltype(&ASN1_INTEGER_free)> serial(BN_to_ASN1_INTEGER(number.get(), nullptr),
                                                                             ASN1_INTEGER_free);
    X509_set_serialNumber(certificate.get(), serial.get());
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600L * 24 * 365);
    X509_set_pubkey(certificate.get(), key);
    const std::unique_ptr<X509_NAME, decltype(&X509_NAME_free)> name(openssl_expect(X509_NAME_new()), X509_NAME_free);
    const auto add = [&name](int nid, const std::string& text) {
        if (!text.empty()) {
            openssl_expect(X509_NAME_add_entry_by_NID(name.get(), nid, MBSTRING_UTF8,
                                                      reinterpret_cast<const unsigned char*>(text.data()),
                                                      static_cast<int>(text.size()), -1, 0));
        }
    };
    add(NID_organizationName, form.organization);
    add(NID_commonName, form.common_name);
    X509_set_subject_name(certificate.get(), name.get());
    X509_set_issuer_name(certificate.get(), name.get());
    if (form.with_key_id) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, certificate.get(), certificate.get(), nullptr, nullptr, 0);
        const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> key_id(
            openssl_expect(X509V3_EXT_conf_nid(nullptr, &context, NID_subject_key_identifier, "hash")),
            X509_EXTENSION_free);
        X509_add_ext(certificate.get(), key_id.get(), -1);
    }
    for (const auto& [nid, value] : form.extensions) {
        const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
            openssl_expect(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value)), X509_EXTENSION_free);
        X509_add_ext(certificate.get(), extension.get(), -1);
    }
    const bool takes_data =
        std::string_view(EVP_PKEY_get0_type_name(key)).starts_with("ML-DSA") || EVP_PKEY_is_a(key, "ED25519") == 1;
    const EVP_MD* hash = takes_data ? nullptr : EVP_get_digestbyname(form.hash);
    openssl_expect(X509_sign(certificate.get(), key, hash));
    return certificate;
}

inline KeySample make_sample(KeyPointer key, const CertificateForm& form = {}) {
    CertificatePointer certificate = make_certificate(key.get(), form);
    return {std::move(key), std::move(certificate)};
}

/// The RSA key that most tests share: making one takes its time.
inline const KeySample& rsa_sample() {
    static const KeySample sample = make_sample(make_rsa_key());
    return sample;
}

/// Another key, under the same name and serial number as rsa_sample(): only the key tells them apart.
inline const KeySample& other_rsa_sample() {
    static const KeySample sample = make_sample(make_rsa_key());
    return sample;
}

inline const KeySample& ec_sample(const char* curve = "P-384") {
    static std::map<std::string, KeySample> samples;
    const auto found = samples.find(curve);
    return found != samples.end() ? found->second
                                  : samples.emplace(curve, make_sample(make_ec_key(curve))).first->second;
}

using BioPointer = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

inline BioPointer memory_bio() {
    return {openssl_expect(BIO_new(BIO_s_mem())), BIO_free_all};
}

inline Bytes content_of(BIO* bio) {
    char* start = nullptr;
    const long size = BIO_get_mem_data(bio, &start);
    return bytes_of({start, static_cast<std::size_t>(size)});
}

/// PKCS#8 in PEM; encrypted if a passphrase is given.
inline Bytes key_pem(EVP_PKEY* key, const std::string& passphrase = {}) {
    const BioPointer bio = memory_bio();
    openssl_expect(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
                                                 passphrase.empty() ? nullptr : passphrase.data(),
                                                 static_cast<int>(passphrase.size()), nullptr, nullptr));
    return content_of(bio.get());
}

/// "BEGIN RSA PRIVATE KEY", "BEGIN EC PRIVATE KEY"; encrypted if a passphrase is given.
inline Bytes traditional_key_pem(EVP_PKEY* key, const std::string& passphrase = {}) {
    const BioPointer bio = memory_bio();
    openssl_expect(PEM_write_bio_PrivateKey_traditional(
        bio.get(), key, passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
        passphrase.empty() ? nullptr : reinterpret_cast<const unsigned char*>(passphrase.data()),
        static_cast<int>(passphrase.size()), nullptr, nullptr));
    return content_of(bio.get());
}

inline Bytes certificate_pem(X509* certificate) {
    const BioPointer bio = memory_bio();
    openssl_expect(PEM_write_bio_X509(bio.get(), certificate));
    return content_of(bio.get());
}

inline Bytes certificate_der(X509* certificate) {
    const BioPointer bio = memory_bio();
    openssl_expect(i2d_X509_bio(bio.get(), certificate));
    return content_of(bio.get());
}

/// The sample as a Signer, by way of files, since there is no other.
inline Signer signer_of(const KeySample& sample) {
    const TemporaryFolder folder;
    write_key_file(folder / "key.pem", key_pem(sample.key.get()));
    write_file(folder / "certificate.der", certificate_der(sample.certificate.get()));
    return Signer::load({(folder / "key.pem").string(), folder / "certificate.der", {}});
}

} // namespace ksign::test
