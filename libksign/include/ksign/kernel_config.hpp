// A kernel's configuration (.config), as far as it decides about module signatures.
#pragma once

#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/key_kind.hpp>
#include <ksign/signer.hpp>

#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ksign {

/// What keeps a kernel from verifying a kind of signature.
struct VerifyObstacle {
    std::string reason; ///< "this kernel can't verify ECDSA signatures: CONFIG_CRYPTO_ECDSA is not set in …"
    std::string remedy; ///< What to do instead.
};

/// The first two numbers of a kernel's version: its rules depend on no more.
struct KernelVersion {
    int major = 0;
    int minor = 0;
    /// Of a release as `uname -r` prints it: "6.12.1-arch1". Nothing if it does not begin so.
    [[nodiscard]] static KSIGN_EXPORT std::optional<KernelVersion> of(std::string_view release) noexcept;
    bool operator==(const KernelVersion&) const = default;
    // Not <=>: clang-tidy 14 takes what compilers make of it for a null pointer.
    constexpr bool operator<(const KernelVersion& other) const noexcept {
        return major != other.major ? major < other.major : minor < other.minor;
    }
    constexpr bool operator>=(const KernelVersion& other) const noexcept { return !(*this < other); }
};

/// Stands for a kernel whose version is not known: it is taken to have everything.
inline constexpr KernelVersion newest_kernel{std::numeric_limits<int>::max(), 0};

/// The options of a .config or auto.conf that are set.
class KSIGN_EXPORT KernelConfig {
  public:
    /// Throws Error (system, limit; usage: a named pipe; kernel: no line is about an option).
    [[nodiscard]] static KernelConfig load(const std::filesystem::path& file);
    /// Of a text that was found elsewhere; @p origin takes the path's place.
    [[nodiscard]] static KernelConfig parse(std::string_view text, const std::filesystem::path& origin);

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    /// What Kconfig writes at the top: "Linux/x86 6.12.1 Kernel Configuration". Nothing if it is not there.
    [[nodiscard]] std::optional<KernelVersion> version() const noexcept { return version_; }
    /// An option's value without quotes; nothing if it is not set. The name is without "CONFIG_".
    [[nodiscard]] std::optional<std::string_view> value(std::string_view name) const;
    /// Whether an option is y or m.
    [[nodiscard]] bool enabled(std::string_view name) const;

    /// CONFIG_MODULE_SIG_HASH: what the kernel's own modules are signed with, so what it surely verifies.
    [[nodiscard]] std::optional<HashAlgorithm> module_hash() const;

    /// Why this kernel can't verify signatures of such a key and hash; nothing if it can. A kernel without
    /// CONFIG_MODULE_SIG verifies nothing and loads everything: nothing stands against signing.
    [[nodiscard]] std::optional<VerifyObstacle> why_not_verifiable(KeyType type, HashAlgorithm hash) const;
    /// The same for a key of which more is known: not every kernel has every curve.
    [[nodiscard]] std::optional<VerifyObstacle> why_not_verifiable(KeyKind kind, HashAlgorithm hash) const;
    /// The same for the key of a signer.
    [[nodiscard]] std::optional<VerifyObstacle> why_not_verifiable(const Signer& signer, HashAlgorithm hash) const;

  private:
    std::filesystem::path path_;
    std::optional<KernelVersion> version_;
    std::map<std::string, std::string, std::less<>> options_;
};

} // namespace ksign
