// xz (the .xz file format, https://tukaani.org/xz/xz-file-format.txt), by liblzma.
#include "container.hpp"
#include "little_endian.hpp"

#include <lzma.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

namespace ksign {
namespace {

// The dictionary that kbuild and DKMS give modules (scripts/Makefile.modinst: --lzma2=dict=1MiB), so that the
// kernel's decompressor needs no more.
constexpr std::uint32_t dictionary_size = 1U << 20U;

// `xz -9` needs 65 MiB to decode. A header may ask for 4 GiB, which is refused.
constexpr std::uint64_t decoder_memory_limit = 256U << 20U;

Error failure(const std::string& subject, const std::string& reason) {
    return {ErrorCode::container, subject, "xz: " + reason, "the file is damaged: rebuild or reinstall the module"};
}

/// Of what others may well decode.
Error too_much_memory(const std::string& subject) {
    return {ErrorCode::limit, subject, "xz: needs more than 256 MiB of memory to decode",
            "decompress it, and compress it with a smaller dictionary: xz --check=crc32 --lzma2=dict=1MiB"};
}

std::string status_text(lzma_ret status) {
    switch (status) {
    case LZMA_FORMAT_ERROR:
        return "garbage after the compressed data";
    case LZMA_OPTIONS_ERROR:
        return "uses options that liblzma does not know";
    case LZMA_DATA_ERROR:
        return "the data is corrupt";
    case LZMA_BUF_ERROR:
        return "the data ends too early";
    default:
        return "status " + std::to_string(status);
    }
}

/// What a failure to decode or encode means.
Error status_failure(const std::string& subject, lzma_ret status) {
    return status == LZMA_MEM_ERROR ? out_of_memory(subject) : failure(subject, status_text(status));
}

struct Stream {
    lzma_stream stream = LZMA_STREAM_INIT;
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { lzma_end(&stream); }
};

/// The options of the kernel's branch filters (dec_main of lib/xz/xz_dec_bcj.c), by xz-file-format.txt, 5.3.2. By
/// number, as older versions of liblzma lack names.
struct BranchFilter {
    lzma_vli id;
    std::string_view option;
};
constexpr std::array branch_filters{
    BranchFilter{0x04, "XZ_DEC_X86"},   BranchFilter{0x05, "XZ_DEC_POWERPC"},  BranchFilter{0x06, "XZ_DEC_IA64"},
    BranchFilter{0x07, "XZ_DEC_ARM"},   BranchFilter{0x08, "XZ_DEC_ARMTHUMB"}, BranchFilter{0x09, "XZ_DEC_SPARC"},
    BranchFilter{0x0a, "XZ_DEC_ARM64"}, BranchFilter{0x0b, "XZ_DEC_RISCV"},
};

/// What a kernel needs for a chain of filters other than LZMA2 alone: one branch filter before LZMA2, without an offset
/// to start at (dec_block_header of lib/xz/xz_dec_stream.c). Empty: no kernel has such a one.
std::string_view kernel_option(std::span<const lzma_filter> filters) {
    if (filters[1].id != LZMA_FILTER_LZMA2 || filters[2].id != LZMA_VLI_UNKNOWN || filters[0].options != nullptr) {
        return {};
    }
    const auto* found = std::ranges::find(branch_filters, filters[0].id, &BranchFilter::id);
    return found == branch_filters.end() ? std::string_view() : found->option;
}

/// A block's header, and what it says of the filters.
struct BlockHeader {
    lzma_block block{};
    bool is_lzma2_alone = false;
    std::string_view option;           ///< Where it is not: kernel_option().
    std::uint32_t dictionary_size = 0; ///< Of LZMA2, where it is alone.
};

/// Reads a block's header from its first bytes; nothing if they are no header, or not all of one.
std::optional<BlockHeader> parse_block_header(std::span<const std::byte> bytes) {
    const auto* start = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (bytes.empty() || start[0] == 0) {
        return std::nullopt; // the index
    }
    BlockHeader header;
    std::array<lzma_filter, LZMA_FILTERS_MAX + 1> filters{};
    header.block.version = 1;
    header.block.check = LZMA_CHECK_CRC32; // says only how large the check is; the header does not depend on it
    header.block.filters = filters.data();
    header.block.header_size = lzma_block_header_size_decode(start[0]);
    if (bytes.size() < header.block.header_size || lzma_block_header_decode(&header.block, nullptr, start) != LZMA_OK) {
        return std::nullopt;
    }
    header.is_lzma2_alone = filters[0].id == LZMA_FILTER_LZMA2 && filters[1].id == LZMA_VLI_UNKNOWN;
    if (header.is_lzma2_alone) {
        header.dictionary_size = static_cast<const lzma_options_lzma*>(filters[0].options)->dict_size;
    } else {
        header.option = kernel_option(filters);
    }
    for (const lzma_filter& filter : filters) {
        if (filter.id == LZMA_VLI_UNKNOWN) {
            break;
        }
        // Allocated by liblzma with malloc, as no allocator was given.
        std::free(filter.options); // NOLINT(cppcoreguidelines-no-malloc)
    }
    header.block.filters = nullptr;
    return header;
}

/// Walks from block to block of the first stream as its bytes go by, since liblzma does not tell which filters each
/// has. What is broken ends the walk: the decoder proper says what is wrong.
class BlockWatch {
  public:
    void take(std::span<const std::byte> bytes) {
        while (!bytes.empty() && state_ != State::done) {
            const std::uint64_t missing = skipped_ > 0 ? skipped_ : wanted_ - held_.size();
            const auto part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(missing, bytes.size())));
            bytes = bytes.subspan(part.size());
            position_ += part.size();
            if (skipped_ > 0) {
                skipped_ -= part.size();
                continue;
            }
            held_.insert(held_.end(), part.begin(), part.end());
            if (held_.size() == wanted_) {
                step();
            }
        }
    }
    /// The kernel's xz may be built without the branch filters, and has no others.
    [[nodiscard]] LoadObstacle obstacle() const {
        if (has_foreign_filter_) {
            return {RefusingReader::kernel, "xz with a filter beside LZMA2 that no kernel has"};
        }
        if (options_.empty()) {
            return {};
        }
        return {RefusingReader::kernel,
                "xz with a filter beside LZMA2, which a kernel need not have (CONFIG_" + std::string(options_.front()) +
                    ")",
                false, options_};
    }

  private:
    enum class State { stream_header, block_size, block_header, chunk, chunk_header, done };

    void step() {
        switch (state_) {
        case State::stream_header: {
            lzma_stream_flags flags{};
            const auto* start = reinterpret_cast<const std::uint8_t*>(held_.data());
            const bool is_right = lzma_stream_header_decode(&flags, start) == LZMA_OK;
            check_size_ = is_right ? lzma_check_size(flags.check) : 0;
            expect(is_right ? State::block_size : State::done, 1);
            return;
        }
        case State::block_size:
            // Held until the whole header is. Without a size, it is the index.
            state_ = at(0) == 0 ? State::done : State::block_header;
            wanted_ = lzma_block_header_size_decode(at(0));
            return;
        case State::block_header:
            start_block();
            return;
        case State::chunk:
            start_chunk();
            return;
        case State::chunk_header:
            skipped_ = at(0) < lzma_chunk ? (at(1) << 8U | at(2)) + 1
                                          : (at(3) << 8U | at(4)) + 1 + (at(0) >= chunk_with_properties ? 1U : 0U);
            expect(State::chunk, 1);
            return;
        case State::done:
            return;
        }
    }
    void start_block() {
        const auto header = parse_block_header(held_);
        if (header && !header->is_lzma2_alone) {
            if (header->option.empty()) {
                has_foreign_filter_ = true;
            } else if (std::ranges::find(options_, header->option) == options_.end()) {
                options_.push_back(header->option);
            }
        }
        data_begin_ = position_;
        expect(header ? State::chunk : State::done, 1);
    }
    /// By its first byte (dec_lzma2 of lib/xz/xz_dec_lzma2.c).
    void start_chunk() {
        const std::uint32_t control = at(0);
        if (control == 0) {
            skipped_ = (4 - (position_ - data_begin_) % 4) % 4 + check_size_;
            expect(State::block_size, 1);
        } else if (control <= 2 || control >= lzma_chunk) {
            state_ = State::chunk_header;
            wanted_ = control >= lzma_chunk ? 5 : 3;
        } else {
            state_ = State::done;
        }
    }
    void expect(State state, std::size_t bytes) {
        state_ = state;
        wanted_ = bytes;
        held_.clear();
    }
    [[nodiscard]] std::uint32_t at(std::size_t index) const { return std::to_integer<std::uint32_t>(held_[index]); }

    static constexpr std::uint32_t lzma_chunk = 0x80;
    static constexpr std::uint32_t chunk_with_properties = 0xc0;
    State state_ = State::stream_header;
    std::size_t wanted_ = LZMA_STREAM_HEADER_SIZE; ///< Bytes of what comes next.
    std::vector<std::byte> held_;                  ///< What is there of it.
    std::uint64_t skipped_ = 0;                    ///< Bytes to pass over before.
    std::uint64_t position_ = 0;
    std::uint64_t data_begin_ = 0; ///< Of the block.
    std::uint32_t check_size_ = 0;
    bool has_foreign_filter_ = false;
    std::vector<std::string_view> options_;
};

LoadObstacle check_obstacle(lzma_check check) {
    // linux/xz.h: XZ_UNSUPPORTED_CHECK for all but CRC32 and none.
    switch (check) {
    case LZMA_CHECK_NONE:
    case LZMA_CHECK_CRC32:
        return {};
    case LZMA_CHECK_CRC64:
        return {RefusingReader::kernel, "xz with CRC64, where the kernel reads CRC32 only"};
    case LZMA_CHECK_SHA256:
        return {RefusingReader::kernel, "xz with a SHA-256 check, where the kernel reads CRC32 only"};
    default:
        return {RefusingReader::kernel, "xz with an unknown check, where the kernel reads CRC32 only"};
    }
}

/// The last bytes that a decoder has read, across the border of two chunks.
class RecentInput {
  public:
    /// Another chunk takes the place of this one.
    void leave(std::span<const std::byte> chunk) {
        before_.assign(chunk.end() - static_cast<std::ptrdiff_t>(std::min(kept, chunk.size())), chunk.end());
    }
    /// Whether a stream was whole and its successor has no header: liblzma tells that as it tells damage
    /// (LZMA_DATA_ERROR), once it has read as many bytes as a header has.
    [[nodiscard]] bool ends_after_footer(std::span<const std::byte> used) const {
        std::vector<std::byte> all(before_);
        all.insert(all.end(), used.begin(), used.end());
        lzma_stream_flags flags{};
        return all.size() >= kept && lzma_stream_footer_decode(&flags, reinterpret_cast<const std::uint8_t*>(
                                                                           all.data() + all.size() - kept)) == LZMA_OK;
    }

  private:
    static constexpr std::size_t kept = std::size_t{2} * LZMA_STREAM_HEADER_SIZE; // a footer is as long as a header
    std::vector<std::byte> before_;
};

LoadObstacle decode(const DecodeJob& job) {
    Stream owner;
    lzma_stream& stream = owner.stream;
    const std::uint32_t flags = LZMA_TELL_ANY_CHECK | (job.first_only ? 0U : LZMA_CONCATENATED);
    if (const lzma_ret status = lzma_stream_decoder(&stream, decoder_memory_limit, flags); status != LZMA_OK) {
        throw status_failure(job.subject, status);
    }
    std::vector<std::byte> input(chunk_size);
    std::vector<std::byte> output(chunk_size);
    LoadObstacle obstacle;
    RecentInput recent;
    std::size_t chunk = 0; // bytes in input
    unsigned streams = 0;
    bool at_end = false;
    BlockWatch blocks;
    while (true) {
        if (stream.avail_in == 0 && !at_end) {
            recent.leave(std::span(input).first(chunk));
            const std::size_t got = read_full(job.source, input);
            chunk = got;
            at_end = got == 0;
            blocks.take(std::span(input).first(got));
            stream.next_in = reinterpret_cast<const std::uint8_t*>(input.data());
            stream.avail_in = got;
        }
        stream.next_out = reinterpret_cast<std::uint8_t*>(output.data());
        stream.avail_out = output.size();
        const lzma_ret status = lzma_code(&stream, at_end ? LZMA_FINISH : LZMA_RUN);
        job.sink(std::span(output).first(output.size() - stream.avail_out));
        if (status == LZMA_STREAM_END) {
            job.took(stream.total_in);
            break;
        }
        if (status == LZMA_GET_CHECK || status == LZMA_NO_CHECK || status == LZMA_UNSUPPORTED_CHECK) {
            ++streams;
            if (obstacle.empty()) {
                obstacle = check_obstacle(lzma_get_check(&stream));
            }
            continue;
        }
        if (status == LZMA_MEMLIMIT_ERROR) {
            throw too_much_memory(job.subject);
        }
        const auto used = std::span<const std::byte>(input).first(chunk - stream.avail_in);
        if (status == LZMA_DATA_ERROR && recent.ends_after_footer(used) &&
            is_appended_signature(job, std::as_bytes(std::span(stream.next_in, stream.avail_in)))) {
            return appended_signature_obstacle();
        }
        if (status != LZMA_OK) {
            throw status_failure(job.subject, status);
        }
    }
    if (obstacle.empty()) {
        obstacle = blocks.obstacle();
    }
    if (streams > 1) {
        obstacle = {RefusingReader::kernel,
                    std::to_string(streams) + " xz streams, of which the kernel reads the first only"};
    }
    return obstacle;
}

class XzEncoder final : public Encoder {
  public:
    explicit XzEncoder(EncodeJob job) : job_(std::move(job)), output_(chunk_size) {
        lzma_options_lzma options{};
        if (lzma_lzma_preset(&options, static_cast<std::uint32_t>(job_.level)) != 0) {
            throw failure(job_.subject, "no compression level " + std::to_string(job_.level));
        }
        options.dict_size = dictionary_size;
        const std::array<lzma_filter, 2> filters{{{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
        const lzma_ret status = lzma_stream_encoder(&owner_.stream, filters.data(), LZMA_CHECK_CRC32);
        if (status != LZMA_OK) {
            throw status_failure(job_.subject, status);
        }
    }
    void write(std::span<const std::byte> payload) override { run(payload, LZMA_RUN); }
    void end_block() override {
        run({}, LZMA_SYNC_FLUSH);
    } // an LZMA2 chunk: a block's header and check would cost more
    void finish() override { run({}, LZMA_FINISH); }

  private:
    void run(std::span<const std::byte> bytes, lzma_action action) {
        lzma_stream& stream = owner_.stream;
        stream.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
        stream.avail_in = bytes.size();
        while (true) {
            stream.next_out = reinterpret_cast<std::uint8_t*>(output_.data());
            stream.avail_out = output_.size();
            const lzma_ret status = lzma_code(&stream, action);
            job_.sink(std::span(output_).first(output_.size() - stream.avail_out));
            if (status == LZMA_STREAM_END) {
                return;
            }
            if (status != LZMA_OK && status != LZMA_BUF_ERROR) {
                throw status_failure(job_.subject, status);
            }
            if (action == LZMA_RUN && stream.avail_in == 0 && stream.avail_out > 0) {
                return;
            }
        }
    }

    EncodeJob job_;
    std::vector<std::byte> output_;
    Stream owner_;
};

/// LZMA2 data that goes on within a block.
struct Continuation {
    std::span<const std::byte> history; ///< What it may refer back to.
    std::span<const std::byte> rest;
    std::span<const std::byte> tail;
    std::uint32_t dictionary_size; ///< Of the block.
};

/// The one filter, with what came before as its dictionary: then its first chunk resets the state and brings its
/// properties, but keeps the decoder's dictionary (control byte 0xC0 or 2, xz_dec_lzma2.c).
class Lzma2Filter {
  public:
    Lzma2Filter(const Continuation& data, int level) {
        if (lzma_lzma_preset(&options_, static_cast<std::uint32_t>(level)) != 0) {
            throw Error(ErrorCode::usage, "xz", "no compression level " + std::to_string(level));
        }
        options_.dict_size = std::max<std::uint32_t>(data.dictionary_size, LZMA_DICT_SIZE_MIN);
        options_.preset_dict = reinterpret_cast<const std::uint8_t*>(data.history.data());
        options_.preset_dict_size = static_cast<std::uint32_t>(data.history.size());
    }
    [[nodiscard]] std::array<lzma_filter, 2> chain() {
        return {{{LZMA_FILTER_LZMA2, &options_}, {LZMA_VLI_UNKNOWN, nullptr}}};
    }

  private:
    lzma_options_lzma options_{};
};

/// Encodes the rest and then the tail, in chunks of their own, up to the end of the block; nothing if liblzma fails.
std::optional<std::vector<std::byte>> encode_continuation(const Continuation& data, int level) {
    Lzma2Filter filter(data, level);
    Stream owner;
    lzma_stream& stream = owner.stream;
    if (lzma_raw_encoder(&stream, filter.chain().data()) != LZMA_OK) {
        return std::nullopt;
    }
    const std::size_t size = data.rest.size() + data.tail.size();
    // Uncompressed chunks, as LZMA2 resorts to, hold 64 KiB and cost three bytes each.
    std::vector<std::byte> output(size + size / 1024 + 1024);
    stream.next_out = reinterpret_cast<std::uint8_t*>(output.data());
    stream.avail_out = output.size();
    const auto run = [&stream](std::span<const std::byte> bytes, lzma_action action) {
        stream.next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
        stream.avail_in = bytes.size();
        lzma_ret status = LZMA_OK;
        while (status == LZMA_OK) {
            status = lzma_code(&stream, action);
        }
        return status == LZMA_STREAM_END;
    };
    if ((!data.rest.empty() && !run(data.rest, LZMA_SYNC_FLUSH)) || !run(data.tail, LZMA_FINISH)) {
        return std::nullopt;
    }
    output.resize(stream.total_out);
    return output;
}

/// Whether LZMA2 data decodes, where it stands, to what it was made of.
bool decodes_to(std::span<const std::byte> encoded, const Continuation& data) {
    Lzma2Filter filter(data, 0);
    const std::size_t size = data.rest.size() + data.tail.size();
    std::vector<std::byte> output(size + 1);
    std::size_t taken = 0;
    std::size_t given = 0;
    if (lzma_raw_buffer_decode(filter.chain().data(), nullptr, reinterpret_cast<const std::uint8_t*>(encoded.data()),
                               &taken, encoded.size(), reinterpret_cast<std::uint8_t*>(output.data()), &given,
                               output.size()) != LZMA_OK) {
        return false;
    }
    return taken == encoded.size() && given == size &&
           std::ranges::equal(std::span(output).first(data.rest.size()), data.rest) &&
           std::ranges::equal(std::span(output).subspan(data.rest.size(), data.tail.size()), data.tail);
}

struct IndexDeleter {
    void operator()(lzma_index* index) const noexcept { lzma_index_end(index, nullptr); }
};
using IndexHandle = std::unique_ptr<lzma_index, IndexDeleter>;

/// The bytes of a range of a file, fewer at its end.
std::vector<std::byte> bytes_at(const InputFile& file, std::uint64_t position, std::size_t size) {
    std::vector<std::byte> bytes(size);
    bytes.resize(file.read_at(position, bytes));
    return bytes;
}

/// A file that is one stream and nothing else, by its own index.
struct OneStream {
    lzma_stream_flags flags;
    IndexHandle index;
};

std::optional<OneStream> read_stream(const InputFile& file) {
    constexpr std::uint64_t largest_index = 1U << 20U;
    constexpr std::uint64_t index_memory_limit = 64U << 20U;
    if (file.size() < std::uint64_t{2} * LZMA_STREAM_HEADER_SIZE) {
        return std::nullopt;
    }
    OneStream stream{};
    const std::uint64_t footer_start = file.size() - LZMA_STREAM_HEADER_SIZE;
    const auto footer = bytes_at(file, footer_start, LZMA_STREAM_HEADER_SIZE);
    if (footer.size() != LZMA_STREAM_HEADER_SIZE ||
        lzma_stream_footer_decode(&stream.flags, reinterpret_cast<const std::uint8_t*>(footer.data())) != LZMA_OK ||
        stream.flags.backward_size > std::min(footer_start, largest_index)) {
        return std::nullopt;
    }
    const auto bytes = bytes_at(file, footer_start - stream.flags.backward_size, stream.flags.backward_size);
    lzma_index* index = nullptr;
    std::uint64_t memory = index_memory_limit;
    std::size_t position = 0;
    if (lzma_index_buffer_decode(&index, &memory, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                 &position, bytes.size()) != LZMA_OK) {
        return std::nullopt;
    }
    stream.index.reset(index);
    if (lzma_index_file_size(index) != file.size()) {
        return std::nullopt; // another stream before, or padding after it
    }
    return stream;
}

/// A block as the index says it is.
struct Block {
    std::uint64_t begin;         ///< In the file.
    std::uint64_t end;           ///< In the file.
    std::uint64_t unpadded_size; ///< Header, data and check, without what fills the data up to a multiple of 4.
    std::uint64_t payload_begin;
    std::uint64_t payload_size;
};

std::vector<Block> blocks_of(const lzma_index* index) {
    std::vector<Block> blocks;
    lzma_index_iter iterator;
    lzma_index_iter_init(&iterator, index);
    while (lzma_index_iter_next(&iterator, LZMA_INDEX_ITER_BLOCK) == 0) {
        blocks.push_back(
            {iterator.block.compressed_file_offset, iterator.block.compressed_file_offset + iterator.block.total_size,
             iterator.block.unpadded_size, iterator.block.uncompressed_file_offset, iterator.block.uncompressed_size});
    }
    return blocks;
}

std::optional<BlockHeader> read_block_header(const InputFile& file, const Block& block) {
    return parse_block_header(bytes_at(file, block.begin, LZMA_BLOCK_HEADER_SIZE_MAX));
}

/// Where in a block's LZMA2 data the chunks end that stay.
struct ChunkCut {
    std::uint64_t position;         ///< In the file.
    std::uint64_t payload;          ///< Bytes of the whole payload before it.
    std::uint64_t dictionary_begin; ///< In the payload, where the dictionary was last reset.
};

/// Walks the chunks of a block up to the last that ends at or before @p kept (xz-file-format.txt, 5.3.1, and
/// dec_lzma2 of lib/xz/xz_dec_lzma2.c).
std::optional<ChunkCut> find_chunk(const InputFile& file, const Block& block, std::uint64_t data_begin,
                                   std::uint64_t kept) {
    constexpr std::size_t lzma_header_size = 6;
    constexpr std::size_t plain_header_size = 3;
    ChunkCut cut{data_begin, block.payload_begin, block.payload_begin};
    while (cut.payload < kept) {
        std::array<std::byte, lzma_header_size> header{};
        if (cut.position + header.size() > block.end || file.read_at(cut.position, header) != header.size()) {
            return std::nullopt;
        }
        const auto at = [&header](std::size_t index) { return std::to_integer<std::uint32_t>(header[index]); };
        const std::uint32_t control = at(0);
        const bool is_lzma = control >= 0x80;
        if (!is_lzma && control != 1 && control != 2) {
            return std::nullopt;
        }
        const std::uint64_t payload_size = ((is_lzma ? (control & 0x1fU) << 16U : 0U) | at(1) << 8U | at(2)) + 1;
        const bool has_properties = control >= 0xc0;
        const std::uint64_t size = is_lzma ? lzma_header_size - (has_properties ? 0U : 1U) + (at(3) << 8U | at(4)) + 1
                                           : plain_header_size + payload_size;
        if (cut.payload + payload_size > kept) {
            break;
        }
        if (control == 1 || control >= 0xe0) {
            cut.dictionary_begin = cut.payload;
        }
        cut.position += size;
        cut.payload += payload_size;
    }
    return cut;
}

/// The end of the payload before the cut, which what follows may refer back to; nothing if it is not known any more.
///
/// LZMA counts positions from where the dictionary was reset, and looks at their lowest bits, 4 at most; liblzma counts
/// them from the start of a preset dictionary.
std::optional<std::span<const std::byte>> history_of(const PayloadNotes& notes, const ChunkCut& cut,
                                                     std::uint32_t dictionary) {
    constexpr std::uint64_t alignment = 16;
    const std::uint64_t known = cut.payload - std::max(cut.dictionary_begin, notes.recent_start());
    const std::uint64_t wanted = (cut.payload - cut.dictionary_begin) % alignment;
    const std::uint64_t available = std::min<std::uint64_t>(known, dictionary);
    if (available < wanted) {
        return std::nullopt;
    }
    return notes.recent(cut.payload - (available - (available - wanted) % alignment), cut.payload);
}

/// The check of the first @p kept bytes of a block's payload, from that of the whole. A CRC-32 of a concatenation is
/// that of its first part, moved on by the length of the second, plus that of the second; moving on by 2^32 - 1 bytes
/// changes nothing, the polynomial being primitive, so that the rest of these moves back.
std::uint32_t crc32_without_end(std::uint32_t whole, std::span<const std::byte> end) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(end.data());
    const std::uint32_t moved = whole ^ lzma_crc32(bytes, end.size(), 0);
    return static_cast<std::uint32_t>(crc32_combine(moved, 0, static_cast<z_off_t>(0xffffffffU - end.size())));
}

std::uint32_t crc32_of(std::uint32_t before, std::span<const std::byte> bytes) {
    return lzma_crc32(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), before);
}

/// How much of a history is worth its cost, liblzma having to index all of it: next to nothing for a signature, which
/// hardly compresses.
std::uint32_t history_limit(std::size_t rest) {
    return static_cast<std::uint32_t>(std::clamp<std::size_t>(2 * rest, LZMA_DICT_SIZE_MIN, dictionary_size));
}

/// The level for what is encoded anew. The fast ones take a tenth of the others' time, and a few hundredths more space:
/// of so small a part of the file, that is not worth waiting for.
int level_for(std::uint64_t encoded_size, std::uint64_t file_size, int level) {
    constexpr int highest_fast_level = 3;
    return encoded_size < file_size / 32 ? std::min(level, highest_fast_level) : level;
}

/// Lengthens a block, or its part that is kept, by the rest of what is kept and the tail. Adds the parts and, to the
/// index, the block.
bool splice_block(const SpliceJob& job, const OneStream& stream, const Block& block, BlockHeader header, Splice& splice,
                  lzma_index& index) {
    const std::uint32_t check_size = lzma_check_size(stream.flags.check);
    const std::uint64_t data_begin = block.begin + header.block.header_size;
    const auto cut = find_chunk(job.file, block, data_begin, job.kept);
    const bool nothing_stays = cut && cut->position == data_begin && lzma_index_block_count(&index) == 0;
    if (!cut || nothing_stays || cut->payload < job.notes.recent_start()) {
        return false;
    }
    const auto rest = job.notes.recent(cut->payload, job.kept);
    const std::uint32_t largest = std::min(header.dictionary_size, dictionary_size);
    const auto history = history_of(job.notes, *cut, std::min(largest, history_limit(rest.size())));
    if (!history) {
        return false;
    }
    const std::size_t span = history->size() + rest.size() + job.tail.size();
    const Continuation data{*history, rest, job.tail,
                            std::min(largest, static_cast<std::uint32_t>(std::bit_ceil(span)))};
    auto encoded = encode_continuation(data, level_for(job.file.size() - cut->position, job.file.size(), job.level));
    if (!encoded || !decodes_to(*encoded, data)) {
        return false;
    }

    const std::uint64_t compressed_size = cut->position - data_begin + encoded->size();
    const std::uint64_t payload_size = job.kept - block.payload_begin + job.tail.size();
    if (header.block.compressed_size == LZMA_VLI_UNKNOWN && header.block.uncompressed_size == LZMA_VLI_UNKNOWN) {
        splice.keep(block.begin, cut->position);
    } else {
        lzma_options_lzma options{};
        options.dict_size = header.dictionary_size;
        std::array<lzma_filter, 2> filters{{{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}}};
        header.block.filters = filters.data();
        header.block.check = stream.flags.check;
        header.block.compressed_size = compressed_size;
        header.block.uncompressed_size = payload_size;
        std::vector<std::byte> bytes(LZMA_BLOCK_HEADER_SIZE_MAX);
        if (lzma_block_header_size(&header.block) != LZMA_OK ||
            lzma_block_header_encode(&header.block, reinterpret_cast<std::uint8_t*>(bytes.data())) != LZMA_OK) {
            return false;
        }
        bytes.resize(header.block.header_size);
        splice.add(std::move(bytes));
        splice.keep(data_begin, cut->position);
    }

    const std::uint64_t unpadded_size = header.block.header_size + compressed_size + check_size;
    encoded->resize(encoded->size() + (4 - compressed_size % 4) % 4); // a header's size is a multiple of 4
    if (check_size > 0) {
        const auto old_check = bytes_at(job.file, block.end - check_size, check_size);
        std::uint32_t check = crc32_without_end(static_cast<std::uint32_t>(from_little_endian(old_check)),
                                                job.notes.recent(job.kept, block.payload_begin + block.payload_size));
        check = crc32_of(check, job.tail);
        append_little_endian(*encoded, check, check_size);
    }
    splice.add(std::move(*encoded));
    return lzma_index_append(&index, nullptr, unpadded_size, payload_size) == LZMA_OK;
}

/// Index and footer.
std::optional<std::vector<std::byte>> encode_end(const lzma_index& index, lzma_stream_flags flags) {
    flags.backward_size = lzma_index_size(&index);
    std::vector<std::byte> bytes(flags.backward_size + LZMA_STREAM_HEADER_SIZE);
    auto* start = reinterpret_cast<std::uint8_t*>(bytes.data());
    std::size_t position = 0;
    if (lzma_index_buffer_encode(&index, start, &position, flags.backward_size) != LZMA_OK ||
        lzma_stream_footer_encode(&flags, start + flags.backward_size) != LZMA_OK) {
        return std::nullopt;
    }
    return bytes;
}

/// Goes on in the last block that is kept, with new chunks: a block of its own would cost its header, check and place
/// in the index.
std::optional<Splice> splice(const SpliceJob& job) {
    const auto stream = read_stream(job.file);
    if (!stream || !check_obstacle(stream->flags.check).empty() ||
        lzma_index_uncompressed_size(stream->index.get()) != job.notes.payload_size()) {
        return std::nullopt;
    }
    auto blocks = blocks_of(stream->index.get());
    std::erase_if(blocks, [&job](const Block& block) { return block.payload_begin >= job.kept; });
    const IndexHandle index(lzma_index_init(nullptr));
    if (blocks.empty() || !index) {
        return std::nullopt;
    }
    Splice splice;
    const Block last = blocks.back();
    blocks.pop_back();
    for (const Block& block : blocks) {
        const auto header = read_block_header(job.file, block);
        if (!header || !header->is_lzma2_alone ||
            lzma_index_append(index.get(), nullptr, block.unpadded_size, block.payload_size) != LZMA_OK) {
            return std::nullopt;
        }
    }
    const auto header = read_block_header(job.file, last);
    splice.keep(0, last.begin);
    if (!header || !header->is_lzma2_alone || !splice_block(job, *stream, last, *header, splice, *index)) {
        return std::nullopt;
    }
    auto end = encode_end(*index, stream->flags);
    if (!end) {
        return std::nullopt;
    }
    splice.add(std::move(*end));
    splice.checked = true;
    return splice;
}

bool recognizes(std::span<const std::byte> start) {
    constexpr std::array magic{std::byte{0xfd}, std::byte{'7'}, std::byte{'z'},
                               std::byte{'X'},  std::byte{'Z'}, std::byte{0}};
    return start.size() >= magic.size() && std::ranges::equal(start.first(magic.size()), magic);
}

} // namespace

constinit const Codec xz_codec{
    ContainerKind::xz,
    "xz",
    recognizes,
    {0, 6, 9},
    decode,
    [](EncodeJob job) -> std::unique_ptr<Encoder> { return std::make_unique<XzEncoder>(std::move(job)); },
    splice};

} // namespace ksign
