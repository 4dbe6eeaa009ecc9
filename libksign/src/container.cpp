#include "container.hpp"

#include "relay.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

namespace ksign {
namespace {

LoadObstacle decode_plain(const DecodeJob& job) {
    std::vector<std::byte> chunk(chunk_size);
    while (const std::size_t got = job.source(chunk)) {
        job.sink(std::span(chunk).first(got));
    }
    return {};
}

class PlainEncoder final : public Encoder {
  public:
    explicit PlainEncoder(EncodeJob job) : job_(std::move(job)) {}
    void write(std::span<const std::byte> payload) override { job_.sink(payload); }
    void end_block() override {}
    void finish() override {}

  private:
    EncodeJob job_;
};

/// Compresses payload and tail anew.
void compress_anew(const InputFile& file, const Codec& codec, const NewPayload& payload, int level,
                   ReplacementFile& output) {
    const std::string subject = file.path().string();
    const auto encoder = codec.make_encoder({[&output](std::span<const std::byte> bytes) { output.write(bytes); },
                                             level, payload.kept + payload.tail.size(), subject});
    std::uint64_t left = payload.kept;
    const ByteSink keep = [&](std::span<const std::byte> bytes) {
        const auto part = bytes.first(std::min<std::uint64_t>(left, bytes.size()));
        left -= part.size();
        if (!part.empty()) {
            encoder->write(part);
        }
    };
    const ByteSource source = file.source();
    if (file.size() < worth_a_relay) {
        static_cast<void>(codec.decode({source, keep, subject, nullptr, false, nullptr, true}));
    } else {
        Relay relay(keep);
        const ByteSink hand_on = [&relay](std::span<const std::byte> bytes) { relay.take(bytes); };
        static_cast<void>(codec.decode({source, hand_on, subject, nullptr, false, nullptr, true}));
        relay.finish();
    }
    if (left != 0) {
        throw Error(ErrorCode::system, subject, "became shorter while it was read");
    }
    if (!payload.tail.empty()) {
        encoder->end_block();
        encoder->write(payload.tail);
    }
    encoder->finish();
}

/// Whether splicing costs no more than a hundredth in size. Compressing all anew would leave the payload about as large
/// as it is; signatures, old and new, hardly compress.
bool is_compact(const Splice& splice, std::uint64_t old_size, std::uint64_t cut_off, std::uint64_t added) {
    const std::uint64_t expected = old_size - std::min(old_size, cut_off) + added;
    return splice.size() <= expected + expected / 100;
}

Written write_splice(const InputFile& file, const Splice& splice, ReplacementFile& output) {
    for (const SplicePart& part : splice.parts) {
        if (part.begin != part.end) {
            output.copy_from(file, part.begin, part.end);
        } else {
            output.write(part.bytes);
        }
    }
    return splice.checked ? Written::checked : Written::unchecked;
}

constinit const Codec plain_codec{
    ContainerKind::plain,
    "plain",
    [](std::span<const std::byte>) { return true; },
    {0, 0, 0},
    decode_plain,
    [](EncodeJob job) -> std::unique_ptr<Encoder> { return std::make_unique<PlainEncoder>(std::move(job)); },
    // There is nothing to splice: what is kept is copied, what is new is written.
    [](const SpliceJob&) -> std::optional<Splice> { return std::nullopt; }};

// Plain stands last: it takes what no other row does.
constinit const std::array<const Codec*, 4> codecs{&gzip_codec, &xz_codec, &zstd_codec, &plain_codec};

} // namespace

const Codec& codec_of(ContainerKind kind) noexcept {
    return **std::ranges::find(codecs, kind, &Codec::kind);
}

std::string_view container_name(ContainerKind kind) noexcept {
    return codec_of(kind).name;
}

LevelRange container_levels(ContainerKind kind) noexcept {
    return codec_of(kind).levels;
}

const Codec& detect_codec(const InputFile& file) {
    std::array<std::byte, 8> start{};
    const std::size_t got = file.read_at(0, start);
    const auto bytes = std::span<const std::byte>(start).first(got);
    return **std::ranges::find_if(codecs, [bytes](const Codec* codec) { return codec->recognizes(bytes); });
}

std::size_t read_full(const ByteSource& source, std::span<std::byte> bytes) {
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const std::size_t got = source(bytes.subspan(filled));
        if (got == 0) {
            break;
        }
        filled += got;
    }
    return filled;
}

bool is_appended_signature(const DecodeJob& job, std::span<const std::byte> rest) {
    if (!job.without_appended) {
        return false;
    }
    std::string end;
    std::vector<std::byte> chunk(rest.begin(), rest.end());
    for (std::size_t got = chunk.size(); got > 0; got = job.source(chunk)) {
        end.append(reinterpret_cast<const char*>(chunk.data()), got);
        end.erase(0, end.size() - std::min(end.size(), signature_marker.size()));
        chunk.resize(chunk_size);
    }
    return end == signature_marker;
}

LoadObstacle appended_signature_obstacle() {
    return {RefusingReader::kernel, "a signature appended to the compressed file, where nobody looks for it", true};
}

Error out_of_memory(const std::string& subject) {
    return {ErrorCode::limit, subject, "there is not enough memory to read or write it",
            "free memory, or raise this process's limit (ulimit -v), and try again"};
}

Error too_large(const std::string& subject, std::uint64_t max_payload) {
    return {ErrorCode::limit, subject, "holds more than " + std::to_string(max_payload) + " bytes of module",
            "if a module of that size is what you expect, raise the limit with --max-size, or max-size in ksign.conf"};
}

LoadObstacle read_payload(const DecodeJob& job, const Codec& codec, std::uint64_t max_payload) {
    std::uint64_t total = 0;
    const ByteSink counting = [&](std::span<const std::byte> bytes) {
        total += bytes.size();
        if (total > max_payload) {
            throw too_large(job.subject, max_payload);
        }
        if (job.notes != nullptr) {
            job.notes->take(bytes);
        }
        job.sink(bytes);
    };
    LoadObstacle obstacle =
        codec.decode({job.source, counting, job.subject, job.notes, job.first_only, nullptr, job.without_appended});
    if (job.notes != nullptr) {
        if (obstacle.empty()) {
            job.notes->finish();
        } else {
            job.notes->discard();
        }
    }
    return obstacle;
}

LoadObstacle read_payload(const InputFile& file, const Codec& codec, std::uint64_t max_payload, const ByteSink& sink,
                          PayloadNotes* notes) {
    const std::string subject = file.path().string();
    const ByteSource source = file.source();
    return read_payload({source, sink, subject, notes, false, nullptr, true}, codec, max_payload);
}

void Splice::keep(std::uint64_t begin, std::uint64_t end) {
    if (begin != end) {
        parts.push_back({begin, end, {}});
    }
}

void Splice::add(std::vector<std::byte> bytes) {
    if (!bytes.empty()) {
        parts.push_back({0, 0, std::move(bytes)});
    }
}

std::uint64_t Splice::size() const noexcept {
    return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const SplicePart& part) { return sum + part.size(); });
}

bool can_splice(const PayloadNotes& notes, std::uint64_t kept) noexcept {
    return kept > 0 && kept >= notes.recent_start() && kept <= notes.payload_size();
}

Written write_kept_and_tail(const InputFile& file, const Codec& codec, const PayloadNotes* notes,
                            const NewPayload& payload, int level, ReplacementFile& output) {
    if (codec.kind == ContainerKind::plain) {
        output.copy_from(file, 0, payload.kept);
        output.write(payload.tail);
        return Written::checked;
    }
    if (notes != nullptr && can_splice(*notes, payload.kept)) {
        const auto splice = codec.splice({file, *notes, payload.kept, payload.tail, level});
        if (splice && is_compact(*splice, file.size(), notes->payload_size() - payload.kept, payload.tail.size())) {
            return write_splice(file, *splice, output);
        }
    }
    compress_anew(file, codec, payload, level, output);
    return Written::unchecked;
}

} // namespace ksign
