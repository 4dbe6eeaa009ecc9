#include "firmware.hpp"

#include "catch.hpp"

#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <sstream>

using namespace ksign;

namespace {

/// EFI_GUID(a, b, c, d…) as include/linux/efi.h and EDK2 write it.
struct EfiGuid {
    std::uint32_t first;
    std::uint16_t second;
    std::uint16_t third;
    std::array<unsigned char, 8> rest;

    /// What ends the name of a file of efivarfs.
    [[nodiscard]] std::string text() const {
        std::ostringstream out;
        out << std::hex << std::setfill('0') << '-' << std::setw(8) << first << '-' << std::setw(4) << second << '-'
            << std::setw(4) << third << '-';
        for (std::size_t index = 0; index < rest.size(); ++index) {
            out << (index == 2 ? "-" : "") << std::setw(2) << static_cast<unsigned>(rest.at(index));
        }
        return out.str();
    }
    /// As it lies in memory, on the little-endian machines that have UEFI.
    [[nodiscard]] Guid bytes() const {
        Guid guid{};
        const auto put = [&guid](std::size_t at, std::size_t size, std::uint32_t value) {
            for (std::size_t index = 0; index < size; ++index) {
                guid.at(at + index) = static_cast<unsigned char>(value >> (8U * index));
            }
        };
        put(0, 4, first);
        put(4, 2, second);
        put(6, 2, third);
        std::ranges::copy(rest, guid.begin() + 8);
        return guid;
    }
};

} // namespace

TEST_CASE("the owners of variables and the types of signatures are those of efi.h", "[firmware]") {
    CHECK(EfiGuid{0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}}.text() == global_guid);
    CHECK(EfiGuid{0xd719b2cb, 0x3d3a, 0x4596, {0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}}.text() ==
          database_guid);
    CHECK(EfiGuid{0x605dab50, 0xe046, 0x4300, {0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23}}.text() == shim_guid);
    CHECK(EfiGuid{0xa5c059a1, 0x94e4, 0x4aa7, {0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}}.bytes() == x509_guid);
    CHECK(EfiGuid{0x3bd2a492, 0x96c0, 0x4079, {0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed}}.bytes() ==
          x509_sha256_guid);
}
