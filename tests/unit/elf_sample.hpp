// The smallest ELF files that pass for modules, and those that do not.
#pragma once

#include "bytes.hpp"

#include <elf.h>

#include <cstddef>
#include <cstdint>

namespace ksign::test {

struct ElfForm {
    bool is_64_bit = true;
    bool big_endian = false;
    std::uint16_t type = ET_REL;
    std::uint16_t sections = 3;
    ByteView content = {}; ///< Between the header and the section table.
};

/// Header, content, section table of empty sections at the end.
inline Bytes make_elf(const ElfForm& form = {}) {
    const std::size_t header_size = form.is_64_bit ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    const std::size_t entry_size = form.is_64_bit ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    const std::size_t section_offset = header_size + form.content.size();
    Bytes elf(section_offset + form.sections * entry_size);
    const auto put = [&](std::size_t offset, std::size_t size, std::uint64_t value) {
        for (std::size_t index = 0; index < size; ++index) {
            const std::size_t at = form.big_endian ? offset + size - 1 - index : offset + index;
            elf[at] = static_cast<std::byte>(value >> (8U * index) & 0xffU);
        }
    };
    const auto put_half = [&](std::size_t offset_64, std::size_t offset_32, std::uint64_t value) {
        put(form.is_64_bit ? offset_64 : offset_32, 2, value);
    };
    std::memcpy(elf.data(), ELFMAG, SELFMAG);
    elf[EI_CLASS] = form.is_64_bit ? std::byte{ELFCLASS64} : std::byte{ELFCLASS32};
    elf[EI_DATA] = form.big_endian ? std::byte{ELFDATA2MSB} : std::byte{ELFDATA2LSB};
    elf[EI_VERSION] = std::byte{EV_CURRENT};
    put_half(offsetof(Elf64_Ehdr, e_type), offsetof(Elf32_Ehdr, e_type), form.type);
    put_half(offsetof(Elf64_Ehdr, e_machine), offsetof(Elf32_Ehdr, e_machine), EM_X86_64);
    put_half(offsetof(Elf64_Ehdr, e_ehsize), offsetof(Elf32_Ehdr, e_ehsize), header_size);
    put_half(offsetof(Elf64_Ehdr, e_shentsize), offsetof(Elf32_Ehdr, e_shentsize), entry_size);
    put_half(offsetof(Elf64_Ehdr, e_shnum), offsetof(Elf32_Ehdr, e_shnum), form.sections);
    if (form.is_64_bit) {
        put(offsetof(Elf64_Ehdr, e_shoff), sizeof(Elf64_Off), section_offset);
    } else {
        put(offsetof(Elf32_Ehdr, e_shoff), sizeof(Elf32_Off), section_offset);
    }
    if (!form.content.empty()) {
        std::memcpy(elf.data() + header_size, form.content.data(), form.content.size());
    }
    return elf;
}

/// A module with so many bytes of content that compresses as a module's does.
inline Bytes make_module(std::size_t content_size = 3000, std::uint32_t seed = 1) {
    const Bytes content = compressible_bytes(content_size, seed);
    ElfForm form;
    form.content = content;
    return make_elf(form);
}

} // namespace ksign::test
