// Kernel images: what is built into them.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/trust.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// What an image says of itself.
struct KernelImage {
    std::filesystem::path path;
    std::string form;                       ///< "bzImage, xz", "unified kernel image, EFI zboot, zstd", "ELF".
    std::uint64_t size = 0;                 ///< Bytes of the kernel proper, unpacked.
    std::string banner;                     ///< "Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org) …"
    std::string release;                    ///< The word after "Linux version".
    std::vector<KernelCertificate> builtin; ///< system_certificate_list: what .builtin_trusted_keys gets.
    std::vector<KernelCertificate> revoked; ///< revocation_certificate_list: what .blacklist gets.
    /// Whole certificates elsewhere in the image, which it does not trust for modules: those of regulatory.db.
    std::vector<KernelCertificate> others;
    std::optional<KernelConfig> config; ///< With CONFIG_IKCONFIG.
};

/// Reads a bzImage, an EFI zboot image, a unified kernel image with one of these in it, or a vmlinux or Image as it is
/// or compressed; gzip, xz, zstd, lz4 (legacy frame) or no compression. Memory is bounded by a window of a few MiB.
///
/// A run of certificates is system_certificate_list if the size that certs/system_certificates.S puts after it says so,
/// and the size of the first one follows (module_cert_size); it is revocation_certificate_list if only the former does
/// (certs/revocation_certificates.S).
/// Throws Error (system, limit; kernel: also for what is no image, as a module is, or a file without a banner).
[[nodiscard]] KSIGN_EXPORT KernelImage read_kernel_image(const std::filesystem::path& file);

/// The image of an installed kernel: boot/vmlinuz-RELEASE, vmlinuz in its modules' folder (Arch, Fedora), or what
/// `pkgbase` there names in boot (Arch). Nothing if there is none.
[[nodiscard]] KSIGN_EXPORT std::optional<std::filesystem::path> find_kernel_image(const Kernel& kernel);

/// The configuration of an installed kernel: that of its headers, else boot/config-RELEASE, else `config` in its
/// modules' folder (Fedora). Nothing if there is none, nor if that of its headers is closed to this user and the others
/// are not there: find_installed_certificates() then says so.
[[nodiscard]] KSIGN_EXPORT std::optional<KernelConfig> find_kernel_config(const Kernel& kernel);

/// Adds what is built into an image.
KSIGN_EXPORT void add_image_certificates(TrustedKeys& keys, const KernelImage& image);

} // namespace ksign
