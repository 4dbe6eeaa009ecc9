// The kernel modules in an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace ksign {

/// Takes one file of an initramfs: its name in there, and its content.
using InitramfsSink = std::function<void(const std::string&, std::span<const std::byte>)>;

/// Goes through what mkinitcpio, dracut and initramfs-tools write: cpio archives as they are (early microcode, and what
/// is compressed by itself), then one that is compressed with gzip, xz, zstd or lz4; also the section .initrd of a
/// unified kernel image. Hands on the files whose names are those of modules.
/// Memory is bounded by the largest module, and that by 256 MiB. Throws Error (system, kernel, limit).
void read_initramfs(const std::filesystem::path& file, const InitramfsSink& sink);

} // namespace ksign
