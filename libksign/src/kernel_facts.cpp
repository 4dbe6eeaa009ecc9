#include <ksign/kernel_facts.hpp>

#include <algorithm>
#include <string_view>

namespace ksign {
namespace {

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char digit) { return digit >= '0' && digit <= '9'; });
}

/// Whether a release is as Fedora's and RHEL's own packages have it: "6.12.5-200.fc41.x86_64",
/// "6.13.0-0.rc3.20241218gitaef25be35d23.31.fc42.x86_64", "5.14.0-503.15.1.el9_5.x86_64". Who builds others in the same
/// way gives them a name of their own: "6.12.5-cachyos1.fc41.x86_64".
bool is_red_hat_release(std::string_view release) {
    const std::size_t dash = release.find('-');
    std::string_view rest = dash == std::string_view::npos ? std::string_view() : release.substr(dash + 1);
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find('.'));
        if (part.starts_with("fc") || part.starts_with("el")) {
            // "el9_5" is a minor release, "eln148" what Fedora builds for the next one.
            const std::string_view version = part.substr(part.starts_with("eln") ? 3 : 2);
            return is_number(version.substr(0, version.find('_')));
        }
        const bool is_snapshot = part.starts_with("rc") || part.find("git") != std::string_view::npos;
        if (!is_number(part) && !is_snapshot) {
            return false;
        }
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    return false;
}

} // namespace

std::optional<KernelVersion> version_of(const KernelFacts& facts) noexcept {
    const auto version = KernelVersion::of(facts.release);
    return version || !facts.config ? version : facts.config->version();
}

bool trusts_platform_keys(const KernelFacts& facts) {
    const auto says = [&facts](std::string_view words) { return facts.banner.find(words) != std::string::npos; };
    return says("(debian-kernel@lists.debian.org)") || (says("(buildd@") && says("-Ubuntu ")) ||
           (says("(mockbuild@") && is_red_hat_release(facts.release)) ||
           (says("(mockbuild@") && facts.release.find(".amzn") != std::string::npos) ||
           (says("(geeko@buildhost)") && !facts.release.ends_with("-vanilla"));
}

bool takes_machine_owner_keys(const KernelFacts& facts) {
    constexpr KernelVersion first_to_ask{5, 18};
    constexpr KernelVersion last_to_ask{7, 0};
    if (!facts.config || facts.config->enabled("IMA_SECURE_AND_OR_TRUSTED_BOOT")) {
        return true;
    }
    const auto version = version_of(facts);
    return !version || *version < first_to_ask || last_to_ask < *version;
}

} // namespace ksign
