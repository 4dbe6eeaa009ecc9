// The sections of PE files, of which unified kernel images are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

namespace ksign {

/// Reads bytes from a position on; fewer than asked for only at the end.
using PositionedReader = std::function<std::size_t(std::uint64_t, std::span<std::byte>)>;

struct PeSection {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// The section of that name; nothing if there is none, or if it is no PE file. It need not lie within the file.
[[nodiscard]] std::optional<PeSection> find_pe_section(const PositionedReader& read_at, std::string_view name);

} // namespace ksign
