// Which kind of key suits a kernel.
#pragma once

#include <ksign/certificate_request.hpp>
#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/key_kind.hpp>

#include <optional>
#include <span>
#include <string>

namespace ksign {

/// What somebody asked for; the rest comes from the kernel's configuration.
struct KeyWish {
    std::optional<KeyKind> kind;
    std::optional<HashAlgorithm> hash;
    CertificateRequest certificate; ///< Its profile says the size of RSA keys.
};

struct KeyChoice {
    KeyKind kind{};
    HashAlgorithm hash{};
    std::string remark; ///< Why it is not what the configuration or the custom would have; usually empty.
};

/// The kind of key and the hash for kernels of these configurations: CONFIG_MODULE_SIG_KEY_TYPE_* and
/// CONFIG_MODULE_SIG_HASH, and only what all of them can verify: RSA where a kernel has no ECDSA. Without any
/// configuration P-384 and SHA-512, Arch-SKM's defaults.
/// Throws Error (kernel) where configurations disagree, or one can't verify what was asked for.
[[nodiscard]] KSIGN_EXPORT KeyChoice choose_key(std::span<const KernelConfig> configs, const KeyWish& wish);

} // namespace ksign
