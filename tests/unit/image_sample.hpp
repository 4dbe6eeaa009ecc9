// Kernel images as the kernel's build makes them, but small.
#pragma once

#include "compressed_sample.hpp"
#include "elf_sample.hpp"
#include "key_sample.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ksign::test {

inline Bytes number_bytes(std::uint64_t value, std::size_t size, bool big_endian = false) {
    Bytes bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[big_endian ? size - 1 - index : index] = static_cast<std::byte>(value >> (8U * index) & 0xffU);
    }
    return bytes;
}

inline void pad_to(Bytes& bytes, std::size_t alignment) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
}

/// What a vmlinux holds.
struct VmlinuxForm {
    std::vector<Bytes> certificates = {}; ///< The first is that of CONFIG_MODULE_SIG_KEY,
    bool has_module_key = true;           ///< unless there is none.
    std::vector<Bytes> revoked = {};
    std::vector<Bytes> others = {}; ///< Not in a list.
    std::size_t reserve = 0;        ///< CONFIG_SYSTEM_EXTRA_CERTIFICATE_SIZE
    std::size_t before = 10000;     ///< Bytes that stand before the lists.
    std::size_t word = 8;           ///< Bytes of an unsigned long.
    bool big_endian = false;
    std::string banner = "Linux version 6.12.1-test (builder@host) (gcc 12.2.0) #1 SMP";
    std::string config = {}; ///< Embedded with CONFIG_IKCONFIG if not empty.
};

/// certs/system_certificates.S, certs/revocation_certificates.S, init/version.c and kernel/configs.c.
inline Bytes make_vmlinux(const VmlinuxForm& form = {}) {
    Bytes image = joined({bytes_of("\x7f"
                                   "ELF"),
                          compressible_bytes(form.before)});
    pad_to(image, 8);
    const auto add = [&image](ByteView bytes) { image.insert(image.end(), bytes.begin(), bytes.end()); };
    for (const Bytes& other : form.others) {
        add(other);
        pad_to(image, 64);
        add(random_bytes(100, 7));
        pad_to(image, 8);
    }
    const auto add_number = [&](std::size_t value) {
        pad_to(image, 8);
        add(number_bytes(value, form.word, form.big_endian));
    };
    const auto add_list = [&](const std::vector<Bytes>& list) {
        std::size_t size = 0;
        for (const Bytes& certificate : list) {
            add(certificate);
            size += certificate.size();
        }
        return size;
    };
    const std::size_t size = add_list(form.certificates);
    if (form.reserve > 0) {
        image.resize(image.size() + form.reserve);
        pad_to(image, 4);
        add(number_bytes(0, 4));
    }
    add_number(size);
    add_number(form.has_module_key && !form.certificates.empty() ? form.certificates.front().size() : 0);
    add(bytes_of("something else, no number"));
    pad_to(image, 8);
    if (!form.revoked.empty()) {
        add_number(add_list(form.revoked));
        add(bytes_of("mminit_loglevel"));
    }
    add(bytes_of("\nLinux version %s (%s)\n"));
    add(bytes_of(form.banner + "\n"));
    if (!form.config.empty()) {
        add(bytes_of("IKCFG_ST"));
        add(make_gzip(bytes_of(form.config)));
        add(bytes_of("IKCFG_ED"));
    }
    add(compressible_bytes(5000, 3));
    return image;
}

/// One block of LZ4, by the plainest encoder there is: literals, and runs of one byte as matches of offset 1.
inline Bytes make_lz4_block(ByteView content) {
    Bytes block;
    const auto put_length = [&block](std::size_t length) {
        for (; length >= 255; length -= 255) {
            block.push_back(std::byte{255});
        }
        block.push_back(static_cast<std::byte>(length));
    };
    const auto put_sequence = [&](ByteView literals, std::size_t match) {
        const std::size_t more = match == 0 ? 0 : match - 4;
        block.push_back(
            static_cast<std::byte>(std::min<std::size_t>(literals.size(), 15) << 4U | std::min<std::size_t>(more, 15)));
        if (literals.size() >= 15) {
            put_length(literals.size() - 15);
        }
        block.insert(block.end(), literals.begin(), literals.end());
        if (match > 0) {
            block.push_back(std::byte{1});
            block.push_back(std::byte{0});
            if (more >= 15) {
                put_length(more - 15);
            }
        }
    };
    std::size_t start = 0;
    for (std::size_t at = 0; at < content.size();) {
        std::size_t end = at + 1;
        while (end < content.size() && content[end] == content[at]) {
            ++end;
        }
        // The last five bytes are literals (lz4_Block_format.md).
        const std::size_t limit = content.size() < 5 ? 0 : content.size() - 5;
        if (const std::size_t stop = std::min(end, limit); stop > at + 1 && stop - at - 1 >= 8) {
            put_sequence(content.subspan(start, at + 1 - start), stop - at - 1);
            start = stop;
            at = stop;
        } else {
            at = end;
        }
    }
    put_sequence(content.subspan(start), 0);
    return block;
}

inline Bytes make_lz4_legacy(ByteView content, std::size_t block_size = std::size_t{8} << 20U) {
    Bytes frame = bytes_from({0x02, 0x21, 0x4c, 0x18});
    for (std::size_t at = 0; at < content.size(); at += block_size) {
        const Bytes block = make_lz4_block(content.subspan(at, std::min(block_size, content.size() - at)));
        frame = joined({frame, number_bytes(block.size(), 4), block});
    }
    return frame;
}

/// Documentation/arch/x86/boot.rst. What is not gzip has the size after it (scripts/Makefile.lib, size_append).
inline Bytes make_bzimage(ByteView payload, std::uint64_t unpacked_size, bool append_size = true) {
    constexpr std::size_t sectors = 3;
    Bytes image((sectors + 1) * 512);
    const auto put = [&image](std::size_t at, ByteView bytes) {
        std::ranges::copy(bytes, image.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, bytes_of("MZ"));
    image[0x1f1] = std::byte{sectors};
    put(0x202, bytes_of("HdrS"));
    put(0x206, number_bytes(0x020f, 2));
    constexpr std::size_t code = 300;
    put(0x248, number_bytes(code, 4));
    const std::size_t length = payload.size() + (append_size ? 4 : 0);
    put(0x24c, number_bytes(length, 4));
    image = joined({image, random_bytes(code, 5), payload});
    if (append_size) {
        image = joined({image, number_bytes(unpacked_size, 4)});
    }
    return joined({image, random_bytes(700, 6)});
}

/// drivers/firmware/efi/libstub/zboot-header.S.
inline Bytes make_zboot(ByteView payload) {
    constexpr std::size_t offset = 0x200;
    Bytes image =
        joined({bytes_of(std::string_view("MZ\0\0zimg", 8)), number_bytes(offset, 4), number_bytes(payload.size(), 4)});
    image.resize(offset);
    return joined({image, payload, random_bytes(100, 8)});
}

/// A PE file with a section .linux among others.
inline Bytes make_unified(ByteView kernel, std::string_view section = ".linux") {
    constexpr std::size_t pe = 0x80;
    constexpr std::size_t optional_size = 0xf0;
    constexpr std::size_t data = 0x400;
    Bytes image(data);
    const auto put = [&image](std::size_t at, ByteView bytes) {
        std::ranges::copy(bytes, image.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, bytes_of("MZ"));
    put(0x3c, number_bytes(pe, 4));
    put(pe, bytes_of("PE"));
    put(pe + 6, number_bytes(2, 2));
    put(pe + 20, number_bytes(optional_size, 2));
    const auto put_section = [&](std::size_t index, std::string_view name, std::size_t size, std::size_t at) {
        const std::size_t header = pe + 24 + optional_size + 40 * index;
        put(header, bytes_of(name));
        put(header + 8, number_bytes(size, 4));
        put(header + 16, number_bytes((size + 511) / 512 * 512, 4));
        put(header + 20, number_bytes(at, 4));
    };
    put_section(0, ".osrel", 100, data);
    put_section(1, section, kernel.size(), data + 512);
    image.resize(data + 512);
    image = joined({image, kernel});
    pad_to(image, 512);
    return image;
}

} // namespace ksign::test
