#include <ksign/key_install.hpp>

#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"

#include <ksign/key_store.hpp>
#include <ksign/signer.hpp>

#include <sys/stat.h>

#include <string>
#include <vector>

using namespace ksign;
using namespace ksign::test;

namespace {

using Names = std::vector<std::string>;

/// A store with one whole key, in files of the modes that refresh_keys() gives them, and a place to install it.
class Installation {
  public:
    Installation() {
        ::chmod(key().c_str(), 0700);
        for (const char* name : {"signing_key.pem", "signing_prv.pem"}) {
            ::chmod((key() / name).c_str(), 0600);
        }
        for (const char* name : {"signing_crt.crt", "khash", "ktype"}) {
            ::chmod((key() / name).c_str(), 0644);
        }
    }
    [[nodiscard]] std::filesystem::path key() const { return store / "20260101-1200"; }
    [[nodiscard]] std::filesystem::path destination() const { return store.beside() / "build/certs-local"; }
    [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const {
        return destination() / name;
    }
    [[nodiscard]] KeyInstallRequest request() const { return {store.path(), destination(), false, {}}; }
    [[nodiscard]] KeyInstallRequest public_request() const { return {store.path(), destination(), true, {}}; }

    CertsLocal store;

  private:
    std::filesystem::path first_ = store.put_current("20260101-1200");
};

bool is_same(const std::filesystem::path& one, const std::filesystem::path& other) {
    return read_file(one) == read_file(other);
}

} // namespace

TEST_CASE("the current key is copied with its link", "[key_install]") {
    const Installation place;
    const KeyFolder installed = install_keys(place.request());
    CHECK(installed.path == place / "20260101-1200");
    CHECK(installed.serial == read_key_folder(place.key()).serial);
    CHECK(installed.has_private_key);
    CHECK(names_in(place.destination()) == Names{"20260101-1200", "current"});
    CHECK(std::filesystem::read_symlink(place / "current") == "20260101-1200");
    CHECK(names_in(installed.path) == names_in(place.key()));
    for (const std::string& name : names_in(place.key())) {
        CHECK(is_same(installed.path / name, place.key() / name));
    }
    CHECK_NOTHROW(Signer::load({(place / "current/signing_prv.pem").string(), place / "current/signing_crt.crt", {}}));
    CHECK(names_in(place.store.path()) == Names{"20260101-1200", "current"}); // the store is as it was
}

TEST_CASE("the copy has the modes of the key folder, whatever the umask", "[key_install]") {
    const Installation place;
    ::chmod((place.key() / "khash").c_str(), 0640);
    const Umask umask(GENERATE(mode_t{0}, mode_t{022}, mode_t{077}));
    const auto installed = install_keys(place.request()).path;
    CHECK(mode_of(installed) == 0700);
    CHECK(mode_of(installed / "signing_key.pem") == 0600);
    CHECK(mode_of(installed / "signing_prv.pem") == 0600);
    CHECK(mode_of(installed / "signing_crt.crt") == 0644);
    CHECK(mode_of(installed / "khash") == 0640);
}

TEST_CASE("a package that is given away gets no private key", "[key_install]") {
    const Installation place;
    write_file(place.key() / "trusted_keys-0011223344556677.pem", "certificates");
    const Umask umask(GENERATE(mode_t{0}, mode_t{077}));
    const KeyFolder installed = install_keys(place.public_request());
    CHECK_FALSE(installed.has_private_key);
    CHECK(names_in(installed.path) == Names{"khash", "ktype", "signing_crt.crt", "trusted_keys-0011223344556677.pem"});
    CHECK(mode_of(installed.path) == 0755);
    CHECK(mode_of(installed.path / "signing_crt.crt") == 0644);
    CHECK(std::filesystem::read_symlink(place / "current") == "20260101-1200");
}

TEST_CASE("a key folder without private key can be given away, and only that", "[key_install]") {
    const Installation place;
    std::filesystem::remove(place.key() / "signing_prv.pem");
    const Error error = error_of([&] { install_keys(place.request()); });
    CHECK(error.code() == ErrorCode::no_key);
    CHECK(error.subject() == place.key().string());
    CHECK(mentions(error.remedy(), "--public-only"));
    CHECK_FALSE(std::filesystem::exists(place.destination()));
    CHECK(names_in(install_keys(place.public_request()).path) == Names{"khash", "ktype", "signing_crt.crt"});
    // Copies that an editor or somebody has left.
    write_file(place.key() / ".signing_key.pem.swp", read_file(place.key() / "signing_crt.crt"));
    write_file(place.key() / "signing_prv.pem.bak", "-----BEGIN PRIVATE KEY-----\n");
    CHECK(names_in(install_keys(place.public_request()).path) == Names{"khash", "ktype", "signing_crt.crt"});
    write_file(place.destination() / "backup", "-----BEGIN PRIVATE KEY-----\n");
    const Error backup = error_of([&] { install_keys(place.public_request()); });
    CHECK(mentions(backup.what(), "backup: is a private key, where none is to be"));
    std::filesystem::remove(place.destination() / "backup");
    CHECK(error_of([&] { install_native_keys(place.request()); }).code() == ErrorCode::no_key);
}

TEST_CASE("a store without a current key installs nothing", "[key_install]") {
    const Installation place;
    std::filesystem::remove(place.store / "current");
    for (const bool native : {false, true}) {
        const Error error =
            error_of([&] { native ? install_native_keys(place.request()) : install_keys(place.request()); });
        CHECK(error.code() == ErrorCode::no_key);
        CHECK(error.subject() == place.store.path().string());
        CHECK_FALSE(error.remedy().empty());
    }
    CHECK_FALSE(std::filesystem::exists(place.destination()));
}

TEST_CASE("a current link that leads nowhere installs nothing", "[key_install]") {
    const Installation place;
    place.store.lead_current_to("20270101-1200");
    CHECK(error_of([&] { install_keys(place.request()); }).code() == ErrorCode::system);
    CHECK_FALSE(std::filesystem::exists(place.destination()));
}

TEST_CASE("links are made beside the keys", "[key_install]") {
    const Installation place;
    KeyInstallRequest request = place.request();
    request.links = {{"sign_module", "/usr/libexec/ksign/sign_module"}, {"sign_module.py", "sign_module"}};
    install_keys(request);
    CHECK(std::filesystem::read_symlink(place / "sign_module") == "/usr/libexec/ksign/sign_module");
    CHECK(std::filesystem::read_symlink(place / "sign_module.py") == "sign_module");
    CHECK(names_in(place.destination()) == Names{"20260101-1200", "current", "sign_module", "sign_module.py"});
}

TEST_CASE("links take the place of what had their names", "[key_install]") {
    const Installation place;
    std::filesystem::create_directories(place.destination());
    write_file(place.store.beside() / "precious", "x");
    std::filesystem::create_symlink(place.store.beside() / "precious", place / "one");
    write_file(place / "two", "a script of Arch-SKM's");
    KeyInstallRequest request = place.request();
    request.links = {{"one", "target"}, {"two", "target"}};
    install_keys(request);
    CHECK(std::filesystem::read_symlink(place / "one") == "target");
    CHECK(std::filesystem::read_symlink(place / "two") == "target");
    CHECK(read_file(place.store.beside() / "precious") == bytes_of("x"));
}

TEST_CASE("a link in a folder's place is told", "[key_install]") {
    const Installation place;
    std::filesystem::create_directories(place / "current");
    write_file(place / "current/precious", "x");
    const Error error = error_of([&] { install_keys(place.request()); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(error.subject() == (place / "current").string());
    CHECK(std::filesystem::exists(place / "current/precious"));
}

TEST_CASE("keys are not installed where they are", "[key_install]") {
    const Installation place;
    std::filesystem::create_directory_symlink(place.store.path(), place.store.beside() / "link");
    for (const auto& destination :
         {place.store.path(), place.store / ".", place.store / "../certs-local", place.store.beside() / "link"}) {
        KeyInstallRequest request = place.request();
        request.destination = destination;
        const Error error = error_of([&] { install_keys(request); });
        CHECK(error.code() == ErrorCode::usage);
        CHECK(error.subject() == destination.string());
    }
    CHECK(names_in(place.store.path()) == Names{"20260101-1200", "current"});
    CHECK(read_key_folder(place.key()).has_private_key);
}

TEST_CASE("an older copy of the key is replaced whole", "[key_install]") {
    const Installation place;
    install_keys(place.request());
    write_file(place / "20260101-1200/leftover", "x");
    write_file(place / "20260101-1200/khash", "md5\n");
    SECTION("with the private key") {
        CHECK(names_in(install_keys(place.request()).path) == names_in(place.key()));
        CHECK(is_same(place / "20260101-1200/khash", place.key() / "khash"));
    }
    SECTION("without") {
        CHECK(names_in(install_keys(place.public_request()).path) == Names{"khash", "ktype", "signing_crt.crt"});
    }
    CHECK(names_in(place.destination()) == Names{"20260101-1200", "current"});
}

TEST_CASE("a newer key is installed beside the older, and is the current one", "[key_install]") {
    const Installation place;
    install_keys(place.request());
    place.store.put_current("20260202-1200");
    install_keys(place.request());
    CHECK(names_in(place.destination()) == Names{"20260101-1200", "20260202-1200", "current"});
    CHECK(std::filesystem::read_symlink(place / "current") == "20260202-1200");
}

TEST_CASE("an installation that was killed is cleaned up by the next", "[key_install]") {
    const Installation place;
    std::filesystem::create_directories(place / ".new.ksign");
    write_file(place / ".new.ksign/signing_prv.pem", "half of a key");
    std::filesystem::create_symlink("x", place / ".link.ksign");
    install_keys(place.request());
    CHECK(names_in(place.destination()) == Names{"20260101-1200", "current"});
}

TEST_CASE("only files are copied, and what links lead to", "[key_install]") {
    const Installation place;
    std::filesystem::create_directory(place.key() / "folder");
    write_file(place.store.beside() / "elsewhere", "content");
    std::filesystem::create_symlink(place.store.beside() / "elsewhere", place.key() / "link");
    const auto installed = install_keys(place.request()).path;
    CHECK_FALSE(std::filesystem::exists(installed / "folder"));
    CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(installed / "link")));
    CHECK(read_file(installed / "link") == bytes_of("content"));
}

TEST_CASE("keys of an absolute current link are installed under their own name", "[key_install]") {
    const Installation place;
    place.store.lead_current_to(place.key());
    CHECK(install_keys(place.request()).path == place / "20260101-1200");
    CHECK(std::filesystem::read_symlink(place / "current") == "20260101-1200");
}

TEST_CASE("nothing at the destination is lost, however current names the key", "[key_install]") {
    // Once: a current link with a slash at its end gives a key folder without a name, so install_keys() takes the
    // destination itself for the older copy that is to be replaced, and removes it.
    const Installation place;
    std::filesystem::create_directories(place.destination());
    write_file(place / "precious", "x");
    place.store.lead_current_to("20260101-1200/");
    CHECK_NOTHROW(install_keys(place.request()));
    CHECK(std::filesystem::exists(place / "precious"));
    CHECK(std::filesystem::exists(place / "current/signing_key.pem"));
}

TEST_CASE("a key that is at the destination already is not removed", "[key_install]") {
    const Installation place;
    const CertsLocal elsewhere;
    elsewhere.lead_current_to(place.key());
    for (const bool public_only : {true, false}) {
        const Error error = error_of([&] { install_keys({elsewhere.path(), place.store.path(), public_only, {}}); });
        CHECK(error.code() == ErrorCode::usage);
        CHECK(mentions(error.reason(), "is where the keys are already"));
        CHECK(std::filesystem::exists(place.key() / "signing_key.pem"));
    }
    // A link to it is replaced by a copy.
    std::filesystem::create_directories(place.destination());
    std::filesystem::create_directory_symlink(place.key(), place / "20260101-1200");
    CHECK_NOTHROW(install_keys(place.request()));
    CHECK_FALSE(std::filesystem::is_symlink(place / "20260101-1200"));
    CHECK(std::filesystem::exists(place.key() / "signing_key.pem"));
}

TEST_CASE("a destination that can't be a folder is told", "[key_install]") {
    const Installation place;
    write_file(place.store.beside() / "file", "x");
    KeyInstallRequest request = place.request();
    for (const char* name : {"file", "file/below"}) {
        request.destination = place.store.beside() / name;
        CHECK(error_of([&] { install_keys(request); }).code() == ErrorCode::system);
        CHECK(error_of([&] { install_native_keys(request); }).code() == ErrorCode::system);
    }
    CHECK(read_file(place.store.beside() / "file") == bytes_of("x"));
}

TEST_CASE("the kernel build's own names are for the owner to read", "[key_install]") {
    const Installation place;
    const Umask umask(GENERATE(mode_t{0}, mode_t{077}));
    const KeyFolder key = install_native_keys(place.request());
    CHECK(key.serial == read_key_folder(place.key()).serial);
    CHECK(names_in(place.destination()) == Names{"signing_key.pem", "signing_key.x509"});
    for (const char* name : {"signing_key.pem", "signing_key.x509"}) {
        CHECK(mode_of(place / name) == 0400);
    }
    CHECK(is_same(place / "signing_key.pem", place.key() / "signing_key.pem"));
    CHECK(is_same(place / "signing_key.x509", place.key() / "signing_crt.crt"));
    // The folder was made without a umask.
    std::filesystem::permissions(place.destination(), std::filesystem::perms{0755});
    CHECK_NOTHROW(Signer::load({(place / "signing_key.pem").string(), place / "signing_key.x509", {}}));
}

TEST_CASE("the kernel build's own certificate goes alone into what is given away", "[key_install]") {
    const Installation place;
    install_native_keys(place.public_request());
    CHECK(names_in(place.destination()) == Names{"signing_key.x509"});
    CHECK(mode_of(place / "signing_key.x509") == 0400);
}

TEST_CASE("the kernel build's own keys are replaced", "[key_install]") {
    const Installation place;
    install_native_keys(place.request());
    const struct stat before = status_of(place / "signing_key.pem");
    std::filesystem::create_directory(place / ".new.ksign"); // of a killed run
    write_file(place / ".new.ksign/signing_key.pem", "half of a key");
    write_file(place / "x509.genkey", "the kernel's");
    place.store.put_current("20260202-1200", make_sample(ec_sample("P-384").key));
    install_native_keys(place.request());
    CHECK_FALSE(is_untouched(before, status_of(place / "signing_key.pem")));
    CHECK(is_same(place / "signing_key.pem", place.store / "20260202-1200/signing_key.pem"));
    CHECK(names_in(place.destination()) == Names{"signing_key.pem", "signing_key.x509", "x509.genkey"});
}

TEST_CASE("what could not be copied whole leaves nothing", "[key_install]") {
    const Installation place;
    // Larger than any key file.
    write_file(place.key() / "notes", Bytes(2U << 20U));
    CHECK(error_of([&] { static_cast<void>(install_keys(place.request())); }).code() == ErrorCode::limit);
    CHECK(names_in(place.destination()).empty());
    write_file(place.key() / "signing_key.pem", joined({read_file(place.key() / "signing_key.pem"), Bytes(2U << 20U)}));
    CHECK(error_of([&] { static_cast<void>(install_native_keys(place.request())); }).code() == ErrorCode::limit);
    CHECK(names_in(place.destination()).empty());
}
