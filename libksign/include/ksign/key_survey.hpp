// What there is to know of a kernel's signing key without loading it.
#pragma once

#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/kernel.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/key_kind.hpp>
#include <ksign/key_refresh.hpp>
#include <ksign/key_store.hpp>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// A kernel's key, as it lies in its build folder.
struct KeySurvey {
    std::string release;
    std::optional<KeyLocation> location; ///< Nothing: this kernel has no key.
    std::string problem;                 ///< Why the key can't be used at all; all below but the remedy is empty then.
    std::string remedy;                  ///< What to do about that; may be empty.
    std::string key_type;                ///< "p-384"; the kind's name.
    std::optional<HashAlgorithm> hash;   ///< What modules get signed with.
    std::string signer;
    std::string serial;
    std::string fingerprint; ///< SHA-256 of the certificate's DER.
    std::chrono::system_clock::time_point made;
    std::optional<std::chrono::system_clock::time_point> refresh_due; ///< Nothing: always, or not a certs-local key.
    std::optional<bool>
        trusted_by_config; ///< Whether the configuration names it; nothing if there is no configuration.
    std::optional<VerifyObstacle> obstacle; ///< Why this kernel can't verify what the key signs.
    std::vector<std::string> unsafe;        ///< Files and folders with modes that give the key away, and what to do.
    bool has_private_key = false;
};

/// Surveys a kernel's own key. Never throws for a key that is broken: the survey says so.
[[nodiscard]] KSIGN_EXPORT KeySurvey survey_kernel_key(const Kernel& kernel, const RefreshPeriod& period);

} // namespace ksign
