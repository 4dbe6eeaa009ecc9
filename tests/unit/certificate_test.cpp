#include "certificate.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "key_sample.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

std::string serial_of(const std::string& hexadecimal) {
    CertificateForm form;
    form.serial = hexadecimal;
    const CertificatePointer certificate = make_certificate(rsa_sample().key.get(), form);
    return serial_text(X509_get0_serialNumber(certificate.get()));
}

std::string name_of(const std::string& common_name, const std::string& organization) {
    CertificateForm form;
    form.common_name = common_name;
    form.organization = organization;
    const CertificatePointer certificate = make_certificate(rsa_sample().key.get(), form);
    return display_name(X509_get_subject_name(certificate.get()));
}

} // namespace

TEST_CASE("a certificate is read in DER and in PEM", "[certificate]") {
    const TemporaryFolder folder;
    X509* expected = rsa_sample().certificate.get();
    const Bytes key = key_pem(rsa_sample().key.get());
    const auto reads = [&](const Bytes& content) {
        write_file(folder / "file", content);
        return X509_cmp(read_certificate(folder / "file").get(), expected) == 0;
    };
    CHECK(reads(certificate_der(expected)));
    CHECK(reads(certificate_pem(expected)));
    CHECK(reads(joined({key, certificate_pem(expected)})));
    CHECK(reads(joined({certificate_pem(expected), key})));
    CHECK(reads(joined({bytes_of("subject=CN = something\n"), certificate_pem(expected)})));
}

TEST_CASE("what holds no certificate is told", "[certificate]") {
    const TemporaryFolder folder;
    const Bytes der = certificate_der(rsa_sample().certificate.get());
    const auto refused = [&](const Bytes& content) {
        write_file(folder / "file", content);
        const Error error = error_of([&] { static_cast<void>(read_certificate(folder / "file")); });
        INFO("a file of " << content.size() << " bytes: " << error.reason());
        CHECK(error.subject() == (folder / "file").string());
        CHECK(mentions(error.reason(), "holds no certificate"));
        CHECK_FALSE(error.remedy().empty());
        return error.code() == ErrorCode::certificate;
    };
    CHECK(refused({}));
    CHECK(refused(bytes_of("not a certificate")));
    CHECK(refused(key_pem(rsa_sample().key.get())));
    CHECK(refused(prefix_of(der, der.size() - 1)));
    CHECK(refused(prefix_of(der, 3)));
    CHECK(refused(bytes_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")));
    CHECK(error_of([&] { static_cast<void>(read_certificate(folder / "missing")); }).code() == ErrorCode::system);
    write_file(folder / "huge", Bytes(2U << 20U));
    CHECK(error_of([&] { static_cast<void>(read_certificate(folder / "huge")); }).code() == ErrorCode::limit);
}

TEST_CASE("bytes are written as modinfo does", "[certificate]") {
    const std::array<unsigned char, 4> bytes{0x00, 0x0a, 0xb1, 0xff};
    CHECK(colon_hex(bytes) == "00:0A:B1:FF");
    CHECK(colon_hex({}).empty());
}

TEST_CASE("a serial number is written as kmod does, without the zero byte that DER puts before it", "[certificate]") {
    CHECK(serial_of("1A2B") == "1A:2B");
    CHECK(serial_of("7F") == "7F");
    CHECK(serial_of("80") == "80");
    CHECK(serial_of("FF00112233445566778899AABBCCDDEEFF001122") ==
          "FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22");
    CHECK(serial_of("0") == "00");
}

TEST_CASE("a name is its common name, or all of it", "[certificate]") {
    CHECK(name_of("kernel signing key", "") == "kernel signing key");
    CHECK(name_of("kernel signing key", "Some Organization") == "kernel signing key");
    CHECK(name_of("Schlüssel für Module", "") == "Schlüssel für Module");
    CHECK(name_of("", "Some Organization") == "O = Some Organization");
}
