// ksign.conf.
#pragma once

#include <ksign/hash.hpp>
#include <ksign/sign.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace ksign::hook {

/// What DKMS is told where a kernel has no key.
enum class MissingKey { skip, fail };

/// The settings of ksign.conf, with their defaults.
struct Settings {
    std::filesystem::path source; ///< The file, whether it exists or not.
    std::optional<std::string> key;
    std::optional<std::string> certificate;
    std::optional<std::string> pin_file;
    bool insecure_keys = false; ///< Take a file of a key or PIN that others may read, write to or replace.
    std::optional<HashAlgorithm> hash;
    MissingKey missing_key = MissingKey::skip;
    FileOptions files;
};

/// Reads a file that must exist, and be no folder. Throws Error for an unknown name, a name given twice, or a value
/// that is none.
[[nodiscard]] Settings read_settings(const std::filesystem::path& file);

/// Reads ROOT/etc/ksign/ksign.conf; the defaults if there is none. Throws Error if that can't be seen.
[[nodiscard]] Settings read_usual_settings(const std::filesystem::path& root);

/// Bytes: a number with K, M, G or T, and "iB" or "B" if one likes, all powers of 1024. Nothing if it is none.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

} // namespace ksign::hook
