// The kinds of keys that modules can be signed with.
#pragma once

#include <ksign/export.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace ksign {

/// A type of key with its size, curve or parameter set: what kernels verify modules with
/// (crypto/asymmetric_keys/public_key.c; ML-DSA from Linux 7.0, P-521 from Linux 6.10).
enum class KeyKind { rsa_2048, rsa_3072, rsa_4096, p_256, p_384, p_521, ml_dsa_44, ml_dsa_65, ml_dsa_87 };

/// "rsa-4096", "p-384", "ml-dsa-65".
[[nodiscard]] KSIGN_EXPORT std::string_view key_kind_name(KeyKind kind) noexcept;

/// The kind of that name, or nothing. Case does not matter.
[[nodiscard]] KSIGN_EXPORT std::optional<KeyKind> parse_key_kind(std::string_view name) noexcept;

/// Every kind's name, for messages and completions.
[[nodiscard]] KSIGN_EXPORT std::vector<std::string_view> key_kind_names();

/// Arch-SKM's word for it in a key folder's `ktype`: "rsa", "ec"; "mldsa" is ksign's own.
[[nodiscard]] KSIGN_EXPORT std::string_view key_kind_family(KeyKind kind) noexcept;

/// Whether this OpenSSL can make such a key (ML-DSA from OpenSSL 3.5).
[[nodiscard]] KSIGN_EXPORT bool can_make_key(KeyKind kind) noexcept;

} // namespace ksign
