// What is noted of a compressed payload while it is decoded, so that a new tail can be spliced in without decoding it
// once more: where the stream can be cut, and the end of the payload, which what is encoded anew is made from.
#pragma once

#include "xxh64.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ksign {

/// Where a block of a compressed stream starts or, for the last one, where the last block ends.
struct CutPoint {
    std::uint64_t position; ///< In the container: in bits for gzip, whose blocks start anywhere, in bytes for zstd.
    std::uint64_t payload;  ///< Bytes of payload before it.
    std::uint32_t check;    ///< CRC-32 of these, for gzip.
};

/// Memory is bounded: twice the window and a chunk, and 1.5 MiB of cut points.
class PayloadNotes {
  public:
    /// How much of the payload's end is kept at least: what an LZMA2 chunk can hold, the largest piece that a codec
    /// would have to encode anew.
    static constexpr std::size_t window = std::size_t{2} * 1024 * 1024;

    /// The next bytes of the payload.
    void take(std::span<const std::byte> bytes);
    /// The stream can be cut here, after all that was taken.
    void add_cut(std::uint64_t position, std::uint32_t check = 0);
    /// Asks for xxh64_of_first(), before the first byte comes.
    void want_xxh64() { before_recent_.emplace(); }

    /// All was taken: what is below can be asked for.
    void finish();
    /// Forgets all: no kernel reads the container, so that nothing of it is worth keeping.
    void discard() { *this = PayloadNotes(); }

    /// Bytes of payload in all.
    [[nodiscard]] std::uint64_t payload_size() const noexcept { return recent_start_ + older_.size() + recent_.size(); }
    /// Where the payload starts that recent() has.
    [[nodiscard]] std::uint64_t recent_start() const noexcept { return recent_start_; }
    /// The payload's bytes from @p begin to @p end, which must not lie before recent_start().
    [[nodiscard]] std::span<const std::byte> recent(std::uint64_t begin, std::uint64_t end) const;
    /// Checksum of the first bytes, at least as many as stand before recent_start().
    [[nodiscard]] std::uint64_t xxh64_of_first(std::uint64_t size, std::span<const std::byte> tail) const;

    struct Cut {
        CutPoint block; ///< Start of the last block to be kept.
        CutPoint end;   ///< Its end.
    };
    /// The last place to cut at if no more than @p kept bytes of payload are to stay; of several, the first, so that
    /// empty blocks go. Nothing if no block would be kept, or what would have to be encoded anew is not known any more.
    [[nodiscard]] std::optional<Cut> cut_at(std::uint64_t kept) const;

    /// The end of the last block.
    [[nodiscard]] std::optional<CutPoint> last_cut() const;

  private:
    static constexpr std::size_t most_cuts = 65536;

    // The last bytes, and up to a window of those before them; finish() puts them together.
    std::vector<std::byte> recent_;
    std::vector<std::byte> older_;
    std::uint64_t recent_start_ = 0; // of older_
    std::vector<CutPoint> cuts_;
    std::optional<Xxh64> before_recent_;
};

} // namespace ksign
