// Passphrases and PINs, wiped when they go.
#pragma once

#include <ksign/export.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// Overwrites memory in a way that no compiler leaves out.
KSIGN_EXPORT void wipe_memory(void* memory, std::size_t size) noexcept;

/// Has OpenSSL wipe all memory of the heap that it gives back, in the whole process: not all of its buffers are,
/// through which keys and PINs pass. For programs, before whatever else may use OpenSSL; returns false if that was too
/// late.
[[nodiscard]] KSIGN_EXPORT bool wipe_freed_memory() noexcept;

/// Wipes what a container gives back.
template <typename Value> struct WipingAllocator {
    using value_type = Value;
    WipingAllocator() = default;
    template <typename Other> explicit WipingAllocator(const WipingAllocator<Other>& /*other*/) noexcept {}
    [[nodiscard]] Value* allocate(std::size_t count) { return std::allocator<Value>().allocate(count); }
    void deallocate(Value* memory, std::size_t count) noexcept {
        wipe_memory(memory, count * sizeof(Value));
        std::allocator<Value>().deallocate(memory, count);
    }
    bool operator==(const WipingAllocator&) const = default;
};

/// Whether a file with a key, passphrase or PIN is taken that others than its owner can get at.
enum class InsecureFile { refused, allowed };

/// Bytes that must not outlive their use. Held on the heap whatever their number, so that none stay behind in a
/// moved-from object.
class KSIGN_EXPORT Secret {
  public:
    Secret() = default;
    explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }
    void append(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }

    /// The first line of a file, without its line end: what --pin-file names. Throws Error (system, limit; key: others
    /// may read the file, may write to it, or may put another one in its place). A pipe is taken whatever its mode is.
    [[nodiscard]] static Secret from_file(const std::filesystem::path& path,
                                          InsecureFile insecure = InsecureFile::refused);

  private:
    std::vector<char, WipingAllocator<char>> bytes_;
};

/// Asked for the passphrase of a key file or the PIN of a token, by its name, only when one is needed.
/// Nothing returned: there is none.
using PassphraseSource = std::function<std::optional<Secret>(const std::string& subject)>;

} // namespace ksign
