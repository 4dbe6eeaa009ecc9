#include "splice_sample.hpp"

#include "catch.hpp"
#include "compressed_sample.hpp"
#include "temporary_folder.hpp"

#include <cstdlib>

using namespace ksign;
using namespace ksign::test;

namespace {

const std::vector<const Codec*>& compressors() {
    static const std::vector<const Codec*> all{&gzip_codec, &xz_codec, &zstd_codec};
    return all;
}

/// As a module is: text-like, noise, tables, and an end with much zero.
Bytes sample(std::size_t size, std::uint32_t seed = 1) {
    Bytes payload = joined(
        {compressible_bytes(size / 2, seed), random_bytes(size / 10, seed), compressible_bytes(size / 4, seed + 1)});
    payload.resize(size);
    const Bytes end = compressible_bytes(size / 20, seed + 2);
    std::ranges::copy(end, payload.end() - static_cast<std::ptrdiff_t>(end.size()));
    return payload;
}

Bytes encode(const Codec& codec, ByteView payload, int level) {
    Bytes container;
    const auto encoder = codec.make_encoder(
        {[&container](ByteView bytes) { container.insert(container.end(), bytes.begin(), bytes.end()); }, level,
         payload.size(), "a.ko"});
    encoder->write(payload);
    encoder->finish();
    return container;
}

struct Outcome {
    Bytes container;
    std::uint64_t copied = 0;
};

/// What splicing makes of a container, having seen that it decodes to what it should; nothing if it does not splice.
std::optional<Outcome> spliced(const Codec& codec, ByteView container, std::size_t kept, ByteView tail, int level) {
    const NotedContainer noted = read_noted(codec, container);
    REQUIRE(kept <= noted.payload.size());
    if (!can_splice(noted.notes, kept)) {
        return std::nullopt;
    }
    const auto splice = codec.splice({noted.file, noted.notes, kept, tail, level});
    if (!splice) {
        return std::nullopt;
    }
    Outcome outcome{put_together(noted.file, *splice), copied_size(*splice)};
    const NotedContainer again = read_noted(codec, outcome.container);
    CHECK(again.obstacle.empty());
    CHECK((again.payload == joined({prefix_of(noted.payload, kept), tail})));
    return outcome;
}

/// A container that must splice.
Outcome expect_spliced(const Codec& codec, ByteView container, std::size_t kept, ByteView tail, int level) {
    auto outcome = spliced(codec, container, kept, tail, level);
    REQUIRE(outcome);
    return *outcome;
}

/// What a program of the system says to a container.
bool program_reads(const std::string& command, const std::filesystem::path& path) {
    return std::system((command + " '" + path.string() + "' >/dev/null 2>&1").c_str()) == 0; // NOLINT(cert-env33-c)
}

/// Whether gzip(1), xz(1) or zstd(1) finds a container whole.
void check_with_program(const Codec& codec, ByteView container) {
    const TemporaryFolder folder;
    const std::string name(codec.name);
    const auto path = folder / ("a." + (codec.kind == ContainerKind::gzip ? "gz" : name));
    write_file(path, container);
    if (program_reads("command -v", name)) {
        CHECK(program_reads(name + " -t", path));
    }
}

} // namespace

TEST_CASE("a tail is spliced in, and all that was there is copied", "[splice]") {
    const Bytes payload = sample(700000);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        const Bytes container = encode(*codec, payload, codec->levels.usual);
        const Outcome outcome = expect_spliced(*codec, container, payload.size(), tail, codec->levels.usual);
        CHECK(outcome.copied + 64 > container.size());
        CHECK(outcome.container.size() < container.size() + tail.size() + 32);
        check_with_program(*codec, outcome.container);
    }
}

TEST_CASE("what was spliced in comes off again, and the file is as it was", "[splice]") {
    const Bytes payload = sample(300000);
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        const int level = codec->levels.usual;
        const Bytes container = encode(*codec, payload, level);
        const Outcome with = expect_spliced(*codec, container, payload.size(), random_bytes(750), level);
        const Outcome without = expect_spliced(*codec, with.container, payload.size(), {}, level);
        CHECK((without.container == container));
        check_with_program(*codec, without.container);
    }
}

TEST_CASE("signing again and again does not let a file grow", "[splice]") {
    const Bytes payload = sample(300000);
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        const int level = codec->levels.usual;
        Bytes container = encode(*codec, payload, level);
        Bytes first;
        for (std::uint32_t round = 1; round <= 5; ++round) {
            Outcome outcome = expect_spliced(*codec, container, payload.size(), random_bytes(750, 1000 + round), level);
            container = std::move(outcome.container);
            if (round == 1) {
                first = container;
            }
            CHECK(container.size() == first.size());
            CHECK(outcome.copied + 64 + 750 > container.size()); // nothing is encoded but the tail
        }
    }
}

TEST_CASE("of a signature that was compressed with the module, only what it touches is encoded anew", "[splice]") {
    const Bytes payload = sample(2000000);
    const Bytes old_tail = random_bytes(800, 1007);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    for (const Codec* codec : compressors()) {
        const int level = codec->levels.usual;
        const Bytes container = encode(*codec, joined({payload, old_tail}), level);
        const Outcome outcome = expect_spliced(*codec, container, payload.size(), tail, level);
        INFO(codec->name << ": " << container.size() << " bytes, then " << outcome.container.size() << ", of which "
                         << outcome.copied << " copied");
        CHECK(outcome.copied * 2 > container.size());
        CHECK(outcome.container.size() < container.size() + container.size() / 100);
        check_with_program(*codec, outcome.container);
        // From now on nothing but the tail is.
        const Outcome again = expect_spliced(*codec, outcome.container, payload.size(), random_bytes(750, 1009), level);
        CHECK(again.copied + 64 + 750 > again.container.size());
        CHECK(again.container.size() <= outcome.container.size() + 16);
        check_with_program(*codec, again.container);
    }
}

TEST_CASE("containers of every level are spliced at every level", "[splice]") {
    const Bytes payload = sample(400000);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    for (const Codec* codec : compressors()) {
        for (int level = codec->levels.lowest; level <= codec->levels.highest; ++level) {
            INFO(codec->name << ", level " << level);
            const Bytes container = encode(*codec, payload, level);
            expect_spliced(*codec, container, payload.size(), tail, level);
            expect_spliced(*codec, container, payload.size() - 1, tail, level);
            expect_spliced(*codec, container, payload.size() - 900, tail, level);
        }
    }
}

TEST_CASE("a container is spliced wherever it is cut, or not at all", "[splice]") {
    // Sizes about those of blocks, chunks and windows, and cuts about their borders.
    constexpr std::size_t border = 65536;
    for (const std::size_t size : {std::size_t{1}, std::size_t{2}, border - 1, border, border + 1, 2 * border - 1,
                                   2 * border, 2 * border + 1, 6 * border}) {
        for (const bool is_random : {false, true}) {
            const Bytes payload = is_random ? random_bytes(size) : sample(size);
            for (const Codec* codec : compressors()) {
                const Bytes container = encode(*codec, payload, codec->levels.lowest);
                for (const std::size_t kept :
                     {std::size_t{1}, std::size_t{2}, border - 1, border, border + 1, 2 * border - 1, 2 * border,
                      2 * border + 1, size - 700, size - 1, size}) {
                    if (kept == 0 || kept > size) {
                        continue;
                    }
                    INFO(codec->name << ", " << (is_random ? "random, " : "") << size << " bytes cut at " << kept);
                    static_cast<void>(spliced(*codec, container, kept, random_bytes(701), codec->levels.lowest));
                    static_cast<void>(spliced(*codec, container, kept, {}, codec->levels.lowest));
                    static_cast<void>(spliced(*codec, container, kept, Bytes(border + 5), codec->levels.lowest));
                }
                // Whole, it is spliced whatever it is.
                expect_spliced(*codec, container, size, bytes_from({1}), codec->levels.lowest);
            }
        }
    }
}

TEST_CASE("an empty payload is not spliced", "[splice]") {
    for (const Codec* codec : compressors()) {
        const TemporaryFolder folder;
        write_file(folder / "a.ko", encode(*codec, {}, codec->levels.usual));
        const InputFile file = InputFile::open(folder / "a.ko");
        PayloadNotes notes;
        static_cast<void>(read_payload(
            file, *codec, 1U << 20U, [](ByteView) {}, &notes));
        ReplacementFile output(file);
        CHECK(write_kept_and_tail(file, *codec, &notes, {0, bytes_of("tail")}, codec->levels.usual, output) ==
              Written::unchecked);
        output.commit();
        CHECK((read_noted(*codec, read_file(folder / "a.ko")).payload == bytes_of("tail")));
    }
}

TEST_CASE("what is compressed anew can be spliced the next time, however small", "[splice]") {
    const Bytes payload = sample(9000);
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        const int level = codec->levels.usual;
        const TemporaryFolder folder;
        write_file(folder / "a.ko", encode(*codec, joined({payload, random_bytes(800)}), level));
        const auto sign = [&](ByteView tail, bool with_notes) {
            const InputFile file = InputFile::open(folder / "a.ko");
            PayloadNotes notes;
            static_cast<void>(read_payload(
                file, *codec, 1U << 20U, [](ByteView) {}, &notes));
            ReplacementFile output(file);
            static_cast<void>(write_kept_and_tail(file, *codec, with_notes ? &notes : nullptr, {payload.size(), tail},
                                                  level, output));
            output.commit();
            return read_file(folder / "a.ko");
        };
        const Bytes anew = sign(random_bytes(750, 1001), false);
        const Bytes next = random_bytes(750, 1002);
        const Outcome outcome = expect_spliced(*codec, anew, payload.size(), next, level);
        CHECK(outcome.copied + 64 + 750 > anew.size());
        const Bytes again = sign(next, true);
        CHECK((again == outcome.container));
        CHECK(again.size() <= anew.size() + 16);
    }
}

TEST_CASE("a file that splicing would make more than a hundredth larger is compressed anew", "[splice]") {
    // Each signature is the same bytes: they compress to one, and what is expected without them is next to nothing.
    const Bytes payload = sample(60000);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    for (const Codec* codec : compressors()) {
        INFO(codec->name);
        Bytes content = payload;
        for (int count = 0; count < 200; ++count) {
            content.insert(content.end(), tail.begin(), tail.end());
        }
        const TemporaryFolder folder;
        write_file(folder / "a.ko", encode(*codec, content, codec->levels.usual));
        const InputFile file = InputFile::open(folder / "a.ko");
        PayloadNotes notes;
        static_cast<void>(read_payload(
            file, *codec, 1U << 20U, [](ByteView) {}, &notes));
        ReplacementFile output(file);
        CHECK(write_kept_and_tail(file, *codec, &notes, {payload.size(), tail}, codec->levels.usual, output) ==
              Written::unchecked);
        output.commit();
        const Bytes written = read_file(folder / "a.ko");
        CHECK((read_noted(*codec, written).payload == joined({payload, tail})));
        CHECK(written.size() <= encode(*codec, joined({payload, tail}), codec->levels.usual).size() + 64);
    }
}

TEST_CASE("xz of several blocks is spliced in its last one", "[splice]") {
    const Bytes payload = sample(200000);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    for (const std::size_t block_size : {std::size_t{1000}, std::size_t{70000}, std::size_t{199999}}) {
        for (const lzma_check check : {LZMA_CHECK_CRC32, LZMA_CHECK_NONE}) {
            XzForm form;
            form.check = check;
            form.block_size = block_size;
            const Bytes container = make_xz(payload, form);
            for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{999}, std::size_t{1000},
                                          std::size_t{1001}, std::size_t{70000}, std::size_t{130000}}) {
                INFO("blocks of " << block_size << ", " << cut << " cut off");
                const auto outcome = spliced(xz_codec, container, payload.size() - cut, tail, 6);
                CHECK((outcome || block_size > 100000));
                if (outcome) {
                    check_with_program(xz_codec, outcome->container);
                }
            }
        }
    }
}

TEST_CASE("xz blocks that say their sizes are spliced", "[splice]") {
    const Bytes payload = sample(3000000);
    const Bytes tail = random_bytes(750, 1001); // no seed of the payload
    lzma_mt options{};
    options.threads = 1;
    options.block_size = 1U << 20U;
    options.preset = 1;
    options.check = LZMA_CHECK_CRC32;
    lzma_stream stream = LZMA_STREAM_INIT;
    REQUIRE(lzma_stream_encoder_mt(&stream, &options) == LZMA_OK);
    Bytes container(lzma_stream_buffer_bound(payload.size()));
    stream.next_in = reinterpret_cast<const std::uint8_t*>(payload.data());
    stream.avail_in = payload.size();
    stream.next_out = reinterpret_cast<std::uint8_t*>(container.data());
    stream.avail_out = container.size();
    while (lzma_code(&stream, LZMA_FINISH) == LZMA_OK) {
    }
    container.resize(stream.total_out);
    lzma_end(&stream);
    for (const std::size_t cut : {0U, 1U, 700U, 300000U}) {
        const Outcome outcome = expect_spliced(xz_codec, container, payload.size() - cut, tail, 1);
        CHECK(outcome.copied * 3 > container.size());
        check_with_program(xz_codec, outcome.container);
        expect_spliced(xz_codec, outcome.container, payload.size() - cut, random_bytes(300), 1);
    }
}

TEST_CASE("xz that no kernel reads, and xz with padding, are not spliced", "[splice]") {
    const Bytes payload = sample(20000);
    const auto refused = [](ByteView container, std::size_t kept) {
        return !spliced(xz_codec, container, kept, bytes_of("tail"), 6);
    };
    XzForm x86;
    x86.x86_filter = true;
    CHECK(refused(make_xz(payload, {LZMA_CHECK_CRC64}), payload.size()));
    CHECK(refused(make_xz(payload, {LZMA_CHECK_SHA256}), payload.size()));
    CHECK(refused(make_xz(payload, x86), payload.size()));
    CHECK(refused(joined({make_xz(payload), Bytes(4)}), payload.size()));
    CHECK(refused(joined({make_xz(payload), make_xz(payload)}), 2 * payload.size()));
    CHECK(refused(joined({make_xz(payload), make_xz({})}), payload.size()));
}

TEST_CASE("gzip that no kernel reads, and gzip with padding, are not spliced", "[splice]") {
    const Bytes payload = sample(20000);
    CHECK_FALSE(spliced(gzip_codec, joined({make_gzip(payload), Bytes(4)}), payload.size(), bytes_of("tail"), 6));
    CHECK_FALSE(
        spliced(gzip_codec, joined({make_gzip(payload), make_gzip(payload)}), 2 * payload.size(), bytes_of("tail"), 6));
}

TEST_CASE("a gzip header's file name stays, and its mark as text", "[splice]") {
    const Bytes payload = sample(20000);
    for (const bool is_text : {false, true}) {
        GzipForm form;
        form.name = "a.ko";
        form.is_text = is_text;
        const Bytes container = make_gzip(payload, form);
        const Outcome outcome = expect_spliced(gzip_codec, container, payload.size(), random_bytes(700), 6);
        CHECK(std::ranges::equal(ByteView(outcome.container).first(15), ByteView(container).first(15)));
        check_with_program(gzip_codec, outcome.container);
    }
}

TEST_CASE("gzip blocks are appended at every bit", "[splice]") {
    std::array<bool, 8> seen{};
    for (std::uint32_t seed = 1; seed < 200; ++seed) {
        const Bytes payload = compressible_bytes(2000 + seed, seed);
        const Bytes container = make_gzip(payload);
        PayloadNotes notes = read_noted(gzip_codec, container).notes;
        REQUIRE(notes.last_cut());
        seen.at(notes.last_cut()->position % 8) = true;
        const Outcome outcome = expect_spliced(gzip_codec, container, payload.size(), random_bytes(100, seed), 6);
        expect_spliced(gzip_codec, outcome.container, payload.size(), random_bytes(90, seed), 6);
    }
    CHECK(std::ranges::all_of(seen, [](bool one) { return one; }));
}

TEST_CASE("a zstd frame keeps its form", "[splice]") {
    const Bytes payload = sample(300000);
    for (const bool checksum : {true, false}) {
        for (const int window_log : {0, 10, 12, 17, 18, 19}) {
            INFO("window 2^" << window_log << (checksum ? ", checksum" : ""));
            ZstdForm form;
            form.checksum = checksum;
            form.window_log = window_log;
            const Bytes container = make_zstd(payload, form);
            for (const std::size_t kept : {payload.size(), payload.size() - 1, payload.size() - 3000}) {
                const Outcome outcome = expect_spliced(zstd_codec, container, kept, random_bytes(2500), 19);
                CHECK((outcome.container[4] & std::byte{0x24}) == (container[4] & std::byte{0x24}));
                check_with_program(zstd_codec, outcome.container);
            }
        }
    }
}

TEST_CASE("a zstd frame's content size is right, however many bytes it takes", "[splice]") {
    for (const std::size_t size : {1000U, 65535U, 65536U, 65791U, 65792U, 70000U}) {
        const Bytes payload = sample(size);
        const Bytes container = encode(zstd_codec, payload, 3);
        for (const std::size_t added : {1U, 255U, 700U, 66000U}) {
            const Outcome outcome = expect_spliced(zstd_codec, container, size, Bytes(added), 3);
            CHECK(ZSTD_getFrameContentSize(outcome.container.data(), outcome.container.size()) == size + added);
            expect_spliced(zstd_codec, outcome.container, size, {}, 3);
        }
    }
}

TEST_CASE("zstd that no kernel or kmod reads is not spliced", "[splice]") {
    const Bytes payload = sample(200000);
    ZstdForm unsized;
    unsized.content_size = false;
    CHECK_FALSE(spliced(zstd_codec, make_zstd(payload, unsized), payload.size(), bytes_of("tail"), 3));
}

TEST_CASE("what is encoded anew does not lean on the offsets that zstd repeats", "[splice]") {
    // Tables of records: their matches are nearly all at repeated offsets, the first of a block too.
    Bytes payload;
    for (std::uint32_t record = 0; payload.size() < 600000; ++record) {
        const Bytes noise = random_bytes(4, record);
        const Bytes zero(record % 3 == 0 ? 20 : 12);
        const Bytes all = joined({noise, zero, bytes_from({record / 256U % 256U, 1, 2, 3})});
        payload.insert(payload.end(), all.begin(), all.end());
    }
    for (const int level : {1, 3, 9, 19}) {
        const Bytes container = encode(zstd_codec, payload, level);
        for (std::size_t cut = 1; cut < 120000; cut = cut * 3 + 1) {
            INFO("level " << level << ", " << cut << " cut off");
            expect_spliced(zstd_codec, container, payload.size() - cut, random_bytes(700), level);
        }
    }
}

TEST_CASE("whatever splices decodes to what it should", "[splice]") {
    for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        std::mt19937 engine(seed);
        const auto up_to = [&engine](std::size_t most) { return engine() % (most + 1); };
        const std::size_t size = 1 + up_to(seed % 10 == 0 ? 600000 : 60000);
        const Bytes payload =
            seed % 4 == 0 ? joined({Bytes(size / 2), random_bytes(size - size / 2, seed)}) : sample(size, seed);
        const Codec& codec = *compressors()[seed % 3];
        const int level = codec.levels.lowest + static_cast<int>(up_to(3));
        Bytes container = encode(codec, payload, level);
        std::size_t kept = payload.size();
        INFO(codec.name << ", seed " << seed);
        for (int round = 0; round < 4; ++round) {
            kept -= std::min(kept - 1, up_to(round == 2 ? 5000 : 3));
            const Bytes tail = round == 3 ? Bytes() : random_bytes(up_to(2000), seed);
            auto outcome = spliced(codec, container, kept, tail, level);
            if (outcome) {
                container = std::move(outcome->container);
            }
        }
    }
}
