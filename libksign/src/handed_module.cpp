#include "handed_module.hpp"

#include "module_signature.hpp"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

namespace ksign {
namespace {

// What asn1_ber_decoder() takes of a signature, and what follows it.
constexpr std::size_t tail_size = std::numeric_limits<std::uint16_t>::max() + trailer_size;

// A plain file up to this size is read once, and looked at in memory; most modules are.
constexpr std::size_t largest_kept = 2 * chunk_size;

constexpr std::string_view vermagic_name = "vermagic=";
constexpr std::size_t longest_vermagic = 256;
constexpr std::size_t largest_modinfo = std::size_t{1} << 20U;

/// The first value of "vermagic=" in a text that is there whole: up to its NUL, to the length that is enough or, at the
/// end of all, as far as it goes. Empty if there is none.
std::string vermagic_in(std::string_view text, bool at_end) {
    while (!text.empty()) {
        const void* found = ::memmem(text.data(), text.size(), vermagic_name.data(), vermagic_name.size());
        if (found == nullptr) {
            break;
        }
        text.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) +
                           vermagic_name.size());
        const std::string_view value = text.substr(0, longest_vermagic);
        const std::size_t end = value.find('\0');
        if (end == std::string_view::npos && value.size() < longest_vermagic && !at_end) {
            break;
        }
        if (end != 0 && !value.empty()) {
            return std::string(value.substr(0, end));
        }
    }
    return {};
}

/// Finds .modinfo by the section headers, for 64-bit modules of this machine's byte order. Others are searched for as
/// compressed ones are.
class SectionFinder {
  public:
    using ReadAt = std::function<std::size_t(std::uint64_t, std::span<std::byte>)>;
    SectionFinder(ReadAt read_at, std::uint64_t size, std::span<const std::byte> head)
        : read_at_(std::move(read_at)), size_(size) {
        if (head.size() >= sizeof(header_)) {
            std::memcpy(&header_, head.data(), sizeof(header_));
        }
    }
    /// Whether it is an ELF file of a form that is not read here.
    [[nodiscard]] bool is_of_another_machine() const {
        constexpr unsigned char native = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
        return is_elf() && (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != native);
    }
    /// The section's content; empty if there is none, or it is too large to be one.
    [[nodiscard]] std::vector<std::byte> content_of(std::string_view wanted) const {
        const bool readable = is_elf() && !is_of_another_machine() && header_.e_shentsize == sizeof(Elf64_Shdr) &&
                              header_.e_shstrndx < header_.e_shnum && header_.e_shoff < size_;
        if (!readable) {
            return {};
        }
        std::vector<Elf64_Shdr> sections(header_.e_shnum);
        if (read_at_(header_.e_shoff, std::as_writable_bytes(std::span(sections))) !=
            sections.size() * sizeof(Elf64_Shdr)) {
            return {};
        }
        const std::vector<std::byte> names = read(sections[header_.e_shstrndx]);
        for (const Elf64_Shdr& section : sections) {
            if (section.sh_name < names.size() && name_at(names, section.sh_name) == wanted) {
                return read(section);
            }
        }
        return {};
    }

  private:
    [[nodiscard]] bool is_elf() const {
        return std::memcmp(static_cast<const void*>(header_.e_ident), ELFMAG, SELFMAG) == 0;
    }
    static std::string_view name_at(std::span<const std::byte> names, std::size_t at) {
        const std::string_view rest(reinterpret_cast<const char*>(names.data()) + at, names.size() - at);
        return rest.substr(0, rest.find('\0'));
    }
    [[nodiscard]] std::vector<std::byte> read(const Elf64_Shdr& section) const {
        if (section.sh_size > largest_modinfo || section.sh_offset >= size_) {
            return {};
        }
        std::vector<std::byte> content(section.sh_size);
        content.resize(read_at_(section.sh_offset, content));
        return content;
    }

    ReadAt read_at_;
    std::uint64_t size_;
    Elf64_Ehdr header_{};
};

} // namespace

HandedModule::HandedModule(const InputFile& file, const Codec& codec, bool by_kernel, HashAlgorithm expected,
                           std::uint64_t max_payload)
    : file_(file), codec_(codec), by_kernel_(by_kernel), max_payload_(max_payload), expected_(expected) {
    if (codec.kind == ContainerKind::plain) {
        read_plain();
    } else {
        read_stream(expected);
    }
    if (vermagic_.empty()) {
        vermagic_ = vermagic_in(vermagic_start_, true);
    }
}

void HandedModule::read_plain() {
    size_ = file_.size();
    if (size_ > max_payload_) {
        throw too_large(file_.path().string(), max_payload_);
    }
    if (size_ <= largest_kept) {
        kept_ = std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(size_));
        const std::span<std::byte> whole(kept_.get(), static_cast<std::size_t>(size_));
        expect_whole(file_.read_at(0, whole), whole.size());
    }
    head_.resize(sizeof(Elf64_Ehdr));
    head_.resize(read_at(0, head_));
    const auto tail = static_cast<std::size_t>(std::min<std::uint64_t>(size_, tail_size));
    if (kept_) {
        tail_ = std::span(kept_.get(), static_cast<std::size_t>(size_)).last(tail);
    } else {
        held_.resize(tail);
        expect_whole(read_at(size_ - tail, held_), tail);
        tail_ = held_;
    }
    const auto reader = [this](std::uint64_t position, std::span<std::byte> bytes) { return read_at(position, bytes); };
    const SectionFinder sections(reader, size_, head_);
    if (sections.is_of_another_machine()) {
        stream(size_, [this](std::span<const std::byte> bytes) { search_vermagic(bytes); });
    } else {
        search_vermagic(sections.content_of(".modinfo"));
    }
}

std::size_t HandedModule::read_at(std::uint64_t position, std::span<std::byte> bytes) const {
    if (!kept_) {
        return file_.read_at(position, bytes);
    }
    const auto rest = std::span(kept_.get(), static_cast<std::size_t>(size_))
                          .subspan(static_cast<std::size_t>(std::min(position, size_)));
    const auto part = rest.first(std::min(rest.size(), bytes.size()));
    std::ranges::copy(part, bytes.begin());
    return part.size();
}

LoadObstacle HandedModule::decode(const ByteSink& sink) const {
    const std::string subject = file_.path().string();
    const ByteSource source = file_.source();
    return read_payload({source, sink, subject, nullptr, by_kernel_}, codec_, max_payload_);
}

void HandedModule::read_stream(HashAlgorithm expected) {
    running_.emplace(expected);
    const ByteSink take = [this](std::span<const std::byte> bytes) {
        size_ += bytes.size();
        if (head_.size() < sizeof(Elf64_Ehdr)) {
            const auto missing = bytes.first(std::min(bytes.size(), sizeof(Elf64_Ehdr) - head_.size()));
            head_.insert(head_.end(), missing.begin(), missing.end());
        }
        search_vermagic(bytes);
        held_.insert(held_.end(), bytes.begin(), bytes.end());
        if (held_.size() > tail_size + chunk_size) {
            const std::size_t ready = held_.size() - tail_size;
            running_->update(std::span(held_).first(ready));
            held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(ready));
        }
    };
    obstacle_ = decode(take);
    tail_ = held_;
}

/// Looks through the next bytes of a stream, or through all of .modinfo.
void HandedModule::search_vermagic(std::span<const std::byte> bytes) {
    if (!vermagic_.empty()) {
        return;
    }
    constexpr std::size_t longest = vermagic_name.size() + longest_vermagic;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    // Across the border of two chunks first.
    const std::string border = vermagic_start_.append(text.substr(0, longest));
    vermagic_ = vermagic_in(border, false);
    if (vermagic_.empty()) {
        vermagic_ = vermagic_in(text, false);
    }
    const std::string_view last = text.size() < longest ? std::string_view(border) : text;
    vermagic_start_ = last.substr(last.size() - std::min(last.size(), longest));
}

void HandedModule::stream(std::uint64_t payload_size, const ByteSink& sink) const {
    std::uint64_t left = payload_size;
    const ByteSink keep = [&left, &sink](std::span<const std::byte> bytes) {
        const auto part = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
        left -= part.size();
        if (!part.empty()) {
            sink(part);
        }
    };
    if (codec_.kind != ContainerKind::plain) {
        static_cast<void>(decode(keep));
    } else if (kept_) {
        keep(std::span(kept_.get(), static_cast<std::size_t>(size_)));
    } else {
        std::vector<std::byte> chunk(chunk_size);
        std::uint64_t position = 0;
        while (left > 0) {
            const std::size_t got = file_.read_at(position, chunk);
            if (got == 0) {
                break;
            }
            position += got;
            keep(std::span(chunk).first(got));
        }
    }
    expect_whole(payload_size - left, payload_size);
}

void HandedModule::expect_whole(std::uint64_t got, std::uint64_t wanted) const {
    if (got != wanted) {
        throw Error(ErrorCode::system, file_.path().string(), "became shorter while it was read");
    }
}

std::vector<std::byte> HandedModule::digest(HashAlgorithm hash, std::uint64_t payload_size) {
    const std::uint64_t before_tail = size_ - tail_.size();
    if (running_ && hash == expected_ && payload_size >= before_tail) {
        running_->update(tail_.first(static_cast<std::size_t>(payload_size - before_tail)));
        auto value = running_->finish();
        running_.reset();
        return value;
    }
    Digest digest(hash);
    stream(payload_size, [&digest](std::span<const std::byte> bytes) { digest.update(bytes); });
    return digest.finish();
}

std::vector<std::byte> HandedModule::bytes(std::uint64_t payload_size) const {
    std::vector<std::byte> all;
    all.reserve(static_cast<std::size_t>(payload_size));
    stream(payload_size,
           [&all](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
    return all;
}

} // namespace ksign
