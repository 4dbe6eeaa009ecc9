// X.509 certificates: reading them, and their fields as people and modinfo write them.
#pragma once

#include "openssl.hpp"

#include <ksign/secret.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// Reads a certificate in DER or PEM; told apart by content, as sign-file does. A PEM file may hold a key as well.
/// A pkcs11: URI in the path's place is read from its token, if that gives it without a PIN or the URI has one.
/// Throws Error (certificate).
[[nodiscard]] CertificateHandle read_certificate(const std::filesystem::path& path);

/// Bytes that are wiped when they go.
using WipedBytes = std::vector<std::byte, WipingAllocator<std::byte>>;

/// The whole content of a file of keys or certificates: a private key may stand beside a certificate.
/// Throws Error (system; limit beyond @p limit bytes).
[[nodiscard]] WipedBytes read_key_material(const std::filesystem::path& path, std::size_t limit);

/// A name's common name; its whole text where it has none.
[[nodiscard]] std::string display_name(const X509_NAME* name);

/// "0A:1B:…", as modinfo prints sig_key.
[[nodiscard]] std::string colon_hex(std::span<const unsigned char> bytes);

/// A serial number in colon_hex, as kmod writes it: without the zero byte that DER puts before a set top bit.
[[nodiscard]] std::string serial_text(const ASN1_INTEGER* serial);

} // namespace ksign
