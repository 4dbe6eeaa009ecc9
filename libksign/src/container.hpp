// The table of containers, and the two things done with one: read its payload, write a payload with a new tail.
//
// Adding a container: one container_NAME.cpp that defines its row, declared below, and its line in the table of
// container.cpp.
#pragma once

#include "file.hpp"
#include "payload_notes.hpp"

#include <ksign/container.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// Who does not read a container although it decodes.
enum class RefusingReader {
    none,
    kernel, ///< Its own decompressor (kernel/module/decompress.c); kmod does.
    kmod,   ///< From version 34; the kernel does.
    both,
};

/// What keeps a container that decodes from being loaded.
struct LoadObstacle {
    RefusingReader reader = RefusingReader::none;
    std::string reason;              ///< "xz with CRC64"; empty if everyone reads it.
    bool appended_signature = false; ///< The reason is a signature after the container's end.
    /// With all of these options a kernel does read it: "XZ_DEC_X86". Empty: whatever its options.
    std::vector<std::string_view> kernel_options = {};
    [[nodiscard]] bool empty() const noexcept { return reader == RefusingReader::none; }
};

/// What a module's signature ends with (include/linux/module_signature.h).
inline constexpr std::string_view signature_marker = "~Module signature appended~\n";

/// What decoding a container gets and needs to know.
struct DecodeJob {
    const ByteSource& source;   ///< The container's bytes.
    const ByteSink& sink;       ///< Takes the payload, in order, in chunks.
    const std::string& subject; ///< For messages.
    /// Where read_payload() notes what splicing needs; null if nothing is to be noted. Decoders add the cuts.
    PayloadNotes* notes = nullptr;
    /// As kernels read it: what follows the first stream, frame or member is not looked at.
    bool first_only = false;
    /// With first_only: where the decoder says how many bytes of the source belong to the first. Null: nowhere.
    std::uint64_t* taken = nullptr;
    /// A signature that was appended to the container itself, as the kernel's sign-file does it, is left out and told
    /// as an obstacle, and is no damage. For those who write the container anew.
    bool without_appended = false;
    void took(std::uint64_t bytes) const {
        if (taken != nullptr) {
            *taken = bytes;
        }
    }
};

/// Compresses a payload into one container in the form that the kernel and kmod read.
class Encoder {
  public:
    Encoder() = default;
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;
    virtual ~Encoder() = default;
    virtual void write(std::span<const std::byte> payload) = 0;
    /// Ends a block, so that what is written from here on can be cut off again without encoding anything anew.
    virtual void end_block() = 0;
    /// To be called once, after the last write(); the container is not whole before.
    virtual void finish() = 0;
};

struct EncodeJob {
    ByteSink sink;              ///< Takes the container's bytes.
    int level;                  ///< Within the container's range.
    std::uint64_t payload_size; ///< Exactly what write() will be given in all.
    std::string subject;        ///< For messages.
};

/// What splicing gets: a container that a kernel reads, what was noted of it when it was decoded, and what its payload
/// shall be. can_splice() must hold.
struct SpliceJob {
    const InputFile& file;
    const PayloadNotes& notes;
    std::uint64_t kept;              ///< Bytes of payload that stay.
    std::span<const std::byte> tail; ///< What follows them.
    int level;                       ///< For what has to be encoded anew.
};

/// Whether what was noted is enough to splice by. What is cut off must be known whole, since its checksum is taken off
/// that of all.
[[nodiscard]] bool can_splice(const PayloadNotes& notes, std::uint64_t kept) noexcept;

/// A part of a spliced container: a range of the old file, or new bytes.
struct SplicePart {
    std::uint64_t begin = 0; ///< In the old file.
    std::uint64_t end = 0;
    std::vector<std::byte> bytes; ///< Used where begin and end are the same.
    [[nodiscard]] std::uint64_t size() const noexcept { return begin == end ? bytes.size() : end - begin; }
};

/// A spliced container, part by part.
struct Splice {
    std::vector<SplicePart> parts;
    /// Whether what is new was decoded and compared already. Where that takes the whole of it, the one who writes it
    /// does that.
    bool checked = false;
    void keep(std::uint64_t begin, std::uint64_t end);
    void add(std::vector<std::byte> bytes);
    [[nodiscard]] std::uint64_t size() const noexcept;
};

/// One kind of container.
struct Codec {
    ContainerKind kind;
    std::string_view name;
    bool (*recognizes)(std::span<const std::byte> start); ///< Whether a file that starts so is one.
    LevelRange levels;
    /// Reads to the end of the source, unless the first only is wanted. Memory is bounded whatever the input. Throws
    /// Error (container).
    LoadObstacle (*decode)(const DecodeJob& job);
    std::unique_ptr<Encoder> (*make_encoder)(EncodeJob job);
    /// Keeps the compressed blocks before the cut as they are, and encodes only what follows; the result is one stream,
    /// frame or member again. Nothing if that can't be done or would not save work.
    std::optional<Splice> (*splice)(const SpliceJob& job);
};

extern const Codec gzip_codec;
extern const Codec xz_codec;
extern const Codec zstd_codec;

[[nodiscard]] const Codec& codec_of(ContainerKind kind) noexcept;

/// Which container a file is, by its first bytes.
[[nodiscard]] const Codec& detect_codec(const InputFile& file);

/// Whether @p rest, the bytes after a whole container, and what the source still has end as a module's signature does.
/// Reads the source to its end.
[[nodiscard]] bool is_appended_signature(const DecodeJob& job, std::span<const std::byte> rest);

/// What decoding gives then: neither kernel nor kmod looks for a signature there.
[[nodiscard]] LoadObstacle appended_signature_obstacle();

/// Fills the span from a source, however little it gives at a time; less only at its end.
[[nodiscard]] std::size_t read_full(const ByteSource& source, std::span<std::byte> bytes);

/// That the machine, or a limit of this process, has no memory for a codec's work: no word about the file.
[[nodiscard]] Error out_of_memory(const std::string& subject);

/// That a module is larger than @p max_payload bytes.
[[nodiscard]] Error too_large(const std::string& subject, std::uint64_t max_payload);

/// Streams a file's payload into a sink. Throws Error (limit) once it is larger than @p max_payload bytes: a few
/// kilobytes can decode to terabytes. Without a signature that was appended to the container.
[[nodiscard]] LoadObstacle read_payload(const InputFile& file, const Codec& codec, std::uint64_t max_payload,
                                        const ByteSink& sink, PayloadNotes* notes = nullptr);

/// As above, from any source.
[[nodiscard]] LoadObstacle read_payload(const DecodeJob& job, const Codec& codec, std::uint64_t max_payload);

/// What the container is to hold.
struct NewPayload {
    std::uint64_t kept;              ///< Bytes of the old payload.
    std::span<const std::byte> tail; ///< What follows them.
};

/// How a container was written.
enum class Written {
    unchecked, ///< Whether it decodes to what it should, the caller has to see.
    checked,   ///< The old bytes, which were decoded before, and new ones, which were decoded and compared.
};

/// Writes the container anew: the payload kept up to a point, then a tail. The whole is one container in the form that
/// the kernel and kmod read.
///
/// With the notes of its decoding, the compressed bytes of what is kept are copied, in the kernel where that can be
/// done, and only what the cut touches is compressed anew. Without, where there is next to nothing to keep, or where
/// the file would be more than a hundredth larger than need be, all is compressed anew, at that level. Either way a
/// block ends where the tail starts, so that the next tail can be spliced in without compressing anything, however
/// often, and the file does not grow by it.
[[nodiscard]] Written write_kept_and_tail(const InputFile& file, const Codec& codec, const PayloadNotes* notes,
                                          const NewPayload& payload, int level, ReplacementFile& output);

} // namespace ksign
