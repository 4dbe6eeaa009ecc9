#include <ksign/key_store.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "kernel_root.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

const std::string release = "6.12.1-test";

/// A kernel with headers in a root of its own.
class Headers : public KernelRoot {
  public:
    Headers() {
        link("lib/modules/" + release + "/build", "/usr/src/headers");
        folder("usr/src/headers");
    }
    [[nodiscard]] std::filesystem::path at(const std::string& name) const {
        return *this / ("usr/src/headers/" + name);
    }
    std::filesystem::path put(const std::string& name, std::string_view content = "x") const {
        return file("usr/src/headers/" + name, content);
    }
    [[nodiscard]] std::optional<KeyLocation> find() const {
        return find_kernel_key(Kernel(KernelRelease(release), path()));
    }
    [[nodiscard]] Error refusal() const {
        const Error error = error_of([this] { static_cast<void>(find()); });
        CHECK_FALSE(error.remedy().empty());
        return error;
    }
};

} // namespace

TEST_CASE("a kernel without keys has none", "[key_store]") {
    CHECK_FALSE(find_kernel_key(Kernel(KernelRelease(release), TemporaryFolder().path())));
    const Headers headers;
    CHECK_FALSE(headers.find());
    headers.folder("usr/src/headers/certs");
    CHECK_FALSE(headers.find());
    headers.put("certs/signing_key.x509"); // a certificate without its key
    CHECK_FALSE(headers.find());
}

TEST_CASE("a kernel build's own key is found", "[key_store]") {
    const Headers headers;
    headers.put("certs/signing_key.pem");
    auto found = headers.find();
    REQUIRE(found);
    CHECK(found->key == headers.at("certs/signing_key.pem").string());
    CHECK(found->certificate == headers.at("certs/signing_key.pem"));
    headers.put("certs/signing_key.x509");
    found = headers.find();
    REQUIRE(found);
    CHECK(found->key == headers.at("certs/signing_key.pem").string());
    CHECK(found->certificate == headers.at("certs/signing_key.x509"));
    CHECK(mentions(found->origin, "certs/signing_key"));
    CHECK(mentions(found->origin, release));
    CHECK_FALSE(found->hash);
}

TEST_CASE("certs-local goes before the kernel build's own key", "[key_store]") {
    const Headers headers;
    headers.put("certs/signing_key.pem");
    headers.put("certs/signing_key.x509");
    headers.put("certs-local/20260101-1200/signing_prv.pem");
    headers.put("certs-local/20260101-1200/signing_crt.crt");
    headers.link("usr/src/headers/certs-local/current", "20260101-1200");
    const auto found = headers.find();
    REQUIRE(found);
    CHECK(found->key == headers.at("certs-local/20260101-1200/signing_prv.pem").string());
    CHECK(found->certificate == headers.at("certs-local/20260101-1200/signing_crt.crt"));
    CHECK(mentions(found->origin, "certs-local"));
    CHECK(mentions(found->origin, release));
    CHECK_FALSE(found->hash);
}

TEST_CASE("certs-local's key may be beside its certificate", "[key_store]") {
    const Headers headers;
    headers.put("certs-local/current/signing_key.pem");
    auto found = headers.find();
    REQUIRE(found);
    CHECK(found->key == headers.at("certs-local/current/signing_key.pem").string());
    CHECK(found->certificate == headers.at("certs-local/current/signing_key.pem"));
    headers.put("certs-local/current/signing_crt.crt");
    CHECK(headers.find()->certificate == headers.at("certs-local/current/signing_crt.crt"));
    headers.put("certs-local/current/signing_prv.pem");
    CHECK(headers.find()->key == headers.at("certs-local/current/signing_prv.pem").string());
    std::filesystem::remove(headers.at("certs-local/current/signing_crt.crt"));
    CHECK(headers.find()->key == headers.at("certs-local/current/signing_key.pem").string());
}

TEST_CASE("a broken certs-local is an error, and no other key is taken", "[key_store]") {
    const Headers headers;
    headers.put("certs/signing_key.pem");
    headers.put("certs/signing_key.x509");
    SECTION("no current") {
        headers.folder("usr/src/headers/certs-local");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a current that leads nowhere") {
        headers.link("usr/src/headers/certs-local/current", "20260101-1200");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("an empty current") {
        headers.folder("usr/src/headers/certs-local/current");
        const Error error = headers.refusal();
        CHECK(error.code() == ErrorCode::key);
        CHECK(mentions(error.reason(), "signing_prv.pem"));
    }
    SECTION("a key without a certificate") {
        headers.put("certs-local/current/signing_prv.pem");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a certificate without a key") {
        headers.put("certs-local/current/signing_crt.crt");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a current that is a file") {
        headers.put("certs-local/current");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a certs-local that is a file") {
        headers.put("certs-local");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a certs-local that is a link to nowhere") {
        headers.link("usr/src/headers/certs-local", "/not/mounted");
        CHECK(headers.refusal().code() == ErrorCode::key);
    }
    SECTION("a current that leads to itself") {
        headers.link("usr/src/headers/certs-local/current", "current");
        CHECK(error_of([&] { static_cast<void>(headers.find()); }).code() == ErrorCode::system);
    }
}

TEST_CASE("keys are found by absolute links within the root", "[key_store]") {
    const Headers headers;
    headers.file("srv/keys/now/signing_key.pem", "x");
    headers.link("usr/src/headers/certs-local", "/srv/keys");
    headers.link("srv/keys/current", "/srv/keys/now");
    const auto found = headers.find();
    REQUIRE(found);
    CHECK(found->key == (headers / "srv/keys/now/signing_key.pem").string());
}

TEST_CASE("key files that are absolute links are followed within the root", "[key_store]") {
    const Headers headers;
    headers.file("srv/signing_key.pem", "x");
    headers.link("usr/src/headers/certs-local/current/signing_key.pem", "/srv/signing_key.pem");
    const auto found = headers.find();
    REQUIRE(found);
    CHECK(std::filesystem::equivalent(found->key, headers / "srv/signing_key.pem"));
}

TEST_CASE("the hash that a key was made for is read", "[key_store]") {
    const Headers headers;
    headers.put("certs-local/current/signing_key.pem");
    for (const std::string text : {"sha384\n", "sha384", "SHA384 \n", "sha384\r\n"}) {
        headers.put("certs-local/current/khash", text);
        CHECK(headers.find()->hash == HashAlgorithm::sha384);
    }
    headers.put("certs-local/current/khash", "sha3-256\n");
    CHECK(headers.find()->hash == HashAlgorithm::sha3_256);
}

TEST_CASE("an odd hash beside a key is an error", "[key_store]") {
    const Headers headers;
    headers.put("certs-local/current/signing_key.pem");
    for (const std::string text : {"", "\n", "md5\n", "sha999", " sha512"}) {
        INFO("'" << text << "'");
        headers.put("certs-local/current/khash", text);
        const Error error = headers.refusal();
        CHECK(error.code() == ErrorCode::key);
        CHECK(mentions(error.subject(), "khash"));
        CHECK(mentions(error.reason(), "unknown hash"));
    }
    headers.put("certs-local/current/khash", std::string(1000, 'x'));
    CHECK(error_of([&] { static_cast<void>(headers.find()); }).code() == ErrorCode::limit);
}
