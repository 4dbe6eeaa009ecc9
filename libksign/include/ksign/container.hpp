// The files that modules come in.
#pragma once

#include <ksign/export.hpp>

#include <cstdint>
#include <string_view>

namespace ksign {

/// How a module's bytes are kept: as they are, or compressed. Told by the first bytes of a file, never by its name.
enum class ContainerKind { plain, gzip, xz, zstd };

/// "plain", "gzip", "xz", "zstd".
[[nodiscard]] KSIGN_EXPORT std::string_view container_name(ContainerKind kind) noexcept;

/// The range of compression levels of a container; all 0 for plain.
struct LevelRange {
    int lowest;
    int usual; ///< DKMS's own default (dkms.in of 3.4: gzip -6, xz -6, zstd -3).
    int highest;
};

[[nodiscard]] KSIGN_EXPORT LevelRange container_levels(ContainerKind kind) noexcept;

/// How large a module may be, decompressed: what stops decompression bombs. 1 GiB.
inline constexpr std::uint64_t usual_max_payload = std::uint64_t{1} << 30U;

} // namespace ksign
