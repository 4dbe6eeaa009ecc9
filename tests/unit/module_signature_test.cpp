#include "module_signature.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "elf_sample.hpp"
#include "expect_error.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

/// What passes for a CMS message of that size: a DER SEQUENCE, no more and no less.
Bytes fake_cms(std::size_t size = 300, unsigned fill = 0x41) {
    Bytes cms(size, static_cast<std::byte>(fill));
    cms[0] = std::byte{0x30};
    if (size < 2 + 0x80) {
        cms[1] = static_cast<std::byte>(size - 2);
    } else if (size < 4 + 0x10000) {
        cms[1] = std::byte{0x82};
        cms[2] = static_cast<std::byte>((size - 4) >> 8U);
        cms[3] = static_cast<std::byte>((size - 4) & 0xffU);
    } else {
        cms[1] = std::byte{0x83};
        cms[2] = static_cast<std::byte>((size - 5) >> 16U);
        cms[3] = static_cast<std::byte>((size - 5) >> 8U & 0xffU);
        cms[4] = static_cast<std::byte>((size - 5) & 0xffU);
    }
    return cms;
}

Bytes trailer_bytes(std::uint32_t size) {
    const auto trailer = make_trailer(size);
    return {trailer.begin(), trailer.end()};
}

std::string malformed_reason(ByteView file, std::uint64_t before = 0) {
    const Error error = error_of([&] { static_cast<void>(peel_signatures(file, before, "a.ko")); });
    CHECK(error.code() == ErrorCode::malformed_signature);
    CHECK(error.subject() == "a.ko");
    CHECK_FALSE(error.remedy().empty());
    return error.reason();
}

std::string not_a_module_reason(ByteView payload) {
    const Error error = error_of([&] { expect_elf_module(payload, payload.size(), "a.ko"); });
    CHECK(error.code() == ErrorCode::not_a_module);
    CHECK(error.subject() == "a.ko");
    return error.reason();
}

struct ReadResult {
    std::optional<ModulePayload> payload;
};

ReadResult read_in_chunks(ByteView file, std::size_t chunk, std::size_t held_back) {
    ModuleReader reader(HashAlgorithm::sha256, held_back, "a.ko");
    for (std::size_t at = 0; at < file.size(); at += chunk) {
        reader.take(file.subspan(at, std::min(chunk, file.size() - at)));
    }
    return {reader.finish()};
}

Bytes sha256(ByteView bytes) {
    Digest digest(HashAlgorithm::sha256);
    digest.update(bytes);
    return digest.finish();
}

} // namespace

TEST_CASE("the trailer has the kernel's bytes", "[module_signature]") {
    // struct module_signature: algo, hash, id_type = PKEY_ID_PKCS7, signer_len, key_id_len, 3 of padding, big-endian
    // size.
    const Bytes expected = joined(
        {bytes_from({0, 0, 2, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78}), bytes_of("~Module signature appended~\n")});
    CHECK(trailer_bytes(0x12345678) == expected);
    CHECK(trailer_size == 40);
    CHECK(signature_marker.size() == 28);
    CHECK(prefix_of(trailer_bytes(0), 12) == bytes_from({0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    CHECK(prefix_of(trailer_bytes(0xffffffff), 12) == bytes_from({0, 0, 2, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}));
}

TEST_CASE("the tail is the signature and its trailer", "[module_signature]") {
    const Bytes cms = fake_cms(706);
    CHECK(make_tail(cms) == joined({cms, trailer_bytes(706)}));
}

TEST_CASE("an unsigned file is all payload", "[module_signature]") {
    for (const Bytes& file :
         {Bytes{}, random_bytes(1), random_bytes(39), random_bytes(5000), bytes_of("~Module signature")}) {
        const PeeledTail peeled = peel_signatures(file, 0, "a.ko");
        CHECK(peeled.payload_bytes == file.size());
        CHECK(peeled.signatures.empty());
        CHECK_FALSE(peeled.needs_longer_tail);
    }
}

TEST_CASE("a marker that is not at the very end is payload", "[module_signature]") {
    const Bytes file = joined({random_bytes(100), make_tail(fake_cms()), bytes_of("\n")});
    const PeeledTail peeled = peel_signatures(file, 0, "a.ko");
    CHECK(peeled.payload_bytes == file.size());
    CHECK(peeled.signatures.empty());
}

TEST_CASE("every signature is peeled, the last one first", "[module_signature]") {
    const Bytes payload = random_bytes(777);
    const Bytes first = fake_cms(20, 1);
    const Bytes second = fake_cms(700, 2);
    const Bytes third = fake_cms(70000, 3);
    Bytes file = payload;
    std::vector<Bytes> expected;
    for (const Bytes& cms : {first, second, third}) {
        file = joined({file, make_tail(cms)});
        expected.insert(expected.begin(), cms);
        const PeeledTail peeled = peel_signatures(file, 0, "a.ko");
        CHECK(peeled.payload_bytes == payload.size());
        CHECK((peeled.signatures == expected));
        CHECK_FALSE(peeled.needs_longer_tail);
    }
}

TEST_CASE("two hundred signatures are peeled", "[module_signature]") {
    const Bytes payload = random_bytes(100);
    Bytes file = payload;
    for (unsigned number = 0; number < 200; ++number) {
        const Bytes tail = make_tail(fake_cms(700, number));
        file.insert(file.end(), tail.begin(), tail.end());
    }
    const PeeledTail peeled = peel_signatures(file, 0, "a.ko");
    CHECK(peeled.payload_bytes == payload.size());
    REQUIRE(peeled.signatures.size() == 200);
    CHECK((peeled.signatures.front() == fake_cms(700, 199)));
    CHECK((peeled.signatures.back() == fake_cms(700, 0)));
}

TEST_CASE("a tail cut anywhere gives the whole answer or asks for more", "[module_signature]") {
    const Bytes payload = random_bytes(150);
    const Bytes file = joined({payload, make_tail(fake_cms(90, 1)), make_tail(fake_cms(300, 2))});
    const PeeledTail whole = peel_signatures(file, 0, "a.ko");
    REQUIRE(whole.signatures.size() == 2);
    std::size_t longest_refused = 0;
    for (std::size_t length = 0; length <= file.size(); ++length) {
        INFO("the last " << length << " bytes");
        const PeeledTail peeled = peel_signatures(ByteView(file).last(length), file.size() - length, "a.ko");
        if (peeled.needs_longer_tail) {
            longest_refused = length;
            continue;
        }
        CHECK((peeled.signatures == whole.signatures));
        CHECK(peeled.payload_bytes + (file.size() - length) == payload.size());
    }
    // Once what is left may hold no trailer, there is no more to ask for.
    CHECK(longest_refused == file.size() - payload.size() + trailer_size - 1);
}

TEST_CASE("each field that must be zero is checked", "[module_signature]") {
    const Bytes good = joined({random_bytes(500), make_tail(fake_cms())});
    for (const std::size_t field : {0U, 1U, 3U, 4U, 5U, 6U, 7U}) {
        INFO("byte " << field);
        Bytes file = good;
        file[file.size() - trailer_size + field] = std::byte{1};
        CHECK(mentions(malformed_reason(file), "a field that must be zero is not"));
    }
}

TEST_CASE("only PKCS#7 is a type of signature", "[module_signature]") {
    const Bytes good = joined({random_bytes(500), make_tail(fake_cms())});
    for (const unsigned type : {0U, 1U, 3U, 255U}) {
        Bytes file = good;
        file[file.size() - trailer_size + 2] = static_cast<std::byte>(type);
        CHECK(mentions(malformed_reason(file), "its type is " + std::to_string(type)));
    }
}

TEST_CASE("a length that can't be is told", "[module_signature]") {
    const Bytes payload = random_bytes(500);
    const Bytes cms = fake_cms(300);
    const auto with_length = [&](std::uint32_t size) { return joined({payload, cms, trailer_bytes(size)}); };
    CHECK(mentions(malformed_reason(with_length(0)), "length of 0 bytes"));
    CHECK(mentions(malformed_reason(with_length(801)), "it claims 801 bytes, and only 800 stand before it"));
    CHECK(mentions(malformed_reason(with_length(0xffffffff)), "it claims 4294967295 bytes"));
    CHECK(mentions(malformed_reason(with_length(299)), "does not lead to a CMS message"));
    CHECK(mentions(malformed_reason(with_length(301)), "does not lead to a CMS message"));
    CHECK(mentions(malformed_reason(with_length(1)), "does not lead to a CMS message"));
    CHECK(mentions(malformed_reason(with_length(800)), "does not lead to a CMS message"));
    CHECK_NOTHROW(peel_signatures(with_length(300), 0, "a.ko"));
}

TEST_CASE("a length beyond any signature's is told, however large the file", "[module_signature]") {
    const Bytes file = joined({random_bytes(500), trailer_bytes(largest_signature + 1)});
    CHECK(mentions(malformed_reason(file, std::uint64_t{1} << 30U), "more than any signature has"));
    const Bytes allowed = joined({random_bytes(500), trailer_bytes(largest_signature)});
    CHECK(peel_signatures(allowed, std::uint64_t{1} << 30U, "a.ko").needs_longer_tail);
}

TEST_CASE("a marker alone is a broken signature", "[module_signature]") {
    CHECK(mentions(malformed_reason(bytes_of(signature_marker)), "too short"));
    CHECK(mentions(malformed_reason(ByteView(trailer_bytes(5)).subspan(1)), "too short"));
    CHECK(mentions(malformed_reason(trailer_bytes(5)), "only 0 stand before it"));
    // A module that ends with the marker's text by chance is none that the kernel takes for unsigned.
    malformed_reason(joined({random_bytes(100), bytes_of(signature_marker)}));
}

TEST_CASE("an inner broken signature is told too", "[module_signature]") {
    Bytes inner = joined({random_bytes(100), make_tail(fake_cms())});
    inner[inner.size() - trailer_size] = std::byte{1};
    malformed_reason(joined({inner, make_tail(fake_cms())}));
}

TEST_CASE("a CMS is one DER sequence of exactly its length", "[module_signature]") {
    const Bytes payload = random_bytes(50);
    const auto peels = [&](const Bytes& cms) {
        const Bytes file = joined({payload, cms, trailer_bytes(static_cast<std::uint32_t>(cms.size()))});
        bool made = true;
        try {
            static_cast<void>(make_tail(cms));
        } catch (const Error&) {
            made = false;
        }
        bool peeled = true;
        try {
            peeled = peel_signatures(file, 0, "a.ko").signatures.size() == 1;
        } catch (const Error&) {
            peeled = false;
        }
        CHECK(made == peeled); // what can't be taken off is not put on
        return peeled;
    };
    CHECK(peels(bytes_from({0x30, 0x00})));
    CHECK(peels(bytes_from({0x30, 0x02, 0x05, 0x00})));
    CHECK(peels(bytes_from({0x30, 0x81, 0x02, 0x05, 0x00})));
    CHECK(peels(fake_cms(127 + 2)));
    CHECK(peels(fake_cms(128 + 4)));
    CHECK(peels(fake_cms(largest_signature)));
    CHECK_FALSE(peels(bytes_from({0x30})));
    CHECK_FALSE(peels(bytes_from({0x31, 0x00})));
    CHECK_FALSE(peels(bytes_from({0x30, 0x01, 0x05, 0x00})));
    CHECK_FALSE(peels(bytes_from({0x30, 0x03, 0x05, 0x00})));
    CHECK_FALSE(peels(bytes_from({0x30, 0x80, 0x00, 0x00})));                   // indefinite length: BER, not DER
    CHECK_FALSE(peels(bytes_from({0x30, 0x85, 0x00, 0x00, 0x00, 0x00, 0x00}))); // five bytes of length
    CHECK_FALSE(peels(bytes_from({0x30, 0x84, 0x00})));
    CHECK_FALSE(peels(bytes_from({0x30, 0x84, 0xff, 0xff, 0xff, 0xff})));
}

TEST_CASE("relocatable ELF files of each class and byte order are modules", "[module_signature]") {
    for (const bool is_64_bit : {true, false}) {
        for (const bool big_endian : {true, false}) {
            ElfForm form;
            form.is_64_bit = is_64_bit;
            form.big_endian = big_endian;
            const Bytes elf = make_elf(form);
            CHECK_NOTHROW(expect_elf_module(elf, elf.size(), "a.ko"));
            // Only the header is needed.
            CHECK_NOTHROW(expect_elf_module(ByteView(elf).first(64), elf.size(), "a.ko"));
        }
    }
}

TEST_CASE("what is no ELF file is told", "[module_signature]") {
    CHECK(mentions(not_a_module_reason({}), "it is empty"));
    CHECK(mentions(not_a_module_reason(random_bytes(5000)), "not an ELF file"));
    CHECK(mentions(not_a_module_reason(bytes_of("\x7f"
                                                "EL")),
                   "not an ELF file"));
    CHECK(mentions(not_a_module_reason(bytes_of("#!/bin/sh\n")), "not an ELF file"));
}

TEST_CASE("programs and libraries are no modules", "[module_signature]") {
    for (const int type : {ET_NONE, ET_EXEC, ET_DYN, ET_CORE}) {
        ElfForm form;
        form.type = static_cast<std::uint16_t>(type);
        CHECK(mentions(not_a_module_reason(make_elf(form)), "not a relocatable one"));
        form.is_64_bit = false;
        form.big_endian = true;
        CHECK(mentions(not_a_module_reason(make_elf(form)), "not a relocatable one"));
    }
}

TEST_CASE("an ELF file cut anywhere is told", "[module_signature]") {
    for (const bool is_64_bit : {true, false}) {
        ElfForm form;
        form.is_64_bit = is_64_bit;
        const Bytes content = random_bytes(100);
        form.content = content;
        const Bytes elf = make_elf(form);
        const std::size_t header = is_64_bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
        for (std::size_t length = SELFMAG; length < elf.size(); ++length) {
            INFO(length << " of " << elf.size() << " bytes");
            const std::string reason = not_a_module_reason(prefix_of(elf, length));
            CHECK(mentions(reason, length < header ? "header is truncated" : "section headers lie beyond its end"));
        }
    }
}

TEST_CASE("a short payload is not helped by the signature after it", "[module_signature]") {
    const Bytes elf = make_elf();
    // The header would be whole if the bytes of the signature counted.
    const Error error = error_of([&] { expect_elf_module(ByteView(elf).first(64), 40, "a.ko"); });
    CHECK(mentions(error.reason(), "header is truncated"));
}

TEST_CASE("a header that lies about its sections is told", "[module_signature]") {
    ElfForm without_sections;
    without_sections.sections = 0;
    CHECK(mentions(not_a_module_reason(make_elf(without_sections)), "names no sections"));

    Bytes odd_entry_size = make_elf();
    odd_entry_size[offsetof(Elf64_Ehdr, e_shentsize)] = std::byte{40};
    CHECK(mentions(not_a_module_reason(odd_entry_size), "names no sections"));

    Bytes far_table = make_elf();
    for (std::size_t index = 0; index < 8; ++index) { // an offset that would overflow
        far_table[offsetof(Elf64_Ehdr, e_shoff) + index] = std::byte{0xff};
    }
    CHECK(mentions(not_a_module_reason(far_table), "section headers lie beyond its end"));

    Bytes odd_class = make_elf();
    odd_class[EI_CLASS] = std::byte{3};
    CHECK(mentions(not_a_module_reason(odd_class), "unknown class or byte order"));
    Bytes odd_order = make_elf();
    odd_order[EI_DATA] = std::byte{0};
    CHECK(mentions(not_a_module_reason(odd_order), "unknown class or byte order"));
}

TEST_CASE("a module reads the same whatever the chunks", "[module_signature]") {
    const Bytes payload = make_module(20000);
    const Bytes file = joined({payload, make_tail(fake_cms(700, 1)), make_tail(fake_cms(900, 2))});
    for (const std::size_t held_back : {std::size_t{1720}, std::size_t{4096}, std::size_t{64 * 1024}}) {
        for (const std::size_t chunk : {1U, 3U, 63U, 64U, 65U, 1719U, 1720U, 1721U, 4096U, 10007U, 1U << 20U}) {
            INFO("chunks of " << chunk << ", holding back " << held_back);
            const auto read = read_in_chunks(file, chunk, held_back);
            REQUIRE(read.payload);
            CHECK(read.payload->size == payload.size());
            CHECK(read.payload->digest == sha256(payload));
            REQUIRE(read.payload->signatures.size() == 2);
            CHECK((read.payload->signatures[0] == fake_cms(900, 2)));
            CHECK((read.payload->signatures[1] == fake_cms(700, 1)));
        }
    }
}

TEST_CASE("a module reads the same where large chunks and small ones come by turns", "[module_signature]") {
    const Bytes payload = make_module(50000);
    const Bytes file = joined({payload, make_tail(fake_cms(700, 1)), make_tail(fake_cms(900, 2))});
    std::mt19937 engine(1);
    for (int round = 0; round < 200; ++round) {
        ModuleReader reader(HashAlgorithm::sha256, 1720 + engine() % 5000, "a.ko");
        for (std::size_t at = 0; at < file.size();) {
            const std::size_t step =
                std::min<std::size_t>(1 + engine() % (round % 2 == 0 ? 2000 : 12000), file.size() - at);
            reader.take(ByteView(file).subspan(at, step));
            at += step;
        }
        const auto read = reader.finish();
        REQUIRE(read);
        CHECK(read->digest == sha256(payload));
        REQUIRE(read->signatures.size() == 2);
        CHECK((read->signatures[1] == fake_cms(700, 1)));
    }
}

TEST_CASE("an unsigned module's digest is that of the file", "[module_signature]") {
    const Bytes payload = make_module(300000);
    for (const std::size_t chunk : {97U, 128U * 1024U}) {
        const auto read = read_in_chunks(payload, chunk, 64 * 1024);
        REQUIRE(read.payload);
        CHECK(read.payload->size == payload.size());
        CHECK(read.payload->digest == sha256(payload));
        CHECK(read.payload->signatures.empty());
    }
}

TEST_CASE("signatures longer than what is held back are not guessed", "[module_signature]") {
    const Bytes payload = make_module(20000);
    const Bytes tails = joined({make_tail(fake_cms(700, 1)), make_tail(fake_cms(900, 2))});
    const Bytes file = joined({payload, tails});
    for (std::size_t held_back = 0; held_back <= tails.size() + 100; held_back += 13) {
        INFO("holding back " << held_back);
        const auto read = read_in_chunks(file, 4096, held_back);
        CHECK(read.payload.has_value() == (held_back >= tails.size() + trailer_size));
        if (read.payload) {
            CHECK(read.payload->size == payload.size());
            CHECK(read.payload->digest == sha256(payload));
        }
    }
}

TEST_CASE("a file of nothing but a signature is no module", "[module_signature]") {
    const Error error = error_of([] { read_in_chunks(make_tail(fake_cms()), 100, 64 * 1024); });
    CHECK(error.code() == ErrorCode::not_a_module);
    CHECK(mentions(error.reason(), "it is empty"));
}

TEST_CASE("an empty file is no module", "[module_signature]") {
    const Error error = error_of([] { read_in_chunks({}, 100, 64 * 1024); });
    CHECK(error.code() == ErrorCode::not_a_module);
    CHECK(mentions(error.reason(), "it is empty"));
}
