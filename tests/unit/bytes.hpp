// Bytes to test with: of text, at random, put together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign::test {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline Bytes bytes_of(std::string_view text) {
    const auto* start = reinterpret_cast<const std::byte*>(text.data());
    return {start, start + text.size()};
}

inline std::string text_of(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const unsigned char> unsigned_view(ByteView bytes) {
    return {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()};
}

/// A literal of numbers: bytes_from({0x1f, 0x8b}).
inline Bytes bytes_from(std::initializer_list<unsigned> values) {
    Bytes bytes;
    for (const unsigned value : values) {
        bytes.push_back(static_cast<std::byte>(value));
    }
    return bytes;
}

/// Content that does not compress; the same for the same seed.
inline Bytes random_bytes(std::size_t size, std::uint32_t seed = 1) {
    std::mt19937_64 engine(seed);
    Bytes bytes(size);
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        const std::uint64_t word = engine();
        std::memcpy(bytes.data() + at, &word, std::min(sizeof(word), size - at));
    }
    return bytes;
}

/// Content that compresses about as a module does: repeated words with some noise among them.
inline Bytes compressible_bytes(std::size_t size, std::uint32_t seed = 1) {
    static constexpr std::string_view words[] = {"module_init",      "struct file_operations", "ksign",
                                                 "\0\0\0\0\0\0\0\0", "EXPORT_SYMBOL_GPL",      "int ",
                                                 "return -EINVAL;"};
    std::mt19937 engine(seed);
    Bytes bytes;
    bytes.reserve(size + 32);
    while (bytes.size() < size) {
        const std::string_view word = words[engine() % std::size(words)];
        const auto* start = reinterpret_cast<const std::byte*>(word.data());
        bytes.insert(bytes.end(), start, start + word.size());
        bytes.push_back(static_cast<std::byte>(engine() & 0xffU));
    }
    bytes.resize(size);
    return bytes;
}

inline Bytes joined(std::initializer_list<ByteView> parts) {
    Bytes all;
    for (const ByteView part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

inline Bytes prefix_of(ByteView bytes, std::size_t size) {
    const ByteView part = bytes.first(size);
    return {part.begin(), part.end()};
}

} // namespace ksign::test
