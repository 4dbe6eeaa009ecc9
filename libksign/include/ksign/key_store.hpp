// Where a kernel's signing key is.
#pragma once

#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/kernel.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace ksign {

/// A key and its certificate, found but not loaded.
struct KeyLocation {
    std::string key;                   ///< A file, or a `pkcs11:` URI.
    std::filesystem::path certificate; ///< May be the key's file.
    std::string origin;                ///< For messages: "certs-local of kernel 6.12.1".
    std::optional<HashAlgorithm> hash; ///< What the key was made to be used with, where the store says so (khash).
};

/// The key that a kernel's own build folder holds: build/certs-local/current (Arch-SKM's and ksign's), else
/// build/certs/signing_key.{pem,x509} (the kernel build's own). Nothing if it holds none.
///
/// Throws Error (key) where a certs-local is there but is not whole: another key in its place would be one that the
/// administrator did not choose.
[[nodiscard]] KSIGN_EXPORT std::optional<KeyLocation> find_kernel_key(const Kernel& kernel);

/// The current key of a certs-local folder itself. Throws Error (key) if it is not whole, or is not there.
[[nodiscard]] KSIGN_EXPORT KeyLocation find_certs_local_key(const std::filesystem::path& certs_local);

} // namespace ksign
