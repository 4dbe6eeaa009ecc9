#include <ksign/key_folder.hpp>

#include "catch.hpp"
#include "certificate.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"

#include <chrono>
#include <ctime>

using namespace ksign;
using namespace ksign::test;
using namespace std::chrono_literals;

namespace {

/// How long ago; both have whole seconds, so a second more or less says nothing.
std::chrono::seconds age_of(const KeyFolder& folder) {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - folder.made);
}

bool is_about(std::chrono::seconds one, std::chrono::seconds other) {
    constexpr std::chrono::seconds slack{300}; // samples are made once for all tests
    return one > other - slack && one < other + slack;
}

/// SHA-256 of bytes, as read_key_folder() should write it.
std::string fingerprint_of(ByteView bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned size = 0;
    openssl_expect(EVP_Digest(bytes.data(), bytes.size(), sum.data(), &size, EVP_sha256(), nullptr));
    return colon_hex({sum.data(), size});
}

Error refusal(const std::filesystem::path& folder) {
    return error_of([&] { static_cast<void>(read_key_folder(folder)); });
}

} // namespace

TEST_CASE("a key folder is described", "[key_folder]") {
    const CertsLocal store;
    const KeySample sample = make_sample(ec_sample("P-384").key, {"Signer of modules", "Someone", "0A1B2C", true});
    const auto path = store.put("20260101-1200", sample, "sha384");
    const KeyFolder folder = read_key_folder(path);
    CHECK(folder.path == path);
    CHECK(folder.kind == KeyKind::p_384);
    CHECK(folder.hash == HashAlgorithm::sha384);
    CHECK(folder.signer == "Signer of modules");
    CHECK(folder.serial == "0A:1B:2C");
    CHECK(folder.fingerprint == fingerprint_of(certificate_der(sample.certificate.get())));
    CHECK(folder.has_private_key);
    CHECK(is_about(age_of(folder), 1h)); // make_certificate()'s notBefore
}

TEST_CASE("a key folder is as old as its certificate, or its key's file if that is older", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    CHECK(is_about(age_of(read_key_folder(path)), 1h));
    make_older(path / "signing_key.pem", 240h);
    CHECK(is_about(age_of(read_key_folder(path)), 240h));
    make_older(path / "signing_key.pem", 0h); // a copy that did not keep its time
    CHECK(is_about(age_of(read_key_folder(path)), 1h));
    std::filesystem::remove(path / "signing_key.pem");
    make_older(path / "signing_crt.crt", 240h);
    CHECK(is_about(age_of(read_key_folder(path)), 240h));
}

TEST_CASE("a key folder without one of its private files has no private key", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    const std::string name = GENERATE("signing_key.pem", "signing_prv.pem");
    std::filesystem::remove(path / name);
    CHECK_FALSE(read_key_folder(path).has_private_key);
}

TEST_CASE("a key folder's hash is read as Arch-SKM writes it", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    for (const std::string_view text : {"sha512\n", "sha512", "SHA512\n", "sha512 \n", "sha512\r\n"}) {
        INFO(text);
        write_file(path / "khash", text);
        CHECK(read_key_folder(path).hash == HashAlgorithm::sha512);
    }
    write_file(path / "khash", "sha3-384\n");
    CHECK(read_key_folder(path).hash == HashAlgorithm::sha3_384);
}

TEST_CASE("a key folder need not say its hash", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    for (const std::string_view text : {"", "\n", "md5\n", "sha512x\n"}) {
        INFO(text);
        write_file(path / "khash", text);
        CHECK_FALSE(read_key_folder(path).hash);
    }
    std::filesystem::remove(path / "khash");
    CHECK_FALSE(read_key_folder(path).hash);
}

TEST_CASE("a key folder whose hash is a heap of bytes is refused", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    write_file(path / "khash", Bytes(1000));
    CHECK(refusal(path).code() == ErrorCode::limit);
}

TEST_CASE("a key folder without a certificate is refused", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200");
    SECTION("none at all") {
        std::filesystem::remove(path / "signing_crt.crt");
        const Error error = refusal(path);
        CHECK(error.code() == ErrorCode::system);
        CHECK(error.subject() == (path / "signing_crt.crt").string());
    }
    SECTION("half of one") {
        const Bytes whole = read_file(path / "signing_crt.crt");
        write_file(path / "signing_crt.crt", prefix_of(whole, whole.size() / 2));
        CHECK(refusal(path).code() == ErrorCode::certificate);
    }
    SECTION("an empty file") {
        write_file(path / "signing_crt.crt", "");
        CHECK(refusal(path).code() == ErrorCode::certificate);
    }
    SECTION("no folder") {
        CHECK(refusal(store / "20270101-1200").code() == ErrorCode::system);
    }
}

TEST_CASE("a key folder with a key of another kind is refused", "[key_folder]") {
    const CertsLocal store;
    const auto path = store.put("20260101-1200", make_sample(make_key("ED25519")));
    const Error error = refusal(path);
    CHECK(error.code() == ErrorCode::certificate);
    CHECK(mentions(error.reason(), "type of key"));
    CHECK_FALSE(error.remedy().empty());
}

TEST_CASE("the current key folder is where the link leads", "[key_folder]") {
    const CertsLocal store;
    CHECK_FALSE(current_key_folder(store.path()));
    CHECK_FALSE(current_key_folder(store / "missing"));
    store.lead_current_to("20260101-1200"); // it need not exist
    CHECK(current_key_folder(store.path()) == store / "20260101-1200");
    store.lead_current_to("./20260101-1200");
    CHECK(current_key_folder(store.path()) == store / "20260101-1200");
    store.lead_current_to(store.beside() / "elsewhere/20260101-1200");
    CHECK(current_key_folder(store.path()) == store.beside() / "elsewhere/20260101-1200");
}

TEST_CASE("a current key folder that is named with a slash at its end has the same name", "[key_folder]") {
    // Once: current_key_folder() keeps the slash, so the path's filename() is empty. See key_refresh_test.cpp and
    // key_install_test.cpp for what follows.
    const CertsLocal store;
    store.lead_current_to("20260101-1200/");
    CHECK(current_key_folder(store.path())->filename() == "20260101-1200");
}

TEST_CASE("the current key folder is the folder itself, over however many links", "[key_folder]") {
    const CertsLocal store;
    std::filesystem::create_directory_symlink("20260101-1200", store / "newest"); // it need not exist
    std::filesystem::create_directory_symlink("./newest/", store / "latest");
    store.lead_current_to("latest");
    CHECK(current_key_folder(store.path()) == store / "20260101-1200");
    store.put("20260101-1200");
    CHECK(current_key_folder(store.path()) == store / "20260101-1200");
    store.lead_current_to("current");
    const Error error = error_of([&] { static_cast<void>(current_key_folder(store.path())); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(error.subject() == (store / "current").string());
}

TEST_CASE("a current that is no link is refused", "[key_folder]") {
    const CertsLocal store;
    SECTION("a folder") {
        std::filesystem::create_directory(store / "current");
    }
    SECTION("a file") {
        write_file(store / "current", "20260101-1200");
    }
    const Error error = error_of([&] { static_cast<void>(current_key_folder(store.path())); });
    CHECK(error.code() == ErrorCode::key);
    CHECK(error.subject() == (store / "current").string());
    CHECK(mentions(error.reason(), "is no symbolic link"));
    CHECK_FALSE(error.remedy().empty());
}
