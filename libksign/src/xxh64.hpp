// XXH64, the checksum of a zstd frame's content (RFC 8878, 3.1.1; https://github.com/Cyan4973/xxHash,
// doc/xxhash_spec.md). libzstd has it, but does not offer it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ksign {

/// Takes bytes in any pieces. A copy goes on from where the original stands.
class Xxh64 {
  public:
    void update(std::span<const std::byte> bytes) noexcept;
    /// Of all bytes taken so far, with seed 0.
    [[nodiscard]] std::uint64_t value() const noexcept;

  private:
    static constexpr std::size_t stripe_size = 32;

    void take_stripe(const std::byte* stripe) noexcept;

    std::array<std::uint64_t, 4> lanes_ = start_lanes();
    std::array<std::byte, stripe_size> pending_{};
    std::size_t pending_size_ = 0;
    std::uint64_t total_ = 0;

    static std::array<std::uint64_t, 4> start_lanes() noexcept;
};

} // namespace ksign
