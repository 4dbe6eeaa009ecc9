// gzip (RFC 1952) around deflate, by zlib.
#include "container.hpp"
#include "little_endian.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace ksign {
namespace {

constexpr int window_bits = MAX_WBITS + 16; // 16: a gzip header and trailer, not zlib's
constexpr std::size_t flags_offset = 3;
constexpr unsigned flag_text = 0x01; // RFC 1952, 2.3.1: no field belongs to it
constexpr unsigned flag_name = 0x08;
constexpr std::size_t trailer_size = 8;   // RFC 1952, 2.3: CRC-32 and size, both of 32 bits
constexpr unsigned block_boundary = 0x80; // of data_type, zlib.h: inflate() stands between two blocks

Error failure(const std::string& subject, const std::string& reason) {
    return {ErrorCode::container, subject, "gzip: " + reason, "the file is damaged: rebuild or reinstall the module"};
}

/// What a failure to decode or encode means.
Error status_failure(const std::string& subject, const z_stream& stream, int status) {
    return status == Z_MEM_ERROR
               ? out_of_memory(subject)
               : failure(subject, stream.msg != nullptr ? stream.msg : "status " + std::to_string(status));
}

struct Inflater {
    z_stream stream{};
    explicit Inflater(const std::string& subject) {
        if (const int status = inflateInit2(&stream, window_bits); status != Z_OK) {
            throw status_failure(subject, stream, status);
        }
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater() { inflateEnd(&stream); }
};

/// Whether there are only zero bytes after the last member, which gzip(1) ignores.
bool is_padding(const z_stream& stream) {
    return std::all_of(stream.next_in, stream.next_in + stream.avail_in, [](Bytef byte) { return byte == 0; });
}

/// Where inflate() stands, in bits from the start of the file.
std::uint64_t bit_position(const z_stream& stream, std::uint64_t bytes_taken) {
    constexpr unsigned unused_bits = 7; // of data_type, zlib.h: bits of the last byte that are not used yet
    return 8 * bytes_taken - (static_cast<unsigned>(stream.data_type) & unused_bits);
}

LoadObstacle decode(const DecodeJob& job) {
    Inflater inflater(job.subject);
    z_stream& stream = inflater.stream;
    std::vector<std::byte> input(chunk_size);
    std::vector<std::byte> output(chunk_size);
    LoadObstacle obstacle;
    unsigned members = 0;
    bool in_member = true;
    bool in_padding = false;
    std::uint64_t taken_before = 0; // bytes, by earlier chunks
    while (const std::size_t got = read_full(job.source, input)) {
        if (taken_before == 0 && got > flags_offset &&
            (std::to_integer<unsigned>(input[flags_offset]) & ~(flag_text | flag_name) & 0xffU) != 0) {
            // module_gzip_header_len() looks at the bit of the file name only, and takes what other fields there are
            // for deflate data.
            obstacle = {RefusingReader::kernel, "gzip header with fields that the kernel does not skip"};
        }
        stream.next_in = reinterpret_cast<Bytef*>(input.data());
        stream.avail_in = static_cast<uInt>(got);
        while (stream.avail_in > 0) {
            if (!in_member) {
                in_padding = in_padding || stream.next_in[0] != 0x1f;
                if (in_padding && is_padding(stream)) {
                    break;
                }
                if (in_padding &&
                    is_appended_signature(job, std::as_bytes(std::span(stream.next_in, stream.avail_in)))) {
                    return appended_signature_obstacle();
                }
                if (in_padding) {
                    throw failure(job.subject, "garbage after the compressed data");
                }
                inflateReset(&stream);
                in_member = true;
            }
            do {
                stream.next_out = reinterpret_cast<Bytef*>(output.data());
                stream.avail_out = static_cast<uInt>(output.size());
                const int status = inflate(&stream, job.notes != nullptr ? Z_BLOCK : Z_NO_FLUSH);
                if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
                    throw status_failure(job.subject, stream, status);
                }
                job.sink(std::span(output).first(output.size() - stream.avail_out));
                if (status == Z_STREAM_END) {
                    if (job.first_only) {
                        job.took(taken_before + got - stream.avail_in);
                        return obstacle;
                    }
                    ++members;
                    in_member = false;
                    break;
                }
                if (job.notes != nullptr && (static_cast<unsigned>(stream.data_type) & block_boundary) != 0) {
                    job.notes->add_cut(bit_position(stream, taken_before + got - stream.avail_in),
                                       static_cast<std::uint32_t>(stream.adler));
                }
            } while (stream.avail_out == 0);
        }
        taken_before += got;
    }
    if (in_member) {
        throw failure(job.subject, "the data ends too early");
    }
    if (members > 1) {
        obstacle = {RefusingReader::kernel,
                    std::to_string(members) + " gzip members, of which the kernel reads the first only"};
    }
    return obstacle;
}

class GzipEncoder final : public Encoder {
  public:
    explicit GzipEncoder(EncodeJob job) : job_(std::move(job)), output_(chunk_size) {
        // No gzip header fields are set, so zlib writes none: the kernel knows none but the file name.
        const int status = deflateInit2(&stream_, job_.level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
        if (status != Z_OK) {
            throw status_failure(job_.subject, stream_, status);
        }
    }
    ~GzipEncoder() override { deflateEnd(&stream_); }

    void write(std::span<const std::byte> payload) override {
        while (!payload.empty()) {
            const auto part = payload.first(std::min(payload.size(), chunk_size));
            run(part, Z_NO_FLUSH);
            payload = payload.subspan(part.size());
        }
    }
    void end_block() override { run({}, Z_BLOCK); }
    void finish() override { run({}, Z_FINISH); }

  private:
    void run(std::span<const std::byte> bytes, int flush) {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data())); // zlib does not write there
        stream_.avail_in = static_cast<uInt>(bytes.size());
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
            stream_.avail_out = static_cast<uInt>(output_.size());
            const int status = deflate(&stream_, flush);
            if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
                throw status_failure(job_.subject, stream_, status);
            }
            job_.sink(std::span(output_).first(output_.size() - stream_.avail_out));
        } while (stream_.avail_out == 0);
    }

    EncodeJob job_;
    std::vector<std::byte> output_;
    z_stream stream_{};
};

/// Deflate data from within a byte on: the bits that the blocks before it left, what it may refer back to, and what it
/// holds.
struct RawDeflate {
    unsigned bits; ///< How many of the first byte are the old ones.
    std::byte first;
    std::span<const std::byte> history; ///< Up to 32 KiB.
    std::span<const std::byte> rest;
    std::span<const std::byte> tail;
};

Bytef* as_zlib(std::span<const std::byte> bytes) {
    return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data())); // zlib does not write there
}

/// Deflates the rest and then the tail, in blocks of their own; nothing if zlib fails.
std::optional<std::vector<std::byte>> deflate_raw(const RawDeflate& data, int level) {
    z_stream stream{};
    if (deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return std::nullopt;
    }
    const std::unique_ptr<z_stream, decltype(&deflateEnd)> owner(&stream, &deflateEnd);
    if (deflateSetDictionary(&stream, as_zlib(data.history), static_cast<uInt>(data.history.size())) != Z_OK ||
        deflatePrime(&stream, static_cast<int>(data.bits), std::to_integer<int>(data.first)) != Z_OK) {
        return std::nullopt;
    }
    // Z_BLOCK ends a block with a few bits, and can leave bits in hand, for which deflateBound() has no room.
    std::vector<std::byte> output(deflateBound(&stream, static_cast<uLong>(data.rest.size() + data.tail.size())) + 64);
    stream.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.avail_out = static_cast<uInt>(output.size());
    if (!data.rest.empty()) {
        stream.next_in = as_zlib(data.rest);
        stream.avail_in = static_cast<uInt>(data.rest.size());
        if (deflate(&stream, data.tail.empty() ? Z_FINISH : Z_BLOCK) < Z_OK || stream.avail_in > 0) {
            return std::nullopt;
        }
    }
    if (!data.tail.empty()) {
        stream.next_in = as_zlib(data.tail);
        stream.avail_in = static_cast<uInt>(data.tail.size());
        if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
            return std::nullopt;
        }
    }
    output.resize(output.size() - stream.avail_out);
    return output;
}

/// Whether deflate data decodes, where it stands, to what it was made of.
bool inflates_to(std::span<const std::byte> deflated, const RawDeflate& data) {
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        return false;
    }
    const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, &inflateEnd);
    if (data.bits > 0 && inflatePrime(&stream, static_cast<int>(8 - data.bits),
                                      std::to_integer<int>(deflated.front()) >> data.bits) != Z_OK) {
        return false;
    }
    const auto input = deflated.subspan(data.bits > 0 ? 1 : 0);
    std::vector<std::byte> output(data.rest.size() + data.tail.size() + 1);
    stream.next_in = as_zlib(input);
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(output.data());
    stream.avail_out = static_cast<uInt>(output.size());
    if (inflateSetDictionary(&stream, as_zlib(data.history), static_cast<uInt>(data.history.size())) != Z_OK ||
        inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_in != 0 || stream.avail_out != 1) {
        return false;
    }
    return std::ranges::equal(std::span(output).first(data.rest.size()), data.rest) &&
           std::ranges::equal(std::span(output).subspan(data.rest.size(), data.tail.size()), data.tail);
}

std::uint32_t extended(std::uint32_t check, std::span<const std::byte> bytes) {
    // crc32_z() takes a null pointer, as an empty span may have, for the wish to start over.
    return bytes.empty() ? check : static_cast<std::uint32_t>(crc32_z(check, as_zlib(bytes), bytes.size()));
}

std::optional<Splice> splice(const SpliceJob& job) {
    const auto cut = job.notes.cut_at(job.kept);
    const auto last = job.notes.last_cut();
    // Padding may follow the one member; what is written has none.
    if (!cut || (last->position + 7) / 8 + trailer_size != job.file.size()) {
        return std::nullopt;
    }
    const std::uint64_t end_byte = cut->end.position / 8;
    const std::uint64_t header_byte = cut->block.position / 8; // no block is so short that this is the same byte
    std::array<std::byte, 1> header{};
    std::array<std::byte, 1> end{};
    if (job.file.read_at(header_byte, header) != 1 || job.file.read_at(end_byte, end) != 1) {
        return std::nullopt;
    }
    const auto bits = static_cast<unsigned>(cut->end.position % 8);
    const auto old_bits = end.front() & ~(std::byte{0xff} << bits);
    // What zlib tells of the checksum between blocks is taken only if it is the member's own at the end: zlib-ng, which
    // some distributions have in its place, tells nothing before the end.
    std::array<std::byte, trailer_size> old_trailer{};
    if (job.file.read_at(job.file.size() - trailer_size, old_trailer) != trailer_size ||
        from_little_endian(std::span(old_trailer).first(4)) != last->check) {
        return std::nullopt;
    }
    const std::uint64_t history = std::max<std::uint64_t>(
        job.notes.recent_start(), cut->end.payload - std::min<std::uint64_t>(cut->end.payload, 1U << MAX_WBITS));
    const RawDeflate data{bits, old_bits, job.notes.recent(history, cut->end.payload),
                          job.notes.recent(cut->end.payload, job.kept), job.tail};
    const bool is_end = data.rest.empty() && data.tail.empty();

    Splice splice;
    splice.keep(0, header_byte);
    // RFC 1951, 3.2.3: the first bit of a block says whether it is the last.
    const std::byte final_bit = std::byte{1} << (cut->block.position % 8);
    splice.add({is_end ? header.front() | final_bit : header.front() & ~final_bit});
    splice.keep(header_byte + 1, end_byte);
    if (is_end) {
        if (bits > 0) {
            splice.add({old_bits});
        }
    } else {
        auto deflated = deflate_raw(data, job.level);
        if (!deflated || !inflates_to(*deflated, data)) {
            return std::nullopt;
        }
        splice.add(std::move(*deflated));
    }
    std::vector<std::byte> trailer;
    append_little_endian(trailer, extended(extended(cut->end.check, data.rest), data.tail), 4);
    append_little_endian(trailer, job.kept + job.tail.size(), 4);
    splice.add(std::move(trailer));
    splice.checked = true;
    return splice;
}

bool recognizes(std::span<const std::byte> start) {
    // The third byte, 8, is deflate, the one method that there is.
    return start.size() >= 3 && start[0] == std::byte{0x1f} && start[1] == std::byte{0x8b} && start[2] == std::byte{8};
}

} // namespace

constinit const Codec gzip_codec{
    ContainerKind::gzip,
    "gzip",
    recognizes,
    {1, 6, 9},
    decode,
    [](EncodeJob job) -> std::unique_ptr<Encoder> { return std::make_unique<GzipEncoder>(std::move(job)); },
    splice};

} // namespace ksign
