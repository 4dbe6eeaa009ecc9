#include "pkcs7.hpp"

#include "certificate.hpp"
#include "der.hpp"

#include <ksign/error.hpp>

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;
using Failure = std::optional<KernelFailure>;
using namespace std::string_view_literals;

constexpr std::string_view signed_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"sv;
constexpr std::string_view plain_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"sv;
constexpr std::string_view indirect_data = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04"sv; // Authenticode
constexpr std::string_view attribute_content_type = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"sv;
constexpr std::string_view attribute_signing_time = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"sv;
constexpr std::string_view attribute_smime_capabilities = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f"sv;
constexpr std::string_view attribute_statement_type = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0b"sv; // Microsoft's
constexpr std::string_view attribute_opus_info = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0c"sv;      // Microsoft's
constexpr std::string_view attribute_message_digest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"sv;

constexpr std::string_view attribute_rule = "pkcs7_sig_note_authenticated_attr";

constexpr std::size_t largest_message = 65535; // asn1_ber_decoder(): "datalen > 65535"

KernelFailure malformed(std::string reason) {
    return {EBADMSG, "asn1_ber_decoder",
            "the signature is no CMS message that the kernel can parse: " + std::move(reason)};
}

/// A one-byte INTEGER, as the parser wants its versions; -1 for others.
int version_of(const DerElement& element) {
    return element.content.size() == 1 ? std::to_integer<int>(element.content[0]) : -1;
}

Bytes object_in(const DerElement& algorithm_identifier) {
    const auto object = DerReader(algorithm_identifier.content).next(der_object);
    return object ? object->content : Bytes();
}

std::string hex_text(Bytes bytes) {
    return colon_hex({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

/// A serial number as kmod writes it: without the zero byte that DER puts before a set top bit.
std::string number_text(Bytes bytes) {
    if (bytes.size() > 1 && bytes[0] == std::byte{0} && (bytes[1] & std::byte{0x80}) != std::byte{0}) {
        bytes = bytes.subspan(1);
    }
    return hex_text(bytes);
}

class Parser {
  public:
    explicit Parser(const Pkcs7Knowledge& knowledge) : knowledge_(knowledge) {}

    [[nodiscard]] std::variant<Pkcs7Message, KernelFailure> parse(Bytes bytes) {
        if (bytes.size() > largest_message) {
            return KernelFailure{EMSGSIZE, "asn1_ber_decoder",
                                 "the signature has " + std::to_string(bytes.size()) +
                                     " bytes, more than the 65535 that the kernel parses"};
        }
        if (Failure failure = read_content_info(bytes)) {
            return std::move(*failure);
        }
        return std::move(message_);
    }

  private:
    // PKCS7ContentInfo. What follows it is not looked at, as in the kernel.
    Failure read_content_info(Bytes bytes) {
        const auto info = DerReader(bytes).next(der_sequence);
        if (!info) {
            return malformed("it does not begin with a sequence");
        }
        DerReader fields(info->content);
        const auto type = fields.next(der_object);
        if (!type) {
            return malformed("it has no content type");
        }
        if (as_text(type->content) != signed_data) {
            return KernelFailure{EINVAL, "pkcs7_check_content_type", "the signature is not of the type signedData",
                                 "PKCS7: Only support pkcs7_signedData type"};
        }
        const auto content = fields.next(der_context(0));
        const auto data = content ? DerReader(content->content).next(der_sequence) : std::nullopt;
        return data ? read_signed_data(data->content) : malformed("it holds no SignedData");
    }

    Failure read_signed_data(Bytes bytes) {
        DerReader fields(bytes);
        const auto version = fields.next(der_integer);
        if (!version) {
            return malformed("SignedData has no version");
        }
        version_ = version_of(*version);
        if (version_ != 1 && version_ != 3) {
            return KernelFailure{EINVAL, "pkcs7_note_signeddata_version",
                                 "its SignedData is neither of version 1 nor 3",
                                 "PKCS7: Unsupported SignedData version"};
        }
        if (!fields.next(der_set) && !fields.next(der_sequence)) {
            return malformed("SignedData names no digest algorithms");
        }
        const auto content = fields.next(der_sequence);
        if (!content) {
            return malformed("SignedData has no content information");
        }
        if (Failure failure = read_inner_content(content->content)) {
            return failure;
        }
        for (const unsigned choice : {0U, 2U}) {
            if (const auto certificates = fields.next(der_context(choice))) {
                if (Failure failure = read_certificates(certificates->content)) {
                    return failure;
                }
                break;
            }
        }
        static_cast<void>(fields.next(der_context(1))); // revocation lists: parsed, never used
        static_cast<void>(fields.next(der_context(3)));
        auto signers = fields.next(der_set);
        if (!signers) {
            signers = fields.next(der_sequence);
        }
        if (!signers || !fields.at_end()) {
            return malformed("SignedData has no signers, or something after them");
        }
        return read_signers(signers->content);
    }

    Failure read_inner_content(Bytes bytes) {
        DerReader fields(bytes);
        const auto type = fields.next(der_object);
        if (!type) {
            return malformed("its content has no type");
        }
        content_type_ = as_text(type->content);
        if (content_type_ != plain_data && content_type_ != indirect_data) {
            return KernelFailure{
                EINVAL, "pkcs7_note_content", "its content is of a type that the kernel does not know", {}};
        }
        message_.is_plain_data = content_type_ == plain_data;
        message_.has_content = fields.next(der_context(0)).has_value();
        return fields.at_end() ? Failure() : malformed("something follows its content");
    }

    /// pkcs7_extract_cert(). What the kernel's crypto then makes of each is for who knows the kernel.
    Failure read_certificates(Bytes bytes) {
        DerReader list(bytes);
        while (!list.at_end()) {
            const auto element = list.next(der_sequence);
            if (!element) {
                return malformed("its certificates are not certificates");
            }
            try {
                message_.certificates.push_back(KernelCertificate::parse(element->whole, "the signature"));
            } catch (const Error& error) {
                return KernelFailure{EBADMSG, "x509_cert_parse", "a certificate in it can't be parsed", {}};
            }
        }
        return {};
    }

    Failure read_signers(Bytes bytes) {
        DerReader list(bytes);
        while (!list.at_end()) {
            const auto element = list.next(der_sequence);
            if (!element) {
                return malformed("its signers are not sequences");
            }
            if (Failure failure = read_signer(element->content)) {
                return failure;
            }
        }
        return check_attributes();
    }

    Failure read_signer(Bytes bytes) {
        DerReader fields(bytes);
        Pkcs7Signer signer;
        const auto version = fields.next(der_integer);
        if (!version) {
            return malformed("a signer has no version");
        }
        if (Failure failure = check_signer_version(version_of(*version), signer)) {
            return failure;
        }
        if (Failure failure = read_signer_id(fields, signer)) {
            return failure;
        }
        const auto hash = fields.next(der_sequence);
        if (!hash) {
            return malformed("a signer names no hash");
        }
        if (Failure failure = read_hash(object_in(*hash), signer)) {
            return failure;
        }
        if (Failure failure = read_signed_attributes(fields, signer)) {
            return failure;
        }
        const auto algorithm = fields.next(der_sequence);
        if (!algorithm) {
            return malformed("a signer names no signature algorithm");
        }
        if (Failure failure = read_algorithm(object_in(*algorithm), signer)) {
            return failure;
        }
        const auto value = fields.next(der_octet_string);
        for (const unsigned choice : {1U, 3U}) { // unsigned attributes, in a set or a sequence
            if (fields.next(der_context(choice))) {
                break;
            }
        }
        if (!value || !fields.at_end()) {
            return malformed("a signer has no signature value, or something after it");
        }
        if (content_type_ == indirect_data && signer.attributes.empty()) {
            return KernelFailure{EBADMSG, "pkcs7_note_signed_info", "it is Authenticode without signed attributes",
                                 "PKCS7: Authenticode requires AuthAttrs"};
        }
        signer.value = value->content;
        message_.signers.push_back(std::move(signer));
        return {};
    }

    /// pkcs7_note_signerinfo_version().
    Failure check_signer_version(int version, Pkcs7Signer& signer) const {
        if (version != 1 && version != 3) {
            return KernelFailure{EINVAL, "pkcs7_note_signerinfo_version", "its signer is neither of version 1 nor 3",
                                 "PKCS7: Unsupported SignerInfo version"};
        }
        if ((version == 1) != (version_ == 1)) {
            return KernelFailure{EBADMSG, "pkcs7_note_signerinfo_version",
                                 "the versions of SignedData and signer do not go together",
                                 "PKCS7: SignedData-SignerInfo version mismatch"};
        }
        signer.by_key_id = version == 3;
        return {};
    }

    static Failure read_signer_id(DerReader& fields, Pkcs7Signer& signer) {
        const auto names = fields.next(der_sequence);
        const auto key_id = names ? std::nullopt : fields.next(der_context_primitive(0));
        // The version, not what is there, says which of the two is used: with the wrong one the identifier is empty.
        if (key_id && signer.by_key_id) {
            signer.id = as_text(key_id->content);
            signer.serial = hex_text(key_id->content);
            return {};
        }
        if (!names) {
            return key_id ? Failure() : malformed("a signer is not named");
        }
        DerReader pair(names->content);
        const auto issuer = pair.next(der_sequence);
        const auto serial = pair.next(der_integer);
        if (!issuer || !serial) {
            return malformed("a signer's name is neither issuer and serial number nor a key identifier");
        }
        if (!signer.by_key_id) {
            signer.id = issuer_and_serial(serial->content, issuer->content);
            signer.issuer = issuer->whole;
            signer.serial = number_text(serial->content);
        }
        return {};
    }

    /// pkcs7_sig_note_digest_algo().
    Failure read_hash(Bytes object, Pkcs7Signer& signer) const {
        const auto hash = hash_of_object(object);
        if (!hash) {
            return KernelFailure{ENOPKG, "pkcs7_sig_note_digest_algo", "no kernel knows its hash algorithm", {}};
        }
        const bool is_sha3 =
            *hash == HashAlgorithm::sha3_256 || *hash == HashAlgorithm::sha3_384 || *hash == HashAlgorithm::sha3_512;
        if (is_sha3 && !knowledge_.sha3) {
            return KernelFailure{ENOPKG,
                                 "pkcs7_sig_note_digest_algo",
                                 "it is signed with " + std::string(hash_name(*hash)) +
                                     ", which kernels know from Linux 6.7 on",
                                 {}};
        }
        signer.hash = *hash;
        return {};
    }

    /// pkcs7_sig_note_pkey_algo().
    Failure read_algorithm(Bytes object, Pkcs7Signer& signer) const {
        const SignatureAlgorithm algorithm = signature_algorithm_of(object);
        // Of RSA, the message's parser knows rsaEncryption alone.
        signer.key_algorithm =
            algorithm.key == PublicKeyAlgorithm::rsa && algorithm.hash ? PublicKeyAlgorithm::unknown : algorithm.key;
        switch (signer.key_algorithm) {
        case PublicKeyAlgorithm::rsa:
            return {};
        case PublicKeyAlgorithm::ecdsa:
            if (knowledge_.ecdsa) {
                return {};
            }
            return KernelFailure{ENOPKG,
                                 "pkcs7_sig_note_pkey_algo",
                                 "it is signed with ECDSA, which kernels know from Linux 5.13 on",
                                 {}};
        case PublicKeyAlgorithm::mldsa44:
        case PublicKeyAlgorithm::mldsa65:
        case PublicKeyAlgorithm::mldsa87:
            if (knowledge_.mldsa) {
                return {};
            }
            return KernelFailure{ENOPKG,
                                 "pkcs7_sig_note_pkey_algo",
                                 "it is signed with ML-DSA, which kernels know from Linux 7.0 on",
                                 {}};
        case PublicKeyAlgorithm::unknown:
            break;
        }
        return KernelFailure{ENOPKG, "pkcs7_sig_note_pkey_algo", "no kernel knows its signature algorithm", {}};
    }

    /// The bits of aa_set.
    struct AttributesSeen {
        bool content_type = false;
        bool signing_time = false;
        bool message_digest = false;
        bool smime_capabilities = false;
        bool opus_info = false;
        bool statement_type = false;
    };

    /// Each value of each attribute, in the order of the message: the first that does not suit decides.
    Failure read_attributes(Bytes attributes, Pkcs7Signer& signer, AttributesSeen& seen) const {
        DerReader list(attributes);
        while (!list.at_end()) {
            const auto attribute = list.next(der_sequence);
            DerReader fields(attribute ? attribute->content : Bytes());
            const auto object = fields.next(der_object);
            const auto values = fields.next(der_set);
            if (!object || !values || values->content.empty()) {
                return malformed("a signed attribute has no value");
            }
            DerReader each(values->content);
            while (!each.at_end()) {
                const auto value = each.next();
                if (!value) {
                    return malformed("a signed attribute's value can't be read");
                }
                if (Failure failure = note_attribute(as_text(object->content), *value, signer, seen)) {
                    return failure;
                }
            }
            if (!fields.at_end()) {
                return malformed("something follows a signed attribute's values");
            }
        }
        return {};
    }

    /// pkcs7_sig_note_authenticated_attr(), the same from Linux 4.4 to 7.3. Attributes that it does not know may be
    /// there as often as they like.
    Failure note_attribute(std::string_view object, const DerElement& value, Pkcs7Signer& signer,
                           AttributesSeen& seen) const {
        if (object == attribute_content_type) {
            if (std::exchange(seen.content_type, true)) {
                return repeated_attribute();
            }
            return as_text(value.content) == content_type_
                       ? Failure()
                       : KernelFailure{EBADMSG, attribute_rule, "its signed attributes name another content type", {}};
        }
        if (object == attribute_signing_time) {
            if (std::exchange(seen.signing_time, true)) {
                return repeated_attribute();
            }
            signer.signing_time = time_of(value);
            return signer.signing_time
                       ? Failure()
                       : KernelFailure{EBADMSG, attribute_rule, "the kernel can't read its signing time", {}};
        }
        if (object == attribute_message_digest) {
            if (std::exchange(seen.message_digest, true)) {
                return repeated_attribute();
            }
            signer.message_digest = value.content;
            return value.tag == der_octet_string
                       ? Failure()
                       : KernelFailure{EBADMSG, attribute_rule, "its message digest is not an octet string", {}};
        }
        if (object == attribute_smime_capabilities) {
            return note_authenticode(seen.smime_capabilities, "S/MIME capabilities (openssl cms: -nosmimecap)",
                                     "S/MIME Caps");
        }
        if (object == attribute_opus_info) {
            return note_authenticode(seen.opus_info, "Microsoft's SpOpusInfo", "Authenticode AuthAttrs");
        }
        if (object == attribute_statement_type) {
            return note_authenticode(seen.statement_type, "Microsoft's StatementType", "Authenticode AuthAttrs");
        }
        return {};
    }

    static KernelFailure repeated_attribute() {
        return {EKEYREJECTED, attribute_rule, "a signed attribute stands there twice, or has several values",
                "PKCS7: Repeated/multivalue AuthAttrs not permitted"};
    }

    /// An attribute that belongs to Authenticode alone.
    Failure note_authenticode(bool& seen, std::string_view name, std::string_view console) const {
        if (std::exchange(seen, true)) {
            return repeated_attribute();
        }
        if (content_type_ == indirect_data) {
            return {};
        }
        return KernelFailure{EKEYREJECTED, attribute_rule,
                             "it has " + std::string(name) +
                                 " among its signed attributes, which kernels take in Authenticode only",
                             "PKCS7: " + std::string(console) + " only allowed with Authenticode"};
    }

    /// authenticatedAttributes of pkcs7.asn1: a set, or a sequence, which is parsed and never digested.
    Failure read_signed_attributes(DerReader& fields, Pkcs7Signer& signer) const {
        AttributesSeen seen;
        if (const auto set = fields.next(der_context(0))) {
            if (Failure failure = read_attributes(set->content, signer, seen)) {
                return failure;
            }
            // pkcs7_sig_note_set_of_authattrs().
            if (!seen.content_type || !seen.message_digest) {
                return KernelFailure{EBADMSG, "pkcs7_sig_note_set_of_authattrs",
                                     "its signed attributes lack the content type or the message digest",
                                     "PKCS7: Missing required AuthAttr"};
            }
            signer.attributes = set->whole;
            return {};
        }
        if (const auto wrapper = fields.next(der_context(2))) {
            DerReader inside(wrapper->content);
            const auto list = inside.next(der_sequence);
            if (!list || !inside.at_end()) {
                return malformed("its signed attributes are neither a set nor a sequence");
            }
            return read_attributes(list->content, signer, seen);
        }
        return {};
    }

    /// pkcs7_check_authattrs().
    Failure check_attributes() {
        const bool consistent =
            !message_.signers.empty() && std::ranges::all_of(message_.signers, [this](const Pkcs7Signer& signer) {
                return signer.attributes.empty() == message_.signers.front().attributes.empty();
            });
        if (!consistent) {
            return KernelFailure{EINVAL, "pkcs7_check_authattrs",
                                 "it has no signer, or signed attributes for some signers only",
                                 "PKCS7: Inconsistently supplied authAttrs"};
        }
        return {};
    }

    Pkcs7Knowledge knowledge_;
    Pkcs7Message message_;
    int version_ = 0;
    std::string_view content_type_;
};

} // namespace

std::string issuer_text(const Pkcs7Signer& signer) {
    const auto* position = reinterpret_cast<const unsigned char*>(signer.issuer.data());
    const std::unique_ptr<X509_NAME, HandleDeleter<X509_NAME_free>> parsed(
        d2i_X509_NAME(nullptr, &position, static_cast<long>(signer.issuer.size())));
    ERR_clear_error();
    return parsed ? display_name(parsed.get()) : std::string();
}

std::variant<Pkcs7Message, KernelFailure> parse_pkcs7(std::span<const std::byte> bytes,
                                                      const Pkcs7Knowledge& knowledge) {
    return Parser(knowledge).parse(bytes);
}

} // namespace ksign
