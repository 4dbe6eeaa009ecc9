// Tags and lengths of ASN.1's DER and BER, as the kernel's decoder reads them (lib/asn1_decoder.c).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ksign {

inline constexpr unsigned der_integer = 0x02;
inline constexpr unsigned der_bit_string = 0x03;
inline constexpr unsigned der_octet_string = 0x04;
inline constexpr unsigned der_object = 0x06;
inline constexpr unsigned der_sequence = 0x30;
inline constexpr unsigned der_set = 0x31;

/// [NUMBER], constructed.
[[nodiscard]] constexpr unsigned der_context(unsigned number) noexcept {
    return 0xa0U | number;
}
/// [NUMBER], primitive.
[[nodiscard]] constexpr unsigned der_context_primitive(unsigned number) noexcept {
    return 0x80U | number;
}

/// One element: its tag, its bytes with the header, its bytes without.
struct DerElement {
    unsigned tag = 0;
    std::span<const std::byte> whole;
    std::span<const std::byte> content;
};

/// Goes through the elements that stand one after the other in some bytes, which must outlive it.
/// Takes what the kernel's decoder takes: tags of one byte, lengths of up to two bytes, BER's indefinite length.
class DerReader {
  public:
    explicit DerReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
    /// Whether the next element has this tag.
    [[nodiscard]] bool next_is(unsigned tag) const noexcept;
    /// Whether the next element's length is indefinite: then reading it goes through all that is in it.
    [[nodiscard]] bool next_is_indefinite() const noexcept;
    /// The next element, whatever it is. Nothing if there is none, or it is malformed.
    [[nodiscard]] std::optional<DerElement> next() noexcept;
    /// The next element if it has this tag; else nothing, and it stays the next.
    [[nodiscard]] std::optional<DerElement> next(unsigned tag) noexcept;

  private:
    std::span<const std::byte> rest_;
};

/// Bytes as characters, for comparisons.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace ksign
