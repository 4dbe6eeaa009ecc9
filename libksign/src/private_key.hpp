// Private keys in files.
#pragma once

#include "openssl.hpp"

#include <ksign/secret.hpp>

#include <string>

namespace ksign {

/// Loads a private key from a PEM file. Asks for a passphrase at most once, and only where the key needs one. Throws
/// Error (key), also if others may read the file, may write to it, or may put another one in its place.
[[nodiscard]] KeyHandle read_private_key(const std::string& path, const PassphraseSource& passphrase,
                                         InsecureFile insecure = InsecureFile::refused);

} // namespace ksign
