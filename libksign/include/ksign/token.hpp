// Names of keys and certificates that are in PKCS#11 tokens.
#pragma once

#include <ksign/export.hpp>

#include <string>
#include <string_view>

namespace ksign {

/// Whether a key or certificate is named by a `pkcs11:` URI and not by a file.
[[nodiscard]] KSIGN_EXPORT bool is_token_uri(std::string_view name);

/// A path or URI of a key or certificate as it may be shown: without the PIN that a URI may carry (pin-value).
[[nodiscard]] KSIGN_EXPORT std::string displayed_key(std::string_view name);

} // namespace ksign
