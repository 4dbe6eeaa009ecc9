#include "container.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "compressed_sample.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <sys/resource.h>

#include <optional>

using namespace ksign;
using namespace ksign::test;

namespace {

constexpr std::uint64_t no_limit = std::uint64_t{1} << 40U;

struct Decoded {
    Bytes payload;
    LoadObstacle obstacle;
};

/// Gives at most so many bytes at a time.
ByteSource source_of(ByteView bytes, std::size_t step) {
    return [bytes, step](std::span<std::byte> wanted) mutable {
        const std::size_t given = std::min({step, wanted.size(), bytes.size()});
        std::copy_n(bytes.begin(), given, wanted.begin());
        bytes = bytes.subspan(given);
        return given;
    };
}

Decoded decode(const Codec& codec, ByteView container, std::size_t step = chunk_size,
               std::uint64_t max_payload = no_limit) {
    Decoded decoded;
    const ByteSource source = source_of(container, step);
    const ByteSink sink = [&decoded](ByteView bytes) {
        decoded.payload.insert(decoded.payload.end(), bytes.begin(), bytes.end());
    };
    const std::string subject = "a.ko";
    decoded.obstacle = read_payload({source, sink, subject}, codec, max_payload);
    return decoded;
}

Bytes encode(const Codec& codec, ByteView payload, int level, std::size_t step = chunk_size) {
    Bytes container;
    const auto encoder = codec.make_encoder(
        {[&container](ByteView bytes) { container.insert(container.end(), bytes.begin(), bytes.end()); }, level,
         payload.size(), "a.ko"});
    for (std::size_t at = 0; at < payload.size(); at += step) {
        encoder->write(payload.subspan(at, std::min(step, payload.size() - at)));
    }
    encoder->finish();
    return container;
}

const std::vector<const Codec*>& compressors() {
    static const std::vector<const Codec*> all{&gzip_codec, &xz_codec, &zstd_codec};
    return all;
}

/// Why a container does not decode; nothing if it does.
std::optional<Error> refusal(const Codec& codec, ByteView container, std::size_t step = chunk_size) {
    try {
        decode(codec, container, step);
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

std::string container_failure(const Codec& codec, ByteView container, std::size_t step = chunk_size) {
    const auto error = refusal(codec, container, step);
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::container);
    CHECK(error->subject() == "a.ko");
    CHECK(error->reason().starts_with(std::string(codec.name) + ": "));
    return error->reason();
}

/// Decodes in large and in small pieces, and demands the same of both.
void check_decodes(const Codec& codec, ByteView container, ByteView payload, std::string_view obstacle_part) {
    for (const std::size_t step : {chunk_size, std::size_t{1}, std::size_t{7}}) {
        INFO("fed by " << step << " bytes");
        const Decoded decoded = decode(codec, container, step);
        CHECK(std::ranges::equal(decoded.payload, payload));
        if (obstacle_part.empty()) {
            CHECK(decoded.obstacle.empty());
        } else {
            CHECK(mentions(decoded.obstacle.reason, obstacle_part));
        }
    }
}

const Codec& detected(ByteView content) {
    const TemporaryFolder folder;
    write_file(folder / "file", content);
    return detect_codec(InputFile::open(folder / "file"));
}

/// Bytes of memory that this process has had at most.
std::uint64_t peak_memory() {
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

/// The window that a zstd frame asks for (RFC 8878, 3.1.1.1.2), in bytes.
std::uint64_t zstd_window(ByteView frame) {
    const auto at = [frame](std::size_t index) { return std::to_integer<std::uint64_t>(frame[index]); };
    const bool single_segment = (at(4) & 0x20U) != 0;
    if (single_segment) {
        return ZSTD_getFrameContentSize(frame.data(), frame.size());
    }
    const std::uint64_t base = std::uint64_t{1} << (10U + (at(5) >> 3U));
    return base + base / 8 * (at(5) & 7U);
}

} // namespace

TEST_CASE("containers have names and levels", "[container]") {
    CHECK(container_name(ContainerKind::plain) == "plain");
    CHECK(container_name(ContainerKind::gzip) == "gzip");
    CHECK(container_name(ContainerKind::xz) == "xz");
    CHECK(container_name(ContainerKind::zstd) == "zstd");
    for (const auto kind : {ContainerKind::plain, ContainerKind::gzip, ContainerKind::xz, ContainerKind::zstd}) {
        CHECK(codec_of(kind).kind == kind);
        const LevelRange levels = container_levels(kind);
        CHECK(levels.lowest <= levels.usual);
        CHECK(levels.usual <= levels.highest);
    }
    // DKMS's own.
    CHECK(container_levels(ContainerKind::gzip).usual == 6);
    CHECK(container_levels(ContainerKind::xz).usual == 6);
    CHECK(container_levels(ContainerKind::zstd).usual == 3);
}

TEST_CASE("a container is told by its first bytes", "[container]") {
    const Bytes payload = compressible_bytes(5000);
    CHECK(detected({}).kind == ContainerKind::plain);
    CHECK(detected(payload).kind == ContainerKind::plain);
    CHECK(detected(bytes_of("\x7f"
                            "ELF"))
              .kind == ContainerKind::plain);
    CHECK(detected(make_gzip(payload)).kind == ContainerKind::gzip);
    CHECK(detected(make_xz(payload)).kind == ContainerKind::xz);
    CHECK(detected(make_zstd(payload)).kind == ContainerKind::zstd);
    CHECK(detected(joined({make_skippable_frame(10), make_zstd(payload)})).kind == ContainerKind::zstd);
    CHECK(detected(joined({make_skippable_frame(10, 15), make_zstd(payload)})).kind == ContainerKind::zstd);
    // Too short to be one, or nearly one.
    CHECK(detected(bytes_from({0x1f})).kind == ContainerKind::plain);
    CHECK(detected(bytes_from({0x1f, 0x8b, 7})).kind == ContainerKind::plain);
    CHECK(detected(bytes_from({0xfd, '7', 'z', 'X', 'Z'})).kind == ContainerKind::plain);
    CHECK(detected(bytes_from({0xfd, '7', 'z', 'X', 'Z', 1})).kind == ContainerKind::plain);
    CHECK(detected(bytes_from({0x28, 0xb5, 0x2f})).kind == ContainerKind::plain);
}

TEST_CASE("what is encoded decodes to the same, whatever its size", "[container]") {
    for (const Codec* codec : compressors()) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{100}, chunk_size - 1,
                                       chunk_size, chunk_size + 1, std::size_t{1} << 20U}) {
            for (const bool random : {false, true}) {
                INFO(codec->name << ", " << size << " bytes, " << (random ? "random" : "compressible"));
                const Bytes payload = random ? random_bytes(size) : compressible_bytes(size);
                const Bytes container = encode(*codec, payload, codec->levels.usual);
                CHECK(&detected(container) == codec);
                const Decoded decoded = decode(*codec, container);
                CHECK((decoded.payload == payload));
                CHECK(decoded.obstacle.empty());
            }
        }
    }
}

TEST_CASE("what is encoded decodes to the same, whatever the level", "[container]") {
    const Bytes payload = joined({compressible_bytes(60000), random_bytes(10000), Bytes(50000)});
    for (const Codec* codec : compressors()) {
        for (int level = codec->levels.lowest; level <= codec->levels.highest; ++level) {
            INFO(codec->name << ", level " << level);
            const Decoded decoded = decode(*codec, encode(*codec, payload, level));
            CHECK((decoded.payload == payload));
            CHECK(decoded.obstacle.empty());
        }
        const auto size_at = [&](int level) { return encode(*codec, payload, level).size(); };
        CHECK(size_at(codec->levels.highest) < size_at(codec->levels.lowest));
    }
}

TEST_CASE("a container does not depend on how its payload comes", "[container]") {
    const Bytes payload = compressible_bytes(30000);
    for (const Codec* codec : compressors()) {
        const int level = codec->levels.usual;
        for (const std::size_t step : {std::size_t{1}, std::size_t{4093}, payload.size()}) {
            INFO(codec->name << ", written by " << step);
            CHECK((decode(*codec, encode(*codec, payload, level, step)).payload == payload));
        }
    }
    const Bytes large = compressible_bytes(2U << 20U);
    for (const Codec* codec : compressors()) {
        CHECK((decode(*codec, encode(*codec, large, codec->levels.lowest, large.size())).payload == large));
    }
}

TEST_CASE("a container does not depend on how its bytes are read", "[container]") {
    const Bytes payload = joined({compressible_bytes(20000), random_bytes(3000)});
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        check_decodes(*codec, encode(*codec, payload, codec->levels.usual), payload, "");
    }
}

TEST_CASE("plain bytes pass as they are", "[container]") {
    const Codec& plain = codec_of(ContainerKind::plain);
    const Bytes payload = random_bytes(300001);
    CHECK((decode(plain, payload).payload == payload));
    CHECK((decode(plain, payload, 1000).payload == payload));
    CHECK((encode(plain, payload, 0) == payload));
    CHECK(decode(plain, {}).payload.empty());
}

TEST_CASE("xz is written in the form that the kernel reads", "[container]") {
    const Bytes payload = joined({compressible_bytes(200000), Bytes(2U << 20U)}); // more than the dictionary holds
    for (const int level : {0, 6, 9}) {
        const Bytes container = encode(xz_codec, payload, level);
        const auto* start = reinterpret_cast<const std::uint8_t*>(container.data());
        lzma_stream_flags header{};
        REQUIRE(lzma_stream_header_decode(&header, start) == LZMA_OK);
        CHECK(header.check == LZMA_CHECK_CRC32);

        std::array<lzma_filter, LZMA_FILTERS_MAX + 1> filters{};
        lzma_block block{};
        block.check = header.check;
        block.filters = filters.data();
        block.header_size = lzma_block_header_size_decode(start[LZMA_STREAM_HEADER_SIZE]);
        REQUIRE(lzma_block_header_decode(&block, nullptr, start + LZMA_STREAM_HEADER_SIZE) == LZMA_OK);
        REQUIRE(filters[0].id == LZMA_FILTER_LZMA2);
        CHECK(static_cast<lzma_options_lzma*>(filters[0].options)->dict_size == 1U << 20U);
        CHECK(filters[1].id == LZMA_VLI_UNKNOWN);
        std::free(filters[0].options);

        // One stream: footer and index account for the whole file.
        lzma_stream_flags footer{};
        REQUIRE(lzma_stream_footer_decode(&footer, start + container.size() - LZMA_STREAM_HEADER_SIZE) == LZMA_OK);
        lzma_index* index = nullptr;
        std::uint64_t memory = 1U << 20U;
        std::size_t position = container.size() - LZMA_STREAM_HEADER_SIZE - footer.backward_size;
        REQUIRE(lzma_index_buffer_decode(&index, &memory, nullptr, start, &position, container.size()) == LZMA_OK);
        CHECK(lzma_index_file_size(index) == container.size());
        CHECK(lzma_index_block_count(index) == 1);
        CHECK(lzma_index_uncompressed_size(index) == payload.size());
        lzma_index_end(index, nullptr);
    }
}

TEST_CASE("zstd is written in the form that the kernel and kmod read", "[container]") {
    // Larger than the window that level 22 would take by itself for it.
    Bytes payload(20U << 20U);
    const Bytes some = compressible_bytes(20000);
    std::ranges::copy(some, payload.begin());
    std::ranges::copy(some, payload.begin() + (18U << 20U));
    for (const int level : {3, 19, 20, 22}) {
        INFO("level " << level);
        const Bytes container = encode(zstd_codec, payload, level);
        CHECK(ZSTD_findFrameCompressedSize(container.data(), container.size()) == container.size());
        CHECK(ZSTD_getFrameContentSize(container.data(), container.size()) == payload.size());
        CHECK((container[4] & std::byte{4}) != std::byte{0}); // the checksum's flag
        CHECK(zstd_window(container) <= 8U << 20U);
        const Decoded decoded = decode(zstd_codec, container);
        CHECK((decoded.payload == payload));
        CHECK(decoded.obstacle.empty());
    }
}

TEST_CASE("zstd carries its content size whatever it is", "[container]") {
    for (const std::size_t size : {0U, 1U, 255U, 256U, 257U, 65535U, 65536U, 65792U, 70000U}) {
        const Bytes container = encode(zstd_codec, compressible_bytes(size), 3);
        CHECK(ZSTD_getFrameContentSize(container.data(), container.size()) == size);
    }
}

TEST_CASE("gzip is written as one member without header fields", "[container]") {
    const Bytes payload = compressible_bytes(300000);
    for (const int level : {1, 6, 9}) {
        const Bytes container = encode(gzip_codec, payload, level);
        CHECK(prefix_of(container, 8) == bytes_from({0x1f, 0x8b, 8, 0, 0, 0, 0, 0})); // no flags, no time
        z_stream stream{};
        REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
        Bytes output(payload.size() + 1);
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(container.data()));
        stream.avail_in = static_cast<uInt>(container.size());
        stream.next_out = reinterpret_cast<Bytef*>(output.data());
        stream.avail_out = static_cast<uInt>(output.size());
        CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
        CHECK(stream.avail_in == 0);
        inflateEnd(&stream);
    }
}

TEST_CASE("xz with checks other than CRC32 decodes, and is told", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    check_decodes(xz_codec, make_xz(payload), payload, "");
    check_decodes(xz_codec, make_xz(payload, {LZMA_CHECK_NONE}), payload, "");
    check_decodes(xz_codec, make_xz(payload, {LZMA_CHECK_CRC64}), payload, "CRC64");
    check_decodes(xz_codec, make_xz(payload, {LZMA_CHECK_SHA256}), payload, "SHA-256");
}

TEST_CASE("xz of several blocks decodes, and the kernel reads it", "[container]") {
    const Bytes payload = compressible_bytes(50000);
    XzForm form;
    form.block_size = 7000;
    check_decodes(xz_codec, make_xz(payload, form), payload, "");
}

TEST_CASE("xz of several streams decodes, padded or not, and is told", "[container]") {
    const Bytes first = compressible_bytes(5000, 1);
    const Bytes second = compressible_bytes(6000, 2);
    const Bytes both = joined({first, second});
    check_decodes(xz_codec, joined({make_xz(first), make_xz(second)}), both, "2 xz streams");
    check_decodes(xz_codec, joined({make_xz(first), Bytes(4), make_xz(second), Bytes(8)}), both, "2 xz streams");
    check_decodes(xz_codec, joined({make_xz(first), make_xz(second, {LZMA_CHECK_CRC64}), make_xz({})}), both,
                  "3 xz streams");
}

TEST_CASE("xz with padding after its one stream decodes", "[container]") {
    const Bytes payload = compressible_bytes(5000);
    for (const std::size_t padding : {4U, 400U}) {
        CHECK((decode(xz_codec, joined({make_xz(payload), Bytes(padding)})).payload == payload));
    }
    // The padding's length is a multiple of four (xz-file-format.txt, 2.2).
    container_failure(xz_codec, joined({make_xz(payload), Bytes(3)}));
}

TEST_CASE("xz with a branch filter decodes, and is told", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    XzForm form;
    form.x86_filter = true;
    check_decodes(xz_codec, make_xz(payload, form), payload, "filter beside LZMA2");
    const auto options = [](const Bytes& file) { return decode(xz_codec, file, 7).obstacle.kernel_options; };
    CHECK(options(make_xz(payload, form)) == std::vector<std::string_view>{"XZ_DEC_X86"});
    // Of each block; the sizes leave every length of padding.
    for (const std::size_t size : {5000U, 5001U, 5002U, 5003U, 5004U}) {
        XzForm second;
        second.x86_from_second = true;
        second.block_size = size;
        const Bytes mixed = joined({random_bytes(100000), payload});
        check_decodes(xz_codec, make_xz(mixed, second), mixed, "filter beside LZMA2");
        second.x86_from_second = false;
        check_decodes(xz_codec, make_xz(mixed, second), mixed, "");
    }
    // With CRC64 no option helps.
    form.check = LZMA_CHECK_CRC64;
    check_decodes(xz_codec, make_xz(payload, form), payload, "CRC64");
    CHECK(options(make_xz(payload, form)).empty());
}

TEST_CASE("xz without a block decodes to nothing", "[container]") {
    CHECK(decode(xz_codec, make_xz({})).payload.empty());
}

TEST_CASE("zstd without its content size decodes, and is told", "[container]") {
    const Bytes payload = compressible_bytes(300000);
    ZstdForm form;
    form.content_size = false;
    check_decodes(zstd_codec, make_zstd(payload, form), payload, "without its content size");
    check_decodes(zstd_codec, make_zstd(payload, {3, true, false}), payload, ""); // no checksum
}

TEST_CASE("zstd of several frames decodes, and is told", "[container]") {
    const Bytes first = compressible_bytes(5000, 1);
    const Bytes second = random_bytes(200000, 2);
    const Bytes both = joined({first, second});
    check_decodes(zstd_codec, joined({make_zstd(first), make_zstd(second)}), both, "2 zstd frames");
    check_decodes(zstd_codec, joined({make_zstd(first), make_zstd({}), make_zstd(second), make_zstd({})}), both,
                  "4 zstd frames");
    const auto reader = [](const Bytes& file) { return decode(zstd_codec, file).obstacle.reader; };
    CHECK(reader(joined({make_zstd(first), make_zstd(second)})) == RefusingReader::both);
    CHECK(reader(joined({make_zstd({}), make_zstd(first)})) == RefusingReader::both);
    CHECK(reader(joined({make_zstd(first), make_zstd({}), make_skippable_frame(4)})) == RefusingReader::kernel);
}

TEST_CASE("zstd with skippable frames decodes, and is told", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    const Bytes frame = make_zstd(payload);
    const Bytes half_a = prefix_of(payload, 10000);
    const Bytes half_b(payload.begin() + 10000, payload.end());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{300000}}) {
        for (const unsigned digit : {0U, 15U}) {
            INFO("skippable frame of " << size << " bytes, digit " << digit);
            const Bytes skippable = make_skippable_frame(size, digit);
            check_decodes(zstd_codec, joined({skippable, frame}), payload, "skippable");
            check_decodes(zstd_codec, joined({frame, skippable}), payload, "skippable");
            check_decodes(zstd_codec, joined({make_zstd(half_a), skippable, make_zstd(half_b)}), payload,
                          "2 zstd frames");
            check_decodes(zstd_codec, joined({skippable, skippable, frame, skippable}), payload, "skippable");
        }
    }
}

TEST_CASE("zstd of a skippable frame alone is told", "[container]") {
    const Decoded decoded = decode(zstd_codec, make_skippable_frame(20));
    CHECK(decoded.payload.empty());
}

TEST_CASE("zstd frames whose header lies across two chunks decode", "[container]") {
    const Bytes first = random_bytes(3000, 1);
    const Bytes second = random_bytes(3000, 2);
    ZstdForm odd;
    odd.content_size = false;
    const Bytes start = make_zstd(first);
    const Bytes whole = joined({start, make_zstd(second, odd)});
    for (std::size_t step = start.size() - 3; step < start.size() + 20; ++step) {
        INFO("first chunk of " << step);
        const Decoded decoded = decode(zstd_codec, whole, step);
        CHECK((decoded.payload == joined({first, second})));
        CHECK(mentions(decoded.obstacle.reason, "2 zstd frames"));
    }
}

TEST_CASE("gzip of several members decodes, and is told", "[container]") {
    const Bytes first = compressible_bytes(5000, 1);
    const Bytes second = random_bytes(200000, 2);
    const Bytes both = joined({first, second});
    check_decodes(gzip_codec, joined({make_gzip(first), make_gzip(second)}), both, "2 gzip members");
    check_decodes(gzip_codec, joined({make_gzip(first), make_gzip({}), make_gzip(second)}), both, "3 gzip members");
}

TEST_CASE("gzip with a file name decodes, and the kernel reads it", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    GzipForm form;
    form.name = "some_module.ko";
    check_decodes(gzip_codec, make_gzip(payload, form), payload, "");
}

TEST_CASE("gzip that is marked as text decodes, and the kernel reads it", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    GzipForm form;
    form.is_text = true;
    REQUIRE(make_gzip(payload, form)[3] == std::byte{1});
    check_decodes(gzip_codec, make_gzip(payload, form), payload, "");
    form.name = "some_module.ko";
    check_decodes(gzip_codec, make_gzip(payload, form), payload, "");
    form.comment = "made by hand";
    check_decodes(gzip_codec, make_gzip(payload, form), payload, "does not skip");
}

TEST_CASE("gzip with other header fields decodes, and is told", "[container]") {
    const Bytes payload = compressible_bytes(20000);
    GzipForm extra;
    extra.extra = "ab\x04xyzw";
    GzipForm comment;
    comment.comment = "made by hand";
    GzipForm checksum;
    checksum.header_checksum = true;
    GzipForm all{"name.ko", "comment", "extra", true};
    for (const GzipForm& form : {extra, comment, checksum, all}) {
        check_decodes(gzip_codec, make_gzip(payload, form), payload, "does not skip");
    }
}

TEST_CASE("gzip with zeros after its end decodes, with anything else not", "[container]") {
    const Bytes payload = compressible_bytes(5000);
    const Bytes member = make_gzip(payload);
    for (const std::size_t step : {chunk_size, std::size_t{1}, member.size(), member.size() + 3}) {
        INFO("fed by " << step);
        CHECK((decode(gzip_codec, joined({member, Bytes(700)}), step).payload == payload));
        CHECK(mentions(container_failure(gzip_codec, joined({member, bytes_of("garbage")}), step), "garbage"));
        CHECK(mentions(container_failure(gzip_codec, joined({member, Bytes(5), bytes_of("x")}), step), "garbage"));
        // Zeros and then a member: gzip(1) drops it, so it is garbage here, however it comes.
        CHECK(mentions(container_failure(gzip_codec, joined({member, Bytes(5), member}), step), "garbage"));
    }
    container_failure(gzip_codec, joined({member, bytes_from({0x1f})}));
    container_failure(gzip_codec, joined({member, bytes_from({0x1f, 0x8b, 8})}));
}

TEST_CASE("xz and zstd with garbage after their end do not decode", "[container]") {
    const Bytes payload = compressible_bytes(5000);
    for (const std::size_t step : {chunk_size, std::size_t{1}}) {
        for (const Bytes& garbage : {bytes_of("garbage, longer than any header of a frame"), bytes_of("x"),
                                     bytes_of("xyz"), bytes_from({0x28}), bytes_from({0xfd, '7'})}) {
            container_failure(xz_codec, joined({make_xz(payload), garbage}), step);
            container_failure(zstd_codec, joined({make_zstd(payload), garbage}), step);
        }
    }
    container_failure(zstd_codec, joined({make_zstd(payload), Bytes(30)}));
}

TEST_CASE("a signature that was appended to the container is left out where that is asked for", "[container]") {
    const TemporaryFolder folder;
    const Bytes payload = compressible_bytes(5000);
    const Bytes signature = joined({bytes_from({0x30, 0x82}), random_bytes(700), bytes_of(signature_marker)});
    for (const Codec* codec : compressors()) {
        for (const Bytes& appended : {signature, joined({signature, signature})}) {
            const Bytes container = joined({encode(*codec, payload, codec->levels.usual), appended});
            container_failure(*codec, container); // kmod, too, takes it for damage, but for gzip
            write_file(folder / "a.ko", container);
            const InputFile file = InputFile::open(folder / "a.ko");
            Bytes decoded;
            const ByteSink sink = [&decoded](ByteView bytes) {
                decoded.insert(decoded.end(), bytes.begin(), bytes.end());
            };
            const LoadObstacle obstacle = read_payload(file, *codec, no_limit, sink);
            CHECK(obstacle.reader == RefusingReader::kernel);
            CHECK(mentions(obstacle.reason, "a signature appended"));
            CHECK((decoded == payload));
            write_file(folder / "a.ko", prefix_of(container, container.size() - 1));
            CHECK(error_of([&] {
                      static_cast<void>(read_payload(InputFile::open(folder / "a.ko"), *codec, no_limit, sink));
                  }).code() == ErrorCode::container);
        }
    }
}

TEST_CASE("a container cut anywhere does not decode", "[container]") {
    const Bytes payload = compressible_bytes(9000);
    ZstdForm streamed;
    streamed.content_size = false;
    streamed.checksum = false;
    XzForm blocks;
    blocks.block_size = 1000;
    const std::vector<std::pair<const Codec*, Bytes>> containers{
        {&gzip_codec, make_gzip(payload)},
        {&gzip_codec, make_gzip(payload, {"name", "comment", "extra", true})},
        {&xz_codec, make_xz(payload)},
        {&xz_codec, make_xz(payload, blocks)},
        {&xz_codec, make_xz(payload, {LZMA_CHECK_NONE})},
        {&zstd_codec, make_zstd(payload)},
        {&zstd_codec, make_zstd(payload, streamed)},
    };
    for (const auto& [codec, container] : containers) {
        // Every length near both ends, some between.
        const auto step_at = [size = container.size()](std::size_t length) -> std::size_t {
            return length < 64 || length + 64 > size ? 1 : 37;
        };
        for (std::size_t length = 1; length < container.size(); length += step_at(length)) {
            INFO(codec->name << ", " << length << " of " << container.size() << " bytes");
            const auto error = refusal(*codec, ByteView(container).first(length));
            REQUIRE(error);
            CHECK(error->code() == ErrorCode::container);
        }
    }
}

TEST_CASE("a container with a changed bit does not decode to something else", "[container]") {
    const Bytes payload = compressible_bytes(250);
    for (const Codec* codec : compressors()) {
        const Bytes container = encode(*codec, payload, codec->levels.usual);
        std::size_t refused = 0;
        for (std::size_t bit = 0; bit < container.size() * 8; ++bit) {
            INFO(codec->name << ", bit " << bit % 8 << " of byte " << bit / 8);
            Bytes changed = container;
            changed[bit / 8] ^= std::byte{1} << (bit % 8);
            try {
                const Bytes decoded = decode(*codec, changed, chunk_size, 1U << 20U).payload;
                CHECK((decoded == payload));
            } catch (const Error& error) {
                CHECK((error.code() == ErrorCode::container || error.code() == ErrorCode::limit));
                ++refused;
            }
        }
        CHECK(refused > container.size() * 7); // nearly all: few bits of the headers mean nothing
    }
}

TEST_CASE("what is no container of its kind does not decode", "[container]") {
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        container_failure(*codec, random_bytes(1000));
        container_failure(*codec, Bytes(1000));
    }
}

TEST_CASE("a payload larger than the limit stops decoding", "[container]") {
    const Bytes zeros(16U << 20U);
    for (const Bytes& container : {make_gzip(zeros), make_xz(zeros), make_zstd(zeros)}) {
        const Codec& codec = detected(container);
        INFO(codec.name);
        CHECK(container.size() < 64U << 10U);
        std::uint64_t taken = 0;
        const ByteSink sink = [&taken](ByteView bytes) { taken += bytes.size(); };
        const ByteSource source = source_of(container, chunk_size);
        const std::string subject = "a.ko";
        const Error error = error_of([&] {
            static_cast<void>(read_payload({source, sink, subject}, codec, 1U << 20U));
        });
        CHECK(error.code() == ErrorCode::limit);
        CHECK(mentions(error.reason(), "1048576 bytes"));
        CHECK(mentions(error.remedy(), "--max-size"));
        CHECK(taken <= 1U << 20U);
    }
}

TEST_CASE("a payload of exactly the limit decodes", "[container]") {
    const Bytes payload = compressible_bytes(200000);
    for (const Codec* codec : {&gzip_codec, &xz_codec, &zstd_codec, &codec_of(ContainerKind::plain)}) {
        const Bytes container = encode(*codec, payload, codec->levels.usual);
        CHECK((decode(*codec, container, chunk_size, payload.size()).payload == payload));
        CHECK(error_of([&] { decode(*codec, container, chunk_size, payload.size() - 1); }).code() == ErrorCode::limit);
    }
}

TEST_CASE("headers that ask for very much memory are refused, and it is not taken", "[container]") {
    const std::uint64_t before = peak_memory();
    // A limit of ours, and no damage: kmod may well decode it.
    const auto check_limited = [](const Codec& codec, ByteView container) {
        const auto error = refusal(codec, container, chunk_size);
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::limit);
        CHECK(mentions(error->reason(), "MiB of memory to decode"));
        CHECK(mentions(error->remedy(), "smaller"));
    };
    for (const std::uint32_t dictionary : {1U << 29U, 1U << 31U, 0xffffffffU}) {
        check_limited(xz_codec, joined({make_xz_header(dictionary), random_bytes(1000)}));
    }
    // Descriptor 0: no content size, a window descriptor follows (RFC 8878, 3.1.1.1.2); 28 and 41 are logarithms.
    for (const unsigned logarithm : {28U, 41U}) {
        const Bytes header = bytes_from({0x28, 0xb5, 0x2f, 0xfd, 0x00, (logarithm - 10U) << 3U});
        check_limited(zstd_codec, joined({header, random_bytes(1000)}));
    }
    // A content size of 2^63 in a single segment.
    const Bytes claim = bytes_from({0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80});
    CHECK(refusal(zstd_codec, joined({claim, random_bytes(1000)}), chunk_size));
    CHECK(peak_memory() - before < 64U << 20U);
}

TEST_CASE("a container is written anew as payload up to a point and a tail", "[container]") {
    const TemporaryFolder folder;
    const Bytes payload = compressible_bytes(300000);
    const Bytes tail = random_bytes(750);
    for (const Codec* codec : {&gzip_codec, &xz_codec, &zstd_codec, &codec_of(ContainerKind::plain)}) {
        INFO(codec->name);
        write_file(folder / "a.ko", encode(*codec, payload, codec->levels.usual));
        for (const std::size_t kept :
             {std::size_t{0}, std::size_t{1}, std::size_t{131072}, std::size_t{299999}, payload.size()}) {
            const InputFile file = InputFile::open(folder / "a.ko");
            ReplacementFile output(file, folder / "b.ko");
            CHECK(write_kept_and_tail(file, *codec, nullptr, {kept, tail}, codec->levels.usual, output) ==
                  (codec->kind == ContainerKind::plain ? Written::checked : Written::unchecked));
            output.commit();
            const Decoded decoded = decode(*codec, read_file(folder / "b.ko"));
            CHECK((decoded.payload == joined({prefix_of(payload, kept), tail})));
            CHECK(decoded.obstacle.empty());
        }
    }
}

TEST_CASE("a payload shorter than what is to be kept is told", "[container]") {
    const TemporaryFolder folder;
    const Bytes payload = compressible_bytes(3000);
    for (const Codec* codec : {&gzip_codec, &xz_codec, &codec_of(ContainerKind::plain)}) {
        write_file(folder / "a.ko", encode(*codec, payload, codec->levels.usual));
        const InputFile file = InputFile::open(folder / "a.ko");
        ReplacementFile output(file, folder / "b.ko");
        const Error error = error_of([&] {
            static_cast<void>(
                write_kept_and_tail(file, *codec, nullptr, {payload.size() + 1, {}}, codec->levels.usual, output));
        });
        CHECK(mentions(error.reason(), "shorter"));
    }
}
