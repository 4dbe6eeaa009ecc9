#include "xxh64.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ksign {
namespace {

constexpr std::uint64_t prime_1 = 0x9E3779B185EBCA87U;
constexpr std::uint64_t prime_2 = 0xC2B2AE3D27D4EB4FU;
constexpr std::uint64_t prime_3 = 0x165667B19E3779F9U;
constexpr std::uint64_t prime_4 = 0x85EBCA77C2B2AE63U;
constexpr std::uint64_t prime_5 = 0x27D4EB2F165667C5U;

template <typename Word> Word little_endian(const std::byte* bytes) noexcept {
    Word word{};
    std::memcpy(&word, bytes, sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
        word = sizeof word == sizeof(std::uint64_t) ? __builtin_bswap64(word) : __builtin_bswap32(word);
    }
    return word;
}

std::uint64_t round(std::uint64_t lane, std::uint64_t word) noexcept {
    return std::rotl(lane + word * prime_2, 31) * prime_1;
}

std::uint64_t merged(std::uint64_t value, std::uint64_t lane) noexcept {
    return (value ^ round(0, lane)) * prime_1 + prime_4;
}

} // namespace

std::array<std::uint64_t, 4> Xxh64::start_lanes() noexcept {
    return {prime_1 + prime_2, prime_2, 0, 0 - prime_1};
}

void Xxh64::take_stripe(const std::byte* stripe) noexcept {
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
        lanes_[lane] = round(lanes_[lane], little_endian<std::uint64_t>(stripe + lane * sizeof(std::uint64_t)));
    }
}

void Xxh64::update(std::span<const std::byte> bytes) noexcept {
    total_ += bytes.size();
    if (pending_size_ > 0) {
        const auto part = bytes.first(std::min(bytes.size(), stripe_size - pending_size_));
        std::ranges::copy(part, pending_.begin() + static_cast<std::ptrdiff_t>(pending_size_));
        pending_size_ += part.size();
        bytes = bytes.subspan(part.size());
        if (pending_size_ < stripe_size) {
            return;
        }
        take_stripe(pending_.data());
        pending_size_ = 0;
    }
    for (; bytes.size() >= stripe_size; bytes = bytes.subspan(stripe_size)) {
        take_stripe(bytes.data());
    }
    std::ranges::copy(bytes, pending_.begin());
    pending_size_ = bytes.size();
}

std::uint64_t Xxh64::value() const noexcept {
    std::uint64_t value = prime_5;
    if (total_ >= stripe_size) {
        value = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
        for (const std::uint64_t lane : lanes_) {
            value = merged(value, lane);
        }
    }
    value += total_;
    const std::byte* at = pending_.data();
    std::size_t left = pending_size_;
    for (; left >= 8; left -= 8, at += 8) {
        value = std::rotl(value ^ round(0, little_endian<std::uint64_t>(at)), 27) * prime_1 + prime_4;
    }
    if (left >= 4) {
        value = std::rotl(value ^ (little_endian<std::uint32_t>(at) * prime_1), 23) * prime_2 + prime_3;
        left -= 4;
        at += 4;
    }
    for (; left > 0; --left, ++at) {
        value = std::rotl(value ^ (std::to_integer<std::uint64_t>(*at) * prime_5), 11) * prime_1;
    }
    value = (value ^ (value >> 33U)) * prime_2;
    value = (value ^ (value >> 29U)) * prime_3;
    return value ^ (value >> 32U);
}

} // namespace ksign
