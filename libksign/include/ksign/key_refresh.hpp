// Makes the signing keys of a certs-local folder, and renews them.
#pragma once

#include <ksign/certificate_request.hpp>
#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/key_kind.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// How long a key is used before it is renewed.
struct RefreshPeriod {
    std::optional<std::chrono::seconds> length; ///< Nothing: always renewed.
};

/// Arch-SKM's default.
inline constexpr RefreshPeriod usual_refresh_period{std::chrono::hours{24} * 7};

/// "7d", "24h", "30days", "2 weeks", "always". Units: s, m, h, d, w, spelled out or short. Nothing if it is none.
[[nodiscard]] KSIGN_EXPORT std::optional<RefreshPeriod> parse_refresh_period(std::string_view text);

/// What refresh_keys() is to see to.
struct RefreshRequest {
    std::filesystem::path certs_local; ///< Made if it does not exist.
    KeyKind kind = KeyKind::p_384;
    HashAlgorithm hash = HashAlgorithm::sha512;
    RefreshPeriod period = usual_refresh_period;
    CertificateRequest certificate;
    std::optional<std::size_t> keep; ///< So many key folders are kept, the current one among them; nothing: all.
};

struct RefreshResult {
    bool made = false;
    std::string reason; ///< Why a key was made, or why none: "the key was made 8 days ago", "due in 6 days".
    KeyFolder current;
    std::vector<std::filesystem::path> pruned; ///< Old key folders that were removed.
};

/// Makes a key folder and leads `current` to it, if there is none, if it is too old, if it is for another kind of key
/// or hash, or if it is not whole.
///
/// `current` leads to a whole key folder at every moment: the new one is written and synced under another name,
/// renamed, and then the link is replaced. Two runs at once work one after the other, and the second takes what the
/// first made. Private keys have mode 0600 from their first byte, in a folder of mode 0700. Throws Error (system,
/// certificate, crypto, key).
KSIGN_EXPORT RefreshResult refresh_keys(const RefreshRequest& request);

} // namespace ksign
