// What any container that decodes is spliced to decodes to its payload, cut, and the tail; and nothing else happens,
// whatever the bytes. Built once for each container: FUZZED_CODEC is gzip_codec, xz_codec or zstd_codec.
//
// The input: how much is cut off and how long the tail is, two bytes each; how the rest is to be taken, one byte; then
// either the container itself, or a payload that is compressed first, so that valid containers are common.
#include "little_endian.hpp"
#include "splice_sample.hpp"

#include <cstdlib>

using namespace ksign;
using namespace ksign::test;

namespace {

constexpr std::uint64_t max_payload = 8U << 20U;

Bytes encoded(const Codec& codec, ByteView payload, int level, bool in_two_blocks) {
    Bytes container;
    const auto encoder = codec.make_encoder(
        {[&container](ByteView bytes) { container.insert(container.end(), bytes.begin(), bytes.end()); }, level,
         payload.size(), "fuzz"});
    const std::size_t half = in_two_blocks ? payload.size() / 2 : 0;
    if (half > 0) {
        encoder->write(payload.first(half));
        encoder->end_block();
    }
    encoder->write(payload.subspan(half));
    encoder->finish();
    return container;
}

/// The payload over and over, with a count between: a few bytes are to make blocks of every kind.
Bytes repeated(ByteView payload, std::size_t times) {
    Bytes all;
    for (std::size_t round = 0; round < times; ++round) {
        all.insert(all.end(), payload.begin(), payload.end());
        append_little_endian(all, round * 0x9E3779B1U, 1 + round % 4);
    }
    return all;
}

void expect(bool right) {
    if (!right) {
        std::abort();
    }
}

/// Splices, decodes and compares; the spliced container, or nothing if there is none.
Bytes check(const Codec& codec, ByteView container, std::uint64_t cut_off, ByteView tail) {
    std::optional<NotedContainer> read;
    try {
        read.emplace(read_noted(codec, container, max_payload));
    } catch (const Error&) {
        return {};
    }
    const std::uint64_t size = read->payload.size();
    const std::uint64_t kept = size - std::min(size, cut_off);
    if (!read->obstacle.empty() || !can_splice(read->notes, kept)) {
        return {};
    }
    const auto splice = codec.splice({read->file, read->notes, kept, tail, codec.levels.lowest});
    if (!splice) {
        return {};
    }
    Bytes whole = put_together(read->file, *splice);
    const NotedContainer again = read_noted(codec, whole, max_payload + tail.size()); // throws: found something
    expect(again.obstacle.empty());
    expect(again.payload == joined({ByteView(read->payload).first(kept), tail}));
    return whole;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t head = 5;
    if (size < head) {
        return 0;
    }
    const Codec& codec = FUZZED_CODEC;
    const ByteView input(reinterpret_cast<const std::byte*>(data), size);
    const std::uint64_t cut_off = from_little_endian(input.first(2));
    const Bytes tail = random_bytes(from_little_endian(input.subspan(2, 2)) % 3000, 1001);
    const auto way = std::to_integer<unsigned>(input[4]);
    const ByteView content = input.subspan(head);
    const Bytes container = (way & 1U) != 0
                                ? Bytes(content.begin(), content.end())
                                : encoded(codec, repeated(content, 1 + (way >> 4U) * 8U),
                                          codec.levels.lowest + static_cast<int>(way >> 1U & 3U), (way & 8U) != 0);
    const Bytes once = check(codec, container, cut_off, tail);
    const Bytes twice = check(codec, once, tail.size(), random_bytes(700, 1002));
    check(codec, twice, 700 + cut_off % 5, {});
    return 0;
}
