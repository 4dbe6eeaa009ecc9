// A folder with one signing key, as Arch-SKM and ksign lay it out in a kernel's certs-local.
#pragma once

#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/key_kind.hpp>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace ksign {

/// The files of a key folder (Arch-SKM's names: lib/make_keys.py).
namespace key_file {
inline constexpr const char* key_and_certificate = "signing_key.pem"; ///< Both, PEM, 0600.
inline constexpr const char* private_key = "signing_prv.pem";         ///< PKCS#8 in PEM, 0600.
inline constexpr const char* certificate = "signing_crt.crt";         ///< DER.
inline constexpr const char* hash = "khash";                          ///< One word: "sha512".
inline constexpr const char* family = "ktype";                        ///< One word: "ec", "rsa".
/// Begins the name of a PEM file with this certificate and others that a kernel configuration trusts.
inline constexpr const char* bundle_prefix = "trusted_keys-";
} // namespace key_file

/// The link in certs-local that leads to the key folder in use.
inline constexpr const char* current_link = "current";

/// What the certificate of a key says.
struct KeyDescription {
    std::optional<KeyKind> kind;                ///< Nothing: none that modules are signed with.
    std::string signer;                         ///< The certificate's common name.
    std::string serial;                         ///< "0A:1B:…", as modinfo's sig_key.
    std::string fingerprint;                    ///< SHA-256 of the certificate's DER: "0A:1B:…".
    std::chrono::system_clock::time_point made; ///< The certificate's notBefore, or its file's time if it is older.
};

/// Reads a certificate, DER or PEM, or that of a `pkcs11:` URI. Throws Error (system, certificate).
[[nodiscard]] KSIGN_EXPORT KeyDescription describe_certificate(const std::filesystem::path& certificate);

/// What a key folder holds. The private key is not read.
struct KeyFolder {
    std::filesystem::path path; ///< The stamped folder itself, no link.
    KeyKind kind{};
    std::optional<HashAlgorithm> hash; ///< What modules are to be signed with; nothing if it does not say.
    std::string signer;
    std::string serial;
    std::string fingerprint;
    std::chrono::system_clock::time_point made; ///< As above, and signing_key.pem's time if that is older still.
    bool has_private_key = false;               ///< Not in packages that are given away.
};

/// Reads a key folder. Throws Error (system, certificate, key): not there, not whole, or a key of an unknown kind.
[[nodiscard]] KSIGN_EXPORT KeyFolder read_key_folder(const std::filesystem::path& folder);

/// The folder that certs-local's `current` leads to; nothing if there is no such link. It need not exist.
/// Throws Error (key) if `current` is no link.
[[nodiscard]] KSIGN_EXPORT std::optional<std::filesystem::path>
current_key_folder(const std::filesystem::path& certs_local);

} // namespace ksign
