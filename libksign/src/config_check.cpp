#include <ksign/config_check.hpp>

#include "config_text.hpp"
#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/trusted_keys.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace ksign {
namespace {

/// Collects findings about one configuration.
class Check {
  public:
    explicit Check(const KernelConfig& config) : config_(config) {}

    [[nodiscard]] const KernelConfig& config() const noexcept { return config_; }
    [[nodiscard]] std::vector<ConfigFinding> take() { return std::move(findings_); }

    /// Whether the kernel is of that version or newer; one without a version counts as new.
    [[nodiscard]] bool since(int major, int minor) const {
        return config_.version().value_or(newest_kernel) >= KernelVersion{major, minor};
    }

    [[nodiscard]] std::string now(std::string_view option) const {
        return std::string(config_.value(option).value_or("n"));
    }

    void add(bool must, bool good, std::string option, std::string wanted, std::string why,
             std::vector<ConfigSetting> fix = {}) {
        std::string value = now(option);
        findings_.push_back({must, good, std::move(option), std::move(value), std::move(wanted), std::move(why),
                             good ? std::vector<ConfigSetting>() : std::move(fix)});
    }

    void want_enabled(bool must, const std::string& option, std::string why) {
        add(must, config_.value(option) == "y", option, "y", std::move(why), {{option, "y"}});
    }

    void want_disabled(const std::string& option, std::string why) {
        add(false, !config_.enabled(option), option, "n", std::move(why), {{option, ""}});
    }

  private:
    const KernelConfig& config_;
    std::vector<ConfigFinding> findings_;
};

/// One option of a Kconfig choice on, the others off; those that this kernel does not have are not written.
std::vector<ConfigSetting> chosen(const KernelConfig& config, const std::string& wanted,
                                  const std::vector<std::string>& choice) {
    std::vector<ConfigSetting> settings;
    for (const std::string& option : choice) {
        if (option != wanted && config.value(option)) {
            settings.push_back({option, ""});
        }
    }
    settings.push_back({wanted, "y"});
    return settings;
}

const std::vector<std::string>& hash_choice() {
    static const std::vector<std::string> choice{"MODULE_SIG_SHA1",     "MODULE_SIG_SHA224",  "MODULE_SIG_SHA256",
                                                 "MODULE_SIG_SHA384",   "MODULE_SIG_SHA512",  "MODULE_SIG_SHA3_256",
                                                 "MODULE_SIG_SHA3_384", "MODULE_SIG_SHA3_512"};
    return choice;
}

void check_basics(Check& check) {
    check.want_enabled(true, "MODULES", "there are no modules without it");
    check.want_enabled(true, "MODULE_SIG", "the kernel checks signatures at all");
    check.want_enabled(true, "MODULE_SIG_ALL",
                       "the kernel's own modules are signed; unsigned ones are refused once it is enforced");
    // No fix: what enforces now must not stop to without a word.
    check.add(false, !check.config().enabled("MODULE_SIG_FORCE"), "MODULE_SIG_FORCE", "n",
              "leave it to the boot command line, module.sig_enforce=1, until all is known to work");
    check.want_enabled(true, "SYSTEM_TRUSTED_KEYRING", "the kernel keeps the certificates that it trusts");
}

/// "MODULE_SIG_SHA512=y" and what follows from it.
std::vector<ConfigSetting> sha512_fix(const KernelConfig& config) {
    auto fix = chosen(config, "MODULE_SIG_SHA512", hash_choice());
    fix.push_back({"MODULE_SIG_HASH", "\"sha512\""});
    return fix;
}

void check_hash(Check& check) {
    constexpr const char* option = "MODULE_SIG_HASH";
    const auto hash = check.config().module_hash();
    const bool sha3 =
        hash == HashAlgorithm::sha3_256 || hash == HashAlgorithm::sha3_384 || hash == HashAlgorithm::sha3_512;
    if (sha3 && !check.since(6, 7)) {
        check.add(true, false, option, "sha512", "SHA-3 for modules came with Linux 6.7", sha512_fix(check.config()));
        return;
    }
    if (!hash || hash == HashAlgorithm::sha1 || hash == HashAlgorithm::sha224) {
        check.add(true, false, option, "sha512", "OpenSSL and new kernels refuse to sign with SHA-1",
                  sha512_fix(check.config()));
        return;
    }
    // certs/Kconfig from 6.7: MODULE_SIG_KEY_TYPE_ECDSA depends on !(MODULE_SIG_SHA256 || MODULE_SIG_SHA3_256).
    const bool is_short = hash == HashAlgorithm::sha256 || hash == HashAlgorithm::sha3_256;
    const bool elliptic = check.config().enabled("MODULE_SIG_KEY_TYPE_ECDSA");
    check.add(is_short && elliptic && check.since(6, 7), !is_short, option, "sha512",
              is_short ? "at least as long as the P-384 keys that kernels make; from 6.7 ECDSA demands it"
                       : "SHA-384, SHA-512, or from 6.7 their SHA-3 kin",
              sha512_fix(check.config()));
}

void check_key_type(Check& check) {
    const KernelConfig& config = check.config();
    // certs/Kconfig has a choice of key types from 5.15, public_key.c ECDSA from 5.13.
    if (!check.since(5, 15)) {
        check.want_enabled(true, "CRYPTO_RSA", "built in: the kernel verifies what an RSA key signs");
        return;
    }
    const bool post_quantum = config.enabled("MODULE_SIG_KEY_TYPE_MLDSA_44") ||
                              config.enabled("MODULE_SIG_KEY_TYPE_MLDSA_65") ||
                              config.enabled("MODULE_SIG_KEY_TYPE_MLDSA_87");
    const bool elliptic = config.enabled("MODULE_SIG_KEY_TYPE_ECDSA");
    check.add(false, elliptic || post_quantum, "MODULE_SIG_KEY_TYPE_ECDSA", "y",
              post_quantum ? "or ML-DSA, as here" : "small signatures, made fast; ksign's keys follow it",
              chosen(config, "MODULE_SIG_KEY_TYPE_ECDSA",
                     {"MODULE_SIG_KEY_TYPE_RSA", "MODULE_SIG_KEY_TYPE_MLDSA_44", "MODULE_SIG_KEY_TYPE_MLDSA_65",
                      "MODULE_SIG_KEY_TYPE_MLDSA_87"}));
    if (post_quantum) {
        check.want_enabled(true, "CRYPTO_MLDSA", "the kernel verifies what such a key signs");
    } else if (elliptic) {
        check.want_enabled(true, "CRYPTO_ECDSA", "built in: the kernel verifies what an ECDSA key signs");
    } else {
        check.want_enabled(false, "CRYPTO_ECDSA", "without it, modules signed with an ECDSA key are refused");
        check.want_enabled(true, "CRYPTO_RSA", "built in: the kernel verifies what an RSA key signs");
    }
}

void check_compression(Check& check) {
    if (!check.since(5, 13)) {
        return; // gzip or xz, for DKMS's modules alone to know of: nothing to advise
    }
    const KernelConfig& config = check.config();
    const std::vector<std::string> kinds{"MODULE_COMPRESS_NONE", "MODULE_COMPRESS_GZIP", "MODULE_COMPRESS_XZ",
                                         "MODULE_COMPRESS_ZSTD"};
    const bool zstd = config.enabled("MODULE_COMPRESS_ZSTD");
    auto fix = chosen(config, "MODULE_COMPRESS_ZSTD", kinds);
    // From 6.12 compression is a switch of its own, and "none" no choice any more (commit c7ff693fa209).
    if (check.since(6, 12)) {
        check.want_enabled(false, "MODULE_COMPRESS", "smaller modules; the name of this option is new in 6.12");
        fix.insert(fix.begin(), {"MODULE_COMPRESS", "y"});
        fix.push_back({"MODULE_COMPRESS_ALL", "y"});
    }
    check.add(false, zstd, "MODULE_COMPRESS_ZSTD", "y", "zstd reads much faster than xz", std::move(fix));
    // kernel/module/Kconfig: the kernel's own decompressor is from 5.17, and knows zstd from 6.2.
    if (check.since(6, 2)) {
        check.want_enabled(false, "MODULE_DECOMPRESS",
                           "the kernel reads compressed modules itself, as LoadPin and IMA want it");
    }
}

void check_trusted_keys(Check& check, const std::optional<std::filesystem::path>& certs_local) {
    constexpr const char* option = "SYSTEM_TRUSTED_KEYS";
    const std::string named = check.now(option) == "n" ? std::string() : check.now(option);
    if (!certs_local) {
        check.add(false, !named.empty(), option, "a PEM file",
                  "the kernel trusts the key that DKMS's modules are signed with (`ksign config update` sets it)");
        return;
    }
    const auto folder = current_key_folder(*certs_local);
    check.add(true, folder && names_key_folder(named, *folder), option,
              folder ? (*folder / key_file::key_and_certificate).string() : "a key in " + certs_local->string(),
              "the kernel trusts the key that modules are signed with; `ksign config update` sets it");
}

} // namespace

std::vector<ConfigFinding> check_kernel_config(const KernelConfig& config,
                                               const std::optional<std::filesystem::path>& certs_local) {
    Check check(config);
    check_basics(check);
    check_hash(check);
    check_key_type(check);
    check_trusted_keys(check, certs_local);
    check_compression(check);
    check.want_disabled("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS",
                        "modules import what they use; nothing that is in order needs it");
    return check.take();
}

std::size_t fix_kernel_config(const std::filesystem::path& config, const std::vector<ConfigFinding>& findings) {
    constexpr std::size_t largest_config = 4U << 20U;
    const InputFile file = InputFile::open_locked(config);
    const auto bytes = read_small_file(file.real_path(), largest_config);
    ConfigText text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    std::size_t changed = 0;
    for (const ConfigFinding& finding : findings) {
        for (const ConfigSetting& setting : finding.fix) {
            const bool wrote =
                setting.value.empty() ? text.unset(setting.option) : text.set(setting.option, setting.value);
            changed += wrote ? 1 : 0;
        }
    }
    if (changed > 0) {
        ReplacementFile replacement(file);
        replacement.write(std::as_bytes(std::span(text.text().data(), text.text().size())));
        replacement.commit();
    }
    return changed;
}

} // namespace ksign
