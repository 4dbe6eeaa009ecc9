#include "cms.hpp"

#include "certificate.hpp"
#include "signer.hpp"

#include <openssl/err.h>
#include <openssl/objects.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace ksign {
namespace {

struct CertificateStackFree {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};

Error signing_failure(const Signer& signer, const std::string& action) {
    return openssl_error(ErrorCode::crypto, signer.parts().subject, action);
}

const unsigned char* as_unsigned(std::span<const std::byte> bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// A context that signs or verifies digests of that hash with a key: PKCS#1 v1.5 for RSA, as the kernel wants it.
KeyContext digest_key_context(EVP_PKEY* key, HashAlgorithm hash, int (*initialize)(EVP_PKEY_CTX*)) {
    KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
    if (!context || initialize(context.get()) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context.get(), digest_method(hash)) != 1) {
        return nullptr;
    }
    return context;
}

std::vector<unsigned char> raw_signature(const Signer& signer, HashAlgorithm hash, std::span<const std::byte> digest) {
    const KeyContext context = digest_key_context(signer.parts().key.get(), hash, EVP_PKEY_sign_init);
    std::size_t size = 0;
    if (!context || EVP_PKEY_sign(context.get(), nullptr, &size, as_unsigned(digest), digest.size()) != 1) {
        throw signing_failure(signer, "prepare the signature");
    }
    std::vector<unsigned char> bytes(size);
    if (EVP_PKEY_sign(context.get(), bytes.data(), &size, as_unsigned(digest), digest.size()) != 1) {
        throw signing_failure(signer, "sign");
    }
    bytes.resize(size);
    return bytes;
}

/// What the signature of these attributes is over: their DER, as a SET OF and not with the tag that they have in the
/// message (RFC 5652, 5.4). Empty if they can't be encoded.
std::vector<unsigned char> signed_attributes_der(CMS_SignerInfo* info) {
    std::vector<unsigned char> content;
    for (int at = 0; at < CMS_signed_get_attr_count(info); ++at) {
        unsigned char* encoded = nullptr;
        const int size = i2d_X509_ATTRIBUTE(CMS_signed_get_attr(info, at), &encoded);
        if (size <= 0) {
            return {};
        }
        content.insert(content.end(), encoded, encoded + size);
        OPENSSL_free(encoded);
    }
    const int content_size = static_cast<int>(content.size());
    std::vector<unsigned char> der(static_cast<std::size_t>(ASN1_object_size(1, content_size, V_ASN1_SET)));
    unsigned char* position = der.data();
    ASN1_put_object(&position, 1, content_size, V_ASN1_SET, V_ASN1_UNIVERSAL);
    std::ranges::copy(content, position);
    return der;
}

/// A context that signs or verifies data itself, not a digest of it: ML-DSA.
DigestContext data_context(EVP_PKEY* key, decltype(&EVP_DigestSignInit_ex) initialize) {
    DigestContext context(EVP_MD_CTX_new());
    if (!context || initialize(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) != 1) {
        return nullptr;
    }
    return context;
}

std::vector<unsigned char> signature_of_attributes(const Signer& signer, CMS_SignerInfo* info) {
    const std::vector<unsigned char> data = signed_attributes_der(info);
    const DigestContext context = data_context(signer.parts().key.get(), EVP_DigestSignInit_ex);
    std::size_t size = 0;
    if (data.empty() || !context || EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) != 1) {
        throw signing_failure(signer, "prepare the signature");
    }
    std::vector<unsigned char> bytes(size);
    if (EVP_DigestSign(context.get(), bytes.data(), &size, data.data(), data.size()) != 1) {
        throw signing_failure(signer, "sign");
    }
    bytes.resize(size);
    return bytes;
}

bool verifies(EVP_PKEY* key, HashAlgorithm hash, std::span<const std::byte> digest,
              std::span<const unsigned char> signature) {
    const KeyContext context = digest_key_context(key, hash, EVP_PKEY_verify_init);
    const bool right = context && EVP_PKEY_verify(context.get(), signature.data(), signature.size(),
                                                  as_unsigned(digest), digest.size()) == 1;
    ERR_clear_error();
    return right;
}

CmsHandle parse(std::span<const std::byte> signature) {
    const unsigned char* position = as_unsigned(signature);
    const unsigned char* end = position + signature.size();
    CmsHandle cms(d2i_CMS_ContentInfo(nullptr, &position, static_cast<long>(signature.size())));
    ERR_clear_error();
    if (!cms || position != end || OBJ_obj2nid(CMS_get0_type(cms.get())) != NID_pkcs7_signed) {
        return nullptr;
    }
    return cms;
}

CMS_SignerInfo* only_signer(CMS_ContentInfo* cms) {
    STACK_OF(CMS_SignerInfo)* signers = CMS_get0_SignerInfos(cms);
    return sk_CMS_SignerInfo_num(signers) == 1 ? sk_CMS_SignerInfo_value(signers, 0) : nullptr;
}

std::optional<HashAlgorithm> hash_of(CMS_SignerInfo* signer) {
    X509_ALGOR* algorithm = nullptr;
    CMS_SignerInfo_get0_algs(signer, nullptr, nullptr, &algorithm, nullptr);
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    return hash_of_nid(OBJ_obj2nid(object));
}

/// OpenSSL's long name, where it knows the algorithm.
std::string algorithm_text(const ASN1_OBJECT* object) {
    if (const int algorithm = OBJ_obj2nid(object); algorithm != NID_undef) {
        return OBJ_nid2ln(algorithm);
    }
    std::array<char, 80> text{};
    if (OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1) <= 0) {
        return "unknown";
    }
    const std::string identifier(text.data());
    // OpenSSL before 3.5 knows none of them (RFC 9881, 2).
    return identifier == "2.16.840.1.101.3.4.3.17"   ? "ML-DSA-44"
           : identifier == "2.16.840.1.101.3.4.3.18" ? "ML-DSA-65"
           : identifier == "2.16.840.1.101.3.4.3.19" ? "ML-DSA-87"
                                                     : identifier;
}

std::span<const unsigned char> signature_value(CMS_SignerInfo* signer) {
    const ASN1_OCTET_STRING* value = CMS_SignerInfo_get0_signature(signer);
    return {ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))};
}

std::size_t certificate_count(CMS_ContentInfo* cms) {
    const std::unique_ptr<STACK_OF(X509), CertificateStackFree> certificates(CMS_get1_certs(cms));
    return certificates ? static_cast<std::size_t>(sk_X509_num(certificates.get())) : 0;
}

/// Whether the signed attributes are those of a content with this digest, as pkcs7_digest() and
/// pkcs7_sig_note_authenticated_attr() of the kernel demand.
bool attributes_name(CMS_SignerInfo* signer, std::span<const std::byte> digest) {
    constexpr int only_one = -3; // X509_ATTRIBUTE's lookups: one attribute of that kind, with one value
    const auto* type = static_cast<const ASN1_OBJECT*>(
        CMS_signed_get0_data_by_OBJ(signer, OBJ_nid2obj(NID_pkcs9_contentType), only_one, V_ASN1_OBJECT));
    const auto* named = static_cast<const ASN1_OCTET_STRING*>(
        CMS_signed_get0_data_by_OBJ(signer, OBJ_nid2obj(NID_pkcs9_messageDigest), only_one, V_ASN1_OCTET_STRING));
    if (type == nullptr || OBJ_obj2nid(type) != NID_pkcs7_data || named == nullptr) {
        return false;
    }
    const std::span value(ASN1_STRING_get0_data(named), static_cast<std::size_t>(ASN1_STRING_length(named)));
    return std::ranges::equal(std::as_bytes(value), digest);
}

/// Whether a certificate's key made this signature over attributes that name this digest: ML-DSA, as the kernel's
/// sign-file makes it with OpenSSL before 4.0. Without attributes, it would be over the module itself; whether such a
/// one is right can't be told from a digest.
bool is_signature_of_attributes(CMS_SignerInfo* signer, EVP_PKEY* key, std::span<const std::byte> digest) {
    if (CMS_signed_get_attr_count(signer) <= 0 || !attributes_name(signer, digest)) {
        return false;
    }
    const std::vector<unsigned char> data = signed_attributes_der(signer);
    const std::span<const unsigned char> signature = signature_value(signer);
    const DigestContext context = data_context(key, EVP_DigestVerifyInit_ex);
    const bool right =
        !data.empty() && context &&
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
    ERR_clear_error();
    return right;
}

/// Whether a certificate's key made this signature over that digest. With RSA and ECDSA the kernel refuses signed
/// attributes (pkcs7_verify.c: authattrs on module signatures), so there are none.
bool is_signature_of(CMS_SignerInfo* signer, X509* certificate, HashAlgorithm hash, std::span<const std::byte> digest) {
    if (CMS_SignerInfo_cert_cmp(signer, certificate) != 0 || hash_of(signer) != hash) {
        return false;
    }
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    if (is_ml_dsa(key)) {
        return is_signature_of_attributes(signer, key, digest);
    }
    return CMS_signed_get_attr_count(signer) <= 0 && verifies(key, hash, digest, signature_value(signer));
}

std::vector<std::byte> to_der(CMS_ContentInfo* cms) {
    unsigned char* encoded = nullptr;
    const int size = i2d_CMS_ContentInfo(cms, &encoded);
    if (size <= 0) {
        return {};
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(encoded);
    std::vector<std::byte> result(bytes, bytes + size);
    OPENSSL_free(encoded);
    return result;
}

/// The attributes without which a signature that has any is none (RFC 5652, 5.3). No signing time: sign-file leaves it
/// out as well where OpenSSL can (3.5).
void add_attributes(const Signer& signer, CMS_SignerInfo* info, std::span<const std::byte> digest) {
    if (CMS_signed_add1_attr_by_NID(info, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_pkcs7_data), -1) != 1 ||
        CMS_signed_add1_attr_by_NID(info, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING, digest.data(),
                                    static_cast<int>(digest.size())) != 1) {
        throw signing_failure(signer, "add the signed attributes");
    }
}

/// Adds the only signer: all but the value of its signature.
CMS_SignerInfo* add_signer(CMS_ContentInfo* cms, const Signer& signer, HashAlgorithm hash,
                           std::span<const std::byte> digest, unsigned flags) {
    if ((flags & static_cast<unsigned>(CMS_USE_KEYID)) != 0 &&
        X509_get0_subject_key_id(signer.parts().certificate.get()) == nullptr) {
        throw Error(ErrorCode::crypto, signer.parts().subject,
                    "its certificate has no subjectKeyIdentifier, so no signature can name its signer by that",
                    "name the signer by issuer and serial number, which is the default (sign-file: without -k)");
    }
    // OpenSSL before 4.0 makes no ML-DSA signature without attributes (scripts/sign-file.c).
    const bool with_attributes = signer.key_type() == KeyType::ml_dsa;
    const unsigned attributes = with_attributes ? 0U : static_cast<unsigned>(CMS_NOATTR);
    CMS_SignerInfo* info = CMS_add1_signer(cms, signer.parts().certificate.get(), signer.parts().key.get(),
                                           digest_method(hash), flags | attributes);
    if (info == nullptr) {
        throw openssl_error(ErrorCode::crypto, signer.parts().subject,
                            "sign with " + std::string(hash_name(hash)) + " and a key of " +
                                signer.parts().key_description,
                            "choose another hash, or a newer OpenSSL (3.2 for ECDSA with SHA-3)");
    }
    if (with_attributes) {
        add_attributes(signer, info, digest);
    }
    return info;
}

/// The message whose signature has that value; signed where none is given. The same bytes for the same value.
std::vector<std::byte> assemble(const Signer& signer, HashAlgorithm hash, const SignatureForm& form,
                                std::span<const std::byte> digest,
                                std::optional<std::span<const unsigned char>> known_value) {
    // The flags of scripts/sign-file.c.
    const unsigned certificates = form.include_certificate ? 0U : static_cast<unsigned>(CMS_NOCERTS);
    const unsigned identifier = form.by_key_id ? static_cast<unsigned>(CMS_USE_KEYID) : 0U;
    const unsigned flags = certificates | CMS_PARTIAL | CMS_BINARY | CMS_DETACHED | CMS_STREAM;
    const CmsHandle cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, flags));
    if (!cms) {
        throw signing_failure(signer, "start the signature");
    }
    // The digest comes from elsewhere, so CMS_final() has nothing to do and the value is set by hand.
    CMS_SignerInfo* info =
        add_signer(cms.get(), signer, hash, digest, certificates | identifier | CMS_BINARY | CMS_NOSMIMECAP);
    std::vector<unsigned char> made;
    if (!known_value) {
        made = signer.key_type() == KeyType::ml_dsa ? signature_of_attributes(signer, info)
                                                    : raw_signature(signer, hash, digest);
    }
    const std::span<const unsigned char> value = known_value.value_or(made);
    if (ASN1_OCTET_STRING_set(CMS_SignerInfo_get0_signature(info), value.data(), static_cast<int>(value.size())) != 1) {
        throw signing_failure(signer, "keep the signature");
    }
    std::vector<std::byte> der = to_der(cms.get());
    if (der.empty()) {
        throw signing_failure(signer, "encode the signature");
    }
    return der;
}

/// software_key_determine_akcipher() (crypto/asymmetric_keys/public_key.c) takes no other hash than SHA-512 with
/// ML-DSA.
void expect_hash_for(const Signer& signer, HashAlgorithm hash) {
    if (signer.key_type() == KeyType::ml_dsa && hash != HashAlgorithm::sha512) {
        throw Error(ErrorCode::crypto, signer.parts().subject,
                    "kernels verify ML-DSA signatures with sha512 alone, not with " + std::string(hash_name(hash)),
                    "sign with sha512");
    }
}

} // namespace

std::vector<std::byte> sign_digest(const Signer& signer, HashAlgorithm hash, std::span<const std::byte> digest,
                                   const SignatureForm& form) {
    expect_hash_for(signer, hash);
    std::vector<std::byte> der = assemble(signer, hash, form, digest, std::nullopt);
    if (!is_right_signature(der, signer, hash, digest, form)) {
        throw Error(ErrorCode::crypto, signer.parts().subject,
                    "the signature just made does not verify with its certificate; nothing was written",
                    "the key, its token or the memory of this machine is faulty");
    }
    return der;
}

bool is_right_signature(std::span<const std::byte> signature, const Signer& signer, HashAlgorithm hash,
                        std::span<const std::byte> digest, const SignatureForm& form) {
    const CmsHandle cms = parse(signature);
    CMS_SignerInfo* info = cms ? only_signer(cms.get()) : nullptr;
    if (info == nullptr || !is_signature_of(info, signer.parts().certificate.get(), hash, digest)) {
        return false;
    }
    // The value is right; so must be all around it, which the value does not cover and the kernel checks.
    return std::ranges::equal(assemble(signer, hash, form, digest, signature_value(info)), signature);
}

void expect_detached(std::span<const std::byte> signature, const std::string& subject) {
    const CmsHandle cms = parse(signature);
    if (!cms || only_signer(cms.get()) == nullptr) {
        throw Error(ErrorCode::malformed_signature, subject, "is not a CMS message with one signer");
    }
    if (CMS_is_detached(cms.get()) != 1) {
        throw Error(ErrorCode::malformed_signature, subject, "carries its content, which the kernel does not take",
                    "make a detached signature");
    }
}

void expect_signature_of(std::span<const std::byte> signature, X509* certificate, HashAlgorithm hash,
                         std::span<const std::byte> digest, const std::string& subject) {
    expect_detached(signature, subject);
    const CmsHandle cms = parse(signature);
    if (!is_signature_of(only_signer(cms.get()), certificate, hash, digest)) {
        throw Error(ErrorCode::crypto, subject, "is not a signature of this module by that certificate and hash");
    }
}

SignatureDescription describe_signature(std::span<const std::byte> signature, const std::string& subject) {
    const CmsHandle cms = parse(signature);
    CMS_SignerInfo* info = cms ? only_signer(cms.get()) : nullptr;
    if (info == nullptr) {
        throw Error(ErrorCode::malformed_signature, subject, "its signature is not a CMS message with one signer");
    }
    SignatureDescription description;
    ASN1_OCTET_STRING* key_id = nullptr;
    X509_NAME* issuer = nullptr;
    ASN1_INTEGER* serial = nullptr;
    CMS_SignerInfo_get0_signer_id(info, &key_id, &issuer, &serial);
    if (issuer != nullptr) {
        description.signer = display_name(issuer);
        description.serial = serial_text(serial);
    } else {
        description.key_id =
            colon_hex({ASN1_STRING_get0_data(key_id), static_cast<std::size_t>(ASN1_STRING_length(key_id))});
    }
    X509_ALGOR* hash = nullptr;
    X509_ALGOR* algorithm = nullptr;
    CMS_SignerInfo_get0_algs(info, nullptr, nullptr, &hash, &algorithm);
    const auto known_hash = hash_of(info);
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, hash);
    const char* hash_text = OBJ_nid2ln(OBJ_obj2nid(object));
    description.hash = known_hash ? std::string(hash_name(*known_hash)) : hash_text == nullptr ? "unknown" : hash_text;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    description.algorithm = algorithm_text(object);
    description.has_signed_attributes = CMS_signed_get_attr_count(info) > 0;
    description.certificates = certificate_count(cms.get());
    description.size = signature.size();
    return description;
}

} // namespace ksign
