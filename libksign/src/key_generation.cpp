#include "key_generation.hpp"

#include "digest.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

namespace ksign {
namespace {

using ExtendedKeyUsage = std::unique_ptr<EXTENDED_KEY_USAGE, HandleDeleter<EXTENDED_KEY_USAGE_free>>;
using BasicConstraints = std::unique_ptr<BASIC_CONSTRAINTS, HandleDeleter<BASIC_CONSTRAINTS_free>>;
using BitString = std::unique_ptr<ASN1_BIT_STRING, HandleDeleter<ASN1_BIT_STRING_free>>;
using Number = std::unique_ptr<BIGNUM, HandleDeleter<BN_free>>;

/// conf/x509.oot.genkey without its comments; the extensions are those of the kernel's certs/default_x509.genkey.
constexpr std::string_view usual_profile = R"(
[ req ]
distinguished_name = name
prompt = no
string_mask = utf8only
x509_extensions = extensions
[ name ]
CN = Out-of-tree kernel module signing key
[ extensions ]
basicConstraints=critical,CA:FALSE
keyUsage=digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
)";

constexpr const char* profile_remedy = "see x509.oot.genkey of ksign for one that works, and req(1ssl) for its format";

/// A profile that was read, with its name for messages.
class Profile {
  public:
    explicit Profile(const CertificateRequest& request)
        : subject_(request.profile ? request.profile->string() : "the built-in certificate profile"),
          configuration_(NCONF_new(nullptr)) {
        long line = 0;
        const BioHandle bio(request.profile
                                ? BIO_new_file(request.profile->c_str(), "rb")
                                : BIO_new_mem_buf(usual_profile.data(), static_cast<int>(usual_profile.size())));
        if (!configuration_ || !bio) {
            throw openssl_error(ErrorCode::certificate, subject_, "open");
        }
        if (NCONF_load_bio(configuration_.get(), bio.get(), &line) != 1) {
            throw openssl_error(ErrorCode::certificate, subject_,
                                line > 0 ? "line " + std::to_string(line) + " can't be read" : "can't be read",
                                profile_remedy);
        }
    }

    [[nodiscard]] const std::string& subject() const noexcept { return subject_; }
    [[nodiscard]] CONF* configuration() const noexcept { return configuration_.get(); }

    /// A value of the section [ req ]; nothing if there is none.
    [[nodiscard]] std::optional<std::string> value(const char* name) const { return value_in("req", name); }

    [[nodiscard]] std::optional<std::string> value_in(const char* section, const char* name) const {
        const char* text = NCONF_get_string(configuration_.get(), section, name);
        ERR_clear_error(); // a missing value is an error to OpenSSL, not to us
        return text == nullptr ? std::nullopt : std::optional<std::string>(text);
    }

    [[nodiscard]] Error wrong(const std::string& reason) const {
        return {ErrorCode::certificate, subject_, reason, profile_remedy};
    }

  private:
    std::string subject_;
    ConfigurationHandle configuration_;
};

/// A name's field without what makes it unique in its section: "1.OU", "2.OU" (req.c, auto_info()).
std::string_view field_type(std::string_view name) {
    const std::size_t separator = name.find_first_of(":,.");
    return separator == std::string_view::npos || separator + 1 == name.size() ? name : name.substr(separator + 1);
}

bool is_setting_of_prompt(std::string_view name) {
    constexpr std::array<std::string_view, 4> suffixes{"_min", "_max", "_default", "_value"};
    return std::ranges::any_of(suffixes, [name](std::string_view suffix) { return name.ends_with(suffix); });
}

/// The subject as `openssl req -batch -utf8` makes it: with prompt = no the section holds the values, else the fields
/// to ask for, whose defaults are taken.
NameHandle read_name(const Profile& profile) {
    const auto section = profile.value("distinguished_name");
    const STACK_OF(CONF_VALUE)* fields =
        section ? NCONF_get_section(profile.configuration(), section->c_str()) : nullptr;
    ERR_clear_error();
    if (fields == nullptr) {
        throw profile.wrong("has no distinguished_name in [ req ] that names one of its sections");
    }
    const bool prompts = profile.value("prompt").value_or("yes") != "no";
    NameHandle name(X509_NAME_new());
    for (int index = 0; name && index < sk_CONF_VALUE_num(fields); ++index) {
        const CONF_VALUE* field = sk_CONF_VALUE_value(fields, index);
        std::string text = field->value == nullptr ? "" : field->value;
        if (prompts) {
            if (is_setting_of_prompt(field->name)) {
                continue;
            }
            const std::string base = field->name;
            text = profile.value_in(section->c_str(), (base + "_value").c_str())
                       .value_or(profile.value_in(section->c_str(), (base + "_default").c_str()).value_or(""));
        }
        std::string type(field_type(field->name));
        const bool with_previous = type.starts_with('+');
        type.erase(0, with_previous ? 1 : 0);
        if (text.empty() || (prompts && text == ".")) {
            continue;
        }
        if (X509_NAME_add_entry_by_txt(name.get(), type.c_str(), MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1,
                                       with_previous ? -1 : 0) != 1) {
            throw openssl_error(ErrorCode::certificate, profile.subject(),
                                std::string("use '").append(type).append(" = ").append(text).append("'"),
                                profile_remedy);
        }
    }
    if (!name || X509_NAME_entry_count(name.get()) == 0) {
        throw profile.wrong("names nothing in [ " + *section + " ]");
    }
    return name;
}

void set_common_name(X509_NAME* name, const std::string& text) {
    for (int index = -1; (index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)) >= 0;) {
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, index));
    }
    if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(text.c_str()), static_cast<int>(text.size()),
                                   -1, 0) != 1) {
        throw openssl_error(ErrorCode::usage, "common name '" + text + "'", "put it into a certificate",
                            "1 to 64 characters of UTF-8");
    }
}

/// string_mask is OpenSSL's for the whole process (ASN1_STRING_set_default_mask_asc); it is put back afterwards.
class StringMask {
  public:
    explicit StringMask(const Profile& profile) : before_(ASN1_STRING_get_default_mask()) {
        const auto mask = profile.value("string_mask");
        if (mask && ASN1_STRING_set_default_mask_asc(mask->c_str()) != 1) {
            throw profile.wrong("has a string_mask that OpenSSL does not know: " + *mask);
        }
    }
    StringMask(const StringMask&) = delete;
    StringMask& operator=(const StringMask&) = delete;
    ~StringMask() { ASN1_STRING_set_default_mask(before_); }

  private:
    unsigned long before_;
};

NameHandle subject_name(const Profile& profile, const CertificateRequest& request) {
    const StringMask mask(profile);
    NameHandle name = read_name(profile);
    if (request.common_name) {
        set_common_name(name.get(), *request.common_name);
    }
    return name;
}

Error certificate_failure(const Profile& profile, const std::string& action) {
    return openssl_error(ErrorCode::certificate, profile.subject(), action);
}

/// 159 random bits, as `openssl req` has it: positive, and no two alike.
void set_random_serial(X509* certificate, const Profile& profile) {
    constexpr int serial_bits = 159;
    const Number number(BN_new());
    if (!number || BN_rand(number.get(), serial_bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1 ||
        BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr) {
        throw certificate_failure(profile, "make a serial number");
    }
}

void add_extensions(X509* certificate, const Profile& profile) {
    const auto section = profile.value("x509_extensions");
    if (!section) {
        return;
    }
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, X509V3_CTX_REPLACE);
    X509V3_set_nconf(&context, profile.configuration());
    if (X509V3_EXT_add_nconf(profile.configuration(), &context, section->c_str(), certificate) != 1) {
        throw openssl_error(ErrorCode::certificate, profile.subject(), "use the extensions in [ " + *section + " ]",
                            profile_remedy);
    }
}

/// "authorityKeyIdentifier=keyid" of a certificate that signs itself comes out as an empty sequence (v3_akid.c), which
/// `openssl req` takes off again (apps.c, adapt_keyid_ext()).
void drop_empty_authority_key(X509* certificate) {
    constexpr int empty_sequence = 2; // 30 00
    const int index = X509_get_ext_by_NID(certificate, NID_authority_key_identifier, -1);
    if (index >= 0 && ASN1_STRING_length(X509_EXTENSION_get_data(X509_get_ext(certificate, index))) <= empty_sequence) {
        X509_EXTENSION_free(X509_delete_ext(certificate, index));
    }
}

void replace_extension(X509* certificate, int nid, void* value, bool critical, const Profile& profile) {
    if (X509_add1_ext_i2d(certificate, nid, value, critical ? 1 : 0, X509V3_ADD_REPLACE) != 1) {
        throw certificate_failure(profile, std::string("add the extension ") + OBJ_nid2sn(nid));
    }
}

void allow_code_signing(X509* certificate, const Profile& profile) {
    int critical = 0;
    ExtendedKeyUsage usages(
        static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, &critical, nullptr)));
    if (!usages) {
        usages.reset(sk_ASN1_OBJECT_new_null());
    }
    ASN1_OBJECT* const code_signing = OBJ_nid2obj(NID_code_sign); // static: not freed
    if (!usages ||
        (sk_ASN1_OBJECT_find(usages.get(), code_signing) < 0 && sk_ASN1_OBJECT_push(usages.get(), code_signing) <= 0)) {
        throw certificate_failure(profile, "add the usage codeSigning");
    }
    replace_extension(certificate, NID_ext_key_usage, usages.get(), critical == 1, profile);
}

/// What certs/system_keyring.c and restrict_link_by_ca() (crypto/asymmetric_keys/restrict.c) want of a CA: with
/// CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX, one that does not sign data. Kernels ask for no usage where they verify
/// modules.
void make_authority(X509* certificate, const Profile& profile) {
    constexpr int digital_signature_bit = 0;
    constexpr int certificate_signing_bit = 5;
    const BasicConstraints constraints(BASIC_CONSTRAINTS_new());
    BitString usage(static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(certificate, NID_key_usage, nullptr, nullptr)));
    if (!usage) {
        usage.reset(ASN1_BIT_STRING_new());
    }
    if (!constraints || !usage || ASN1_BIT_STRING_set_bit(usage.get(), digital_signature_bit, 0) != 1 ||
        ASN1_BIT_STRING_set_bit(usage.get(), certificate_signing_bit, 1) != 1) {
        throw certificate_failure(profile, "make it a CA's");
    }
    constraints->ca = 0xff;
    replace_extension(certificate, NID_basic_constraints, constraints.get(), true, profile);
    replace_extension(certificate, NID_key_usage, usage.get(), true, profile);
}

/// SHA-2 of the same size: what stands in for SHA-3 where OpenSSL has no name for the pair with the key's type (EC, up
/// to 3.1).
HashAlgorithm sha2_like(HashAlgorithm hash) {
    switch (hash) {
    case HashAlgorithm::sha3_256:
        return HashAlgorithm::sha256;
    case HashAlgorithm::sha3_384:
        return HashAlgorithm::sha384;
    case HashAlgorithm::sha3_512:
        return HashAlgorithm::sha512;
    default:
        return hash;
    }
}

/// OpenSSL 3.0 signs EC by SHA-3, and can't verify what it signed: only what verifies counts.
bool sign_by(X509* certificate, EVP_PKEY* key, HashAlgorithm hash) {
    return X509_sign(certificate, key, digest_method(hash)) > 0 && X509_verify(certificate, key) == 1;
}

void sign_itself(X509* certificate, EVP_PKEY* key, HashAlgorithm hash, const Profile& profile) {
    // ML-DSA signs the message itself: no digest is named.
    const bool own_digest = EVP_PKEY_is_a(key, "RSA") != 1 && EVP_PKEY_is_a(key, "EC") != 1;
    const bool done = own_digest ? X509_sign(certificate, key, nullptr) > 0
                                 : sign_by(certificate, key, hash) || sign_by(certificate, key, sha2_like(hash));
    if (!done) {
        throw certificate_failure(profile, "sign the certificate");
    }
    ERR_clear_error();
}

std::vector<std::byte> bytes_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    return {bytes, bytes + size};
}

} // namespace

KeyKind usual_rsa_kind(const CertificateRequest& request) {
    const Profile profile(request);
    const auto text = profile.value("default_bits");
    if (!text) {
        return KeyKind::rsa_4096;
    }
    const auto kind = parse_key_kind("rsa-" + *text);
    if (!kind) {
        throw profile.wrong("default_bits = " + *text + ": RSA keys have 2048, 3072 or 4096 bits");
    }
    return *kind;
}

KeyHandle make_private_key(KeyKind kind) {
    const KeyKindParameters parameters = key_kind_parameters(kind);
    const std::string subject = "a key of type " + std::string(key_kind_name(kind));
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, parameters.algorithm, nullptr));
    if (!context || EVP_PKEY_keygen_init(context.get()) != 1) {
        ERR_clear_error();
        throw Error(ErrorCode::crypto, subject, "this OpenSSL can't make one",
                    "ML-DSA needs OpenSSL 3.5; the other types work with every version");
    }
    const bool ready = parameters.bits > 0
                           ? EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(parameters.bits)) == 1
                       : parameters.curve != nullptr ? EVP_PKEY_CTX_set_group_name(context.get(), parameters.curve) == 1
                                                     : true;
    EVP_PKEY* made = nullptr;
    if (!ready || EVP_PKEY_generate(context.get(), &made) != 1) {
        throw openssl_error(ErrorCode::crypto, subject, "make it");
    }
    return KeyHandle(made);
}

CertificateHandle make_certificate(EVP_PKEY* key, HashAlgorithm hash, const CertificateRequest& request) {
    const Profile profile(request);
    CertificateHandle certificate(X509_new());
    constexpr long version_3 = 2;
    if (!certificate || X509_set_version(certificate.get(), version_3) != 1) {
        throw certificate_failure(profile, "make a certificate");
    }
    set_random_serial(certificate.get(), profile);
    const NameHandle name = subject_name(profile, request);
    if (X509_set_subject_name(certificate.get(), name.get()) != 1 ||
        X509_set_issuer_name(certificate.get(), name.get()) != 1 || X509_set_pubkey(certificate.get(), key) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0) == nullptr) {
        throw certificate_failure(profile, "fill in the certificate");
    }
    // A year beyond 9999 has no form in X.509 (RFC 5280, 4.1.2.5).
    if (request.days < 1 ||
        X509_time_adj_ex(X509_getm_notAfter(certificate.get()), request.days, 0, nullptr) == nullptr) {
        ERR_clear_error();
        throw Error(ErrorCode::usage, std::to_string(request.days) + " days", "are no time that a certificate can last",
                    "1 up to the year 9999");
    }
    add_extensions(certificate.get(), profile);
    drop_empty_authority_key(certificate.get());
    if (request.code_signing) {
        allow_code_signing(certificate.get(), profile);
    }
    if (request.authority) {
        make_authority(certificate.get(), profile);
    }
    sign_itself(certificate.get(), key, hash, profile);
    return certificate;
}

Secret private_key_pem(const EVP_PKEY* key) {
    // BUF_MEM wipes what it frees and what it grows out of (BUF_MEM_grow_clean(), bss_mem.c).
    const BioHandle bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        throw openssl_error(ErrorCode::crypto, "the new private key", "write it in PEM");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    Secret pem({data, static_cast<std::size_t>(size)});
    wipe_memory(data, static_cast<std::size_t>(size));
    return pem;
}

std::vector<std::byte> certificate_pem(const X509* certificate) {
    const BioHandle bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_X509(bio.get(), const_cast<X509*>(certificate)) != 1) {
        throw openssl_error(ErrorCode::crypto, "a certificate", "write it in PEM");
    }
    return bytes_of(bio.get());
}

std::vector<std::byte> certificate_der(const X509* certificate) {
    const BioHandle bio(BIO_new(BIO_s_mem()));
    if (!bio || i2d_X509_bio(bio.get(), const_cast<X509*>(certificate)) != 1) {
        throw openssl_error(ErrorCode::crypto, "a certificate", "write it in DER");
    }
    return bytes_of(bio.get());
}

} // namespace ksign
