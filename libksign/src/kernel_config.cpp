#include <ksign/kernel_config.hpp>

#include "file.hpp"
#include "kernel_options.hpp"

#include <ksign/error.hpp>
#include <ksign/text_file.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace ksign {
namespace {

constexpr std::size_t largest_config = 4U << 20U; // a distribution's has some 300 KiB
constexpr std::string_view prefix = "CONFIG_";

/// What a kernel that does not verify one type of key can be given.
std::string other_key(const KernelConfig& config, KeyType type) {
    std::string others;
    for (const KeyType other : {KeyType::rsa, KeyType::ecdsa}) {
        if (other != type && config.enabled(key_option(other))) {
            others += (others.empty() ? "" : " or ") + std::string(key_type_name(other));
        }
    }
    return others.empty() ? "it verifies no other type either: build it with CONFIG_CRYPTO_ECDSA or CONFIG_CRYPTO_RSA "
                            "(ksign config check)"
                          : "give this kernel an " + others + " key; a module signed with this one would be refused";
}

/// The version in a line like "# Linux/x86 6.12.1 Kernel Configuration" (scripts/kconfig/confdata.c writes the main
/// menu's title there).
std::optional<KernelVersion> version_in(std::string_view line) {
    constexpr std::string_view end = " Kernel Configuration";
    if (!line.starts_with("# Linux/") || !line.ends_with(end)) {
        return std::nullopt;
    }
    line.remove_suffix(end.size());
    line.remove_prefix(line.rfind(' ') + 1);
    return KernelVersion::of(line);
}

/// The option in "# CONFIG_X is not set".
std::optional<std::string_view> option_unset_by(std::string_view line) {
    constexpr std::string_view end = " is not set";
    if (!line.starts_with("# ") || !line.substr(2).starts_with(prefix) || !line.ends_with(end)) {
        return std::nullopt;
    }
    line.remove_suffix(end.size());
    return line.substr(2 + prefix.size());
}

/// Whether a text has a line about an option, as every configuration that Kconfig writes has.
bool sets_anything(std::string_view text) {
    constexpr std::array<std::string_view, 2> starts{"\nCONFIG_", "\n# CONFIG_"};
    return std::ranges::any_of(starts, [text](std::string_view start) {
        return text.find(start) != std::string_view::npos || text.starts_with(start.substr(1));
    });
}

} // namespace

std::optional<KernelVersion> KernelVersion::of(std::string_view release) noexcept {
    KernelVersion version;
    const char* const last = release.data() + release.size();
    const auto [dot, why] = std::from_chars(release.data(), last, version.major);
    if (why != std::errc() || dot == last || *dot != '.' ||
        std::from_chars(dot + 1, last, version.minor).ec != std::errc()) {
        return std::nullopt;
    }
    return version;
}

KernelConfig KernelConfig::load(const std::filesystem::path& file) {
    std::string text;
    try {
        text = read_text_file(file, largest_config);
    } catch (const Error& error) {
        throw error.is_denied() ? error.or_remedy(run_as_root) : error;
    }
    if (!sets_anything(text)) {
        throw Error(ErrorCode::kernel, file.string(), "is no kernel's configuration: it holds no CONFIG_ line",
                    "name a .config, as /boot/config-RELEASE is one");
    }
    return parse(text, file);
}

KernelConfig KernelConfig::parse(std::string_view text, const std::filesystem::path& origin) {
    KernelConfig config;
    config.path_ = origin;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (!config.version_) {
            config.version_ = version_in(line);
        }
        if (const auto unset = option_unset_by(line)) {
            config.options_.erase(std::string(*unset)); // the last line counts (confdata.c, conf_read_simple())
            continue;
        }
        if (!line.starts_with(prefix)) {
            continue;
        }
        line.remove_prefix(prefix.size());
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        std::string_view value = line.substr(equals + 1);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
        }
        config.options_.insert_or_assign(std::string(line.substr(0, equals)), std::string(value));
    }
    return config;
}

std::optional<std::string_view> KernelConfig::value(std::string_view name) const {
    const auto found = options_.find(name);
    return found == options_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

bool KernelConfig::enabled(std::string_view name) const {
    const auto found = value(name);
    return found == "y" || found == "m";
}

std::optional<HashAlgorithm> KernelConfig::module_hash() const {
    const auto name = value("MODULE_SIG_HASH");
    return name ? parse_hash(*name) : std::nullopt;
}

std::optional<VerifyObstacle> KernelConfig::why_not_verifiable(KeyType type, HashAlgorithm hash) const {
    if (!enabled("MODULE_SIG")) {
        return std::nullopt;
    }
    // public_key.c takes the algorithms from the crypto API: what is not configured gives -ENOPKG,
    // "module with unsupported crypto".
    const auto lacks = [this](std::string_view what, std::string_view option) {
        return "this kernel can't verify " + std::string(what) + " signatures: CONFIG_" + std::string(option) +
               " is not set in " + path_.string();
    };
    // crypto/ecdsa.c came with 5.13.
    if (type == KeyType::ecdsa && version_ && *version_ < KernelVersion{5, 13}) {
        return VerifyObstacle{"this kernel can't verify ECDSA signatures: they came with Linux 5.13, and " +
                                  path_.string() + " is of " + std::to_string(version_->major) + '.' +
                                  std::to_string(version_->minor),
                              "give this kernel an RSA key"};
    }
    if (!enabled(key_option(type))) {
        return VerifyObstacle{lacks(key_type_name(type), key_option(type)), other_key(*this, type)};
    }
    if (type == KeyType::ml_dsa) {
        // Ours have signed attributes (cms.cpp), which pkcs7_verify() refuses in modules unless this waives it.
        constexpr std::string_view waiver = "PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA";
        if (!enabled(waiver)) {
            return VerifyObstacle{lacks("ML-DSA", waiver), other_key(*this, type) + ", or set that option"};
        }
        // software_key_determine_akcipher() (crypto/asymmetric_keys/public_key.c)
        if (hash != HashAlgorithm::sha512) {
            return VerifyObstacle{"kernels verify ML-DSA signatures with sha512 alone, not with " +
                                      std::string(hash_name(hash)),
                                  "sign with --hash sha512"};
        }
    }
    // include/linux/oid_registry.h has them since 6.7.
    const bool is_sha3 =
        hash == HashAlgorithm::sha3_256 || hash == HashAlgorithm::sha3_384 || hash == HashAlgorithm::sha3_512;
    if (is_sha3 && version_ && *version_ < KernelVersion{6, 7}) {
        return VerifyObstacle{"this kernel can't verify " + std::string(hash_name(hash)) +
                                  " signatures: they came with Linux 6.7, and " + path_.string() + " is of " +
                                  std::to_string(version_->major) + '.' + std::to_string(version_->minor),
                              "sign with --hash sha512"};
    }
    // The hash of its own modules needs no look: its option may have another name (from 7.0, CRYPTO_LIB_SHA512).
    if (module_hash() != hash && !enabled(hash_option(hash))) {
        const auto own = value("MODULE_SIG_HASH");
        return VerifyObstacle{lacks(hash_name(hash), hash_option(hash)),
                              "sign with a hash that it has" +
                                  (own ? ", such as that of its own modules: " + std::string(*own) : std::string())};
    }
    return std::nullopt;
}

std::optional<VerifyObstacle> KernelConfig::why_not_verifiable(KeyKind kind, HashAlgorithm hash) const {
    const std::string_view family = key_kind_family(kind);
    if (!enabled("MODULE_SIG")) {
        return std::nullopt;
    }
    // crypto/ecdsa.c has P-521 since 6.10.
    if (kind == KeyKind::p_521 && version_ && *version_ < KernelVersion{6, 10}) {
        return VerifyObstacle{"this kernel can't verify P-521 signatures: they came with Linux 6.10, and " +
                                  path_.string() + " is of " + std::to_string(version_->major) + '.' +
                                  std::to_string(version_->minor),
                              "give this kernel a P-384 key"};
    }
    return why_not_verifiable(family == "mldsa" ? KeyType::ml_dsa
                              : family == "ec"  ? KeyType::ecdsa
                                                : KeyType::rsa,
                              hash);
}

std::optional<VerifyObstacle> KernelConfig::why_not_verifiable(const Signer& signer, HashAlgorithm hash) const {
    const auto kind = signer.key_kind();
    return kind ? why_not_verifiable(*kind, hash) : why_not_verifiable(signer.key_type(), hash);
}

} // namespace ksign
