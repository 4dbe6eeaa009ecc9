// The signatures at the end of a module file (include/linux/module_signature.h):
//
//     ELF payload | CMS SignedData (DER) | struct module_signature (12 bytes) | "~Module signature appended~\n"
//
// The kernel looks at the last one only; what stands before it, older signatures too, is what that one covers.
#pragma once

#include "container.hpp"
#include "digest.hpp"
#include "file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// struct module_signature, as the kernel lays it out.
inline constexpr std::size_t module_signature_size = 12;
inline constexpr std::size_t signature_type_offset = 2;   ///< Of id_type.
inline constexpr std::size_t signature_length_offset = 8; ///< Of sig_len; the fields before it are of one byte each.
inline constexpr std::byte pkcs7_type{2};                 ///< PKEY_ID_PKCS7, later MODULE_SIGNATURE_TYPE_PKCS7.

/// The sig_len of a struct module_signature, which is stored with its highest byte first.
[[nodiscard]] std::uint32_t signature_length(std::span<const std::byte> info);

/// Whether bytes end with the marker.
[[nodiscard]] bool ends_with_marker(std::span<const std::byte> bytes);

/// What follows the CMS: struct module_signature and the marker.
inline constexpr std::size_t trailer_size = module_signature_size + signature_marker.size();

/// A signature of an RSA key takes some 700 bytes, of ML-DSA-87 with certificate under 20 KiB. What claims more than
/// this is a broken trailer.
inline constexpr std::size_t largest_signature = std::size_t{1024} * 1024;

/// The bytes that follow a CMS of that size.
[[nodiscard]] std::array<std::byte, trailer_size> make_trailer(std::uint32_t signature_size);

/// The CMS with its trailer: what is appended to a payload. Throws Error (malformed_signature) for one that
/// peel_signatures() would not take off again: not in DER, or larger than any signature.
[[nodiscard]] std::vector<std::byte> make_tail(std::span<const std::byte> signature);

/// What peeling a file's end found.
struct PeeledTail {
    /// Bytes of the tail that belong to the payload.
    std::size_t payload_bytes = 0;
    /// The CMS of each signature, the last one of the file, which the kernel checks, first.
    std::vector<std::vector<std::byte>> signatures;
    /// The tail given is too short to say where the payload ends.
    bool needs_longer_tail = false;
};

/// Takes every trailing signature off the end of a file.
///
/// @param tail     the last bytes of the file
/// @param before   how many bytes of the file stand before @p tail
/// @param subject  for messages
/// Throws Error (malformed_signature) for a trailer that mod_check_sig() (kernel/module_signature.c) would not take,
/// or whose length does not lead to the start of a CMS.
[[nodiscard]] PeeledTail peel_signatures(std::span<const std::byte> tail, std::uint64_t before,
                                         const std::string& subject);

/// Throws Error (not_a_module) unless the bytes start an ELF relocatable file whose section headers lie within
/// @p payload_size bytes, as elf_validity_check() (kernel/module/main.c) demands.
void expect_elf_module(std::span<const std::byte> start, std::uint64_t payload_size, const std::string& subject);

/// What is known of a module once it has been read through.
struct ModulePayload {
    std::uint64_t size = 0;                         ///< Bytes of the ELF file, no signature.
    std::vector<std::byte> digest;                  ///< Of these bytes.
    std::vector<std::vector<std::byte>> signatures; ///< As in PeeledTail.
};

/// Reads a module as a stream: digests the payload once, and holds the end back, so that no signature reaches the
/// digest.
class ModuleReader {
  public:
    /// @param held_back  how many bytes at the end may be signatures; see finish()
    ModuleReader(HashAlgorithm hash, std::size_t held_back, std::string subject);

    void take(std::span<const std::byte> bytes);

    /// At the end of the stream. Nothing if the signatures go on beyond what was held back: read again with more.
    /// Throws Error as peel_signatures() and expect_elf_module() do.
    [[nodiscard]] std::optional<ModulePayload> finish();

  private:
    void append_to_tail(std::span<const std::byte> bytes);
    void straighten_tail();
    void digest(std::span<const std::byte> bytes);

    Digest digest_;
    std::size_t held_back_;
    std::string subject_;
    std::vector<std::byte> start_; ///< The ELF header.
    std::vector<std::byte> tail_;  ///< What is held back: a ring, once it is full.
    std::size_t oldest_ = 0;       ///< Where the ring begins.
    std::uint64_t digested_ = 0;
};

} // namespace ksign
