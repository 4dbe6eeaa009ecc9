#include "pkcs7.hpp"

#include "catch.hpp"
#include "der.hpp"
#include "key_sample.hpp"
#include "keyrings.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>

using namespace ksign;
using namespace ksign::test;
using namespace std::string_view_literals;

namespace {

/// One element, with a length of two bytes.
Bytes element(unsigned tag, const Bytes& content) {
    return joined(
        {bytes_from({tag, 0x82}),
         bytes_from({static_cast<unsigned>(content.size() >> 8U), static_cast<unsigned>(content.size() & 0xffU)}),
         content});
}
Bytes object(std::string_view identifier) {
    return element(der_object, bytes_of(identifier));
}
Bytes number(unsigned value) {
    return element(der_integer, bytes_from({value}));
}
Bytes together(const std::vector<Bytes>& parts) {
    Bytes all;
    for (const Bytes& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}
Bytes sequence(const std::vector<Bytes>& parts) {
    return element(der_sequence, together(parts));
}

constexpr unsigned utc_time = 0x17;
constexpr unsigned general_time = 0x18;

constexpr auto signed_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"sv;
constexpr auto plain_data = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"sv;
constexpr auto indirect_data = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04"sv;
constexpr auto sha256 = "\x60\x86\x48\x01\x65\x03\x04\x02\x01"sv;
constexpr auto rsa = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"sv;
constexpr auto mldsa44 = "\x60\x86\x48\x01\x65\x03\x04\x03\x11"sv;

Bytes attribute(std::string_view identifier, const std::vector<Bytes>& values) {
    return sequence({object(identifier), element(der_set, together(values))});
}
Bytes content_type(std::string_view type = plain_data) {
    return attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"sv, {object(type)});
}
const Bytes digest(32, std::byte{0x5a});
Bytes message_digest() {
    return attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"sv, {element(der_octet_string, digest)});
}
Bytes signing_time(unsigned tag, std::string_view text) {
    return attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"sv, {element(tag, bytes_of(text))});
}
Bytes smime_capabilities() {
    return attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f"sv, {sequence({})});
}
Bytes statement_type() {
    return attribute("\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0b"sv, {sequence({})});
}
Bytes opus_info() {
    return attribute("\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0c"sv, {sequence({})});
}

struct MessageForm {
    std::string_view type = plain_data;
    std::string_view algorithm = rsa;
    Bytes certificate = {};                 ///< In DER, of the signer; empty: none.
    Bytes name = element(der_sequence, {}); ///< Of the signer's issuer.
    Bytes serial = number(5);
    Bytes key_id = {}; ///< In place of issuer and serial number; empty: these.
};

/// A message with these elements where the signed attributes stand; what it is signed with is nonsense.
Bytes message(const Bytes& attributes, const MessageForm& form = {}) {
    constexpr unsigned key_id_tag = 0x80;
    const bool by_key_id = !form.key_id.empty();
    const Bytes who = by_key_id ? element(key_id_tag, form.key_id) : sequence({form.name, form.serial});
    const Bytes version = number(by_key_id ? 3 : 1);
    const Bytes signer = sequence({version, who, sequence({object(sha256)}), attributes,
                                   sequence({object(form.algorithm)}), element(der_octet_string, Bytes(64))});
    const Bytes certificates = form.certificate.empty() ? Bytes() : element(der_context(0), form.certificate);
    return sequence(
        {object(signed_data),
         element(der_context(0), sequence({version, element(der_set, sequence({object(sha256)})),
                                           sequence({object(form.type)}), certificates, element(der_set, signer)}))});
}

/// As a SET OF attributes has them, [0] in place of its tag.
Bytes attributes(const std::vector<Bytes>& list) {
    return element(der_context(0), together(list));
}

KernelFailure failure_of(const Bytes& bytes) {
    const auto parsed = parse_pkcs7(bytes, {});
    REQUIRE(std::holds_alternative<KernelFailure>(parsed));
    return std::get<KernelFailure>(parsed);
}

void check_failure(const Bytes& bytes, int error, std::string_view rule, const std::string& console) {
    const KernelFailure failure = failure_of(bytes);
    CHECK(failure.error == error);
    CHECK(failure.rule == rule);
    CHECK(failure.console == console);
    CHECK_FALSE(failure.reason.empty());
}

bool parses(const Bytes& bytes) {
    return std::holds_alternative<Pkcs7Message>(parse_pkcs7(bytes, {}));
}

Pkcs7Signer signer_of(const Bytes& bytes) {
    const auto parsed = parse_pkcs7(bytes, {});
    REQUIRE(std::holds_alternative<Pkcs7Message>(parsed));
    return std::get<Pkcs7Message>(parsed).signers.at(0);
}

constexpr auto attribute_rule = "pkcs7_sig_note_authenticated_attr"sv;

} // namespace

TEST_CASE("a key identifier is told whole, a serial number without its sign's byte", "[pkcs7]") {
    const Bytes bytes = bytes_from({0x00, 0xb1, 0xae});
    MessageForm form;
    form.key_id = bytes;
    CHECK(signer_of(message({}, form)).serial == "00:B1:AE");
    form.key_id.clear();
    form.serial = element(der_integer, bytes);
    CHECK(signer_of(message({}, form)).serial == "B1:AE");
}

TEST_CASE("signed attributes: the two that have to be there, and others", "[pkcs7]") {
    const Bytes unknown = attribute("\x2a\x03\x04"sv, {number(1), number(2)});
    CHECK(parses(message({})));
    CHECK(parses(message(attributes({content_type(), message_digest()}))));
    CHECK(parses(message(attributes({unknown, message_digest(), unknown, content_type()}))));
    const std::string missing = "PKCS7: Missing required AuthAttr";
    check_failure(message(attributes({})), EBADMSG, "pkcs7_sig_note_set_of_authattrs", missing);
    check_failure(message(attributes({content_type()})), EBADMSG, "pkcs7_sig_note_set_of_authattrs", missing);
    check_failure(message(attributes({message_digest()})), EBADMSG, "pkcs7_sig_note_set_of_authattrs", missing);
    check_failure(message(attributes({content_type(indirect_data), message_digest()})), EBADMSG, attribute_rule, "");
    // Nothing in the set of values, or something after it.
    check_failure(message(attributes({attribute("\x2a\x03\x04"sv, {})})), EBADMSG, "asn1_ber_decoder", "");
    check_failure(message(attributes({sequence({object("\x2a\x03"sv), element(der_set, number(1)), number(1)})})),
                  EBADMSG, "asn1_ber_decoder", "");
}

TEST_CASE("signed attributes that only Authenticode may have", "[pkcs7]") {
    const auto among = [](const Bytes& other) { return attributes({content_type(), other, message_digest()}); };
    check_failure(message(among(smime_capabilities())), EKEYREJECTED, attribute_rule,
                  "PKCS7: S/MIME Caps only allowed with Authenticode");
    for (const Bytes& other : {statement_type(), opus_info()}) {
        check_failure(message(among(other)), EKEYREJECTED, attribute_rule,
                      "PKCS7: Authenticode AuthAttrs only allowed with Authenticode");
    }
    MessageForm form;
    form.type = indirect_data;
    for (const Bytes& other : {smime_capabilities(), statement_type(), opus_info()}) {
        CHECK(parses(message(attributes({content_type(indirect_data), other, message_digest()}), form)));
        check_failure(message(attributes({other, other, content_type(indirect_data), message_digest()}), form),
                      EKEYREJECTED, attribute_rule, "PKCS7: Repeated/multivalue AuthAttrs not permitted");
    }
    check_failure(message({}, form), EBADMSG, "pkcs7_note_signed_info", "PKCS7: Authenticode requires AuthAttrs");
}

TEST_CASE("signed attributes with several values, or twice", "[pkcs7]") {
    const std::string repeated = "PKCS7: Repeated/multivalue AuthAttrs not permitted";
    const Bytes time = signing_time(utc_time, "261124120000Z");
    CHECK(parses(message(attributes({content_type(), time, message_digest()}))));
    for (const Bytes& twice : {content_type(), message_digest(), time}) {
        check_failure(message(attributes({content_type(), twice, twice, message_digest()})), EKEYREJECTED,
                      attribute_rule, repeated);
    }
    const Bytes two_values =
        attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"sv, {object(plain_data), object(plain_data)});
    check_failure(message(attributes({two_values, message_digest()})), EKEYREJECTED, attribute_rule, repeated);
}

TEST_CASE("the signing time has to be one that the kernel reads", "[pkcs7]") {
    const auto with = [](unsigned tag, std::string_view text) {
        return message(attributes({content_type(), signing_time(tag, text), message_digest()}));
    };
    const auto seconds = [&with](unsigned tag, std::string_view text) {
        const auto parsed = parse_pkcs7(with(tag, text), {});
        REQUIRE(std::holds_alternative<Pkcs7Message>(parsed));
        return std::get<Pkcs7Message>(parsed).signers.front().signing_time.value_or(-1);
    };
    CHECK(seconds(utc_time, "700101000000Z") == 0);
    CHECK(seconds(utc_time, "261124121314Z") == 1795522394);
    CHECK(seconds(utc_time, "491231235960Z") == 2524608000); // a leap second
    CHECK(seconds(utc_time, "000229240000Z") == 951868800);  // midnight of the next day
    CHECK(seconds(general_time, "20500101000000Z") == 2524608000);
    CHECK(seconds(general_time, "99991231235959Z") == 253402300799);
    for (const auto text :
         {"691231235959Z"sv, "500101000000Z"sv, "2611241213Z"sv, "261124121314+"sv, "261324121314Z"sv,
          "260024121314Z"sv, "260229121314Z"sv, "260400121314Z"sv, "260431121314Z"sv, "261124251314Z"sv,
          "261124126014Z"sv, "261124121361Z"sv, "26112412131xZ"sv, "261124121314Z "sv, ""sv}) {
        INFO(text);
        check_failure(with(utc_time, text), EBADMSG, attribute_rule, "");
    }
    // What fits UTCTime has to be one.
    check_failure(with(general_time, "20261124121314Z"), EBADMSG, attribute_rule, "");
    check_failure(with(general_time, "21000229000000Z"), EBADMSG, attribute_rule, "");
    check_failure(with(general_time, "261124121314Z"), EBADMSG, attribute_rule, "");
    check_failure(with(der_octet_string, "261124121314Z"), EBADMSG, attribute_rule, "");
}

TEST_CASE("attributes in a sequence are parsed, and no part of what is signed", "[pkcs7]") {
    const auto in_sequence = [](const std::vector<Bytes>& list) { return element(der_context(2), sequence(list)); };
    const auto parsed = parse_pkcs7(message(in_sequence({content_type()})), {});
    REQUIRE(std::holds_alternative<Pkcs7Message>(parsed));
    CHECK(std::get<Pkcs7Message>(parsed).signers.front().attributes.empty());
    check_failure(message(in_sequence({smime_capabilities()})), EKEYREJECTED, attribute_rule,
                  "PKCS7: S/MIME Caps only allowed with Authenticode");
}

TEST_CASE("the signing time has to lie within the validity of a certificate in the message", "[pkcs7]") {
    const KeySample sample = rsa_sample();
    const auto certificate = KernelCertificate::parse(certificate_der(sample.certificate.get()), "test");
    const auto& parts = certificate.parts();
    MessageForm form;
    form.algorithm = mldsa44; // of the others, signed attributes are refused before
    form.certificate = parts.der;
    form.name = element(der_sequence, Bytes(parts.issuer.begin(), parts.issuer.end()));
    form.serial = element(der_integer, Bytes(parts.serial.begin(), parts.serial.end()));
    const KernelCrypto crypto({7, 3}, std::nullopt);
    const TrustedKeys keys;
    const Keyrings keyrings(KernelFacts(), keys, crypto);
    const auto console = [&](std::string_view time, const Bytes& embedded) {
        form.certificate = embedded;
        const Bytes bytes = message(attributes({content_type(), message_digest(), signing_time(utc_time, time)}), form);
        const auto parsed = parse_pkcs7(bytes, crypto.knowledge());
        REQUIRE(std::holds_alternative<Pkcs7Message>(parsed));
        MessageCheck check(std::get<Pkcs7Message>(parsed), crypto, keyrings, [](const Pkcs7Signer& signer) {
            return SignedContent{signer.hash, digest, [] { return ByteView(digest); }};
        });
        const auto failure = check.verify();
        return failure ? failure->console : "none";
    };
    const std::string outside = "PKCS7: Message signed outside of X.509 validity window";
    CHECK(console("200101000000Z", parts.der) == outside);
    CHECK(console("491231235959Z", parts.der) == outside);
    CHECK(console("200101000000Z", {}) == "none");
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm broken_down{};
    gmtime_r(&seconds, &broken_down);
    std::array<char, 16> text{};
    std::strftime(text.data(), text.size(), "%Y%m%d%H%M%SZ", &broken_down);
    CHECK(console(std::string_view(text.data()).substr(2), parts.der)
              .empty()); // the certificate's key is RSA's, which fails without a line
}
