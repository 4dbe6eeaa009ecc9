#include "signer.hpp"

#include "certificate.hpp"
#include "key_kind.hpp"
#include "private_key.hpp"
#include "token.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include <array>
#include <utility>

namespace ksign {
namespace {

/// "ECDSA P-384"; empty for a curve that the kernel does not have (crypto/ecdsa.c).
std::string ecdsa_description(const EVP_PKEY* key) {
    std::array<char, 64> encoding{};
    std::size_t size = 0;
    // A curve that is spelt out has no name that the kernel could know it by (x509_extract_key_data()).
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, encoding.data(), encoding.size(), &size) ==
            1 &&
        std::string_view(encoding.data(), size) == OSSL_PKEY_EC_ENCODING_EXPLICIT) {
        return {};
    }
    std::array<char, 64> group{};
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
        return {};
    }
    const std::string_view name(group.data(), size);
    if (name == "prime256v1") {
        return "ECDSA P-256";
    }
    if (name == "secp384r1") {
        return "ECDSA P-384";
    }
    if (name == "secp521r1") {
        return "ECDSA P-521";
    }
    return {};
}

/// Sets type and description. Throws for what kernels don't verify modules with (crypto/asymmetric_keys/public_key.c).
void describe_key(Signer::Parts& parts) {
    // The certificate's half: a token's handle for the private one may not tell.
    const EVP_PKEY* key = X509_get0_pubkey(parts.certificate.get());
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        const int bits = EVP_PKEY_get_bits(key);
        if (!is_rsa_length(bits)) {
            throw Error(ErrorCode::key, parts.subject,
                        "is an RSA key of " + std::to_string(bits) + " bits, and kernels verify none of that length",
                        "use one of 2048, 3072 or 4096 bits: `ksign keys generate` makes it");
        }
        parts.type = KeyType::rsa;
        parts.key_description = "RSA-" + std::to_string(bits);
        return;
    }
    if (is_ml_dsa(key)) {
        parts.type = KeyType::ml_dsa;
        parts.key_description = EVP_PKEY_get0_type_name(key);
        return;
    }
    const bool elliptic = EVP_PKEY_is_a(key, "EC") == 1;
    if (elliptic) {
        parts.type = KeyType::ecdsa;
        parts.key_description = ecdsa_description(key);
        if (!parts.key_description.empty()) {
            return;
        }
    }
    const char* type = EVP_PKEY_get0_type_name(key);
    throw Error(ErrorCode::key, parts.subject,
                std::string("ksign does not sign with keys of this type (") +
                    (elliptic          ? "EC on another curve"
                     : type == nullptr ? "unknown"
                                       : type) +
                    ")",
                "use RSA, ECDSA on P-256, P-384 or P-521, or ML-DSA");
}

/// Throws for a certificate that no kernel parses, whatever its key is (x509_note_sig_algo()).
void expect_parsable(const X509* certificate, const std::string& source) {
    int algorithm = NID_undef;
    if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), nullptr, &algorithm) == 1 &&
        (algorithm == NID_rsassaPss || algorithm == NID_ED25519 || algorithm == NID_ED448)) {
        throw Error(ErrorCode::certificate, displayed_key(source),
                    std::string("is signed with ") + OBJ_nid2ln(algorithm) + ", which no kernel knows: none loads it",
                    "have it signed with RSA (PKCS #1) or ECDSA, or make another: `ksign keys generate`");
    }
}

/// Reads key and certificate from wherever they are: files, or tokens in one session, so that a PIN is asked for once.
void read_pair(Signer::Parts& parts, const SignerSource& source) {
    // One name for both: a file that holds both, or an object of a token with its certificate.
    const std::string certificate = source.certificate.empty() ? source.key : source.certificate.string();
    const InsecureFile insecure = source.insecure ? InsecureFile::allowed : InsecureFile::refused;
    const bool key_in_token = is_token_uri(source.key);
    const bool certificate_in_token = is_token_uri(certificate);
    if (key_in_token || certificate_in_token) {
        parts.tokens = std::make_unique<TokenSession>(source.passphrase, insecure);
    }
    if (key_in_token) {
        parts.tokens->take_pin_of(TokenUri(source.key)); // for a certificate that is not public
    }
    parts.certificate =
        certificate_in_token ? parts.tokens->read_certificate(TokenUri(certificate)) : read_certificate(certificate);
    parts.key = key_in_token ? parts.tokens->read_key(TokenUri(source.key))
                             : read_private_key(source.key, source.passphrase, insecure);
    if (X509_check_private_key(parts.certificate.get(), parts.key.get()) != 1) {
        ERR_clear_error();
        throw Error(ErrorCode::certificate, displayed_key(certificate),
                    "is not the certificate of the key " + parts.subject,
                    "name a key and a certificate that were made together");
    }
}

} // namespace

bool is_ml_dsa(const EVP_PKEY* key) {
    return EVP_PKEY_is_a(key, "ML-DSA-44") == 1 || EVP_PKEY_is_a(key, "ML-DSA-65") == 1 ||
           EVP_PKEY_is_a(key, "ML-DSA-87") == 1;
}

std::string_view key_type_name(KeyType type) noexcept {
    switch (type) {
    case KeyType::rsa:
        return "RSA";
    case KeyType::ecdsa:
        return "ECDSA";
    case KeyType::ml_dsa:
        return "ML-DSA";
    }
    return {};
}

Signer::Signer(std::shared_ptr<const Parts> parts) noexcept : parts_(std::move(parts)) {}

Signer Signer::load(const SignerSource& source) {
    auto parts = std::make_shared<Parts>();
    parts->subject = displayed_key(source.key);
    read_pair(*parts, source);
    parts->name = display_name(X509_get_subject_name(parts->certificate.get()));
    parts->serial = serial_text(X509_get0_serialNumber(parts->certificate.get()));
    describe_key(*parts);
    expect_parsable(parts->certificate.get(), source.certificate.empty() ? source.key : source.certificate.string());
    return Signer(std::move(parts));
}

KeyType Signer::key_type() const noexcept {
    return parts_->type;
}

std::optional<KeyKind> Signer::key_kind() const {
    return kind_of_key(X509_get0_pubkey(parts_->certificate.get()));
}

const std::string& Signer::key_description() const noexcept {
    return parts_->key_description;
}

const std::string& Signer::key_source() const noexcept {
    return parts_->subject;
}

const std::string& Signer::name() const noexcept {
    return parts_->name;
}

const std::string& Signer::serial() const noexcept {
    return parts_->serial;
}

} // namespace ksign
