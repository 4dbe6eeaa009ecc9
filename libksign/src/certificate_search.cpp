#include "certificate_search.hpp"

#include "der.hpp"

#include <ksign/error.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

// What must be seen in one piece: a list of certificates with all that follows it, or an embedded configuration.
// Distributions build in up to a dozen certificates of some 1.5 KiB.
constexpr std::size_t overlap = std::size_t{1} << 20U;
constexpr std::size_t window_size = std::size_t{4} << 20U;

constexpr std::size_t most_attempts = 4096;                     // a real kernel has a handful
constexpr std::size_t alignment = 8;                            // ".align 8" of system_certificates.S
constexpr std::size_t largest_reserve = std::size_t{64} * 1024; // CONFIG_SYSTEM_EXTRA_CERTIFICATE_SIZE: 4096

constexpr std::string_view banner_start = "Linux version ";
constexpr std::size_t longest_banner = 1024;
constexpr std::string_view config_start = "IKCFG_ST"; // kernel/configs.c
constexpr std::string_view config_end = "IKCFG_ED";

std::size_t find_bytes(Bytes bytes, std::size_t from, std::string_view text) {
    if (from >= bytes.size()) {
        return bytes.size();
    }
    const void* found = ::memmem(bytes.data() + from, bytes.size() - from, text.data(), text.size());
    return found == nullptr ? bytes.size()
                            : static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
}

/// An unsigned long of the kernel, of either size and byte order, that must have a value.
bool is_number(Bytes bytes, std::size_t at, std::uint64_t wanted) {
    std::uint64_t little = 0;
    std::uint64_t big = 0;
    if (at + alignment > bytes.size()) {
        return false;
    }
    for (std::size_t index = 0; index < alignment; ++index) {
        little |= std::to_integer<std::uint64_t>(bytes[at + index]) << (8U * index);
        big = big << 8U | std::to_integer<std::uint64_t>(bytes[at + index]);
    }
    // Of 32 bits, it is the first half.
    return little == wanted || big == wanted || (little & 0xffffffffU) == wanted || big >> 32U == wanted;
}

/// The bytes that may be a certificate at the start of some: as x509_load_certificate_list() wants them, with a length
/// of two bytes, and a sequence of a sequence, a sequence and a bit string, of definite lengths. Looks only, so that it
/// may be called for every byte of an image.
std::optional<Bytes> candidate_at(Bytes bytes) {
    const auto at = [&bytes](std::size_t index) { return std::to_integer<unsigned>(bytes[index]); };
    if (bytes.size() < 8 || at(0) != der_sequence || at(1) != 0x82 || at(4) != der_sequence) {
        return std::nullopt;
    }
    const std::size_t size = (at(2) << 8U | at(3)) + 4;
    if (size > bytes.size()) {
        return std::nullopt;
    }
    DerReader parts(bytes.subspan(4, size - 4));
    const bool fits =
        std::ranges::all_of(std::array{der_sequence, der_sequence, der_bit_string},
                            [&parts](unsigned tag) { return !parts.next_is_indefinite() && parts.next(tag); });
    return fits && parts.at_end() ? std::optional(bytes.first(size)) : std::nullopt;
}

std::optional<KernelCertificate> parse_candidate(Bytes bytes, const std::string& subject) {
    try {
        return KernelCertificate::parse(bytes, subject);
    } catch (const Error&) {
        return std::nullopt;
    }
}

} // namespace

void CertificateSearch::take(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min(bytes.size(), window_size - window_.size()));
        window_.insert(window_.end(), part.begin(), part.end());
        bytes = bytes.subspan(part.size());
        if (window_.size() == window_size) {
            search(false);
        }
    }
}

void CertificateSearch::search(bool at_end) {
    const std::size_t end = at_end ? window_.size() : window_.size() - overlap;
    search_certificates(window_, end);
    search_texts(window_, end);
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(end));
}

void CertificateSearch::search_certificates(Bytes window, std::size_t end) {
    constexpr std::string_view start("\x30\x82", 2);
    std::size_t at = find_bytes(window, skip_, start);
    while (at < end) {
        Run run;
        const std::size_t size = read_run(window.subspan(at), run);
        if (size > 0) {
            runs_.push_back(std::move(run));
        }
        at += std::max<std::size_t>(size, 1);
        skip_ = at;
        at = find_bytes(window, at, start);
    }
    skip_ = skip_ > end ? skip_ - end : 0;
}

/// Reads the certificates that some bytes begin with, and what says which list they are. Returns their size.
std::size_t CertificateSearch::read_run(Bytes bytes, Run& run) {
    std::size_t size = 0;
    std::size_t first_size = 0;
    while (const auto candidate = candidate_at(bytes.subspan(size))) {
        if (++attempts_ > most_attempts) {
            throw Error(ErrorCode::limit, subject_,
                        "holds more than " + std::to_string(most_attempts) +
                            " things that look like certificates, which no kernel does");
        }
        auto certificate = parse_candidate(*candidate, subject_);
        if (!certificate) {
            break;
        }
        size += candidate->size();
        first_size = first_size == 0 ? size : first_size;
        run.certificates.push_back(std::move(*certificate));
    }
    if (size == 0) {
        return 0;
    }
    const std::size_t aligned = (size + alignment - 1) / alignment * alignment;
    run.has_list_size = is_number(bytes, aligned, size);
    run.has_module_size = run.has_list_size && is_number(bytes, aligned + alignment, first_size);
    // CONFIG_SYSTEM_EXTRA_CERTIFICATE: a reserve stands between the list and its size.
    for (std::size_t at = aligned; !run.has_list_size && at < aligned + largest_reserve && at < bytes.size();
         at += alignment) {
        run.has_module_size = is_number(bytes, at, size) && is_number(bytes, at + alignment, first_size);
        run.has_list_size = run.has_module_size;
    }
    return size;
}

void CertificateSearch::search_texts(Bytes window, std::size_t end) {
    for (std::size_t at = find_bytes(window, 0, banner_start); at < end && result_.banner.empty();
         at = find_bytes(window, at + 1, banner_start)) {
        const auto rest = as_text(window.subspan(at, std::min(longest_banner, window.size() - at)));
        const std::string_view line = rest.substr(0, rest.find_first_of(std::string_view("\n\0", 2)));
        const bool is_release = line.size() > banner_start.size() && line[banner_start.size()] >= '0' &&
                                line[banner_start.size()] <= '9' && line.find(" (") != std::string_view::npos;
        if (is_release) {
            result_.banner = line;
        }
    }
    const std::size_t config = find_bytes(window, 0, config_start);
    if (config < end && result_.config.empty()) {
        const auto content = window.subspan(config + config_start.size());
        const std::size_t size = find_bytes(content, 0, config_end);
        if (size < content.size()) {
            result_.config.assign(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(size));
        }
    }
}

CertificateSearch::Result CertificateSearch::finish() {
    search(true);
    const bool certain = std::ranges::any_of(runs_, &Run::has_module_size);
    bool found_list = false;
    for (Run& run : runs_) {
        // Without a key of its own (CONFIG_MODULE_SIG_KEY=""), module_cert_size is 0 and says nothing;
        // system_certificates stands before revocation_certificates in certs/Makefile, and so in the image.
        const bool is_list = certain ? run.has_module_size : run.has_list_size && !found_list;
        auto& target = is_list ? result_.builtin : run.has_list_size ? result_.revoked : result_.others;
        found_list = found_list || is_list;
        std::ranges::move(run.certificates, std::back_inserter(target));
    }
    return std::move(result_);
}

} // namespace ksign
