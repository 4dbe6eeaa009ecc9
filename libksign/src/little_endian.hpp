// Numbers as the container formats, LZ4 and PE store them: the lowest byte first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ksign {

/// The number that these bytes, 8 at most, make.
[[nodiscard]] constexpr std::uint64_t from_little_endian(std::span<const std::byte> bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t index = bytes.size(); index > 0; --index) {
        value = value << 8U | std::to_integer<std::uint64_t>(bytes[index - 1]);
    }
    return value;
}

/// Appends the lowest @p size bytes of a number.
inline void append_little_endian(std::vector<std::byte>& bytes, std::uint64_t value, std::size_t size) {
    for (; size > 0; --size, value >>= 8U) {
        bytes.push_back(static_cast<std::byte>(value));
    }
}

} // namespace ksign
