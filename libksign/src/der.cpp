#include "der.hpp"

namespace ksign {
namespace {

constexpr unsigned constructed = 0x20;
constexpr unsigned long_tag = 0x1f;
constexpr unsigned indefinite = 0x80;
constexpr unsigned deepest = 10; // NR_CONS_STACK of lib/asn1_decoder.c

unsigned number_at(std::span<const std::byte> bytes, std::size_t index) {
    return std::to_integer<unsigned>(bytes[index]);
}

struct Header {
    unsigned tag = 0;
    std::size_t size = 0;
    std::optional<std::size_t> length; ///< Nothing: indefinite.
};

std::optional<Header> read_header(std::span<const std::byte> bytes) {
    if (bytes.size() < 2 || (number_at(bytes, 0) & long_tag) == long_tag) {
        return std::nullopt;
    }
    Header header{number_at(bytes, 0), 2, number_at(bytes, 1)};
    if (header.length < indefinite) {
        return header;
    }
    const std::size_t count = *header.length - indefinite;
    if (count == 0) {
        header.length.reset();
        return (header.tag & constructed) != 0 ? std::optional(header) : std::nullopt;
    }
    if (count > 2 || bytes.size() < 2 + count) {
        return std::nullopt;
    }
    std::size_t length = 0;
    for (std::size_t index = 0; index < count; ++index) {
        length = length << 8U | number_at(bytes, 2 + index);
    }
    header.length = length;
    header.size += count;
    return header;
}

std::optional<DerElement> read_element(std::span<const std::byte> bytes, unsigned depth) {
    const auto header = read_header(bytes);
    if (!header || depth > deepest) {
        return std::nullopt;
    }
    const auto rest = bytes.subspan(header->size);
    if (header->length) {
        if (*header->length > rest.size()) {
            return std::nullopt;
        }
        return DerElement{header->tag, bytes.first(header->size + *header->length), rest.first(*header->length)};
    }
    std::size_t used = 0;
    while (true) {
        const auto left = rest.subspan(used);
        if (left.size() < 2) {
            return std::nullopt;
        }
        if (number_at(left, 0) == 0 && number_at(left, 1) == 0) { // end of contents
            return DerElement{header->tag, bytes.first(header->size + used + 2), rest.first(used)};
        }
        const auto inner = read_element(left, depth + 1);
        if (!inner) {
            return std::nullopt;
        }
        used += inner->whole.size();
    }
}

} // namespace

bool DerReader::next_is(unsigned tag) const noexcept {
    return !rest_.empty() && std::to_integer<unsigned>(rest_.front()) == tag;
}

bool DerReader::next_is_indefinite() const noexcept {
    return rest_.size() > 1 && number_at(rest_, 1) == indefinite;
}

std::optional<DerElement> DerReader::next() noexcept {
    const auto element = read_element(rest_, 0);
    if (element) {
        rest_ = rest_.subspan(element->whole.size());
    }
    return element;
}

std::optional<DerElement> DerReader::next(unsigned tag) noexcept {
    return next_is(tag) ? next() : std::nullopt;
}

} // namespace ksign
