#include "initramfs.hpp"

#include "catch.hpp"
#include "expect_error.hpp"
#include "image_sample.hpp"
#include "initramfs_sample.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

CpioFiles modules_in(ByteView content) {
    const TemporaryFolder folder;
    write_file(folder / "initrd", content);
    CpioFiles found;
    read_initramfs(folder / "initrd", [&found](const std::string& name, ByteView bytes) {
        found.emplace_back(name, Bytes(bytes.begin(), bytes.end()));
    });
    return found;
}

const CpioFiles files{{"init", bytes_of("#!/bin/sh\n")},
                      {"usr/lib/modules/6.12.1/kernel/a.ko", random_bytes(1001, 1)},
                      {"usr/lib/modules/6.12.1/modules.dep", bytes_of("x")},
                      {"usr/lib/modules/6.12.1/kernel/empty.ko", {}},
                      {"usr/lib/modules/6.12.1/kernel/b.ko.xz", random_bytes(300002, 2)},
                      {"usr/lib/modules/6.12.1/kernel/c.ko.zst", random_bytes(7, 3)}};
const CpioFiles modules{files[1], files[4], files[5]};

} // namespace

TEST_CASE("modules are found however an initramfs is packed", "[initramfs]") {
    const Bytes main = make_cpio(files);
    const Bytes early = make_cpio({{"kernel/x86/microcode/GenuineIntel.bin", random_bytes(70001)}});
    for (const Bytes& packed : {main, make_gzip(main), make_xz(main), make_zstd(main), make_lz4_legacy(main)}) {
        CHECK((modules_in(packed) == modules));
        CHECK((modules_in(joined({early, packed})) == modules));
        CHECK((modules_in(joined({early, Bytes(4096), early, Bytes(512), packed})) == modules));
    }
    // Uncompressed ones after each other, as newer initramfs-tools write them.
    const Bytes other = make_cpio({{"lib/modules/6.12.1/kernel/d.ko", random_bytes(99)}}, "070702");
    CHECK(modules_in(joined({main, other, make_zstd(main)})).size() == 7);
    CHECK(modules_in(make_cpio({})).empty());
    // A link to a module is none (dracut packs weak-updates/ so).
    const Bytes link =
        make_cpio({{"lib/modules/6.12.1/weak-updates/a.ko", bytes_of("../extra/a.ko")}}, "070701", 0120777);
    CHECK((modules_in(joined({main, link})) == modules));
    // In a unified kernel image.
    CHECK((modules_in(make_unified(joined({early, make_zstd(main)}), ".initrd")) == modules));
}

TEST_CASE("archives follow each other, each compressed in its own way, with zero bytes between", "[initramfs]") {
    const auto module = [](const char* name, std::uint32_t seed) {
        return std::pair{"lib/modules/6.12.1/kernel/" + std::string(name), random_bytes(1001, seed)};
    };
    const auto padded = [](Bytes part) {
        part.resize((part.size() + 3) / 4 * 4); // as ukify and mkosi do, with the last part too
        return part;
    };
    const Bytes early = make_cpio({{"kernel/x86/microcode/GenuineIntel.bin", random_bytes(70001)}});
    const CpioFiles one{module("a.ko", 1)};
    const CpioFiles two{module("b.ko", 2)};
    const CpioFiles both{one[0], two[0]};
    using Pack = Bytes (*)(const Bytes&);
    const std::vector<Pack> packs{
        [](const Bytes& archive) { return make_gzip(archive); }, [](const Bytes& archive) { return make_xz(archive); },
        [](const Bytes& archive) { return make_zstd(archive); },
        [](const Bytes& archive) { return make_lz4_legacy(archive); }, [](const Bytes& archive) { return archive; }};
    for (std::size_t first = 0; first < packs.size(); ++first) {
        const Bytes packed = packs[first](make_cpio(one));
        for (std::size_t zeros = 0; zeros < 9; ++zeros) {
            INFO("pack " << first << ", zero bytes " << zeros);
            CHECK((modules_in(joined({packed, Bytes(zeros)})) == one));
            CHECK((modules_in(make_unified(joined({early, packed, Bytes(zeros)}), ".initrd")) == one));
        }
        for (std::size_t second = 0; second < packs.size(); ++second) {
            INFO("pack " << first << ", then " << second);
            const Bytes next = packs[second](make_cpio(two));
            // unlz4() takes what stands after a block for the next block's size, unless that is zero.
            CHECK((modules_in(joined({padded(packed), Bytes(4), next})) == both));
            CHECK((modules_in(joined({padded(packed), Bytes(4), padded(next), Bytes(4), early})) == both));
            if (first != 3) {
                CHECK((modules_in(joined({padded(packed), padded(next)})) == both));
            }
            if (first != 3 || second == 3) {
                CHECK((modules_in(joined({second == 4 ? padded(packed) : packed, next})) == both));
            }
        }
    }
    // Several archives in one stream.
    CHECK((modules_in(make_zstd(joined({make_cpio(one), Bytes(512), make_cpio(two)}))) == both));
}

TEST_CASE("what a kernel would not take of an initramfs", "[initramfs]") {
    const Bytes archive = make_cpio(files);
    const auto reason = [](ByteView content) { return std::string(error_of([&] { modules_in(content); }).what()); };
    const Bytes first = prefix_of(archive, 2000);
    const Bytes second(archive.begin() + 2000, archive.end());
    // An archive ends where its stream does.
    CHECK(mentions(reason(joined({make_zstd(first), make_zstd(second)})), "ends too early"));
    CHECK(mentions(reason(joined({make_gzip(first), make_gzip(second)})), "ends too early"));
    CHECK(mentions(reason(joined({make_xz(first), make_xz(second)})), "ends too early"));
    // But for those of lz4, which one decoder takes.
    CHECK((modules_in(joined({make_lz4_legacy(first), make_lz4_legacy(second)})) == modules));
    CHECK(mentions(reason(joined({make_lz4_legacy(archive), archive})), "lz4"));
    // A header stands at a multiple of four.
    CHECK(mentions(reason(joined({archive, Bytes(3), archive})), "neither a cpio archive nor compressed"));
    CHECK(mentions(reason(make_gzip(joined({archive, Bytes(3), archive}))), "no cpio archive"));
    CHECK(mentions(reason(joined({make_zstd(archive), bytes_of("something else")})), "neither a cpio archive nor"));
    CHECK(mentions(reason(joined({make_gzip(archive), Bytes(5), make_xz(prefix_of(archive, 600))})), "ends too early"));
    // decompress_method() knows a frame with content only.
    CHECK(
        mentions(reason(joined({bytes_from({0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 7}), make_zstd(archive)})), "neither"));
    // lib/xz reads CRC32 alone; xz(1) writes CRC64 unless told not to.
    CHECK((modules_in(make_xz(archive, {.check = LZMA_CHECK_NONE})) == modules));
    CHECK(mentions(reason(make_xz(archive, {.check = LZMA_CHECK_CRC64})), "another check than CRC32"));
    // gunzip() skips a name only.
    Bytes extra = make_gzip(archive);
    extra[3] = std::byte{0x04};
    extra.insert(extra.begin() + 10, {std::byte{1}, std::byte{0}, std::byte{7}});
    CHECK(mentions(reason(extra), "does not skip"));
    // What lib/decompress.c reads and ksign does not is not damaged.
    for (const Bytes& start :
         {bytes_of("BZh9"), bytes_from({0x5d, 0, 0, 0x80}), bytes_from({0x89, 0x4c, 0x5a, 0x4f})}) {
        const Error error = error_of([&] { modules_in(joined({archive, start})); });
        CHECK(error.code() == ErrorCode::limit);
        CHECK(mentions(error.what(), "which ksign does not unpack"));
    }
    // As much as there is time for.
    Bytes many;
    for (int round = 0; round < 5000; ++round) {
        const Bytes empty = make_zstd({});
        many.insert(many.end(), empty.begin(), empty.end());
    }
    CHECK(mentions(reason(many), "more than 4096 compressed parts"));
}

TEST_CASE("a damaged initramfs is an error that says so", "[initramfs]") {
    const Bytes main = make_cpio(files);
    const auto reason = [](ByteView content) {
        const Error error = error_of([&] { modules_in(content); });
        CHECK((error.code() == ErrorCode::kernel || error.code() == ErrorCode::limit));
        return std::string(error.what());
    };
    CHECK(mentions(reason(prefix_of(main, 2000)), "ends too early"));
    CHECK(mentions(reason(prefix_of(make_zstd(main), 2000)), "too early"));
    CHECK(mentions(reason(make_gzip(prefix_of(main, 2000))), "ends too early"));
    CHECK(mentions(reason(joined({main, bytes_of("something else")})), "neither a cpio archive nor compressed"));
    CHECK(mentions(reason(make_gzip(bytes_of("text"))), "no cpio archive"));
    CHECK(mentions(reason(make_cpio(files, "070707")), "newc"));
    const auto with_field = [&main](std::size_t field, std::string_view value) {
        Bytes changed = main;
        std::ranges::copy(bytes_of(value), changed.begin() + static_cast<std::ptrdiff_t>(6 + 8 * field));
        return changed;
    };
    CHECK(mentions(reason(with_field(11, "FFFFFFFF")), "a name in its archive"));
    CHECK(mentions(reason(with_field(11, "00000000")), "a name in its archive"));
    CHECK(mentions(reason(with_field(6, "nonsense")), "header"));
    Bytes large = make_cpio({{"a.ko", bytes_of("x")}});
    std::ranges::copy(bytes_of("F0000000"), large.begin() + 6 + 48);
    CHECK(mentions(reason(large), "more than 256 MiB"));
    CHECK(mentions(reason(prefix_of(make_unified(main, ".initrd"), 3000)), "lies beyond its end"));
}

TEST_CASE("random changes of an initramfs never do more than fail", "[initramfs]") {
    const Bytes main = make_cpio({files[0], files[1], files[5]});
    std::mt19937 engine(1);
    for (int round = 0; round < 1000; ++round) {
        Bytes changed = main;
        changed[engine() % changed.size()] = static_cast<std::byte>(engine() & 0xffU);
        try {
            const std::size_t count = modules_in(changed).size();
            CHECK(count <= 3);
        } catch (const Error& error) {
            CHECK((error.code() == ErrorCode::kernel || error.code() == ErrorCode::limit));
        }
    }
}
