// LZ4 as kernel images have it: the legacy frame, which `lz4 -l` writes (scripts/Makefile.lib).
//
// Read here and not by liblz4: the format is two pages (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md and
// lz4_Frame_format.md, "Legacy frame"), no other part of ksign would use the library, and a decoder that is always
// there needs no build without it to be tested.
#pragma once

#include "file.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ksign {

/// Whether bytes begin with a legacy frame's magic number.
[[nodiscard]] bool is_lz4_legacy(std::span<const std::byte> start) noexcept;

/// Decodes legacy frames that follow each other, up to where the kernel's unlz4() sees their end
/// (lib/decompress_unlz4.c of Linux 5.15, and of the older ones that are maintained): the end of the source, a block of
/// zero bytes, or fewer bytes than a block's size takes. Memory is bounded by a block's 8 MiB, twice. Returns how many
/// bytes of the source the frames are. Throws Error (container).
[[nodiscard]] std::uint64_t decode_lz4_legacy(const ByteSource& source, const ByteSink& sink,
                                              const std::string& subject);

} // namespace ksign
