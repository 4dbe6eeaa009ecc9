#include "lz4.hpp"

#include "container.hpp"
#include "little_endian.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t legacy_magic = 0x184C2102;
constexpr std::size_t block_size = std::size_t{8} << 20U; // LEGACY_BLOCKSIZE: a block's content
constexpr std::size_t largest_compressed_block = block_size + block_size / 255 + 16; // LZ4_COMPRESSBOUND
constexpr std::size_t shortest_match = 4;

Error failure(const std::string& subject, const std::string& reason) {
    return {ErrorCode::container, subject, "lz4: " + reason, "the file is damaged: get it anew"};
}

/// One compressed block. Every read and write is checked: the input may be hostile.
class BlockDecoder {
  public:
    BlockDecoder(Bytes input, std::vector<std::byte>& output, const std::string& subject)
        : input_(input), output_(output), subject_(subject) {
        output_.clear();
    }

    void decode() {
        while (true) {
            const unsigned token = take_byte();
            copy_literals(read_length(token >> 4U));
            if (input_.empty()) {
                return; // the last sequence has literals only
            }
            const std::size_t offset = take_offset();
            copy_match(offset, read_length(token & 0xfU) + shortest_match);
        }
    }

  private:
    unsigned take_byte() {
        if (input_.empty()) {
            throw failure(subject_, "the data ends too early");
        }
        const auto byte = std::to_integer<unsigned>(input_.front());
        input_ = input_.subspan(1);
        return byte;
    }
    std::size_t take_offset() {
        const unsigned low = take_byte();
        return low | take_byte() << 8U;
    }
    /// A length of 15 goes on in the bytes that follow, as long as they are 255.
    std::size_t read_length(unsigned start) {
        std::size_t length = start;
        if (start == 15) {
            unsigned byte = 255;
            while (byte == 255) {
                byte = take_byte();
                length += byte;
            }
        }
        return length;
    }
    void expect_room(std::size_t size) const {
        if (size > block_size - output_.size()) {
            throw failure(subject_, "a block is larger than 8 MiB");
        }
    }
    void copy_literals(std::size_t size) {
        expect_room(size);
        if (size > input_.size()) {
            throw failure(subject_, "the data ends too early");
        }
        output_.insert(output_.end(), input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(size));
        input_ = input_.subspan(size);
    }
    void copy_match(std::size_t offset, std::size_t size) {
        expect_room(size);
        if (offset == 0 || offset > output_.size()) {
            throw failure(subject_, "the data is corrupt");
        }
        // Byte by byte: a match may overlap what it makes.
        const std::size_t start = output_.size() - offset;
        output_.resize(output_.size() + size);
        for (std::size_t index = 0; index < size; ++index) {
            output_[start + offset + index] = output_[start + index];
        }
    }

    Bytes input_;
    std::vector<std::byte>& output_;
    const std::string& subject_;
};

} // namespace

bool is_lz4_legacy(std::span<const std::byte> start) noexcept {
    return start.size() >= 4 && from_little_endian(start.first(4)) == legacy_magic;
}

std::uint64_t decode_lz4_legacy(const ByteSource& source, const ByteSink& sink, const std::string& subject) {
    std::vector<std::byte> input;
    std::vector<std::byte> output;
    output.reserve(block_size);
    std::array<std::byte, 4> word{};
    std::uint64_t taken = 0;
    while (read_full(source, word) == word.size()) {
        const auto size = static_cast<std::uint32_t>(from_little_endian(word));
        if (size == legacy_magic) { // frames may follow each other
            taken += word.size();
            continue;
        }
        if (taken == 0) {
            throw failure(subject, "no legacy frame");
        }
        if (size == 0) {
            break;
        }
        if (size > largest_compressed_block) {
            throw failure(subject, "the data is corrupt, or ends too early");
        }
        input.resize(size);
        if (read_full(source, input) != size) {
            throw failure(subject, "the data ends too early");
        }
        BlockDecoder(input, output, subject).decode();
        sink(output);
        taken += word.size() + size;
    }
    if (taken == 0) {
        throw failure(subject, "no legacy frame");
    }
    return taken;
}

} // namespace ksign
