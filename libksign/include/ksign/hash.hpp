// The hash algorithms that a kernel may check a module's signature with.
#pragma once

#include <ksign/export.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace ksign {

/// A hash algorithm, by the kernel's names (CONFIG_MODULE_SIG_HASH, kernel/module/Kconfig).
/// SHA-1 is here since old kernels' modules have it; from Linux 7.0 nothing is signed with it any more.
/// SHA-3 needs Linux 6.7 to be verified.
enum class HashAlgorithm { sha1, sha224, sha256, sha384, sha512, sha3_256, sha3_384, sha3_512 };

/// The kernel's name: "sha512", "sha3-256".
[[nodiscard]] KSIGN_EXPORT std::string_view hash_name(HashAlgorithm algorithm) noexcept;

/// The algorithm of that name, or nothing. Case does not matter.
[[nodiscard]] KSIGN_EXPORT std::optional<HashAlgorithm> parse_hash(std::string_view name) noexcept;

/// Every algorithm's name, for messages and completions.
[[nodiscard]] KSIGN_EXPORT std::vector<std::string_view> hash_names();

} // namespace ksign
