#include <ksign/config_check.hpp>

#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace ksign;
using namespace ksign::test;

namespace {

// As Debian 12's 6.1 has it.
const std::string like_6_1 = "#\n# Automatically generated file; DO NOT EDIT.\n"
                             "# Linux/x86 6.1.90 Kernel Configuration\n#\n"
                             "CONFIG_MODULES=y\n"
                             "CONFIG_MODULE_SIG=y\n"
                             "# CONFIG_MODULE_SIG_FORCE is not set\n"
                             "# CONFIG_MODULE_SIG_ALL is not set\n"
                             "# CONFIG_MODULE_SIG_SHA1 is not set\n"
                             "CONFIG_MODULE_SIG_SHA256=y\n"
                             "# CONFIG_MODULE_SIG_SHA512 is not set\n"
                             "CONFIG_MODULE_SIG_HASH=\"sha256\"\n"
                             "CONFIG_MODULE_COMPRESS_NONE=y\n"
                             "# CONFIG_MODULE_COMPRESS_GZIP is not set\n"
                             "# CONFIG_MODULE_COMPRESS_ZSTD is not set\n"
                             "# CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS is not set\n"
                             "CONFIG_MODULE_SIG_KEY_TYPE_RSA=y\n"
                             "# CONFIG_MODULE_SIG_KEY_TYPE_ECDSA is not set\n"
                             "CONFIG_SYSTEM_TRUSTED_KEYRING=y\n"
                             "CONFIG_SYSTEM_TRUSTED_KEYS=\"\"\n"
                             "CONFIG_CRYPTO_RSA=y\n"
                             "# CONFIG_CRYPTO_ECDSA is not set\n";

// As Arch's 6.12 has it, with a few things changed for the worse.
const std::string like_6_12 = "#\n# Automatically generated file; DO NOT EDIT.\n"
                              "# Linux/x86 6.12.1-arch1 Kernel Configuration\n#\n"
                              "CONFIG_MODULES=y\n"
                              "CONFIG_MODULE_SIG=y\n"
                              "CONFIG_MODULE_SIG_FORCE=y\n"
                              "CONFIG_MODULE_SIG_ALL=y\n"
                              "CONFIG_MODULE_SIG_SHA1=y\n"
                              "CONFIG_MODULE_SIG_HASH=\"sha1\"\n"
                              "# CONFIG_MODULE_COMPRESS is not set\n"
                              "CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y\n"
                              "CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\n"
                              "CONFIG_SYSTEM_TRUSTED_KEYRING=y\n"
                              "CONFIG_SYSTEM_TRUSTED_KEYS=\"certs/vendor.pem\"\n"
                              "CONFIG_CRYPTO_RSA=y\n"
                              "CONFIG_CRYPTO_ECDSA=m\n";

// In good order.
const std::string like_7_3 = "#\n# Automatically generated file; DO NOT EDIT.\n"
                             "# Linux/x86 7.3.0 Kernel Configuration\n#\n"
                             "CONFIG_MODULES=y\n"
                             "CONFIG_MODULE_SIG=y\n"
                             "# CONFIG_MODULE_SIG_FORCE is not set\n"
                             "CONFIG_MODULE_SIG_ALL=y\n"
                             "CONFIG_MODULE_SIG_SHA512=y\n"
                             "CONFIG_MODULE_SIG_HASH=\"sha512\"\n"
                             "CONFIG_MODULE_COMPRESS=y\n"
                             "CONFIG_MODULE_COMPRESS_ZSTD=y\n"
                             "CONFIG_MODULE_COMPRESS_ALL=y\n"
                             "CONFIG_MODULE_DECOMPRESS=y\n"
                             "CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y\n"
                             "CONFIG_SYSTEM_TRUSTED_KEYRING=y\n"
                             "CONFIG_SYSTEM_TRUSTED_KEYS=\"certs/vendor.pem\"\n"
                             "CONFIG_CRYPTO_RSA=y\n"
                             "CONFIG_CRYPTO_ECDSA=y\n";

std::string replaced(std::string text, const std::string& part, const std::string& by) {
    const std::size_t at = text.find(part);
    REQUIRE(at != std::string::npos);
    return text.replace(at, part.size(), by);
}

/// A configuration in a file, to check and to fix.
class Checked {
  public:
    explicit Checked(std::string_view text) { write_file(path(), text); }
    [[nodiscard]] std::filesystem::path path() const { return folder_ / ".config"; }
    [[nodiscard]] std::string text() const { return text_of(read_file(path())); }
    [[nodiscard]] std::vector<ConfigFinding>
    findings(const std::optional<std::filesystem::path>& certs_local = std::nullopt) const {
        return check_kernel_config(KernelConfig::load(path()), certs_local);
    }
    /// The finding about an option. The test fails if there is not exactly one.
    [[nodiscard]] ConfigFinding finding(const std::string& option) const {
        std::vector<ConfigFinding> all = findings();
        std::erase_if(all, [&option](const ConfigFinding& one) { return one.option != option; });
        INFO(option);
        REQUIRE(all.size() == 1);
        return all.front();
    }
    [[nodiscard]] bool has_finding(const std::string& option) const {
        const auto all = findings();
        return std::any_of(all.begin(), all.end(), [&](const ConfigFinding& one) { return one.option == option; });
    }
    std::size_t fix() const { return fix_kernel_config(path(), findings()); }

  private:
    TemporaryFolder folder_;
};

std::vector<std::string> wrong(const std::vector<ConfigFinding>& findings) {
    std::vector<std::string> options;
    for (const ConfigFinding& finding : findings) {
        if (!finding.good) {
            options.push_back(finding.option);
        }
    }
    return options;
}

std::multiset<std::string> lines_of(const std::string& text) {
    std::multiset<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.insert(line);
    }
    return lines;
}

/// Lines of the one that the other has not.
std::vector<std::string> only_in(const std::string& one, const std::string& other) {
    const auto left = lines_of(one);
    const auto right = lines_of(other);
    std::vector<std::string> lines;
    std::set_difference(left.begin(), left.end(), right.begin(), right.end(), std::back_inserter(lines));
    return lines;
}

} // namespace

TEST_CASE("a configuration in good order has nothing to fix", "[config_check]") {
    const Checked config(like_7_3);
    CHECK(wrong(config.findings()).empty());
    for (const ConfigFinding& finding : config.findings()) {
        INFO(finding.option);
        CHECK(finding.fix.empty());
        CHECK_FALSE(finding.why.empty());
        CHECK_FALSE(finding.wanted.empty());
        CHECK_FALSE(finding.now.empty());
    }
    const struct stat before = status_of(config.path());
    CHECK(config.fix() == 0);
    CHECK(is_untouched(before, status_of(config.path())));
}

TEST_CASE("what keeps a configuration of 6.1 from order is found", "[config_check]") {
    const Checked config(like_6_1);
    CHECK(wrong(config.findings()) == std::vector<std::string>{"MODULE_SIG_ALL", "MODULE_SIG_HASH",
                                                               "MODULE_SIG_KEY_TYPE_ECDSA", "CRYPTO_ECDSA",
                                                               "SYSTEM_TRUSTED_KEYS", "MODULE_COMPRESS_ZSTD"});
    CHECK(config.finding("MODULE_SIG_ALL").must);
    CHECK(config.finding("MODULE_SIG_ALL").now == "n");
    CHECK(config.finding("MODULE_SIG_ALL").wanted == "y");
    CHECK_FALSE(config.finding("MODULE_SIG_HASH").must);
    CHECK(config.finding("MODULE_SIG_HASH").now == "sha256");
    CHECK_FALSE(config.finding("MODULE_SIG_KEY_TYPE_ECDSA").must);
    CHECK_FALSE(config.finding("CRYPTO_ECDSA").must);
    CHECK(config.finding("CRYPTO_RSA").must);
    CHECK_FALSE(config.finding("SYSTEM_TRUSTED_KEYS").must);
    // Options of later kernels are not asked for.
    CHECK_FALSE(config.has_finding("MODULE_COMPRESS"));
    CHECK_FALSE(config.has_finding("MODULE_DECOMPRESS"));
    CHECK_FALSE(config.has_finding("CRYPTO_MLDSA"));
}

TEST_CASE("what keeps a configuration of 6.12 from order is found", "[config_check]") {
    const Checked config(like_6_12);
    CHECK(wrong(config.findings()) == std::vector<std::string>{"MODULE_SIG_FORCE", "MODULE_SIG_HASH", "CRYPTO_ECDSA",
                                                               "MODULE_COMPRESS", "MODULE_COMPRESS_ZSTD",
                                                               "MODULE_DECOMPRESS",
                                                               "MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS"});
    CHECK_FALSE(config.finding("MODULE_SIG_FORCE").must);
    CHECK(config.finding("MODULE_SIG_FORCE").wanted == "n");
    CHECK(config.finding("MODULE_SIG_HASH").must); // SHA-1
    CHECK(config.finding("CRYPTO_ECDSA").must);    // the key's own type, as a module
    CHECK(config.finding("CRYPTO_ECDSA").now == "m");
    CHECK_FALSE(config.has_finding("CRYPTO_RSA"));
}

TEST_CASE("a fixed configuration is good, and says how many lines have changed", "[config_check]") {
    const std::string text = GENERATE(like_6_1, like_6_12, like_7_3);
    const Checked config(text + "# CONFIG_UNRELATED is not set\nCONFIG_OTHER=\"a = b\"");
    const std::string before = config.text();
    auto without_fix = wrong(config.findings());
    const std::size_t changed = config.fix();
    // `ksign config update` sees to the one, and who enforces shall not stop to by the other.
    std::erase_if(without_fix, [](const std::string& option) {
        return option != "SYSTEM_TRUSTED_KEYS" && option != "MODULE_SIG_FORCE";
    });
    CHECK(wrong(config.findings()) == without_fix);
    CHECK(only_in(config.text(), before).size() == changed);
    CHECK(mentions(config.text(), "# CONFIG_UNRELATED is not set\nCONFIG_OTHER=\"a = b\""));
    const struct stat status = status_of(config.path());
    CHECK(config.fix() == 0);
    CHECK(is_untouched(status, status_of(config.path())));
}

TEST_CASE("a configuration of 6.1 is fixed by the options of 6.1", "[config_check]") {
    const Checked config(like_6_1);
    CHECK(config.fix() == 9);
    CHECK(only_in(config.text(), like_6_1) ==
          std::vector<std::string>{
              "# CONFIG_MODULE_COMPRESS_NONE is not set", "# CONFIG_MODULE_SIG_KEY_TYPE_RSA is not set",
              "# CONFIG_MODULE_SIG_SHA256 is not set", "CONFIG_CRYPTO_ECDSA=y", "CONFIG_MODULE_COMPRESS_ZSTD=y",
              "CONFIG_MODULE_SIG_ALL=y", "CONFIG_MODULE_SIG_HASH=\"sha512\"", "CONFIG_MODULE_SIG_KEY_TYPE_ECDSA=y",
              "CONFIG_MODULE_SIG_SHA512=y"});
    CHECK_FALSE(mentions(config.text(), "CONFIG_MODULE_COMPRESS_ALL"));
    CHECK_FALSE(mentions(config.text(), "CONFIG_MODULE_SIG_SHA3"));
}

TEST_CASE("a configuration of 6.12 is fixed by the options of 6.12", "[config_check]") {
    const Checked config(like_6_12);
    config.fix();
    for (const std::string_view line :
         {"\nCONFIG_MODULE_COMPRESS=y\n", "\nCONFIG_MODULE_COMPRESS_ZSTD=y\n", "\nCONFIG_MODULE_COMPRESS_ALL=y\n",
          "\nCONFIG_MODULE_DECOMPRESS=y\n", "\nCONFIG_MODULE_SIG_FORCE=y\n", "\n# CONFIG_MODULE_SIG_SHA1 is not set\n",
          "\nCONFIG_MODULE_SIG_HASH=\"sha512\"\n", "\nCONFIG_CRYPTO_ECDSA=y\n",
          "\n# CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS is not set\n"}) {
        INFO(line);
        CHECK(mentions(config.text(), line));
    }
    CHECK_FALSE(mentions(config.text(), "MODULE_COMPRESS_NONE"));
}

TEST_CASE("which options there are goes by the kernel's version", "[config_check]") {
    const auto at = [](const std::string& version) {
        return Checked("# Linux/x86 " + version + " Kernel Configuration\nCONFIG_MODULES=y\n");
    };
    CHECK_FALSE(at("6.1.0").has_finding("MODULE_DECOMPRESS"));
    CHECK(at("6.2.0").has_finding("MODULE_DECOMPRESS"));
    CHECK_FALSE(at("6.11.9").has_finding("MODULE_COMPRESS"));
    CHECK(at("6.12.0").has_finding("MODULE_COMPRESS"));
    // Before, kernels have no choice of key types, verify no ECDSA, and modules are not compressed with zstd.
    CHECK(at("5.15.0").has_finding("MODULE_SIG_KEY_TYPE_ECDSA"));
    CHECK_FALSE(at("5.14.0").has_finding("MODULE_SIG_KEY_TYPE_ECDSA"));
    CHECK_FALSE(at("5.14.0").has_finding("CRYPTO_ECDSA"));
    CHECK(at("5.14.0").finding("CRYPTO_RSA").must);
    CHECK(at("5.13.0").has_finding("MODULE_COMPRESS_ZSTD"));
    CHECK_FALSE(at("5.12.0").has_finding("MODULE_COMPRESS_ZSTD"));
    const Checked no_version("CONFIG_MODULES=y\n"); // counts as new
    CHECK(no_version.has_finding("MODULE_DECOMPRESS"));
    CHECK(no_version.has_finding("MODULE_COMPRESS"));
}

TEST_CASE("a configuration that sets nothing lacks all that must be", "[config_check]") {
    const Checked config("# CONFIG_MODULES is not set\n");
    for (const char* option :
         {"MODULES", "MODULE_SIG", "MODULE_SIG_ALL", "SYSTEM_TRUSTED_KEYRING", "MODULE_SIG_HASH"}) {
        CHECK(config.finding(option).must);
        CHECK_FALSE(config.finding(option).good);
        CHECK(config.finding(option).now == "n");
    }
    CHECK(config.finding("MODULE_SIG_FORCE").good);
    config.fix();
    CHECK(wrong(config.findings()) == std::vector<std::string>{"SYSTEM_TRUSTED_KEYS"});
}

TEST_CASE("SHA-3 is for kernels from 6.7", "[config_check]") {
    const auto at = [](const std::string& version) {
        return Checked("# Linux/x86 " + version +
                       " Kernel Configuration\nCONFIG_MODULE_SIG_SHA3_384=y\nCONFIG_MODULE_SIG_HASH=\"sha3-384\"\n");
    };
    CHECK_FALSE(at("6.6.50").finding("MODULE_SIG_HASH").good);
    CHECK(at("6.6.50").finding("MODULE_SIG_HASH").must);
    CHECK(mentions(at("6.6.50").finding("MODULE_SIG_HASH").why, "6.7"));
    CHECK(at("6.7.0").finding("MODULE_SIG_HASH").good);
    const Checked config = at("6.6.50");
    config.fix();
    CHECK(config.finding("MODULE_SIG_HASH").good);
    CHECK(mentions(config.text(), "# CONFIG_MODULE_SIG_SHA3_384 is not set\n"));
}

TEST_CASE("a short hash is advised against, and from 6.7 refused with ECDSA", "[config_check]") {
    const auto finding = [](const std::string& text) { return Checked(text).finding("MODULE_SIG_HASH"); };
    for (const std::string hash : {"sha256", "sha3-256"}) {
        const std::string with_ecdsa =
            replaced(like_7_3, "CONFIG_MODULE_SIG_HASH=\"sha512\"", "CONFIG_MODULE_SIG_HASH=\"" + hash + "\"");
        CHECK_FALSE(finding(with_ecdsa).good);
        CHECK(finding(with_ecdsa).must);
        const std::string with_rsa = replaced(with_ecdsa, "KEY_TYPE_ECDSA", "KEY_TYPE_RSA");
        CHECK_FALSE(finding(with_rsa).good);
        CHECK_FALSE(finding(with_rsa).must);
        const std::string before = replaced(with_ecdsa, "7.3.0", "6.6.30");
        CHECK_FALSE(finding(before).good);
        CHECK(finding(before).must == (hash == "sha3-256")); // as all of SHA-3 before 6.7
    }
    for (const std::string hash : {"sha384", "sha3-384", "sha3-512"}) {
        CHECK(finding(replaced(like_7_3, "\"sha512\"", "\"" + hash + "\"")).good);
    }
    for (const std::string hash : {"sha1", "sha224", "md5", ""}) {
        const ConfigFinding weak = finding(replaced(like_7_3, "\"sha512\"", "\"" + hash + "\""));
        CHECK_FALSE(weak.good);
        CHECK(weak.must);
    }
}

TEST_CASE("a post-quantum key needs no ECDSA, and its own algorithm", "[config_check]") {
    const std::string text =
        replaced(replaced(like_7_3, "KEY_TYPE_ECDSA", "KEY_TYPE_MLDSA_65"), "CONFIG_CRYPTO_ECDSA=y\n", "");
    const Checked config(text);
    CHECK(wrong(config.findings()) == std::vector<std::string>{"CRYPTO_MLDSA"});
    CHECK(config.finding("CRYPTO_MLDSA").must);
    CHECK(config.finding("MODULE_SIG_KEY_TYPE_ECDSA").good);
    CHECK(config.fix() == 1);
    CHECK(wrong(config.findings()).empty());
    CHECK(config.text() == text + "CONFIG_CRYPTO_MLDSA=y\n");
}

TEST_CASE("an RSA key needs RSA built in", "[config_check]") {
    const Checked config(replaced(like_6_1, "CONFIG_CRYPTO_RSA=y", "CONFIG_CRYPTO_RSA=m"));
    CHECK_FALSE(config.finding("CRYPTO_RSA").good);
    CHECK(config.finding("CRYPTO_RSA").must);
    CHECK(config.finding("CRYPTO_RSA").now == "m");
}

TEST_CASE("a configuration must name the current key of the store that is given", "[config_check]") {
    const CertsLocal store;
    const auto finding = [&](const std::string& named) {
        const Checked config(replaced(like_7_3, "certs/vendor.pem", named));
        auto all = config.findings(store.path());
        std::erase_if(all, [](const ConfigFinding& one) { return one.option != "SYSTEM_TRUSTED_KEYS"; });
        REQUIRE(all.size() == 1);
        CHECK(all.front().must);
        CHECK(all.front().fix.empty()); // `ksign config update` sees to it
        return all.front();
    };
    const ConfigFinding no_key = finding("/build/certs-local/20260101-1200/signing_key.pem");
    CHECK_FALSE(no_key.good);
    CHECK(mentions(no_key.wanted, store.path().string()));
    store.put_current("20260101-1200");
    CHECK(finding("/build/certs-local/20260101-1200/signing_key.pem").good);
    CHECK(finding("/build/certs-local/20260101-1200/trusted_keys-0011223344556677.pem").good);
    const ConfigFinding earlier = finding("/build/certs-local/20251224-1800/signing_key.pem");
    CHECK_FALSE(earlier.good);
    CHECK(earlier.now == "/build/certs-local/20251224-1800/signing_key.pem");
    CHECK(mentions(earlier.wanted, (store / "20260101-1200").string()));
    CHECK(mentions(earlier.why, "ksign config update"));
    CHECK_FALSE(finding("certs/vendor.pem").good);
    CHECK_FALSE(finding("").good);
}

TEST_CASE("without a store some certificate is enough", "[config_check]") {
    CHECK(Checked(like_7_3).finding("SYSTEM_TRUSTED_KEYS").good);
    for (const std::string& text : {replaced(like_7_3, "certs/vendor.pem", ""),
                                    replaced(like_7_3, "CONFIG_SYSTEM_TRUSTED_KEYS=\"certs/vendor.pem\"\n", "")}) {
        const ConfigFinding finding = Checked(text).finding("SYSTEM_TRUSTED_KEYS");
        CHECK_FALSE(finding.good);
        CHECK_FALSE(finding.must);
        CHECK(finding.fix.empty());
    }
}

TEST_CASE("a store with a broken current is told", "[config_check]") {
    const CertsLocal store;
    std::filesystem::create_directory(store / "current");
    const Checked config(like_7_3);
    CHECK(error_of([&] { static_cast<void>(config.findings(store.path())); }).code() == ErrorCode::key);
}

TEST_CASE("only what is not good is written, and the file keeps its mode", "[config_check]") {
    const Checked config(like_7_3);
    ::chmod(config.path().c_str(), 0640);
    CHECK(fix_kernel_config(config.path(), {}) == 0);
    const std::vector<ConfigFinding> findings{
        {true, false, "A", "n", "y", "why", {{"A", "y"}, {"A_TEXT", "\"text\""}}},
        {false, false, "MODULE_SIG_ALL", "y", "n", "why", {{"MODULE_SIG_ALL", ""}, {"NOT_THERE", ""}}},
        {false, false, "MODULES", "y", "y", "why", {{"MODULES", "y"}}}};
    CHECK(fix_kernel_config(config.path(), findings) == 3);
    CHECK(config.text() == replaced(like_7_3, "CONFIG_MODULE_SIG_ALL=y", "# CONFIG_MODULE_SIG_ALL is not set") +
                               "CONFIG_A=y\nCONFIG_A_TEXT=\"text\"\n");
    CHECK(mode_of(config.path()) == 0640);
    CHECK(names_in(config.path().parent_path()) == std::vector<std::string>{".config"});
}

TEST_CASE("a configuration that is not there can't be fixed", "[config_check]") {
    const TemporaryFolder folder;
    CHECK(error_of([&] { fix_kernel_config(folder / ".config", {}); }).code() == ErrorCode::system);
    CHECK(error_of([&] { fix_kernel_config(folder.path(), {}); }).code() == ErrorCode::usage);
    CHECK(folder.entries() == 0);
}
