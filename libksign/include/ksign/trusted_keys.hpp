// Has a kernel's configuration trust the current key of a certs-local folder.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/key_store.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace ksign {

struct TrustedKeysRequest {
    std::filesystem::path certs_local;
    /// Where relative names in the configuration start: the kernel's source tree. Nothing: the configuration's folder.
    std::optional<std::filesystem::path> source;
    bool replace = false; ///< Drop other certificates that the configuration names.
    bool dry_run = false; ///< Find out, and write nothing.
};

struct TrustedKeysResult {
    bool changed = false;
    std::filesystem::path trusted;      ///< What CONFIG_SYSTEM_TRUSTED_KEYS names now.
    std::size_t other_certificates = 0; ///< How many others it keeps.
};

/// Sets CONFIG_SYSTEM_TRUSTED_KEYS of a .config to the current key's signing_key.pem, as Arch-SKM does. Certificates of
/// others that it named are kept: then it is set to a bundle in the key's folder, with this key's certificate first.
/// A key folder's signing_key.pem is no other: it is the key that this one follows.
///
/// No other byte of the file changes; it is replaced whole, with owner and mode kept. Throws Error.
KSIGN_EXPORT TrustedKeysResult update_trusted_keys(const std::filesystem::path& config,
                                                   const TrustedKeysRequest& request);

/// Whether what a configuration names as CONFIG_SYSTEM_TRUSTED_KEYS is a file of this key folder, by the folder's name:
/// an installed kernel's configuration names the folder where it was built.
[[nodiscard]] KSIGN_EXPORT bool names_key_folder(const std::filesystem::path& trusted,
                                                 const std::filesystem::path& folder);

/// Whether a configuration has its kernel trust the key at @p location, one of find_kernel_key(): a key of certs-local
/// if CONFIG_SYSTEM_TRUSTED_KEYS names a file of its folder, the kernel build's own key always.
[[nodiscard]] KSIGN_EXPORT bool names_kernel_key(const KernelConfig& config, const KeyLocation& location);

} // namespace ksign
