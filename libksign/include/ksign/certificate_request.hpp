// What the certificate of a new key shall say.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ksign {

/// What a self-signed certificate is made from: a profile (x509.oot.genkey), and what overrides it.
struct CertificateRequest {
    /// An OpenSSL configuration as `openssl req -x509 -config` reads it: the subject, the extensions, and default_bits
    /// for RSA. Nothing: that of the kernel's own signing key (certs/default_x509.genkey), with ksign's name.
    std::optional<std::filesystem::path> profile;
    std::optional<std::string> common_name; ///< In place of the profile's CN.
    int days = 36500; ///< Validity from now on. Kernels ignore dates for modules; firmware and mokutil may not.
    bool code_signing =
        false;              ///< With extendedKeyUsage codeSigning, which SUSE's kernels and some shims want of a MOK.
    bool authority = false; ///< A CA that may sign certificates: only such get into .machine with
                            ///< CONFIG_INTEGRITY_CA_MACHINE_KEYRING.
};

} // namespace ksign
