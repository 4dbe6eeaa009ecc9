// The bytes of a module as the kernel gets them, which for a compressed one depends on who decompresses it.
#pragma once

#include "container.hpp"
#include "digest.hpp"

#include <ksign/hash.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// A module's content, read once as a stream with its end held back; again only for what the first pass did not know.
class HandedModule {
  public:
    /// @param codec     how the content is decoded: plain for a file whose bytes are handed over as they are
    /// @param by_kernel whether a kernel decodes it, which stops after the first stream, frame or member
    /// @param expected  the hash that its signature is likely to be made with
    /// Throws Error (container, limit, system).
    HandedModule(const InputFile& file, const Codec& codec, bool by_kernel, HashAlgorithm expected,
                 std::uint64_t max_payload);

    /// Bytes in all, signatures too.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// The last bytes: all that the kernel parses of a signature, or the whole if it is shorter.
    [[nodiscard]] std::span<const std::byte> tail() const noexcept { return tail_; }
    /// The first 64 bytes, an ELF header.
    [[nodiscard]] std::span<const std::byte> head() const noexcept { return head_; }
    /// The value of "vermagic=" in .modinfo; empty if there is none.
    [[nodiscard]] const std::string& vermagic() const noexcept { return vermagic_; }
    /// What a kernel's decompressor would make of the container.
    [[nodiscard]] const LoadObstacle& obstacle() const noexcept { return obstacle_; }

    /// The digest of the first bytes. They must end in the tail.
    [[nodiscard]] std::vector<std::byte> digest(HashAlgorithm hash, std::uint64_t payload_size);
    /// The first bytes themselves.
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t payload_size) const;

  private:
    [[nodiscard]] LoadObstacle decode(const ByteSink& sink) const;
    void read_plain();
    void read_stream(HashAlgorithm expected);
    /// Throws Error unless as much was read as there was when the file was opened.
    void expect_whole(std::uint64_t got, std::uint64_t wanted) const;
    [[nodiscard]] std::size_t read_at(std::uint64_t position, std::span<std::byte> bytes) const;
    void stream(std::uint64_t payload_size, const ByteSink& sink) const;
    void search_vermagic(std::span<const std::byte> bytes);

    const InputFile& file_;
    const Codec& codec_;
    bool by_kernel_;
    std::uint64_t max_payload_;
    std::uint64_t size_ = 0;
    std::vector<std::byte> head_;
    std::unique_ptr<std::byte[]> kept_; ///< The whole of a small plain file.
    std::vector<std::byte> held_;       ///< Else the end of it, or of the stream.
    std::span<const std::byte> tail_;   ///< Of one of the two.
    std::string vermagic_;
    std::string vermagic_start_; ///< The end of what was looked through, in case the text is cut in two.
    LoadObstacle obstacle_;
    HashAlgorithm expected_;
    std::optional<Digest> running_; ///< Of a stream: what stands before the tail, by the expected hash.
};

} // namespace ksign
