#include "lz4.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "image_sample.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

struct Decoded {
    Bytes content;
    std::uint64_t taken = 0;
};

Decoded decoded_part(ByteView frame) {
    Decoded result;
    std::size_t position = 0;
    const ByteSource source = [&](std::span<std::byte> bytes) {
        // In small pieces, as a pipe would.
        const auto part = frame.subspan(position, std::min({bytes.size(), frame.size() - position, std::size_t{1000}}));
        std::ranges::copy(part, bytes.begin());
        position += part.size();
        return part.size();
    };
    result.taken = decode_lz4_legacy(
        source, [&result](ByteView bytes) { result.content.insert(result.content.end(), bytes.begin(), bytes.end()); },
        "image");
    return result;
}

Bytes decoded(ByteView frame) {
    const Decoded result = decoded_part(frame);
    CHECK(result.taken == frame.size());
    return result.content;
}

} // namespace

TEST_CASE("lz4: literals, matches and lengths of every size", "[lz4]") {
    for (const std::size_t run : {1U, 8U, 12U, 18U, 19U, 20U, 273U, 274U, 275U, 70000U}) {
        const Bytes content = joined({random_bytes(40), Bytes(run, std::byte{'x'}), random_bytes(run)});
        CHECK((decoded(make_lz4_legacy(content)) == content));
    }
    // A match that overlaps what it makes: three bytes, again and again.
    CHECK((decoded(joined({bytes_from({0x02, 0x21, 0x4c, 0x18, 0x0d, 0, 0, 0}),
                           bytes_from({0x3f, 'a', 'b', 'c', 3, 0, 3, 0x50, 'b', 'c', 'a', 'b', 'c'})})) ==
           bytes_of("abcabcabcabcabcabcabcabcabcabc")));
}

TEST_CASE("lz4: several blocks, and frames after each other", "[lz4]") {
    const Bytes content = compressible_bytes(30000);
    CHECK((decoded(make_lz4_legacy(content, 7000)) == content));
    CHECK((decoded(joined({make_lz4_legacy(content), make_lz4_legacy(content)})) == joined({content, content})));
    const Bytes full(std::size_t{8} << 20U, std::byte{'z'});
    CHECK((decoded(make_lz4_legacy(full)) == full));
}

TEST_CASE("lz4: a frame ends where a block is empty, or too little is left for one", "[lz4]") {
    const Bytes content = compressible_bytes(3000);
    const Bytes frame = make_lz4_legacy(content);
    for (const Bytes& rest : {Bytes(1), Bytes(3), Bytes(4), Bytes(4000), joined({Bytes(4), frame}), bytes_of("abc")}) {
        const Decoded result = decoded_part(joined({frame, rest}));
        CHECK((result.content == content));
        CHECK(result.taken == frame.size());
    }
    CHECK(error_of([&] { decoded_part(joined({frame, Bytes(3), frame})); }).code() == ErrorCode::container);
    CHECK(error_of([&] { decoded_part(Bytes(8)); }).code() == ErrorCode::container);
}

TEST_CASE("lz4: what is damaged is an error", "[lz4]") {
    const Bytes frame = make_lz4_legacy(joined({compressible_bytes(3000), Bytes(500)}));
    for (std::size_t size = 0; size < frame.size(); ++size) {
        if (size >= 4 && size < 8) {
            continue; // an empty frame
        }
        CHECK(error_of([&] { decoded(ByteView(frame).first(size)); }).code() == ErrorCode::container);
    }
    const auto block = [](std::initializer_list<unsigned> bytes) {
        return joined({bytes_from({0x02, 0x21, 0x4c, 0x18}), number_bytes(bytes.size(), 4), bytes_from(bytes)});
    };
    // Offsets of zero and beyond the start.
    CHECK(mentions(error_of([&] { decoded(block({0x10, 'a', 0, 0, 0})); }).what(), "corrupt"));
    CHECK(mentions(error_of([&] { decoded(block({0x10, 'a', 2, 0, 0})); }).what(), "corrupt"));
    // A length that goes on past the end.
    CHECK(mentions(error_of([&] { decoded(block({0xf0, 255, 255})); }).what(), "too early"));
    // More than a block may hold: 9 MiB from some 37 KB.
    Bytes bomb = bytes_from({0x1f, 'a', 1, 0});
    bomb.insert(bomb.end(), (9U << 20U) / 255, std::byte{255});
    bomb.push_back(std::byte{0});
    bomb = joined({bytes_from({0x02, 0x21, 0x4c, 0x18}), number_bytes(bomb.size(), 4), bomb});
    CHECK(mentions(error_of([&] { decoded(bomb); }).what(), "8 MiB"));
    // A block that claims gigabytes.
    CHECK(error_of([&] {
              decoded(bytes_from({0x02, 0x21, 0x4c, 0x18, 0xff, 0xff, 0xff, 0x7f}));
          }).code() == ErrorCode::container);
}

TEST_CASE("lz4: random changes never do more than fail", "[lz4]") {
    const Bytes frame = make_lz4_legacy(joined({compressible_bytes(2000), Bytes(300), random_bytes(200)}));
    std::mt19937 engine(1);
    for (int round = 0; round < 3000; ++round) {
        Bytes changed = frame;
        changed[8 + engine() % (changed.size() - 8)] = static_cast<std::byte>(engine() & 0xffU);
        try {
            const std::size_t size = decoded_part(changed).content.size();
            CHECK(size <= std::size_t{8} << 20U);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::container);
        }
    }
}
