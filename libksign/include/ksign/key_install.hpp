// Puts the current key into a kernel's build folder, where modules are signed with it.
#pragma once

#include <ksign/export.hpp>
#include <ksign/key_folder.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace ksign {

struct KeyInstallRequest {
    std::filesystem::path certs_local;
    std::filesystem::path destination; ///< Made if it does not exist.
    bool public_only = false;          ///< Without the private key: for packages that are given away.
    /// Links to make beside the keys: name and target.
    std::vector<std::pair<std::string, std::filesystem::path>> links;
};

/// Copies the current key folder and its `current` link to a folder that will be a kernel's build/certs-local; modes
/// are kept. What is there already under the same name is replaced, and `current` is replaced last. Returns the new
/// folder. Throws Error (no_key, system).
KSIGN_EXPORT KeyFolder install_keys(const KeyInstallRequest& request);

/// The kernel build's own way: DESTINATION/signing_key.pem (key and certificate) and signing_key.x509, both 0400, for a
/// folder that will be a kernel's build/certs. With public_only only the latter. Throws Error.
KSIGN_EXPORT KeyFolder install_native_keys(const KeyInstallRequest& request);

} // namespace ksign
