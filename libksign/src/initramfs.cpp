#include "initramfs.hpp"

#include "container.hpp"
#include "der.hpp"
#include "lz4.hpp"
#include "pe.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t header_size = 110;   // of "newc": 6 of magic, 13 fields of 8 hexadecimal digits
constexpr std::size_t longest_name = 4096; // PATH_MAX, as init/initramfs.c has it
constexpr std::uint64_t largest_module = std::uint64_t{256} << 20U;
// The .xz file format, 2.1.1.2: stream flags; dec_stream_header() of lib/xz takes no greater identifier.
constexpr std::size_t xz_check_offset = 7;
constexpr std::byte xz_check_crc32{1};
// What else lib/decompress.c knows.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> unread_formats{
    {{{"BZ", 2}, "bzip2"}, {{"\x5d\x00", 2}, "lzma"}, {{"\x89\x4c", 2}, "lzo"}}};
// These two bound the time, not the memory.
constexpr std::uint64_t largest_initramfs = std::uint64_t{8} << 30U;
constexpr std::size_t most_compressed_parts = 4096;

Error damaged(const std::string& subject, std::string reason) {
    return {ErrorCode::kernel, subject, "not a whole initramfs: " + std::move(reason),
            "make it anew: update-initramfs -u, dracut -f or mkinitcpio -P"};
}

Error not_unpacked(const std::string& subject, const std::string& reason) {
    return {ErrorCode::kernel, subject, "the kernel does not unpack it: " + reason,
            "make it anew: update-initramfs -u, dracut -f or mkinitcpio -P"};
}

/// Takes cpio archives apart as they come by, one after the other, with zero bytes between them. Headers stand at
/// multiples of four: "broken padding", do_reset() of init/initramfs.c says of others.
class CpioReader {
  public:
    CpioReader(const InitramfsSink& sink, const std::string& subject) : sink_(sink), subject_(subject) {}

    /// Takes bytes; all of them, unless there is something else than an archive after one. Returns how many.
    [[nodiscard]] std::size_t take(Bytes bytes) {
        std::size_t used = 0;
        while (used < bytes.size()) {
            const auto rest = bytes.subspan(used);
            if (state_ == State::between) {
                if (rest.front() == std::byte{'0'} && position_ % 4 == 0) {
                    start(State::header, header_size);
                } else if (rest.front() == std::byte{0}) {
                    ++used;
                    ++position_;
                } else {
                    return used;
                }
                continue;
            }
            const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), left_));
            if (state_ != State::skip) {
                collected_.insert(collected_.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(step));
            }
            used += step;
            position_ += step;
            left_ -= step;
            if (left_ == 0) {
                end_part();
            }
        }
        return used;
    }

    /// Of what stands between two archives, for others to read.
    void skip(std::uint64_t bytes) noexcept { position_ += bytes; }

    [[nodiscard]] bool is_between() const noexcept { return state_ == State::between; }

  private:
    enum class State { between, header, name, content, skip };

    void start(State state, std::uint64_t size) {
        state_ = state;
        left_ = size;
        collected_.clear();
        if (left_ == 0) {
            end_part();
        }
    }
    /// Bytes up to a multiple of four: names and contents are padded so.
    [[nodiscard]] std::uint64_t padding() const noexcept { return (4 - position_ % 4) % 4; }

    void end_part() {
        switch (state_) {
        case State::header:
            read_header();
            return;
        case State::name:
            read_name();
            return;
        case State::content:
            sink_(name_, collected_);
            start(State::skip, padding());
            return;
        case State::skip:
        case State::between:
            break;
        }
        state_ = State::between;
    }

    [[nodiscard]] std::uint64_t field(std::size_t index) const {
        std::uint32_t value = 0;
        const auto* digits = reinterpret_cast<const char*>(collected_.data()) + 6 + 8 * index;
        const auto [end, problem] = std::from_chars(digits, digits + 8, value, 16);
        if (problem != std::errc() || end != digits + 8) {
            throw damaged(subject_, "a header of its archive is damaged");
        }
        return value;
    }

    void read_header() {
        // init/initramfs.c, do_header(): 070701, or 070702 with checksums.
        const std::string_view magic(reinterpret_cast<const char*>(collected_.data()), 6);
        if (magic != "070701" && magic != "070702") {
            throw damaged(subject_, "its archive is no cpio archive of the form newc");
        }
        constexpr std::size_t mode_field = 1;
        constexpr std::size_t size_field = 6;
        constexpr std::size_t name_field = 11;
        is_file_ = (field(mode_field) & S_IFMT) == S_IFREG;
        content_size_ = field(size_field);
        const std::uint64_t name_size = field(name_field);
        if (name_size == 0 || name_size > longest_name) {
            throw damaged(subject_, "a name in its archive has " + std::to_string(name_size) + " bytes");
        }
        // Header and name together are padded.
        const std::uint64_t together = position_ + name_size;
        name_size_ = static_cast<std::size_t>(name_size);
        start(State::name, name_size + (4 - together % 4) % 4);
    }

    void read_name() {
        name_.assign(reinterpret_cast<const char*>(collected_.data()), name_size_ - 1);
        if (name_ == "TRAILER!!!") {
            state_ = State::between;
            return;
        }
        // A link's content is where it leads.
        if (content_size_ > 0 && is_file_ && has_module_name(name_)) {
            if (content_size_ > largest_module) {
                throw Error(ErrorCode::limit, subject_, name_ + " in it has more than 256 MiB");
            }
            start(State::content, content_size_);
            return;
        }
        start(State::skip, content_size_ + (4 - (position_ + content_size_) % 4) % 4);
    }

    const InitramfsSink& sink_;
    const std::string& subject_;
    State state_ = State::between;
    std::uint64_t position_ = 0;
    std::uint64_t left_ = 0;
    std::uint64_t content_size_ = 0;
    bool is_file_ = false;
    std::size_t name_size_ = 0;
    std::string name_;
    std::vector<std::byte> collected_;
};

/// A file, or a part of it, as unpack_to_rootfs() (init/initramfs.c) goes through it: archives, zero bytes and what is
/// compressed, in any order. What is compressed holds whole archives.
class Reader {
  public:
    Reader(const InputFile& file, const InitramfsSink& sink)
        : file_(file), sink_(sink), subject_(file.path().string()), end_(file.size()), archive_(sink, subject_) {
        const auto section = find_pe_section(
            [&file](std::uint64_t position, std::span<std::byte> bytes) { return file.read_at(position, bytes); },
            ".initrd");
        if (section) {
            if (section->offset > end_ || section->size > end_ - section->offset) {
                throw damaged(subject_, "its section .initrd lies beyond its end");
            }
            position_ = section->offset;
            end_ = section->offset + section->size;
        }
    }

    void read() {
        std::vector<std::byte> chunk(chunk_size);
        while (position_ < end_) {
            const std::size_t got = read_at(position_, chunk);
            if (got == 0) {
                break;
            }
            const std::size_t used = archive_.take(std::span(chunk).first(got));
            position_ += used;
            if (used < got) {
                const std::uint64_t taken = unpack();
                position_ += taken;
                archive_.skip(taken);
            }
        }
        expect_end(archive_);
    }

  private:
    [[nodiscard]] std::size_t read_at(std::uint64_t position, std::span<std::byte> bytes) const {
        const auto wanted = std::min<std::uint64_t>(bytes.size(), end_ - std::min(position, end_));
        return file_.read_at(position, bytes.first(static_cast<std::size_t>(wanted)));
    }

    void expect_end(const CpioReader& archive) const {
        if (!archive.is_between()) {
            throw damaged(subject_, "its archive ends too early");
        }
    }

    /// What is compressed from here on, up to the end of its stream, frame or member: how many bytes that takes.
    [[nodiscard]] std::uint64_t unpack() {
        if (++compressed_parts_ > most_compressed_parts) {
            throw Error(ErrorCode::limit, subject_,
                        "has more than " + std::to_string(most_compressed_parts) + " compressed parts");
        }
        std::array<std::byte, 8> start{};
        const auto head = std::span<const std::byte>(start).first(read_at(position_, start));
        const ByteSource source = [this, at = position_](std::span<std::byte> bytes) mutable {
            const std::size_t got = read_at(at, bytes);
            at += got;
            return got;
        };
        CpioReader archive(sink_, subject_);
        const ByteSink sink = [this, &archive](Bytes bytes) {
            unpacked_ += bytes.size();
            if (unpacked_ > largest_initramfs) {
                throw Error(ErrorCode::limit, subject_, "unpacks to more than 8 GiB");
            }
            if (archive.take(bytes) != bytes.size()) {
                throw damaged(subject_, "what is compressed in it is no cpio archive");
            }
        };
        std::uint64_t taken = 0;
        try {
            taken = decode(head, source, sink);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::container) {
                throw damaged(subject_, error.reason());
            }
            throw;
        }
        expect_end(archive);
        return taken;
    }

    [[nodiscard]] std::uint64_t decode(Bytes head, const ByteSource& source, const ByteSink& sink) const {
        if (is_lz4_legacy(head)) {
            return decode_lz4_legacy(source, sink, subject_);
        }
        for (const ContainerKind kind : {ContainerKind::gzip, ContainerKind::xz, ContainerKind::zstd}) {
            // decompress_method() (lib/decompress.c) takes no skippable frame for zstd, though the codec does.
            if (codec_of(kind).recognizes(head) && (kind != ContainerKind::zstd || head[0] == std::byte{0x28})) {
                std::uint64_t taken = 0;
                const LoadObstacle obstacle = codec_of(kind).decode({source, sink, subject_, nullptr, true, &taken});
                // gunzip() (lib/decompress_inflate.c) skips no more of a header than what unpacks modules does; of xz,
                // a filter that modules can't count on is one that distributions' kernels have.
                if (kind == ContainerKind::gzip && !obstacle.empty()) {
                    throw not_unpacked(subject_, obstacle.reason);
                }
                if (kind == ContainerKind::xz && (head[xz_check_offset] & std::byte{0x0f}) > xz_check_crc32) {
                    throw not_unpacked(subject_, "xz with another check than CRC32");
                }
                return taken;
            }
        }
        for (const auto& [magic, name] : unread_formats) {
            if (as_text(head).starts_with(magic)) {
                throw Error(ErrorCode::limit, subject_,
                            "is compressed with " + std::string(name) + ", which ksign does not unpack");
            }
        }
        throw damaged(subject_,
                      "it holds something that is neither a cpio archive nor compressed with gzip, xz, zstd or "
                      "lz4");
    }

    const InputFile& file_;
    const InitramfsSink& sink_;
    std::string subject_;
    std::uint64_t position_ = 0;
    std::uint64_t end_;
    CpioReader archive_; ///< What is not compressed.
    std::size_t compressed_parts_ = 0;
    std::uint64_t unpacked_ = 0;
};

} // namespace

void read_initramfs(const std::filesystem::path& file, const InitramfsSink& sink) {
    const InputFile input = InputFile::open_of_system(file);
    Reader(input, sink).read();
}

} // namespace ksign
