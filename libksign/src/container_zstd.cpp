// Zstandard (RFC 8878), by libzstd.
#include "container.hpp"
#include "little_endian.hpp"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace ksign {
namespace {

constexpr std::uint32_t frame_magic = 0xFD2FB528;
constexpr std::uint32_t skippable_magic = 0x184D2A50; // its last hexadecimal digit is free
constexpr std::uint32_t skippable_mask = 0xFFFFFFF0;
constexpr std::size_t largest_header = 18; // RFC 8878, 3.1.1.1: magic 4, descriptor 1, window 1, dictionary 4, size 8

// module_zstd_decompress() allocates the whole window, in the kernel, in one piece. RFC 8878 recommends that every
// decoder takes 8 MiB, and asks encoders not to need more.
constexpr int largest_window_log = 23;

// libzstd's own limit for decoders: 128 MiB. A header may ask for terabytes, which is refused.
constexpr int decoder_window_log = 27;

Error failure(const std::string& subject, const std::string& reason) {
    return {ErrorCode::container, subject, "zstd: " + reason, "the file is damaged: rebuild or reinstall the module"};
}

/// What an error means.
Error status_failure(const std::string& subject, std::size_t status) {
    if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge) {
        return {ErrorCode::limit, subject, "zstd: needs more than 128 MiB of memory to decode",
                "decompress it, and compress it with a smaller window: zstd without --long"};
    }
    if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation) {
        return out_of_memory(subject);
    }
    return failure(subject, ZSTD_getErrorName(status));
}

struct FrameHeader {
    bool skippable = false;
    bool has_content_size = false;
    bool has_checksum = false;
    bool has_dictionary = false;
    bool single_segment = false;
    std::size_t size = 0;     ///< Of the header itself.
    std::uint64_t window = 0; ///< Bytes; unknown if the whole header is not there.
};

/// Reads what libzstd's stable interface does not tell (RFC 8878, 3.1.1.1).
std::optional<FrameHeader> parse_header(std::span<const std::byte> bytes) {
    if (bytes.size() < 5) {
        return std::nullopt;
    }
    FrameHeader header;
    const auto magic = static_cast<std::uint32_t>(from_little_endian(bytes.first(4)));
    if ((magic & skippable_mask) == skippable_magic) {
        header.skippable = true;
        return header;
    }
    if (magic != frame_magic) {
        return std::nullopt;
    }
    const auto descriptor = std::to_integer<unsigned>(bytes[4]);
    constexpr std::array<std::size_t, 4> dictionary_sizes{0, 1, 2, 4};
    constexpr std::array<std::size_t, 4> content_sizes{0, 2, 4, 8};
    header.single_segment = (descriptor & 0x20U) != 0;
    header.has_content_size = header.single_segment || (descriptor >> 6U) != 0;
    header.has_checksum = (descriptor & 4U) != 0;
    header.has_dictionary = (descriptor & 3U) != 0;
    const std::size_t content_size = header.single_segment ? std::max<std::size_t>(1, content_sizes[descriptor >> 6U])
                                                           : content_sizes[descriptor >> 6U];
    const std::size_t before_content_size = 5U + (header.single_segment ? 0U : 1U) + dictionary_sizes[descriptor & 3U];
    header.size = before_content_size + content_size;
    if (bytes.size() >= header.size) {
        if (header.single_segment) {
            header.window =
                from_little_endian(bytes.subspan(before_content_size, content_size)) + (content_size == 2 ? 256U : 0U);
        } else {
            const auto window = std::to_integer<unsigned>(bytes[5]);
            const std::uint64_t base = std::uint64_t{1} << (10U + (window >> 3U));
            header.window = base + base / 8 * (window & 7U);
        }
    }
    return header;
}

/// A block's header (RFC 8878, 3.1.1.2).
constexpr std::size_t block_header_size = 3;
enum class BlockType : unsigned { raw, rle, compressed, reserved };

struct BlockHeader {
    bool last;
    BlockType type;
    std::uint32_t size;
    [[nodiscard]] std::uint32_t size_in_file() const noexcept { return type == BlockType::rle ? 1 : size; }
};

BlockHeader parse_block_header(std::span<const std::byte> bytes) {
    const auto value = static_cast<std::uint32_t>(from_little_endian(bytes.first(block_header_size)));
    return {(value & 1U) != 0, static_cast<BlockType>(value >> 1U & 3U), value >> 3U};
}

void append_block_header(std::vector<std::byte>& bytes, const BlockHeader& header) {
    append_little_endian(bytes,
                         (header.last ? 1U : 0U) | static_cast<std::uint32_t>(header.type) << 1U | header.size << 3U,
                         block_header_size);
}

/// Watches the frames of a stream go by, and says what a kernel or kmod would not read of them. With notes, it also
/// leads the decoder from block to block, since libzstd does not tell where they are.
class FrameWatch {
  public:
    explicit FrameWatch(PayloadNotes* notes) : notes_(notes) {}

    /// How many bytes at @p bytes, the next of the file, may be decoded at once; none if there are too few to tell.
    std::size_t next_piece(std::span<const std::byte> bytes, bool at_end) {
        if (piece_left_ == 0 && state_ == State::between_frames) {
            if (bytes.size() < largest_header && !at_end) {
                return 0; // a header cut in two
            }
            start_frame(bytes);
        } else if (piece_left_ == 0 && state_ == State::between_blocks) {
            if (bytes.size() < block_header_size && !at_end) {
                return 0;
            }
            start_block(bytes);
        } else if (piece_left_ == 0) {
            piece_left_ = unlimited; // the checksum, after which libzstd stops by itself
        }
        return std::min<std::uint64_t>(piece_left_, bytes.size());
    }
    /// So many of them were decoded, and as many bytes of payload as they hold were given out.
    void took(std::size_t bytes, std::size_t payload) {
        goes_on_ = goes_on_ || (payload > 0 && frames_with_header_ > 1);
        position_ += bytes;
        piece_left_ -= bytes;
        if (notes_ != nullptr && piece_left_ == 0 && (state_ == State::between_blocks || ends_block_)) {
            notes_->add_cut(position_);
            ends_block_ = false;
        }
    }
    void end_frame() {
        piece_left_ = 0;
        state_ = State::between_frames;
    }
    [[nodiscard]] LoadObstacle obstacle() const {
        if (goes_on_) {
            // libkmod-file-zstd.c: ZSTD_decompress() of them all, into a buffer of the first one's size.
            return {RefusingReader::both,
                    std::to_string(frames_with_header_) + " zstd frames, where the kernel and kmod want one"};
        }
        if (frames_ > 1) {
            return {RefusingReader::kernel,
                    skippable_ ? "zstd with a skippable frame, which the kernel does not read past"
                               : std::to_string(frames_) + " zstd frames, of which the kernel reads the first only"};
        }
        return obstacle_;
    }

  private:
    enum class State { between_frames, between_blocks, after_blocks };
    static constexpr std::uint64_t unlimited = ~std::uint64_t{0};

    void start_frame(std::span<const std::byte> bytes) {
        piece_left_ = unlimited; // if it is no frame, libzstd says what is wrong
        const auto header = parse_header(bytes);
        if (!header) {
            return;
        }
        ++frames_;
        if (header->skippable) {
            skippable_ = true;
            return;
        }
        ++frames_with_header_;
        if (!header->has_content_size) {
            // libkmod-file-zstd.c sizes its buffer by it; module_zstd_decompress() goes by the window's.
            obstacle_ = {RefusingReader::kmod, "zstd frame without its content size, which kmod needs"};
        }
        if (notes_ != nullptr) {
            piece_left_ = header->size;
            state_ = State::between_blocks;
            if (header->has_checksum && frames_ == 1) {
                notes_->want_xxh64();
            }
        }
    }
    void start_block(std::span<const std::byte> bytes) {
        if (bytes.size() < block_header_size) {
            piece_left_ = unlimited;
            return;
        }
        const BlockHeader header = parse_block_header(bytes);
        piece_left_ = block_header_size + header.size_in_file();
        if (header.last) {
            state_ = State::after_blocks;
            ends_block_ = true;
        }
    }

    PayloadNotes* notes_;
    std::uint64_t position_ = 0;
    std::uint64_t piece_left_ = 0;
    State state_ = State::between_frames;
    bool ends_block_ = false;
    unsigned frames_ = 0;
    unsigned frames_with_header_ = 0; ///< Those that are not skippable.
    bool goes_on_ = false;            ///< Another than the first of these has content.
    bool skippable_ = false;
    LoadObstacle obstacle_;
};

struct DecoderDeleter {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};
struct EncoderDeleter {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
};

LoadObstacle decode(const DecodeJob& job) {
    const std::unique_ptr<ZSTD_DCtx, DecoderDeleter> context(ZSTD_createDCtx());
    if (!context) {
        throw out_of_memory(job.subject);
    }
    if (ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, decoder_window_log)) != 0) {
        throw failure(job.subject, "can't start decompression");
    }
    FrameWatch watch(job.notes);
    std::vector<std::byte> input(chunk_size);
    std::vector<std::byte> output(std::max(chunk_size, ZSTD_DStreamOutSize())); // no block holds more
    std::size_t kept = 0;           // bytes at the start of input that are not used yet
    std::uint64_t taken_before = 0; // bytes that are used, and not in input any more
    bool between_frames = true;
    while (true) {
        const std::size_t got = job.source(std::span(input).subspan(kept));
        const std::size_t available = kept + got;
        const bool at_end = got == 0;
        if (available == 0) {
            break;
        }
        ZSTD_inBuffer in{input.data(), 0, 0};
        bool output_was_full = false;
        while (in.pos < available || output_was_full) {
            const auto rest = std::span<const std::byte>(input).subspan(in.pos, available - in.pos);
            const std::size_t piece = rest.empty() ? 0 : watch.next_piece(rest, at_end);
            if (piece == 0 && !rest.empty()) {
                break; // read on first
            }
            const std::size_t start = in.pos;
            in.size = in.pos + piece;
            ZSTD_outBuffer out{output.data(), output.size(), 0};
            const std::size_t status = ZSTD_decompressStream(context.get(), &out, &in);
            if (ZSTD_isError(status) != 0 && between_frames && start + taken_before > 0 &&
                is_appended_signature(job, rest)) {
                return appended_signature_obstacle();
            }
            if (ZSTD_isError(status) != 0) {
                throw status_failure(job.subject, status);
            }
            job.sink(std::span(output).first(out.pos));
            watch.took(in.pos - start, out.pos);
            between_frames = status == 0;
            if (between_frames) {
                watch.end_frame();
                if (job.first_only) {
                    job.took(taken_before + in.pos);
                    return watch.obstacle();
                }
            }
            output_was_full = out.pos == out.size && !between_frames;
        }
        kept = available - in.pos;
        taken_before += in.pos;
        std::copy_n(input.begin() + static_cast<std::ptrdiff_t>(in.pos), kept, input.begin());
        if (at_end) {
            break;
        }
    }
    if (!between_frames) {
        throw failure(job.subject, "the data ends too early");
    }
    return watch.obstacle();
}

class ZstdEncoder final : public Encoder {
  public:
    explicit ZstdEncoder(EncodeJob job)
        : job_(std::move(job)), context_(ZSTD_createCCtx()), output_(std::max(chunk_size, ZSTD_CStreamOutSize())) {
        if (!context_) {
            throw out_of_memory(job_.subject);
        }
        set(ZSTD_c_compressionLevel, job_.level);
        set(ZSTD_c_checksumFlag, 1); // as the zstd command does; the kernel checks it
        // The size goes into the header: kmod sizes its buffer by it, and small modules get a small window.
        expect(ZSTD_CCtx_setPledgedSrcSize(context_.get(), job_.payload_size));
        if (job_.level >= first_level_with_larger_window) {
            set(ZSTD_c_windowLog, largest_window_log); // libzstd takes less for a payload that is smaller
        }
    }
    void write(std::span<const std::byte> payload) override { run(payload, ZSTD_e_continue); }
    void end_block() override { run({}, ZSTD_e_flush); }
    void finish() override { run({}, ZSTD_e_end); }

  private:
    // libzstd's levels up to 19 use windows of at most 8 MiB (lib/compress/clevels.h).
    static constexpr int first_level_with_larger_window = 20;

    void set(ZSTD_cParameter parameter, int value) { expect(ZSTD_CCtx_setParameter(context_.get(), parameter, value)); }
    void expect(std::size_t status) const {
        if (ZSTD_isError(status) != 0) {
            throw status_failure(job_.subject, status);
        }
    }
    void run(std::span<const std::byte> bytes, ZSTD_EndDirective directive) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        while (true) {
            ZSTD_outBuffer out{output_.data(), output_.size(), 0};
            const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
            expect(left);
            job_.sink(std::span(output_).first(out.pos));
            if (directive == ZSTD_e_continue ? in.pos == in.size : left == 0) {
                return;
            }
        }
    }

    EncodeJob job_;
    std::unique_ptr<ZSTD_CCtx, EncoderDeleter> context_;
    std::vector<std::byte> output_;
};

/// Blocks that are appended to a frame.
class BlockWriter {
  public:
    explicit BlockWriter(std::size_t largest_block) : largest_block_(largest_block) {}

    void add(const BlockHeader& header, std::span<const std::byte> content) {
        last_header_ = bytes_.size();
        append_block_header(bytes_, header);
        bytes_.insert(bytes_.end(), content.begin(), content.end());
    }
    void add_raw(std::span<const std::byte> content) {
        while (!content.empty()) {
            const auto part = content.first(std::min(content.size(), largest_block_));
            add({false, BlockType::raw, static_cast<std::uint32_t>(part.size())}, part);
            content = content.subspan(part.size());
        }
    }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    /// All blocks, the last of them marked so.
    [[nodiscard]] std::vector<std::byte> finish() && {
        bytes_[last_header_] |= std::byte{1};
        return std::move(bytes_);
    }

  private:
    std::size_t largest_block_;
    std::size_t last_header_ = 0;
    std::vector<std::byte> bytes_;
};

/// Compresses bytes that follow a history, as the start of a frame of their own; that frame, or nothing if libzstd
/// fails. What it refers to does not lie further back than the history's start.
std::vector<std::byte> compress_after(std::span<const std::byte> history, std::span<const std::byte> bytes, int level,
                                      std::uint64_t window) {
    const std::unique_ptr<ZSTD_CCtx, EncoderDeleter> context(ZSTD_createCCtx());
    const auto set = [&context](ZSTD_cParameter parameter, int value) {
        return ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), parameter, value)) == 0;
    };
    const int window_log = std::min(static_cast<int>(std::bit_width(window)) - 1, largest_window_log);
    if (!context || !set(ZSTD_c_compressionLevel, level) || !set(ZSTD_c_windowLog, window_log) ||
        !set(ZSTD_c_checksumFlag, 0) ||
        ZSTD_isError(ZSTD_CCtx_refPrefix(context.get(), history.data(), history.size())) != 0) {
        return {};
    }
    std::vector<std::byte> frame(ZSTD_compressBound(bytes.size()));
    const std::size_t size = ZSTD_compress2(context.get(), frame.data(), frame.size(), bytes.data(), bytes.size());
    frame.resize(ZSTD_isError(size) != 0 ? 0 : size);
    return frame;
}

constexpr std::size_t match_length = 3; // the shortest that there is

/// Bytes of a text that stand there already, so far before.
struct Match {
    std::size_t place;
    std::size_t offset;
};

/// The first match with that offset at @p start or after it.
std::optional<Match> find_match(std::span<const std::byte> text, std::size_t start, std::size_t offset) {
    for (std::size_t at = std::max(start, offset); at + match_length <= text.size(); ++at) {
        if (std::ranges::equal(text.subspan(at, match_length), text.subspan(at - offset, match_length))) {
            return Match{at, offset};
        }
    }
    return std::nullopt;
}

/// The first match at @p start or after it that a small table of earlier places finds.
std::optional<Match> find_any_match(std::span<const std::byte> text, std::size_t start) {
    constexpr unsigned table_bits = 14;
    std::vector<std::size_t> places(std::size_t{1} << table_bits, text.size());
    for (std::size_t at = 0; at + match_length <= text.size(); ++at) {
        const std::uint64_t bytes = from_little_endian(text.subspan(at, match_length));
        std::size_t& place = places[(bytes * 0x9E3779B1U & 0xffffffffU) >> (32U - table_bits)];
        if (at >= start && place < at &&
            std::ranges::equal(text.subspan(at, match_length), text.subspan(place, match_length))) {
            return Match{at, at - place};
        }
        place = at;
    }
    return std::nullopt;
}

/// A compressed block of one match and no literals, each table of its one sequence of one code only (RFC 8878,
/// 3.1.1.3): literal length 0; the offset's, whose lower bits follow under an end bit; match length 3.
void add_match(BlockWriter& blocks, std::size_t offset) {
    const std::uint64_t value = offset + 3;
    const auto code = static_cast<unsigned>(std::bit_width(value)) - 1;
    std::vector<std::byte> content{
        std::byte{0}, std::byte{1}, std::byte{0x54}, std::byte{0}, static_cast<std::byte>(code), std::byte{0}};
    append_little_endian(content, value, code / 8 + 1); // its highest bit is where the end bit belongs
    blocks.add({false, BlockType::compressed, static_cast<std::uint32_t>(content.size())}, content);
}

/// Encodes the text from @p begin on in blocks that may follow any others.
///
/// Blocks of a fresh frame need no tables of earlier ones, but take the repeated offsets to be 1, 4 and 8 (RFC 8878,
/// 3.1.1.5). In the middle of a frame they are what the blocks before made of them, so they are set first: by a match
/// with offset 8, one with 4 and one with 1, each in a block of its own. What the rest of the text has no match with
/// can't be used there, and any other takes its place.
void encode_after(BlockWriter& blocks, std::span<const std::byte> text, std::size_t begin, int level,
                  std::uint64_t window) {
    constexpr std::uint64_t smallest_window = 1024; // RFC 8878, 3.1.1.1.2
    constexpr std::array<std::size_t, 3> first_offsets{8, 4, 1};
    std::array<Match, first_offsets.size()> settings{};
    std::size_t next = begin;
    for (std::size_t index = 0; index < settings.size(); ++index) {
        auto match = find_match(text, next, first_offsets[index]);
        if (!match) {
            match = find_any_match(text, next);
        }
        if (!match || window < smallest_window) {
            blocks.add_raw(text.subspan(begin)); // hardly anything to save
            return;
        }
        settings[index] = *match;
        next = match->place + match_length;
    }
    const auto frame = compress_after(text.first(next), text.subspan(next), level, window);
    const auto header = parse_header(frame);
    if (!header) {
        blocks.add_raw(text.subspan(begin));
        return;
    }
    for (const Match& match : settings) {
        blocks.add_raw(text.subspan(begin, match.place - begin));
        add_match(blocks, match.offset);
        begin = match.place + match_length;
    }
    auto rest = std::span<const std::byte>(frame).subspan(header->size);
    while (!rest.empty()) {
        BlockHeader block = parse_block_header(rest);
        block.last = false;
        if (block.size > 0) {
            blocks.add(block, rest.subspan(block_header_size, block.size_in_file()));
        }
        rest = rest.subspan(block_header_size + block.size_in_file());
    }
}

/// A frame's header like @p old for another content size: with the same window, unless that is the content's size.
std::vector<std::byte> make_header(std::span<const std::byte> old, const FrameHeader& header,
                                   std::uint64_t content_size) {
    struct Field {
        unsigned flag;
        std::size_t size;
        std::uint64_t base;
    };
    Field field{3, 8, 0};
    if (header.single_segment && content_size < 256) {
        field = {0, 1, 0};
    } else if (content_size >= 256 && content_size < 65536 + 256) {
        field = {1, 2, 256};
    } else if (content_size <= 0xffffffffU) {
        field = {2, 4, 0};
    }
    std::vector<std::byte> bytes(old.begin(), old.begin() + 4);
    bytes.push_back((old[4] & std::byte{0x3f}) | static_cast<std::byte>(field.flag << 6U));
    if (!header.single_segment) {
        bytes.push_back(old[5]);
    }
    append_little_endian(bytes, content_size - field.base, field.size);
    return bytes;
}

/// How much of the payload before the cut is worth indexing for what is encoded anew.
std::uint64_t history_limit(std::uint64_t rest, std::uint64_t window) {
    constexpr std::uint64_t most = 256U << 10U;
    return rest == 0 ? 0 : std::min({2 * rest, window - std::min(window, rest), most});
}

std::optional<Splice> splice(const SpliceJob& job) {
    const auto cut = job.notes.cut_at(job.kept);
    std::array<std::byte, largest_header> start{};
    const std::size_t got = job.file.read_at(0, start);
    const auto header = parse_header(std::span(start).first(got));
    const std::uint64_t content_size = job.kept + job.tail.size();
    if (!cut || !header || !header->has_content_size || header->has_dictionary || header->size > got) {
        return std::nullopt;
    }
    const std::uint64_t window = header->single_segment ? content_size : header->window;
    if (window > std::uint64_t{1} << decoder_window_log) {
        return std::nullopt; // kernel and libzstd take no more; the encoder needs less
    }

    BlockWriter blocks(std::min<std::uint64_t>(window, ZSTD_BLOCKSIZE_MAX));
    const std::uint64_t rest = job.kept - cut->end.payload;
    if (rest > 0) {
        const std::uint64_t history =
            std::min(cut->end.payload - job.notes.recent_start(), history_limit(rest, window));
        encode_after(blocks, job.notes.recent(cut->end.payload - history, job.kept), history, job.level, window);
    }
    blocks.add_raw(job.tail);

    std::array<std::byte, block_header_size> old_block{};
    if (job.file.read_at(cut->block.position, old_block) != old_block.size()) {
        return std::nullopt;
    }
    BlockHeader block = parse_block_header(old_block);
    block.last = blocks.empty();
    std::vector<std::byte> new_block;
    append_block_header(new_block, block);

    Splice splice;
    splice.add(make_header(start, *header, content_size));
    splice.keep(header->size, cut->block.position);
    splice.add(std::move(new_block));
    splice.keep(cut->block.position + block_header_size, cut->end.position);
    if (!blocks.empty()) {
        splice.add(std::move(blocks).finish());
    }
    if (header->has_checksum) {
        std::vector<std::byte> checksum;
        append_little_endian(checksum, job.notes.xxh64_of_first(job.kept, job.tail), 4);
        splice.add(std::move(checksum));
    }
    // Raw blocks need no decoding. What is encoded anew can't be decoded by itself, so that has to be done with all.
    splice.checked = rest == 0;
    return splice;
}

// A file may begin with a skippable frame (pzstd writes one): zstd all the same, though no kernel takes it for one.
bool recognizes(std::span<const std::byte> start) {
    return parse_header(start).has_value();
}

} // namespace

constinit const Codec zstd_codec{
    ContainerKind::zstd,
    "zstd",
    recognizes,
    {1, 3, 22},
    decode,
    [](EncodeJob job) -> std::unique_ptr<Encoder> { return std::make_unique<ZstdEncoder>(std::move(job)); },
    splice};

} // namespace ksign
