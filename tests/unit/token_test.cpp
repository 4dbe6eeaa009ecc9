#include "token.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a PKCS#11 URI is told from a file", "[token]") {
    CHECK(is_token_uri("pkcs11:object=key"));
    CHECK(is_token_uri("pkcs11:"));
    CHECK(is_token_uri("PKCS11:object=key?pin-value=1234"));
    CHECK_FALSE(is_token_uri("./pkcs11:object=key"));
    CHECK_FALSE(is_token_uri("/etc/key.pem"));
    CHECK_FALSE(is_token_uri("pkcs11"));
    CHECK_FALSE(is_token_uri(""));
}

TEST_CASE("a name is shown without the PIN, wherever that stands", "[token]") {
    CHECK(displayed_key("/etc/key.pem?pin-value=1") == "/etc/key.pem?pin-value=1");
    CHECK(displayed_key("pkcs11:token=a%20b;object=c;type=private") == "pkcs11:token=a%20b;object=c;type=private");
    CHECK(displayed_key("pkcs11:token=a?pin-value=1234") == "pkcs11:token=a");
    CHECK(displayed_key("pkcs11:token=a?pin-value=1234&module-name=b") == "pkcs11:token=a?module-name=b");
    CHECK(displayed_key("pkcs11:token=a?module-name=b&pin-value=1234") == "pkcs11:token=a?module-name=b");
    CHECK(displayed_key("pkcs11:token=a?module-name=b;pin-value=1234") == "pkcs11:token=a?module-name=b");
    CHECK(displayed_key("pkcs11:token=a;pin-value=1234;object=b") == "pkcs11:token=a;object=b");
    CHECK(displayed_key("PKCS11:token=a?pin-value=1234") == "pkcs11:token=a");
    CHECK(displayed_key("pkcs11:?pin-value=1234") == "pkcs11:");
    CHECK(displayed_key("pkcs11:token=a?pin-value=1234?pin-value=5678") == "pkcs11:token=a");
    CHECK(displayed_key("pkcs11:token=a?pin-source=file:/etc/pin") == "pkcs11:token=a?pin-source=file:/etc/pin");
}

TEST_CASE("a key's URI names its certificate, and the other way round", "[token]") {
    CHECK(TokenUri("pkcs11:token=a;object=b;type=private").of_type("cert") == "pkcs11:token=a;object=b;type=cert");
    CHECK(TokenUri("pkcs11:token=a;type=cert;id=%01").of_type("private") == "pkcs11:token=a;id=%01;type=private");
    CHECK(TokenUri("pkcs11:token=a;object-type=private").of_type("cert") == "pkcs11:token=a;type=cert");
    CHECK(TokenUri("pkcs11:token=a?module-name=b&pin-value=1").of_type("cert") ==
          "pkcs11:token=a;type=cert?module-name=b");
    CHECK(TokenUri("pkcs11:").of_type("cert") == "pkcs11:type=cert");
}

TEST_CASE("two objects of a token have it in common", "[token]") {
    const std::string token = TokenUri("pkcs11:token=a;serial=1;object=b;type=private?pin-value=1").token();
    CHECK(TokenUri("pkcs11:serial=1;token=a;id=%02;type=cert").token() == token);
    CHECK(TokenUri("pkcs11:token=b;serial=1").token() != token);
    CHECK(TokenUri("pkcs11:token=a").token() != token);
}

TEST_CASE("a URI's PIN stands in it or in a file", "[token]") {
    const TemporaryFolder folder;
    write_key_file(folder / "a pin", bytes_of("1234\n"));
    const auto pin = [](const std::string& query) {
        const TokenUri uri("pkcs11:token=a?" + query);
        CHECK(uri.has_pin());
        return std::string(uri.pin().view());
    };
    CHECK_FALSE(TokenUri("pkcs11:token=a?module-name=pin-value").has_pin());
    CHECK(pin("pin-value=1234") == "1234");
    CHECK(pin("pin-value=%31%2fa%2F%") == "1/a/%");
    const std::string encoded = folder.path().string() + "/a%20pin";
    CHECK(pin("pin-source=" + encoded) == "1234");
    CHECK(pin("pin-source=file:" + encoded) == "1234");
    CHECK(pin("pin-source=file://" + encoded) == "1234");
    std::filesystem::permissions(folder / "a pin", std::filesystem::perms(0644));
    const TokenUri open("pkcs11:token=a?pin-source=" + encoded);
    CHECK(error_of([&] { static_cast<void>(open.pin()); }).code() == ErrorCode::key);
    CHECK(open.pin(InsecureFile::allowed).view() == "1234");
}

TEST_CASE("a URI's PIN that can't be had is told", "[token]") {
    const auto error = [](const std::string& query) {
        return error_of([&] { static_cast<void>(TokenUri("pkcs11:token=a?" + query).pin()); });
    };
    CHECK(error("pin-source=/nonexistent/pin").code() == ErrorCode::system);
    CHECK(error("pin-source=|cat").code() == ErrorCode::key);
    const Error twice = error("pin-value=1234&pin-source=/etc/pin");
    CHECK(twice.code() == ErrorCode::key);
    CHECK_FALSE(mentions(twice.what(), "1234"));
}
