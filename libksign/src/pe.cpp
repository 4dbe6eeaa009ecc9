#include "pe.hpp"

#include "little_endian.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace ksign {

std::optional<PeSection> find_pe_section(const PositionedReader& read_at, std::string_view name) {
    // Microsoft's PE format: e_lfanew; then the COFF header, with the number of sections and the size of the optional
    // header, which stands between it and the table of sections.
    constexpr std::size_t name_size = 8;
    std::array<std::byte, 64> dos{};
    if (read_at(0, dos) != dos.size() || std::memcmp(dos.data(), "MZ", 2) != 0) {
        return std::nullopt;
    }
    const std::uint64_t header = from_little_endian(std::span(dos).subspan(0x3c, 4));
    std::array<std::byte, 24> coff{};
    if (read_at(header, coff) != coff.size() || std::memcmp(coff.data(), "PE\0\0", 4) != 0) {
        return std::nullopt;
    }
    const std::uint64_t sections = from_little_endian(std::span(coff).subspan(6, 2));
    const std::uint64_t table = header + coff.size() + from_little_endian(std::span(coff).subspan(20, 2));
    std::string wanted(name);
    wanted.resize(name_size);
    for (std::uint64_t index = 0; index < sections; ++index) {
        std::array<std::byte, 40> section{};
        if (read_at(table + index * section.size(), section) != section.size()) {
            return std::nullopt;
        }
        if (std::memcmp(section.data(), wanted.data(), name_size) == 0) {
            // The raw data is padded; the virtual size is what was put in.
            return PeSection{from_little_endian(std::span(section).subspan(20, 4)),
                             std::min(from_little_endian(std::span(section).subspan(8, 4)),
                                      from_little_endian(std::span(section).subspan(16, 4)))};
        }
    }
    return std::nullopt;
}

} // namespace ksign
