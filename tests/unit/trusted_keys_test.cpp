#include <ksign/trusted_keys.hpp>

#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"

#include <openssl/pem.h>

#include <string>
#include <string_view>
#include <vector>

using namespace ksign;
using namespace ksign::test;

namespace {

using Names = std::vector<std::string>;

constexpr std::string_view before = "#\n# Linux/x86 6.12.1 Kernel Configuration\n#\nCONFIG_MODULE_SIG=y\n";
constexpr std::string_view after = "# CONFIG_SYSTEM_EXTRA_CERTIFICATE is not set\nCONFIG_SYSTEM_TRUSTED_KEYRING=y\n";

std::string line(const std::filesystem::path& named) {
    return "CONFIG_SYSTEM_TRUSTED_KEYS=\"" + named.string() + "\"\n";
}

/// A store with one key, and a kernel's source tree with a configuration.
class Build {
  public:
    Build() {
        std::filesystem::create_directories(source() / "certs");
        write_config("");
    }
    [[nodiscard]] std::filesystem::path source() const { return store.beside() / "linux"; }
    [[nodiscard]] std::filesystem::path config() const { return source() / ".config"; }
    /// Where the current key is, without links in its path.
    [[nodiscard]] std::filesystem::path key(const std::string& stamp = "20260101-1200") const {
        return std::filesystem::canonical(store.path()) / stamp;
    }
    /// Writes a configuration that names these certificates.
    void write_config(const std::filesystem::path& named) const {
        write_file(config(), std::string(before) + line(named) + std::string(after));
    }
    /// Whether the configuration is what write_config() would write: no other byte has changed.
    [[nodiscard]] bool names(const std::filesystem::path& named) const {
        return text_of(read_file(config())) == std::string(before) + line(named) + std::string(after);
    }
    /// Writes certificates of these into a PEM file.
    std::filesystem::path put_certificates(const std::filesystem::path& name,
                                           const std::vector<KeySample>& samples) const {
        std::string text;
        for (const KeySample& sample : samples) {
            text += "some words before\n" + text_of(certificate_pem(sample.certificate.get()));
        }
        write_file(store.beside() / name, text);
        return store.beside() / name;
    }
    [[nodiscard]] TrustedKeysRequest request() const {
        TrustedKeysRequest request;
        request.certs_local = store.path();
        return request;
    }
    TrustedKeysResult update() const { return update_trusted_keys(config(), request()); }
    [[nodiscard]] Error refusal(const TrustedKeysRequest& request) const {
        const Bytes content = read_file(config());
        const Error error = error_of([&] { update_trusted_keys(config(), request); });
        CHECK(read_file(config()) == content);
        return error;
    }
    [[nodiscard]] Error refusal() const { return refusal(request()); }
    /// The current key folder's files beside those that every key folder has.
    [[nodiscard]] Names bundles(const std::string& stamp = "20260101-1200") const {
        Names names = names_in(store / stamp);
        std::erase_if(names, [](const std::string& name) { return !name.starts_with("trusted_keys-"); });
        return names;
    }

    CertsLocal store;

  private:
    std::filesystem::path first_ = store.put_current("20260101-1200");
};

/// A certificate of a key that is not ours.
KeySample vendor(const std::string& name) {
    return make_sample(ec_sample("P-384").key, {name, {}, "1A2B3C4D", true});
}

/// A key of ours that takes over from the first one.
KeySample next_key() {
    return make_sample(make_ec_key("P-256"), {"the next key", {}, "0B", true});
}

/// The common names of a PEM file's certificates, in order.
Names certificates_in(const std::filesystem::path& file) {
    const Bytes content = read_file(file);
    const BioPointer bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())), BIO_free_all);
    Names names;
    while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        const CertificatePointer certificate(read, X509_free);
        std::string name(100, '\0');
        const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(read), NID_commonName, name.data(), 100);
        names.push_back(name.substr(0, static_cast<std::size_t>(size)));
    }
    return names;
}

const std::string own = "ksign test key"; // CertificateForm's

} // namespace

TEST_CASE("a configuration that names nothing names the current key", "[trusted_keys]") {
    const Build build;
    const TrustedKeysResult result = build.update();
    CHECK(result.changed);
    CHECK(result.trusted == build.key() / "signing_key.pem");
    CHECK(result.other_certificates == 0);
    CHECK(build.names(build.key() / "signing_key.pem"));
    CHECK(build.bundles().empty());
}

TEST_CASE("a configuration without the option gets it", "[trusted_keys]") {
    const Build build;
    const std::string wanted = line(build.key() / "signing_key.pem");
    write_file(build.config(), "CONFIG_A=y");
    build.update();
    CHECK(text_of(read_file(build.config())) == "CONFIG_A=y\n" + wanted);
    write_file(build.config(), "# CONFIG_SYSTEM_TRUSTED_KEYS is not set\nCONFIG_A=y\n");
    build.update();
    CHECK(text_of(read_file(build.config())) == wanted + "CONFIG_A=y\n");
    write_file(build.config(), "");
    build.update();
    CHECK(text_of(read_file(build.config())) == wanted);
}

TEST_CASE("options with similar names stay", "[trusted_keys]") {
    const Build build;
    const std::string others = "CONFIG_SYSTEM_TRUSTED_KEYS_X=\"a\"\nCONFIG_SYSTEM_TRUSTED_KEYRING=y\n"
                               "CONFIG_SYSTEM_REVOCATION_KEYS=\"b\"\n";
    write_file(build.config(), others);
    build.update();
    CHECK(text_of(read_file(build.config())) == others + line(build.key() / "signing_key.pem"));
}

TEST_CASE("a second run changes nothing", "[trusted_keys]") {
    const Build build;
    SECTION("without others' certificates") {}
    SECTION("with them") {
        build.write_config(build.put_certificates("vendor.pem", {vendor("Vendor A"), vendor("Vendor B")}));
    }
    const TrustedKeysResult first = build.update();
    CHECK(first.changed);
    const struct stat config = status_of(build.config());
    const struct stat trusted = status_of(first.trusted);
    const TrustedKeysResult second = build.update();
    CHECK_FALSE(second.changed);
    CHECK(second.trusted == first.trusted);
    CHECK(second.other_certificates == first.other_certificates);
    CHECK(is_untouched(config, status_of(build.config())));
    CHECK(is_untouched(trusted, status_of(first.trusted)));
    CHECK(build.bundles().size() == (first.other_certificates > 0 ? 1 : 0));
}

TEST_CASE("others' certificates are kept, after ours", "[trusted_keys]") {
    const Build build;
    build.write_config(build.put_certificates("vendor.pem", {vendor("Vendor A"), vendor("Vendor B")}));
    const TrustedKeysResult result = build.update();
    CHECK(result.changed);
    CHECK(result.other_certificates == 2);
    CHECK(result.trusted.parent_path() == build.key());
    CHECK(build.bundles() == Names{result.trusted.filename().string()});
    CHECK(certificates_in(result.trusted) == Names{own, "Vendor A", "Vendor B"});
    CHECK(build.names(result.trusted));
    CHECK(mode_of(result.trusted) == 0644);
    CHECK_FALSE(mentions(text_of(read_file(result.trusted)), "PRIVATE KEY"));
}

TEST_CASE("every certificate is kept once", "[trusted_keys]") {
    const Build build;
    const KeySample one = vendor("Vendor A");
    build.write_config(
        build.put_certificates("vendor.pem", {one, ec_sample("P-256"), vendor("Vendor B"), one, ec_sample("P-256")}));
    const TrustedKeysResult result = build.update();
    CHECK(result.other_certificates == 2);
    CHECK(certificates_in(result.trusted) == Names{own, "Vendor A", "Vendor B"});
}

TEST_CASE("certificates that bear the same name are not the same", "[trusted_keys]") {
    const Build build;
    const KeySample one = make_sample(ec_sample("P-384").key, {"Vendor", {}, "01", true});
    const KeySample other = make_sample(ec_sample("P-384").key, {"Vendor", {}, "02", true});
    build.write_config(build.put_certificates("vendor.pem", {one, other}));
    CHECK(build.update().other_certificates == 2);
}

TEST_CASE("a file with our certificate alone needs no bundle", "[trusted_keys]") {
    const Build build;
    SECTION("a copy") {
        build.write_config(build.put_certificates("copy.pem", {ec_sample("P-256")}));
    }
    SECTION("by way of current") {
        build.write_config(build.store / "current/signing_key.pem");
    }
    const TrustedKeysResult result = build.update();
    CHECK(result.other_certificates == 0);
    CHECK(build.names(build.key() / "signing_key.pem"));
    CHECK(build.bundles().empty());
}

TEST_CASE("a file with a key and certificates gives its certificates", "[trusted_keys]") {
    const Build build;
    const KeySample sample = vendor("Vendor A");
    write_file(build.source() / "certs/signing_key.pem",
               joined({key_pem(sample.key.get()), certificate_pem(sample.certificate.get())}));
    build.write_config("certs/signing_key.pem");
    const TrustedKeysResult result = build.update();
    CHECK(certificates_in(result.trusted) == Names{own, "Vendor A"});
    CHECK_FALSE(mentions(text_of(read_file(result.trusted)), "PRIVATE KEY"));
}

TEST_CASE("a certificate in DER is kept, too", "[trusted_keys]") {
    const Build build;
    write_file(build.source() / "certs/vendor.x509", certificate_der(vendor("Vendor A").certificate.get()));
    build.write_config("certs/vendor.x509");
    CHECK(certificates_in(build.update().trusted) == Names{own, "Vendor A"});
}

TEST_CASE("relative names start at the configuration, or at the source that is given", "[trusted_keys]") {
    const Build build;
    build.put_certificates("linux/certs/vendor.pem", {vendor("Beside")});
    std::filesystem::create_directories(build.store.beside() / "source/certs");
    build.put_certificates("source/certs/vendor.pem", {vendor("In the source")});
    build.write_config("certs/vendor.pem");
    SECTION("the configuration") {
        CHECK(certificates_in(build.update().trusted) == Names{own, "Beside"});
    }
    SECTION("the source") {
        TrustedKeysRequest request = build.request();
        request.source = build.store.beside() / "source";
        CHECK(certificates_in(update_trusted_keys(build.config(), request).trusted) == Names{own, "In the source"});
    }
    SECTION("a link to the configuration") {
        std::filesystem::create_symlink("linux/.config", build.store.beside() / "config");
        const auto result = update_trusted_keys(build.store.beside() / "config", build.request());
        CHECK(certificates_in(result.trusted) == Names{own, "Beside"});
        CHECK(std::filesystem::is_symlink(build.store.beside() / "config"));
        CHECK(build.names(result.trusted));
    }
    SECTION("an absolute name in spite of a source") {
        build.write_config(build.source() / "certs/vendor.pem");
        TrustedKeysRequest request = build.request();
        request.source = build.store.beside() / "source";
        CHECK(certificates_in(update_trusted_keys(build.config(), request).trusted) == Names{own, "Beside"});
    }
}

TEST_CASE("a renewed key takes the place of the one before", "[trusted_keys]") {
    const Build build;
    build.update();
    build.store.put_current("20260202-1200", next_key());
    const TrustedKeysResult result = build.update();
    CHECK(result.changed);
    CHECK(result.other_certificates == 0);
    CHECK(build.names(build.key("20260202-1200") / "signing_key.pem"));
}

TEST_CASE("a key of ours need not be there any more, nor from this machine", "[trusted_keys]") {
    const Build build;
    for (const char* named :
         {"/somewhere/else/certs-local/20251224-1800/signing_key.pem", "../certs-local/20251224-1800/signing_key.pem",
          "/somewhere/20251224-1800-02/signing_key.pem"}) {
        build.write_config(named);
        CHECK(build.update().other_certificates == 0);
        CHECK(build.names(build.key() / "signing_key.pem"));
    }
}

TEST_CASE("a renewed key keeps others' certificates and drops our earlier one", "[trusted_keys]") {
    const Build build;
    build.write_config(build.put_certificates("vendor.pem", {vendor("Vendor A"), vendor("Vendor B")}));
    const auto first = build.update().trusted;
    build.store.put_current("20260202-1200", next_key());
    const TrustedKeysResult second = build.update();
    CHECK(second.changed);
    CHECK(second.other_certificates == 2);
    CHECK(second.trusted.parent_path() == build.key("20260202-1200"));
    CHECK(certificates_in(second.trusted) == Names{"the next key", "Vendor A", "Vendor B"});
    CHECK(build.names(second.trusted));
    CHECK(certificates_in(first) == Names{own, "Vendor A", "Vendor B"}); // another configuration may name it
    CHECK_FALSE(build.update().changed);
}

TEST_CASE("what a bundle's name leads to never changes", "[trusted_keys]") {
    const Build build;
    build.write_config(build.put_certificates("a.pem", {vendor("Vendor A")}));
    const auto one = build.update().trusted;
    build.write_config(build.put_certificates("b.pem", {vendor("Vendor B")}));
    const auto other = build.update().trusted;
    CHECK(one != other);
    CHECK(certificates_in(one) == Names{own, "Vendor A"});
    CHECK(certificates_in(other) == Names{own, "Vendor B"});
    CHECK(build.bundles().size() == 2);
}

TEST_CASE("a file of somebody's that is named like a bundle keeps all its certificates", "[trusted_keys]") {
    // Once: is_bundle() goes by the beginning of the file's name alone, wherever it lies, so the first certificate is
    // taken for our earlier one and dropped without a word.
    const Build build;
    build.put_certificates("linux/certs/trusted_keys-vendor.pem", {vendor("Vendor A"), vendor("Vendor B")});
    build.write_config("certs/trusted_keys-vendor.pem");
    CHECK(build.update().other_certificates == 2);
}

TEST_CASE("a damaged certificate among others is not dropped without a word", "[trusted_keys]") {
    // Once: read_certificates() takes every failure of PEM_read_bio_X509() for the end of the file.
    // certs/extract-cert.c ends only at PEM_R_NO_START_LINE.
    const Build build;
    const auto file =
        build.put_certificates("vendor.pem", {vendor("Vendor A"), vendor("Vendor B"), vendor("Vendor C")});
    std::string text = text_of(read_file(file));
    text.replace(text.find("BEGIN CERTIFICATE", text.find("END CERTIFICATE")) + 30, 4, "AAAA");
    write_file(file, text);
    build.write_config(file);
    CHECK(build.refusal().code() == ErrorCode::certificate);
}

TEST_CASE("a bundle can be read by whoever builds the kernel, whatever the umask", "[trusted_keys]") {
    const Build build;
    build.write_config(build.put_certificates("vendor.pem", {vendor("Vendor A")}));
    const Umask umask(077);
    CHECK(mode_of(build.update().trusted) == 0644);
}

TEST_CASE("a token's certificates can't be kept", "[trusted_keys]") {
    const Build build;
    build.write_config("pkcs11:token=vendor;object=cert");
    const Error error = build.refusal();
    CHECK(error.code() == ErrorCode::certificate);
    CHECK(error.subject() == build.config().string());
    CHECK(mentions(error.reason(), "token"));
    CHECK(mentions(error.remedy(), "--replace"));
}

TEST_CASE("a file that is named and not there is told", "[trusted_keys]") {
    const Build build;
    build.write_config("certs/missing.pem");
    const Error relative = build.refusal();
    CHECK(relative.code() == ErrorCode::certificate);
    CHECK(mentions(relative.reason(), "names certs/missing.pem"));
    CHECK(mentions(relative.reason(), (build.source() / "certs/missing.pem").string()));
    CHECK(mentions(relative.remedy(), "--source"));
    CHECK(mentions(relative.remedy(), "--replace"));
    build.write_config("/missing.pem");
    const Error absolute = build.refusal();
    CHECK(mentions(absolute.reason(), "/missing.pem"));
    CHECK_FALSE(mentions(absolute.remedy(), "--source"));
    CHECK(mentions(absolute.remedy(), "--replace"));
}

TEST_CASE("a file that is named and holds no certificate is told", "[trusted_keys]") {
    const Build build;
    for (const std::string_view content : {"", "no certificate"}) {
        write_file(build.source() / "certs/odd.pem", content);
        build.write_config("certs/odd.pem");
        const Error error = build.refusal();
        CHECK(error.code() == ErrorCode::certificate);
        CHECK(mentions(error.subject(), "certs/odd.pem"));
    }
}

TEST_CASE("others' certificates are dropped where that is asked for", "[trusted_keys]") {
    const Build build;
    build.put_certificates("linux/certs/vendor.pem", {vendor("Vendor A")});
    TrustedKeysRequest request = build.request();
    request.replace = true;
    for (const char* named : {"certs/vendor.pem", "certs/missing.pem", "pkcs11:token=vendor"}) {
        build.write_config(named);
        const TrustedKeysResult result = update_trusted_keys(build.config(), request);
        CHECK(result.changed);
        CHECK(result.other_certificates == 0);
        CHECK(build.names(build.key() / "signing_key.pem"));
    }
    CHECK(build.bundles().empty());
}

TEST_CASE("a dry run writes nothing and says what it would", "[trusted_keys]") {
    const Build build;
    TrustedKeysRequest request = build.request();
    request.dry_run = true;
    const auto vendors = build.put_certificates("vendor.pem", {vendor("Vendor A")});
    build.write_config(vendors);
    const struct stat config = status_of(build.config());
    const TrustedKeysResult dry = update_trusted_keys(build.config(), request);
    CHECK(dry.changed);
    CHECK(dry.other_certificates == 1);
    CHECK(is_untouched(config, status_of(build.config())));
    CHECK(build.bundles().empty());
    CHECK(build.update().trusted == dry.trusted);
    CHECK_FALSE(update_trusted_keys(build.config(), request).changed);
}

TEST_CASE("a path that make can't read is refused", "[trusted_keys]") {
    const Build build;
    for (const std::string name : {"with space", "with:colon", "with$dollar", "with#hash", "with%percent", "it's"}) {
        INFO(name);
        const auto elsewhere = build.store.beside() / name;
        std::filesystem::rename(build.store.path(), elsewhere);
        TrustedKeysRequest request = build.request();
        request.certs_local = elsewhere;
        const Error error = build.refusal(request);
        std::filesystem::rename(elsewhere, build.store.path());
        CHECK(error.code() == ErrorCode::usage);
        CHECK(mentions(error.subject(), name));
        CHECK_FALSE(error.remedy().empty());
    }
}

TEST_CASE("a refused path leaves no bundle", "[trusted_keys]") {
    const Build build;
    build.write_config(build.put_certificates("vendor.pem", {vendor("Vendor A")}));
    const auto elsewhere = build.store.beside() / "with space";
    std::filesystem::rename(build.store.path(), elsewhere);
    TrustedKeysRequest request = build.request();
    request.certs_local = elsewhere;
    CHECK(build.refusal(request).code() == ErrorCode::usage);
    std::filesystem::rename(elsewhere, build.store.path());
    CHECK(build.bundles().empty());
}

TEST_CASE("the configuration's mode is kept", "[trusted_keys]") {
    const Build build;
    const Umask umask(077);
    ::chmod(build.config().c_str(), 0664);
    build.update();
    CHECK(mode_of(build.config()) == 0664);
    CHECK(names_in(build.source()) == Names{".config", "certs"});
}

TEST_CASE("the keys may be named by a relative path or a link", "[trusted_keys]") {
    const Build build;
    std::filesystem::create_directory_symlink("certs-local", build.store.beside() / "link");
    TrustedKeysRequest request = build.request();
    request.certs_local = build.store.beside() / "linux/../link";
    CHECK(update_trusted_keys(build.config(), request).trusted == build.key() / "signing_key.pem");
}

TEST_CASE("without a current key nothing is written", "[trusted_keys]") {
    const Build build;
    SECTION("no link") {
        std::filesystem::remove(build.store / "current");
        const Error error = build.refusal();
        CHECK(error.code() == ErrorCode::no_key);
        CHECK_FALSE(error.remedy().empty());
    }
    SECTION("a link that leads nowhere") {
        build.store.lead_current_to("20270101-1200");
        CHECK(build.refusal().code() == ErrorCode::system);
    }
    SECTION("no folder") {
        TrustedKeysRequest request = build.request();
        request.certs_local = build.store.beside() / "missing";
        const Error error = build.refusal(request);
        CHECK(error.code() == ErrorCode::system);
        CHECK_FALSE(error.remedy().empty());
    }
}

TEST_CASE("a configuration to update that can't be read is told", "[trusted_keys]") {
    const Build build;
    CHECK(error_of([&] { update_trusted_keys(build.source() / "missing", build.request()); }).code() ==
          ErrorCode::system);
    CHECK(error_of([&] { update_trusted_keys(build.source(), build.request()); }).code() == ErrorCode::usage);
    write_file(build.source() / "huge", Bytes(5U << 20U));
    CHECK(error_of([&] { update_trusted_keys(build.source() / "huge", build.request()); }).code() == ErrorCode::limit);
}

TEST_CASE("whether a configuration names a key folder is seen by the folder's name", "[trusted_keys]") {
    CHECK(names_key_folder("/build/certs-local/20260101-1200/signing_key.pem", "/lib/certs-local/20260101-1200"));
    CHECK(names_key_folder("20260101-1200/trusted_keys-0011.pem", "/lib/certs-local/20260101-1200"));
    CHECK_FALSE(names_key_folder("/build/certs-local/20260101-1200-02/signing_key.pem", "/x/20260101-1200"));
    CHECK_FALSE(names_key_folder("/build/certs-local/20260101-1200", "/x/20260101-1200"));
    CHECK_FALSE(names_key_folder("certs/vendor.pem", "/x/20260101-1200"));
    CHECK_FALSE(names_key_folder("signing_key.pem", "/x/20260101-1200"));
    CHECK_FALSE(names_key_folder("", "/x/20260101-1200"));
}
