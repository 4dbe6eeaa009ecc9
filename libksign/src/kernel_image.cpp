#include <ksign/kernel_image.hpp>

#include "certificate_search.hpp"
#include "container.hpp"
#include "little_endian.hpp"
#include "lz4.hpp"
#include "pe.hpp"

#include <ksign/error.hpp>

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace ksign {
namespace {

// A kernel with all that a distribution builds in has some 100 MiB; this bounds the time, not the memory.
constexpr std::uint64_t largest_kernel = std::uint64_t{2} << 30U;

constexpr std::string_view elf_magic(ELFMAG, SELFMAG);

constexpr const char* known_images =
    "name a bzImage, an EFI zboot or unified kernel image, a vmlinux, or a compressed one of these";

constexpr const char* reinstall = "reinstall the kernel's package, or name another image";

Error damaged(const std::string& subject, std::string reason) {
    return {ErrorCode::kernel, subject, "not a whole kernel image: " + std::move(reason), reinstall};
}

/// A part of a file.
struct Range {
    const InputFile& file;
    std::uint64_t start = 0;
    std::uint64_t size = 0;

    [[nodiscard]] std::size_t read_at(std::uint64_t position, std::span<std::byte> bytes) const {
        if (position >= size) {
            return 0;
        }
        return file.read_at(start + position, bytes.first(static_cast<std::size_t>(
                                                  std::min<std::uint64_t>(bytes.size(), size - position))));
    }
    [[nodiscard]] ByteSource source() const {
        return [*this, position = std::uint64_t{0}](std::span<std::byte> bytes) mutable {
            const std::size_t got = read_at(position, bytes);
            position += got;
            return got;
        };
    }
    [[nodiscard]] std::string subject() const { return file.path().string(); }
    /// A part of the part. Throws Error if it does not lie within.
    [[nodiscard]] Range part(std::uint64_t position, std::uint64_t length, const char* what) const {
        if (position > size || length > size - position || length == 0) {
            throw damaged(subject(), std::string(what) + " of " + std::to_string(length) + " bytes at " +
                                         std::to_string(position) + " lies beyond its end of " + std::to_string(size) +
                                         " bytes");
        }
        return {file, start + position, length};
    }
};

/// The first bytes of a range, which hold every header that is looked at.
class Head {
  public:
    explicit Head(const Range& range) : bytes_(4096), size_(range.read_at(0, bytes_)) {}
    [[nodiscard]] bool has(std::size_t offset, std::string_view text) const {
        return offset + text.size() <= size_ && std::memcmp(bytes_.data() + offset, text.data(), text.size()) == 0;
    }
    [[nodiscard]] std::uint32_t number(std::size_t offset, std::size_t bytes) const {
        const auto rest = this->bytes().subspan(std::min(offset, size_));
        return static_cast<std::uint32_t>(from_little_endian(rest.first(std::min(bytes, rest.size()))));
    }
    [[nodiscard]] std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

  private:
    std::vector<std::byte> bytes_;
    std::size_t size_;
};

/// Goes down through what an image is wrapped in, and hands the kernel proper to a sink.
class Unpacker {
  public:
    Unpacker(ByteSink sink, std::string& form) : sink_(std::move(sink)), form_(form) {}

    void unpack(const Range& range) {
        const Head head(range);
        if (head.has(0x202, "HdrS")) {
            unpack_bzimage(range, head);
        } else if (head.has(0, "MZ") && head.has(4, "zimg")) {
            // drivers/firmware/efi/libstub/zboot-header.S: offset and size of the payload.
            name("EFI zboot");
            decode(range.part(head.number(8, 4), head.number(12, 4), "its payload"));
        } else if (head.has(0, "MZ") && unpack_unified(range)) {
            return;
        } else if (is_unwrapped(head) || is_compressed(head)) {
            decode(range);
        } else {
            throw Error(ErrorCode::kernel, range.subject(), "is no kernel image that ksign knows", known_images);
        }
    }

  private:
    void name(std::string_view part) {
        form_ += form_.empty() ? "" : ", ";
        form_ += part;
    }

    /// A vmlinux, or an Image of arm64 or RISC-V (Documentation/arch/arm64/booting.rst, riscv/boot-image-header.rst).
    static bool is_unwrapped(const Head& head) {
        return head.has(0, elf_magic) || head.has(0x38, "ARMd") || head.has(0x30, "RISCV");
    }
    static bool is_compressed(const Head& head) {
        return codec_of_start(head).kind != ContainerKind::plain || is_lz4_legacy(head.bytes());
    }
    static const Codec& codec_of_start(const Head& head) {
        for (const ContainerKind kind : {ContainerKind::gzip, ContainerKind::xz, ContainerKind::zstd}) {
            if (codec_of(kind).recognizes(head.bytes())) {
                return codec_of(kind);
            }
        }
        return codec_of(ContainerKind::plain);
    }

    /// Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length (protocol 2.08).
    void unpack_bzimage(const Range& range, const Head& head) {
        name("bzImage");
        constexpr std::uint32_t first_with_payload = 0x0208;
        constexpr std::uint64_t sector = 512;
        if (head.number(0x206, 2) < first_with_payload) {
            throw damaged(range.subject(), "it is of a boot protocol older than 2.08, of 2008");
        }
        const std::uint32_t sectors = head.number(0x1f1, 1) == 0 ? 4 : head.number(0x1f1, 1);
        const std::uint64_t offset = (sectors + 1) * sector + head.number(0x248, 4);
        Range payload = range.part(offset, head.number(0x24c, 4), "its payload");
        const Head start(payload);
        // scripts/Makefile.lib, size_append: all but gzip have the kernel's size after them.
        std::optional<std::uint64_t> size;
        if (!codec_of(ContainerKind::gzip).recognizes(start.bytes()) && is_compressed(start) && payload.size > 4) {
            payload.size -= 4;
            std::array<std::byte, 4> word{};
            static_cast<void>(payload.file.read_at(payload.start + payload.size, word));
            size = from_little_endian(word);
        }
        decode(payload);
        if (size && *size != total_) {
            throw damaged(range.subject(), "its payload unpacks to " + std::to_string(total_) +
                                               " bytes, and it says that there are " + std::to_string(*size));
        }
    }

    /// The section .linux of a PE file. False if it has none.
    bool unpack_unified(const Range& range) {
        const auto section = find_pe_section(
            [&range](std::uint64_t position, std::span<std::byte> bytes) { return range.read_at(position, bytes); },
            ".linux");
        if (!section) {
            return false;
        }
        name("unified kernel image");
        if (++depth_ > 1) {
            throw damaged(range.subject(), "a unified kernel image within another");
        }
        unpack(range.part(section->offset, section->size, "its section .linux"));
        return true;
    }

    void decode(const Range& range) {
        const Head head(range);
        const ByteSource source = range.source();
        const ByteSink counting = [this, &range](std::span<const std::byte> bytes) {
            total_ += bytes.size();
            if (total_ > largest_kernel) {
                throw Error(ErrorCode::limit, range.subject(),
                            "unpacks to more than " + std::to_string(largest_kernel) + " bytes", reinstall);
            }
            refuse_object(bytes, range.subject());
            sink_(bytes);
        };
        try {
            if (is_lz4_legacy(head.bytes())) {
                name("lz4");
                if (decode_lz4_legacy(source, counting, range.subject()) != range.size) {
                    throw damaged(range.subject(), "lz4: the data ends too early");
                }
                return;
            }
            const Codec& codec = codec_of_start(head);
            if (codec.kind != ContainerKind::plain) {
                name(codec.name);
            } else if (head.has(0, elf_magic)) {
                name("ELF");
            } else if (head.has(0, "BZh") || head.has(0, "\x5d\x00") || head.has(0, "\x89LZO")) {
                throw Error(ErrorCode::kernel, range.subject(),
                            "its payload is compressed with bzip2, lzma or lzo, which ksign does not unpack",
                            "name an unpacked vmlinux: the kernel's scripts/extract-vmlinux makes one");
            } else {
                name("plain");
            }
            static_cast<void>(codec.decode({source, counting, range.subject()}));
        } catch (const Error& error) {
            if (error.code() == ErrorCode::container) {
                throw damaged(range.subject(), error.reason());
            }
            throw;
        }
    }

    /// A module is an ELF file as well, one that is still to be linked.
    void refuse_object(std::span<const std::byte> bytes, const std::string& subject) {
        constexpr std::size_t enough = offsetof(Elf64_Ehdr, e_type) + sizeof(Elf64_Half); // the same in both classes
        if (start_.size() >= enough) {
            return;
        }
        start_.insert(start_.end(), bytes.begin(),
                      bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), enough - start_.size())));
        if (start_.size() < enough || std::memcmp(start_.data(), elf_magic.data(), elf_magic.size()) != 0) {
            return;
        }
        const bool big_endian = start_[EI_DATA] == std::byte{ELFDATA2MSB};
        const auto low = std::to_integer<unsigned>(start_[enough - (big_endian ? 1 : 2)]);
        const auto high = std::to_integer<unsigned>(start_[enough - (big_endian ? 2 : 1)]);
        if ((high << 8U | low) == ET_REL) {
            throw Error(ErrorCode::kernel, subject, "is a kernel module or another object file, and no kernel image",
                        known_images);
        }
    }

    ByteSink sink_;
    std::vector<std::byte> start_; ///< Of the kernel proper.
    std::string& form_;
    std::uint64_t total_ = 0;
    int depth_ = 0;
};

std::optional<KernelConfig> parse_embedded_config(std::span<const std::byte> compressed, const std::string& origin) {
    std::string text;
    std::size_t position = 0;
    const ByteSource source = [&](std::span<std::byte> bytes) {
        const auto part = compressed.subspan(position, std::min(bytes.size(), compressed.size() - position));
        std::ranges::copy(part, bytes.begin());
        position += part.size();
        return part.size();
    };
    constexpr std::uint64_t largest_config = std::uint64_t{4} << 20U;
    try {
        const ByteSink sink = [&text](std::span<const std::byte> bytes) {
            text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        };
        static_cast<void>(read_payload({source, sink, origin}, codec_of(ContainerKind::gzip), largest_config));
    } catch (const Error&) {
        return std::nullopt; // some other bytes between the same marks
    }
    return KernelConfig::parse(text, origin);
}

} // namespace

KernelImage read_kernel_image(const std::filesystem::path& file) {
    const InputFile input = InputFile::open_of_system(file);
    KernelImage image;
    image.path = file;
    CertificateSearch search(file.string());
    Unpacker unpacker(
        [&](std::span<const std::byte> bytes) {
            image.size += bytes.size();
            search.take(bytes);
        },
        image.form);
    unpacker.unpack({input, 0, input.size()});
    CertificateSearch::Result found = search.finish();
    image.banner = std::move(found.banner);
    if (image.banner.empty()) {
        throw Error(ErrorCode::kernel, file.string(), "is no kernel image: it has no \"Linux version\" in it",
                    known_images);
    }
    constexpr std::string_view before_release = "Linux version ";
    if (image.banner.size() > before_release.size()) {
        image.release = image.banner.substr(before_release.size());
        image.release.resize(image.release.find(' '));
    }
    image.builtin = std::move(found.builtin);
    image.revoked = std::move(found.revoked);
    image.others = std::move(found.others);
    if (!found.config.empty()) {
        image.config = parse_embedded_config(found.config, file.string());
    }
    return image;
}

std::optional<std::filesystem::path> find_kernel_image(const Kernel& kernel) {
    const std::string& release = kernel.release().text();
    std::vector<std::filesystem::path> candidates{kernel.root() / "boot" / ("vmlinuz-" + release),
                                                  kernel.modules_folder() / "vmlinuz",
                                                  kernel.root() / "boot" / ("vmlinux-" + release)};
    if (const std::string name = kernel.package_base(); !name.empty()) {
        candidates.push_back(kernel.root() / "boot" / ("vmlinuz-" + name));
    }
    return first_file_in_root(kernel.root(), candidates);
}

std::optional<KernelConfig> find_kernel_config(const Kernel& kernel) {
    try {
        if (auto config = kernel.config()) {
            return config;
        }
    } catch (const Error& error) {
        if (!error.is_denied()) {
            throw;
        }
    }
    const auto file = first_file_in_root(kernel.root(), {kernel.root() / "boot" / ("config-" + kernel.release().text()),
                                                         kernel.modules_folder() / "config"});
    return file ? std::optional(KernelConfig::load(*file)) : std::nullopt;
}

void add_image_certificates(TrustedKeys& keys, const KernelImage& image) {
    for (const KernelCertificate& certificate : image.builtin) {
        keys.add({certificate, Keyring::builtin, "built into " + image.path.string()});
    }
    for (const KernelCertificate& certificate : image.revoked) {
        keys.add({certificate, Keyring::revoked, "revoked by " + image.path.string()});
    }
}

} // namespace ksign
