#include <ksign/key_choice.hpp>

#include "key_generation.hpp"

#include <ksign/error.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace ksign {
namespace {

/// What a configuration says of its own key: certs/Kconfig.
std::optional<KeyKind> configured_kind(const KernelConfig& config, KeyKind rsa) {
    const std::array<std::pair<std::string_view, KeyKind>, 5> types{
        {{"MODULE_SIG_KEY_TYPE_RSA", rsa},
         {"MODULE_SIG_KEY_TYPE_ECDSA", KeyKind::p_384},
         {"MODULE_SIG_KEY_TYPE_MLDSA_44", KeyKind::ml_dsa_44},
         {"MODULE_SIG_KEY_TYPE_MLDSA_65", KeyKind::ml_dsa_65},
         {"MODULE_SIG_KEY_TYPE_MLDSA_87", KeyKind::ml_dsa_87}}};
    for (const auto& [name, kind] : types) {
        if (config.enabled(name)) {
            return kind;
        }
    }
    return std::nullopt;
}

/// One value that all configurations share. Those that say nothing do not disagree.
template <typename Value, typename Read, typename Name>
std::optional<Value> agreed(std::span<const KernelConfig> configs, const char* what, const Read& read,
                            const Name& name) {
    const KernelConfig* first = nullptr;
    std::optional<Value> value;
    for (const KernelConfig& config : configs) {
        const std::optional<Value> here = read(config);
        if (!here) {
            continue;
        }
        if (value && *value != *here) {
            throw Error(ErrorCode::kernel, config.path().string(),
                        std::string("its ") + what + " is " + std::string(name(*here)) + ", and that of " +
                            first->path().string() + " is " + std::string(name(*value)),
                        "one key can't serve both: give these kernels the same, or keys of their own");
        }
        if (!value) {
            value = here;
            first = &config;
        }
    }
    return value;
}

std::optional<VerifyObstacle> first_obstacle(std::span<const KernelConfig> configs, KeyKind kind, HashAlgorithm hash) {
    for (const KernelConfig& config : configs) {
        if (auto obstacle = config.why_not_verifiable(kind, hash)) {
            return obstacle;
        }
    }
    return std::nullopt;
}

} // namespace

KeyChoice choose_key(std::span<const KernelConfig> configs, const KeyWish& wish) {
    const KeyKind rsa = usual_rsa_kind(wish.certificate);
    // What somebody asked for, configurations need not agree about.
    const auto kind =
        wish.kind ? wish.kind
                  : agreed<KeyKind>(
                        configs, "type of module signing key",
                        [rsa](const KernelConfig& config) { return configured_kind(config, rsa); }, key_kind_name);
    const auto hash = wish.hash ? wish.hash
                                : agreed<HashAlgorithm>(
                                      configs, "module hash (CONFIG_MODULE_SIG_HASH)",
                                      [](const KernelConfig& config) { return config.module_hash(); }, hash_name);
    KeyChoice choice{kind.value_or(KeyKind::p_384), hash.value_or(HashAlgorithm::sha512), {}};
    const auto obstacle = first_obstacle(configs, choice.kind, choice.hash);
    if (!obstacle) {
        // Who expects an EC key, as most would today, is told why there is none.
        const auto elliptic = first_obstacle(configs, KeyKind::p_384, choice.hash);
        if (!wish.kind && key_kind_family(choice.kind) == "rsa" && elliptic) {
            choice.remark = "the key is RSA: " + elliptic->reason;
        }
        return choice;
    }
    if (wish.kind || first_obstacle(configs, rsa, choice.hash)) {
        throw Error(ErrorCode::kernel, "a key of type " + std::string(key_kind_name(choice.kind)), obstacle->reason,
                    obstacle->remedy);
    }
    choice.remark = std::string(key_kind_name(rsa)) + " in place of " + std::string(key_kind_name(choice.kind)) + ": " +
                    obstacle->reason;
    choice.kind = rsa;
    return choice;
}

} // namespace ksign
