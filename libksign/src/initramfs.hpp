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

/// Goes through what mkinitcpio, dracut, initramfs-tools, ukify and mkosi write: cpio archives one after the other, as
/// they are (early microcode, and what is compressed by itself) or compressed with gzip, xz, zstd or lz4, each in its
/// own way, with zero bytes between and after them; also in the section .initrd of a unified kernel image. Hands on the
/// files whose names are those of modules. Memory is bounded by the largest module, and that by 256 MiB. Throws Error
/// (system, kernel, limit).
void read_initramfs(const std::filesystem::path& file, const InitramfsSink& sink);

} // namespace ksign
