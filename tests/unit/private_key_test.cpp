#include "private_key.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "key_sample.hpp"
#include "temporary_folder.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

/// Counts how often it is asked.
struct Passphrase {
    std::optional<std::string> text;
    int asked = 0;
    std::string subject = {};
    PassphraseSource source() {
        return [this](const std::string& name) -> std::optional<Secret> {
            ++asked;
            subject = name;
            return text ? std::optional(Secret(*text)) : std::nullopt;
        };
    }
};

class KeyFile {
  public:
    explicit KeyFile(const Bytes& content) { write_key_file(folder_ / "key.pem", content); }
    [[nodiscard]] std::string path() const { return (folder_ / "key.pem").string(); }
    [[nodiscard]] bool holds(EVP_PKEY* key, const PassphraseSource& passphrase = {}) const {
        return EVP_PKEY_eq(read_private_key(path(), passphrase).get(), key) == 1;
    }
    Error refusal(const PassphraseSource& passphrase = {}) const {
        const Error error = error_of([&] { static_cast<void>(read_private_key(path(), passphrase)); });
        CHECK(error.code() == ErrorCode::key);
        CHECK(error.subject() == path());
        return error;
    }

  private:
    TemporaryFolder folder_;
};

} // namespace

TEST_CASE("private keys are read in PKCS#8 and in the traditional forms", "[private_key]") {
    for (const KeySample* sample : {&rsa_sample(), &ec_sample("P-256"), &ec_sample("P-521")}) {
        EVP_PKEY* key = sample->key.get();
        Passphrase none;
        CHECK(KeyFile(key_pem(key)).holds(key, none.source()));
        CHECK(KeyFile(traditional_key_pem(key)).holds(key, none.source()));
        CHECK(none.asked == 0); // it needs none
    }
}

TEST_CASE("a key is found beside its certificate, in either order", "[private_key]") {
    EVP_PKEY* key = rsa_sample().key.get();
    const Bytes certificate = certificate_pem(rsa_sample().certificate.get());
    for (const Bytes& pem : {key_pem(key), traditional_key_pem(key)}) {
        CHECK(KeyFile(joined({pem, certificate})).holds(key));
        CHECK(KeyFile(joined({certificate, pem})).holds(key));
    }
}

TEST_CASE("an encrypted key is read with its passphrase, asked for once", "[private_key]") {
    for (const KeySample* sample : {&rsa_sample(), &ec_sample("P-384")}) {
        EVP_PKEY* key = sample->key.get();
        const Bytes certificate = certificate_pem(sample->certificate.get());
        for (const Bytes& pem :
             {key_pem(key, "correct"), traditional_key_pem(key, "correct"),
              joined({key_pem(key, "correct"), certificate}), joined({certificate, key_pem(key, "correct")}),
              joined({certificate, traditional_key_pem(key, "correct")})}) {
            const KeyFile file(pem);
            Passphrase right{"correct"};
            CHECK(file.holds(key, right.source()));
            CHECK(right.asked == 1);
            CHECK(right.subject == file.path());
        }
    }
}

TEST_CASE("a wrong passphrase is told, and asked for once", "[private_key]") {
    EVP_PKEY* key = rsa_sample().key.get();
    for (const Bytes& pem : {key_pem(key, "correct"), traditional_key_pem(key, "correct")}) {
        for (const std::string& text : {std::string("wrong"), std::string(), std::string("correct ")}) {
            Passphrase wrong{text};
            const Error error = KeyFile(pem).refusal(wrong.source());
            CHECK(mentions(error.reason(), "wrong passphrase"));
            CHECK(wrong.asked == 1);
            CHECK_FALSE(error.remedy().empty());
            CHECK_FALSE(mentions(error.what(), "correct"));
        }
    }
}

TEST_CASE("an encrypted key without a passphrase is told", "[private_key]") {
    const KeyFile file(key_pem(rsa_sample().key.get(), "correct"));
    CHECK(mentions(file.refusal().reason(), "needs a passphrase"));
    Passphrase none{std::nullopt};
    const Error error = file.refusal(none.source());
    CHECK(mentions(error.reason(), "needs a passphrase"));
    CHECK(mentions(error.remedy(), "--pin-file"));
    CHECK(none.asked == 1);
}

TEST_CASE("a passphrase longer than OpenSSL takes is told", "[private_key]") {
    Passphrase longest{std::string(100000, 'x')};
    CHECK(mentions(KeyFile(key_pem(rsa_sample().key.get(), "correct")).refusal(longest.source()).reason(), "too long"));
}

TEST_CASE("what goes wrong with the asking is told as it is", "[private_key]") {
    const KeyFile file(key_pem(rsa_sample().key.get(), "correct"));
    const PassphraseSource broken = [](const std::string&) -> std::optional<Secret> {
        return Secret::from_file("/nonexistent/pin");
    };
    const Error error = error_of([&] { static_cast<void>(read_private_key(file.path(), broken)); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(error.subject() == "/nonexistent/pin");
    CHECK(take_openssl_reason() == "unknown cause");
}

TEST_CASE("what holds no private key is told", "[private_key]") {
    Passphrase none;
    for (const Bytes& content : {Bytes{}, bytes_of("not a key"), certificate_pem(rsa_sample().certificate.get())}) {
        const Error error = KeyFile(content).refusal(none.source());
        CHECK(mentions(error.reason(), "holds no private key in PEM"));
        CHECK_FALSE(error.remedy().empty());
    }
    CHECK(none.asked == 0);
    const Bytes whole = key_pem(rsa_sample().key.get());
    KeyFile(prefix_of(whole, whole.size() / 2)).refusal();
    KeyFile(bytes_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")).refusal();
    CHECK(error_of([] { static_cast<void>(read_private_key("/nonexistent/key.pem", {})); }).code() ==
          ErrorCode::system);
}

TEST_CASE("reading a key leaves no error behind in OpenSSL", "[private_key]") {
    EVP_PKEY* key = rsa_sample().key.get();
    const Bytes certificate = certificate_pem(rsa_sample().certificate.get());
    // A later failure would be explained by what is left of an earlier success.
    REQUIRE(KeyFile(joined({certificate, key_pem(key)})).holds(key));
    CHECK(take_openssl_reason() == "unknown cause");
    KeyFile(bytes_of("not a key")).refusal();
    CHECK(take_openssl_reason() == "unknown cause");
}

TEST_CASE("a key file that others can read, write or replace is refused", "[private_key]") {
    const TemporaryFolder folder;
    const std::string path = (folder / "key.pem").string();
    write_file(path, key_pem(ec_sample().key.get()));
    const auto set = [](const std::filesystem::path& target, unsigned mode) {
        std::filesystem::permissions(target, std::filesystem::perms(mode));
    };
    for (const unsigned mode : {0400U, 0600U, 0640U, 0440U, 0710U}) {
        set(path, mode);
        CHECK(EVP_PKEY_eq(read_private_key(path, {}).get(), ec_sample().key.get()) == 1);
    }
    for (const auto& [mode, remedy] :
         {std::pair{0604U, "chmod o-r "}, std::pair{0602U, "chmod o-w "}, std::pair{0620U, "chmod g-w "},
          std::pair{0666U, "chmod g-w,o-rw "}, std::pair{0664U, "chmod g-w,o-r "}}) {
        set(path, mode);
        const Error error = error_of([&] { static_cast<void>(read_private_key(path, {})); });
        CHECK(error.code() == ErrorCode::key);
        CHECK(error.subject() == path);
        CHECK(error.remedy().starts_with(remedy + path + ";"));
        CHECK(read_private_key(path, {}, InsecureFile::allowed));
    }
    set(path, 0600);
    set(folder.path(), 0777);
    const Error error = error_of([&] { static_cast<void>(read_private_key(path, {})); });
    CHECK(mentions(error.reason(), "(mode 0777)"));
    CHECK(error.remedy().starts_with("chmod o-w " + folder.path().string() + ";"));
    CHECK(read_private_key(path, {}, InsecureFile::allowed));
    for (const unsigned mode : {01777U, 0775U, 0700U}) {
        set(folder.path(), mode);
        CHECK(read_private_key(path, {}));
    }
}
