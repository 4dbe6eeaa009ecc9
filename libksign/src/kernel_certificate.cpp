#include "kernel_certificate.hpp"

#include "certificate.hpp"
#include "der.hpp"
#include "digest.hpp"
#include "file.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;
using namespace std::string_view_literals;

constexpr std::size_t largest_certificate_file = std::size_t{1} << 20U;

struct HashObject {
    std::string_view object;
    HashAlgorithm hash;
};

// pkcs7_sig_note_digest_algo(); the identifiers as include/linux/oid_registry.h has them.
constexpr std::array hash_objects{
    HashObject{"\x2b\x0e\x03\x02\x1a"sv, HashAlgorithm::sha1},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x04"sv, HashAlgorithm::sha224},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x01"sv, HashAlgorithm::sha256},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x02"sv, HashAlgorithm::sha384},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x03"sv, HashAlgorithm::sha512},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x08"sv, HashAlgorithm::sha3_256},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x09"sv, HashAlgorithm::sha3_384},
    HashObject{"\x60\x86\x48\x01\x65\x03\x04\x02\x0a"sv, HashAlgorithm::sha3_512},
};

struct SignatureObject {
    std::string_view object;
    PublicKeyAlgorithm key;
    std::optional<HashAlgorithm> hash;
};

// pkcs7_sig_note_pkey_algo() and x509_note_sig_algo().
constexpr std::array signature_objects{
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv, PublicKeyAlgorithm::rsa, std::nullopt},
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha1},
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha224},
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha256},
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha384},
    SignatureObject{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha512},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x0e"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha3_256},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x0f"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha3_384},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x10"sv, PublicKeyAlgorithm::rsa, HashAlgorithm::sha3_512},
    SignatureObject{"\x2a\x86\x48\xce\x3d\x04\x01"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha1},
    SignatureObject{"\x2a\x86\x48\xce\x3d\x04\x03\x01"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha224},
    SignatureObject{"\x2a\x86\x48\xce\x3d\x04\x03\x02"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha256},
    SignatureObject{"\x2a\x86\x48\xce\x3d\x04\x03\x03"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha384},
    SignatureObject{"\x2a\x86\x48\xce\x3d\x04\x03\x04"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha512},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x0a"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha3_256},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x0b"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha3_384},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x0c"sv, PublicKeyAlgorithm::ecdsa, HashAlgorithm::sha3_512},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x11"sv, PublicKeyAlgorithm::mldsa44, std::nullopt},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x12"sv, PublicKeyAlgorithm::mldsa65, std::nullopt},
    SignatureObject{"\x60\x86\x48\x01\x65\x03\x04\x03\x13"sv, PublicKeyAlgorithm::mldsa87, std::nullopt},
};

constexpr std::string_view ec_public_key = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr std::string_view extension_key_id = "\x55\x1d\x0e"sv;
constexpr std::string_view extension_key_usage = "\x55\x1d\x0f"sv;
constexpr std::string_view extension_basic_constraints = "\x55\x1d\x13"sv;
constexpr std::string_view extension_authority_key_id = "\x55\x1d\x23"sv;

struct CurveObject {
    std::string_view object;
    Curve curve;
    std::string_view text;
};

constexpr std::array curve_objects{
    CurveObject{"\x2a\x86\x48\xce\x3d\x03\x01\x01"sv, Curve::p192, "P-192"},
    CurveObject{"\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, Curve::p256, "P-256"},
    CurveObject{"\x2b\x81\x04\x00\x22"sv, Curve::p384, "P-384"},
    CurveObject{"\x2b\x81\x04\x00\x23"sv, Curve::p521, "P-521"},
};

std::string upper_colon_hex(Bytes bytes) {
    return colon_hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

/// The object identifier that an AlgorithmIdentifier begins with.
Bytes algorithm_object(const DerElement& identifier) {
    const auto object = DerReader(identifier.content).next(der_object);
    return object ? object->content : Bytes();
}

/// SubjectPublicKeyInfo.
void read_key(const DerElement& info, KernelCertificate::Parts& parts) {
    DerReader fields(info.content);
    const auto identifier = fields.next(der_sequence);
    if (!identifier) {
        return;
    }
    DerReader algorithm(identifier->content);
    const auto object = algorithm.next(der_object);
    if (!object) {
        return;
    }
    if (as_text(object->content) == ec_public_key) {
        parts.key_algorithm = PublicKeyAlgorithm::ecdsa;
        parts.curve = Curve::unknown;
        if (const auto named = algorithm.next(der_object)) {
            const auto* known = std::ranges::find(curve_objects, as_text(named->content), &CurveObject::object);
            parts.curve = known == curve_objects.end() ? Curve::unknown : known->curve;
        }
        return;
    }
    const SignatureAlgorithm found = signature_algorithm_of(object->content);
    // Of RSA, only rsaEncryption names keys.
    parts.key_algorithm = found.hash ? PublicKeyAlgorithm::unknown : found.key;
}

/// x509_process_extension() for basicConstraints and keyUsage.
void read_flags(std::string_view object, Bytes value, KernelCertificate::Parts& parts) {
    const auto at = [&value](std::size_t index) { return std::to_integer<unsigned>(value[index]); };
    if (object == extension_basic_constraints) {
        parts.is_ca = value.size() >= 5 && at(2) == 0x01 && at(3) == 1 && at(4) == 0xff;
    } else if (value.size() >= 4 && at(0) == der_bit_string) {
        parts.signs_data = (at(3) & 0x80U) != 0;
        parts.signs_certificates = (at(3) & 0x04U) != 0 && (at(1) == 2 ? at(2) <= 2 : at(1) == 3);
    }
}

/// AuthorityKeyIdentifier (x509_akid.asn1).
void read_authority(Bytes value, KernelCertificate::Parts& parts) {
    const auto sequence = DerReader(value).next(der_sequence);
    if (!sequence) {
        return;
    }
    DerReader fields(sequence->content);
    if (const auto key_id = fields.next(der_context_primitive(0))) {
        parts.authority_key_id = key_id->content;
    }
    if (const auto names = fields.next(der_context(1))) {
        // GeneralNames: a directoryName [4] with the Name in it.
        const auto directory = DerReader(names->content).next(der_context(4));
        const auto name = directory ? DerReader(directory->content).next(der_sequence) : std::nullopt;
        const auto serial = fields.next(der_context_primitive(2));
        if (name && serial) {
            parts.authority_issuer = name->content;
            parts.authority_serial = serial->content;
        }
    }
}

void read_extensions(const DerElement& wrapper, KernelCertificate::Parts& parts) {
    const auto list = DerReader(wrapper.content).next(der_sequence);
    if (!list) {
        return;
    }
    DerReader extensions(list->content);
    while (const auto extension = extensions.next(der_sequence)) {
        DerReader fields(extension->content);
        const auto object = fields.next(der_object);
        static_cast<void>(fields.next(0x01)); // critical
        const auto value = fields.next(der_octet_string);
        if (!object || !value) {
            return;
        }
        const std::string_view name = as_text(object->content);
        if (name == extension_key_id) {
            const auto key_id = DerReader(value->content).next(der_octet_string);
            parts.key_id = key_id ? key_id->content : Bytes();
        } else if (name == extension_authority_key_id) {
            read_authority(value->content, parts);
        } else if (name == extension_basic_constraints || name == extension_key_usage) {
            read_flags(name, value->content, parts);
        }
    }
}

/// Reads numbers of two digits, one after the other.
class DigitReader {
  public:
    explicit DigitReader(std::string_view text) : text_(text) {}
    /// 0, and not right any more, where there are no two digits.
    unsigned next() {
        const auto is_digit = [](char character) { return character >= '0' && character <= '9'; };
        if (text_.size() < 2 || !is_digit(text_[0]) || !is_digit(text_[1])) {
            right_ = false;
            return 0;
        }
        const unsigned value = static_cast<unsigned>(text_[0] - '0') * 10 + static_cast<unsigned>(text_[1] - '0');
        text_.remove_prefix(2);
        return value;
    }
    [[nodiscard]] bool is_right() const noexcept { return right_; }
    [[nodiscard]] std::string_view rest() const noexcept { return text_; }

  private:
    std::string_view text_;
    bool right_ = true;
};

/// x509_note_not_before() and x509_note_not_after(). False if the kernel can't read them.
bool read_validity(const DerElement& validity, KernelCertificate::Parts& parts) {
    DerReader times(validity.content);
    const auto first = times.next();
    const auto last = times.next();
    const auto from = first ? time_of(*first) : std::nullopt;
    const auto to = last ? time_of(*last) : std::nullopt;
    parts.valid_from = from.value_or(0);
    parts.valid_to = to.value_or(0);
    return from && to && times.at_end();
}

/// The fields that the kernel compares, raw. False if the bytes are no certificate to it.
bool read_fields(KernelCertificate::Parts& parts) {
    DerReader whole(parts.der);
    const auto certificate = whole.next(der_sequence);
    if (!certificate || !whole.at_end()) {
        return false;
    }
    DerReader outer(certificate->content);
    const auto signed_part = outer.next(der_sequence);
    const auto algorithm = outer.next(der_sequence);
    if (!signed_part || !algorithm || !outer.next(der_bit_string)) {
        return false;
    }
    parts.signed_part = signed_part->whole;
    parts.signed_with = signature_algorithm_of(algorithm_object(*algorithm));
    DerReader fields(signed_part->content);
    static_cast<void>(fields.next(der_context(0))); // version
    const auto serial = fields.next(der_integer);
    const auto inner_algorithm = fields.next(der_sequence);
    const auto issuer = fields.next(der_sequence);
    const auto validity = fields.next(der_sequence);
    const auto subject = fields.next(der_sequence);
    const auto key = fields.next(der_sequence);
    if (!serial || !inner_algorithm || !issuer || !validity || !subject || !key) {
        return false;
    }
    if (!read_validity(*validity, parts)) {
        return false;
    }
    parts.serial = serial->content;
    parts.issuer = issuer->content;
    parts.subject = subject->content;
    read_key(*key, parts);
    static_cast<void>(fields.next(der_context_primitive(1)));
    static_cast<void>(fields.next(der_context_primitive(2)));
    if (const auto extensions = fields.next(der_context(3))) {
        read_extensions(*extensions, parts);
    }
    return true;
}

std::string key_text_of(const KernelCertificate::Parts& parts) {
    switch (parts.key_algorithm) {
    case PublicKeyAlgorithm::rsa:
        return "RSA-" + std::to_string(parts.key_bits);
    case PublicKeyAlgorithm::ecdsa: {
        const auto* known = std::ranges::find(curve_objects, parts.curve, &CurveObject::curve);
        return known == curve_objects.end() ? "ECDSA on a curve that no kernel has"
                                            : "ECDSA " + std::string(known->text);
    }
    case PublicKeyAlgorithm::mldsa44:
        return "ML-DSA-44";
    case PublicKeyAlgorithm::mldsa65:
        return "ML-DSA-65";
    case PublicKeyAlgorithm::mldsa87:
        return "ML-DSA-87";
    case PublicKeyAlgorithm::unknown:
        break;
    }
    return "a key of a type that no kernel has";
}

/// x509_check_for_self_signed(), as far as it compares names.
bool is_self_issued(const KernelCertificate::Parts& parts) {
    if (as_text(parts.subject) != as_text(parts.issuer)) {
        return false;
    }
    if (parts.authority_key_id.empty() && parts.authority_issuer.empty()) {
        return true;
    }
    const bool by_key_id = !parts.key_id.empty() && as_text(parts.authority_key_id) == as_text(parts.key_id);
    const bool by_issuer = as_text(parts.authority_issuer) == as_text(parts.issuer) &&
                           as_text(parts.authority_serial) == as_text(parts.serial);
    return by_key_id || by_issuer;
}

void fill_texts(KernelCertificate::Parts& parts) {
    X509* certificate = parts.certificate.get();
    parts.name_text = display_name(X509_get_subject_name(certificate));
    parts.issuer_text = display_name(X509_get_issuer_name(certificate));
    parts.serial_text = serial_text(X509_get0_serialNumber(certificate));
    parts.key_id_text = upper_colon_hex(parts.key_id);
    Digest digest(HashAlgorithm::sha256);
    digest.update(parts.der);
    parts.fingerprint_text = lower_hex(digest.finish());
    parts.signs_code = (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
                       (X509_get_extended_key_usage(certificate) & XKU_CODE_SIGN) != 0;
    EVP_PKEY* key = X509_get0_pubkey(certificate);
    parts.key_bits = key == nullptr ? 0 : EVP_PKEY_get_bits(key);
    parts.key_text = key_text_of(parts);
    parts.self_issued = is_self_issued(parts);
    // Without a key that this OpenSSL knows (ML-DSA before 3.5), nothing can be said.
    parts.self_signature_right = parts.self_issued && (key == nullptr || X509_verify(certificate, key) == 1);
    ERR_clear_error();
}

std::vector<KernelCertificate> load_pem(Bytes bytes, const std::string& subject) {
    std::vector<KernelCertificate> certificates;
    const BioHandle bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    while (bio) {
        const CertificateHandle certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!certificate) {
            break;
        }
        unsigned char* encoded = nullptr;
        const int size = i2d_X509(certificate.get(), &encoded);
        if (size > 0) {
            const auto* start = reinterpret_cast<const std::byte*>(encoded);
            const std::vector<std::byte> der(start, start + size);
            OPENSSL_free(encoded);
            certificates.push_back(KernelCertificate::parse(der, subject));
        }
    }
    ERR_clear_error();
    return certificates;
}

} // namespace

std::string lower_hex(Bytes bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        text += digits[std::to_integer<unsigned>(byte) >> 4U];
        text += digits[std::to_integer<unsigned>(byte) & 0xfU];
    }
    return text;
}

SignatureAlgorithm signature_algorithm_of(std::span<const std::byte> object) {
    const auto* known = std::ranges::find(signature_objects, as_text(object), &SignatureObject::object);
    return known == signature_objects.end() ? SignatureAlgorithm() : SignatureAlgorithm{known->key, known->hash};
}

std::optional<HashAlgorithm> hash_of_object(std::span<const std::byte> object) {
    const auto* known = std::ranges::find(hash_objects, as_text(object), &HashObject::object);
    return known == hash_objects.end() ? std::nullopt : std::optional(known->hash);
}

std::string issuer_and_serial(std::span<const std::byte> serial, std::span<const std::byte> issuer) {
    return std::string(as_text(serial)) + std::string(as_text(issuer));
}

KernelCertificate::KernelCertificate(std::shared_ptr<const Parts> parts) noexcept : parts_(std::move(parts)) {}

std::optional<std::int64_t> time_of(const DerElement& element) {
    constexpr unsigned utc_time = 0x17;
    constexpr unsigned general_time = 0x18;
    DigitReader digits(as_text(element.content));
    unsigned year = 0;
    if (element.tag == utc_time && element.content.size() == 13) {
        year = digits.next();
        year += year >= 50 ? 1900 : 2000;
    } else if (element.tag == general_time && element.content.size() == 15) {
        year = digits.next() * 100;
        year += digits.next();
        if (year >= 1950 && year <= 2049) {
            return std::nullopt; // has to be a UTCTime
        }
    } else {
        return std::nullopt;
    }
    const unsigned month = digits.next();
    const unsigned day = digits.next();
    const unsigned hour = digits.next();
    const unsigned minute = digits.next();
    const unsigned second = digits.next();
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                           std::chrono::day(day)};
    // "ISO 8601 permits 24:00:00 as midnight tomorrow", and leap seconds.
    if (!digits.is_right() || digits.rest() != "Z" || year < 1970 || !date.ok() || hour > 24 || minute > 59 ||
        second > 60) {
        return std::nullopt;
    }
    const auto days = std::chrono::sys_days(date).time_since_epoch();
    return std::chrono::seconds(days).count() + std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second;
}

KernelCertificate KernelCertificate::parse(std::span<const std::byte> der, const std::string& subject) {
    auto parts = std::make_shared<Parts>();
    parts->der.assign(der.begin(), der.end());
    // The cheap look first: whoever searches for certificates calls this with much that is none.
    if (read_fields(*parts)) {
        const auto* position = reinterpret_cast<const unsigned char*>(parts->der.data());
        parts->certificate.reset(d2i_X509(nullptr, &position, static_cast<long>(parts->der.size())));
        ERR_clear_error();
    }
    if (!parts->certificate) {
        throw Error(ErrorCode::certificate, subject, "holds no certificate in DER that a kernel could read",
                    "name a file with an X.509 certificate (signing_key.x509, signing_crt.crt, MOK.der)");
    }
    fill_texts(*parts);
    return KernelCertificate(std::move(parts));
}

std::vector<KernelCertificate> KernelCertificate::load(const std::filesystem::path& file) {
    const WipedBytes bytes = read_key_material(file, largest_certificate_file);
    std::vector<KernelCertificate> certificates;
    DerReader reader(bytes);
    if (reader.next_is(der_sequence)) {
        while (const auto element = reader.next(der_sequence)) {
            certificates.push_back(parse(element->whole, file.string()));
        }
    } else {
        certificates = load_pem(bytes, file.string());
    }
    if (certificates.empty()) {
        throw Error(ErrorCode::certificate, file.string(), "holds no certificate in DER or PEM",
                    "name a file with an X.509 certificate (signing_key.x509, signing_crt.crt, MOK.der)");
    }
    return certificates;
}

const std::string& KernelCertificate::name() const noexcept {
    return parts_->name_text;
}
const std::string& KernelCertificate::issuer() const noexcept {
    return parts_->issuer_text;
}
const std::string& KernelCertificate::serial() const noexcept {
    return parts_->serial_text;
}
const std::string& KernelCertificate::key_id() const noexcept {
    return parts_->key_id_text;
}
const std::string& KernelCertificate::key_description() const noexcept {
    return parts_->key_text;
}
const std::string& KernelCertificate::fingerprint() const noexcept {
    return parts_->fingerprint_text;
}

} // namespace ksign
