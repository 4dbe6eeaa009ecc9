#include "module_signature.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace ksign {
namespace {

constexpr const char* rebuild_remedy = "rebuild or reinstall the module";

Error malformed(const std::string& subject, std::string reason) {
    return {ErrorCode::malformed_signature, subject, "broken signature: " + std::move(reason), rebuild_remedy};
}

Error not_a_module(const std::string& subject, std::string reason, std::string remedy = {}) {
    return {ErrorCode::not_a_module, subject, "not a kernel module: " + std::move(reason), std::move(remedy)};
}

/// Whether the bytes are one DER SEQUENCE, no more and no less: what tells a true sig_len from a lying one.
bool is_one_der_sequence(std::span<const std::byte> bytes) {
    if (bytes.size() < 2 || bytes[0] != std::byte{0x30}) {
        return false;
    }
    const auto first = std::to_integer<std::size_t>(bytes[1]);
    if (first < 0x80) {
        return bytes.size() == 2 + first;
    }
    const std::size_t length_bytes = first & 0x7fU;
    if (length_bytes == 0 || length_bytes > 4 || bytes.size() < 2 + length_bytes) {
        return false;
    }
    std::size_t length = 0;
    for (const std::byte byte : bytes.subspan(2, length_bytes)) {
        length = length << 8U | std::to_integer<std::size_t>(byte);
    }
    return bytes.size() - 2 - length_bytes == length;
}

/// The size of the CMS, by struct module_signature. Same checks as mod_check_sig().
std::size_t checked_signature_size(std::span<const std::byte> info, std::uint64_t bytes_before,
                                   const std::string& subject) {
    const std::uint32_t size = signature_length(info);
    // Fields before the length: algo, hash, id_type, signer_len, key_id_len, padding.
    for (std::size_t index = 0; index < signature_length_offset; ++index) {
        if (index == signature_type_offset) {
            if (info[index] != pkcs7_type) {
                throw malformed(subject, "its type is " + std::to_string(std::to_integer<int>(info[index])) +
                                             ", and the kernel knows PKCS#7 (2) only");
            }
        } else if (info[index] != std::byte{0}) {
            throw malformed(subject, "a field that must be zero is not");
        }
    }
    if (size > bytes_before) {
        throw malformed(subject, "it claims " + std::to_string(size) + " bytes, and only " +
                                     std::to_string(bytes_before) + " stand before it");
    }
    if (size > largest_signature) {
        throw malformed(subject, "it claims " + std::to_string(size) + " bytes, more than any signature has");
    }
    return size;
}

/// Reads ELF fields of either class and byte order: modules are signed on other machines too.
class ElfHeader {
  public:
    explicit ElfHeader(std::span<const std::byte> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool is_64_bit() const { return ident(EI_CLASS) == ELFCLASS64; }
    [[nodiscard]] unsigned ident(std::size_t index) const { return std::to_integer<unsigned>(bytes_[index]); }
    [[nodiscard]] std::uint64_t type() const { return read(offsetof(Elf64_Ehdr, e_type), sizeof(Elf64_Half)); }
    [[nodiscard]] std::uint64_t section_offset() const {
        return is_64_bit() ? read(offsetof(Elf64_Ehdr, e_shoff), sizeof(Elf64_Off))
                           : read(offsetof(Elf32_Ehdr, e_shoff), sizeof(Elf32_Off));
    }
    [[nodiscard]] std::uint64_t section_count() const {
        return half(offsetof(Elf64_Ehdr, e_shnum), offsetof(Elf32_Ehdr, e_shnum));
    }
    [[nodiscard]] std::uint64_t section_size() const {
        return half(offsetof(Elf64_Ehdr, e_shentsize), offsetof(Elf32_Ehdr, e_shentsize));
    }

  private:
    [[nodiscard]] std::uint64_t half(std::size_t offset_64, std::size_t offset_32) const {
        return read(is_64_bit() ? offset_64 : offset_32, sizeof(Elf64_Half));
    }
    [[nodiscard]] std::uint64_t read(std::size_t offset, std::size_t size) const {
        std::uint64_t value = 0;
        for (std::size_t index = 0; index < size; ++index) {
            const std::size_t at = ident(EI_DATA) == ELFDATA2MSB ? offset + index : offset + size - 1 - index;
            value = value << 8U | std::to_integer<std::uint64_t>(bytes_[at]);
        }
        return value;
    }

    std::span<const std::byte> bytes_;
};

} // namespace

std::uint32_t signature_length(std::span<const std::byte> info) {
    std::uint32_t value = 0;
    for (const std::byte byte : info.subspan(signature_length_offset, 4)) {
        value = value << 8U | std::to_integer<std::uint32_t>(byte);
    }
    return value;
}

bool ends_with_marker(std::span<const std::byte> bytes) {
    return bytes.size() >= signature_marker.size() &&
           std::memcmp(bytes.last(signature_marker.size()).data(), signature_marker.data(), signature_marker.size()) ==
               0;
}

std::array<std::byte, trailer_size> make_trailer(std::uint32_t signature_size) {
    std::array<std::byte, trailer_size> trailer{};
    trailer[signature_type_offset] = pkcs7_type;
    for (std::size_t index = 0; index < 4; ++index) {
        trailer[signature_length_offset + index] = static_cast<std::byte>(signature_size >> (24U - 8U * index) & 0xffU);
    }
    std::memcpy(trailer.data() + module_signature_size, signature_marker.data(), signature_marker.size());
    return trailer;
}

std::vector<std::byte> make_tail(std::span<const std::byte> signature) {
    if (signature.size() > largest_signature || !is_one_der_sequence(signature)) {
        throw Error(ErrorCode::malformed_signature, "the signature",
                    "is not one CMS message in DER of at most " + std::to_string(largest_signature) + " bytes");
    }
    std::vector<std::byte> tail(signature.begin(), signature.end());
    const auto trailer = make_trailer(static_cast<std::uint32_t>(signature.size()));
    tail.insert(tail.end(), trailer.begin(), trailer.end());
    return tail;
}

PeeledTail peel_signatures(std::span<const std::byte> tail, std::uint64_t before, const std::string& subject) {
    PeeledTail peeled;
    while (true) {
        if (tail.size() < trailer_size && before > 0) {
            // Too short to hold a trailer, but what there is of it may be the end of one.
            peeled.needs_longer_tail = true;
            return peeled;
        }
        if (!ends_with_marker(tail)) {
            peeled.payload_bytes = tail.size();
            return peeled;
        }
        if (tail.size() < trailer_size) {
            throw malformed(subject, "the file is too short for one");
        }
        const auto rest = tail.first(tail.size() - trailer_size);
        const std::size_t size = checked_signature_size(tail.last(trailer_size), before + rest.size(), subject);
        if (size > rest.size()) {
            peeled.needs_longer_tail = true;
            return peeled;
        }
        const auto signature = rest.last(size);
        if (!is_one_der_sequence(signature)) {
            throw malformed(subject, "its length of " + std::to_string(size) + " bytes does not lead to a CMS message");
        }
        peeled.signatures.emplace_back(signature.begin(), signature.end());
        tail = rest.first(rest.size() - size);
    }
}

void expect_elf_module(std::span<const std::byte> start, std::uint64_t payload_size, const std::string& subject) {
    if (start.size() < SELFMAG || std::memcmp(start.data(), ELFMAG, SELFMAG) != 0) {
        throw not_a_module(subject, payload_size == 0 ? "it is empty" : "it is not an ELF file");
    }
    const std::size_t header_size =
        start.size() > EI_CLASS && start[EI_CLASS] == std::byte{ELFCLASS64} ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    if (start.size() < header_size || payload_size < header_size) {
        throw not_a_module(subject, "its ELF header is truncated", rebuild_remedy);
    }
    const ElfHeader header(start);
    const unsigned elf_class = header.ident(EI_CLASS);
    const unsigned order = header.ident(EI_DATA);
    if ((elf_class != ELFCLASS32 && elf_class != ELFCLASS64) || (order != ELFDATA2LSB && order != ELFDATA2MSB)) {
        throw not_a_module(subject, "its ELF header is of an unknown class or byte order", rebuild_remedy);
    }
    if (header.type() != ET_REL) {
        throw not_a_module(subject, "it is an ELF file, but not a relocatable one (a program or a shared library?)");
    }
    const std::uint64_t entry_size = header.is_64_bit() ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    if (header.section_count() == 0 || header.section_size() != entry_size) {
        throw not_a_module(subject, "its ELF header names no sections", rebuild_remedy);
    }
    const std::uint64_t table_size = header.section_count() * entry_size;
    if (header.section_offset() > payload_size || table_size > payload_size - header.section_offset()) {
        throw not_a_module(subject,
                           "it is truncated: its section headers lie beyond its end of " +
                               std::to_string(payload_size) + " bytes",
                           rebuild_remedy);
    }
}

ModuleReader::ModuleReader(HashAlgorithm hash, std::size_t held_back, std::string subject)
    : digest_(hash), held_back_(held_back), subject_(std::move(subject)) {}

void ModuleReader::take(std::span<const std::byte> bytes) {
    if (start_.size() < sizeof(Elf64_Ehdr)) {
        const auto missing = bytes.first(std::min(bytes.size(), sizeof(Elf64_Ehdr) - start_.size()));
        start_.insert(start_.end(), missing.begin(), missing.end());
    }
    // Digest all but the last held_back_ bytes of what has come so far.
    const auto missing = bytes.first(std::min(bytes.size(), held_back_ - tail_.size()));
    append_to_tail(missing);
    bytes = bytes.subspan(missing.size());
    if (bytes.size() >= held_back_) {
        straighten_tail();
        digest(tail_);
        digest(bytes.first(bytes.size() - held_back_));
        const auto last = bytes.last(held_back_);
        tail_.assign(last.begin(), last.end());
        return;
    }
    // The tail is full: what comes takes the place of the oldest.
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min(bytes.size(), held_back_ - oldest_));
        const auto old = std::span(tail_).subspan(oldest_, part.size());
        digest(old);
        std::ranges::copy(part, old.begin());
        oldest_ = (oldest_ + part.size()) % held_back_;
        bytes = bytes.subspan(part.size());
    }
}

void ModuleReader::append_to_tail(std::span<const std::byte> bytes) {
    const std::size_t size = tail_.size() + bytes.size();
    if (size > tail_.capacity()) {
        tail_.reserve(std::min(held_back_, std::max(size, 2 * tail_.capacity()))); // never more than it is to hold
    }
    tail_.insert(tail_.end(), bytes.begin(), bytes.end());
}

void ModuleReader::straighten_tail() {
    std::rotate(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(oldest_), tail_.end());
    oldest_ = 0;
}

void ModuleReader::digest(std::span<const std::byte> bytes) {
    digest_.update(bytes);
    digested_ += bytes.size();
}

std::optional<ModulePayload> ModuleReader::finish() {
    straighten_tail();
    PeeledTail peeled = peel_signatures(tail_, digested_, subject_);
    if (peeled.needs_longer_tail) {
        return std::nullopt;
    }
    ModulePayload payload;
    payload.size = digested_ + peeled.payload_bytes;
    expect_elf_module(start_, payload.size, subject_);
    digest_.update(std::span(tail_).first(peeled.payload_bytes));
    payload.digest = digest_.finish();
    payload.signatures = std::move(peeled.signatures);
    return payload;
}

} // namespace ksign
