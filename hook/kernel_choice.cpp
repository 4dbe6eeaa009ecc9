#include "kernel_choice.hpp"

#include <ksign/error.hpp>
#include <ksign/key_store.hpp>
#include <ksign/kmod.hpp>
#include <ksign/running_kernel.hpp>
#include <ksign/shell.hpp>
#include <ksign/token.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace ksign::hook {
namespace {

/// An option's value, one of some words.
template <typename Value, std::size_t Count>
Value word_of(const Values& values, const char* name, const std::pair<const char*, Value> (&words)[Count]) {
    const std::string text = value_of(values, name).value_or(words[0].first);
    std::string known;
    for (const auto& [word, value] : words) {
        if (text == word) {
            return value;
        }
        known += (known.empty() ? "" : ", ") + std::string(word);
    }
    throw UsageError(std::string("--") + name + ": '" + text + "' is none of " + known);
}

/// Reads the image that an option names, or the kernel's own. One that is found and that this user may not read leaves
/// open what the kernel trusts.
std::optional<KernelImage> image_of(const Values& values, const std::optional<Kernel>& kernel, TrustedKeys& keys) {
    if (const auto named = value_of(values, "image")) {
        return read_kernel_image(*named);
    }
    const auto found = kernel ? find_kernel_image(*kernel) : std::nullopt;
    if (!found) {
        if (kernel) {
            keys.notes.push_back("no image of kernel " + kernel->release().text() +
                                 " was found: its certificates are taken to be those of its headers' folder that its "
                                 "configuration names (--image FILE names an image)");
        }
        return std::nullopt;
    }
    return read_image_or(*found, [&keys](const Error& error) {
        if (error.is_denied()) {
            keys.unread.emplace_back(error.what());
        }
        keys.notes.push_back(error.with_remedy());
    });
}

/// What an image says of itself and of its certificates.
void add_image(const KernelImage& image, KernelFacts& facts, TrustedKeys& keys) {
    const std::string file = image.path.string();
    add_image_certificates(keys, image);
    facts.banner = image.banner;
    if (!facts.release.empty() && facts.release != image.release) {
        keys.notes.push_back(file + " is the image of kernel " + image.release + ", not of " + facts.release);
    }
    facts.release = image.release;
    if (!facts.config) {
        facts.config = image.config;
    }
    if (image.builtin.empty()) {
        keys.notes.push_back(file + " holds no built-in certificates");
    }
}

/// What is judged without a configuration, and why there is none.
std::string without_config(const Kernel& kernel) {
    std::string reason;
    try {
        static_cast<void>(kernel.config());
    } catch (const Error& error) {
        reason = ": " + error.or_remedy(run_as_root).with_remedy();
    }
    return "no configuration of kernel " + kernel.release().text() +
           " was found, so it is taken to know every hash and type of key (--kernel-config FILE names one)" + reason;
}

/// A key that a kernel's headers hold and its image does not know: nothing signed with it loads.
void compare_with_installed(const KernelImage& image, const Kernel& kernel, const KernelFacts& facts,
                            TrustedKeys& keys) {
    for (const InstalledCertificate& installed : find_installed_certificates(kernel, facts.config).certificates) {
        const bool is_built_in = std::ranges::any_of(keys.entries, [&installed](const TrustEntry& other) {
            return other.certificate.fingerprint() == installed.certificate.fingerprint();
        });
        if (!is_built_in) {
            keys.notes.push_back(installed.certificate.name() + " (" + installed.origin + ") is not built into " +
                                 image.path.string() + ": what it signs does not load by it");
        }
    }
}

/// Sets where the key is from that `ksign sign -k` takes, if none of the kernel's keyrings holds its certificate; not
/// if one does or may, or if there is no such key.
void find_untrusted_signing_key(KernelFacts& facts, const Kernel& kernel, const TrustedKeys& keys,
                                const Settings& settings) {
    try {
        auto key = find_kernel_key(kernel);
        const bool is_own = key.has_value();
        if (!key && settings.key) {
            key = KeyLocation{*settings.key, settings.certificate.value_or(*settings.key),
                              settings.certificate.value_or(*settings.key) + ", by " + settings.source.string(),
                              std::nullopt};
        }
        // A token is not asked for what is only a hint.
        if (!key || is_token_uri(key->certificate.native()) || !keys.unread.empty()) {
            return;
        }
        const auto is_one_of = [](const std::vector<TrustEntry>& entries, const KernelCertificate& certificate) {
            return std::ranges::any_of(entries, [&certificate](const TrustEntry& entry) {
                return entry.keyring != Keyring::revoked &&
                       entry.certificate.fingerprint() == certificate.fingerprint();
            });
        };
        for (const KernelCertificate& certificate : KernelCertificate::load(key->certificate)) {
            if (is_one_of(keys.entries, certificate) || is_one_of(keys.unproven, certificate)) {
                return;
            }
        }
        facts.untrusted_signing_key = key->origin;
        facts.signing_key_is_own = is_own;
    } catch (const Error&) {
        return; // what is wrong with it, those who look for its certificate say
    }
}

} // namespace

std::optional<KernelImage> read_image_or(const std::filesystem::path& file,
                                         const std::function<void(const Error&)>& unread) {
    try {
        return read_kernel_image(file);
    } catch (const Error& error) {
        if (!error.is_denied() && error.code() != ErrorCode::kernel) {
            throw;
        }
        unread(error);
        return std::nullopt;
    }
}

void add_knowledge_options(Options& options) {
    options.value("image", "FILE", "the kernel's image, for what is built into it (default: the installed one)")
        .value("kernel-config", "FILE",
               "the kernel's configuration (default: what its image embeds, or the installed one)")
        .values("trust", "FILE", "a certificate that it trusts as well, DER or PEM; may be repeated");
}

void add_policy_options(Options& options) {
    options.value("enforce", "WORD", "yes (default) or no: module.sig_enforce")
        .value("lockdown", "WORD", "none, integrity or confidentiality (default: as the kernel runs now, else none)")
        .value("load", "WORD",
               "modprobe (default, as the installed kmod does it), kernel (it decompresses) or plain (as it is)");
}

void add_jobs_option(Options& options) {
    options.value("jobs,j", "N", "so many modules at a time (default: one for each processor)");
}

unsigned jobs_of(const Values& values) {
    constexpr unsigned most = 1024;
    const auto text = value_of(values, "jobs");
    if (!text) {
        return 0;
    }
    unsigned number = 0;
    const char* end = text->data() + text->size();
    if (std::from_chars(text->data(), end, number).ptr != end || number == 0 || number > most) {
        throw UsageError("--jobs: '" + *text + "' is not a number from 1 to " + std::to_string(most));
    }
    return number;
}

JudgeChoice choose_judge(const Values& values, const std::optional<Kernel>& kernel) {
    KernelFacts facts;
    facts.enforced = word_of<bool>(values, "enforce", {{"yes", true}, {"no", false}});
    facts.lockdown = word_of<Lockdown>(
        values, "lockdown",
        {{"none", Lockdown::none}, {"integrity", Lockdown::integrity}, {"confidentiality", Lockdown::confidentiality}});
    facts.method = word_of<LoadMethod>(
        values, "load",
        {{"modprobe", LoadMethod::modprobe}, {"kernel", LoadMethod::kernel}, {"plain", LoadMethod::plain}});
    facts.kmod_decompresses = kmod_decompresses_itself(value_of(values, "root").value_or("/"));
    TrustedKeys keys;
    const auto trusted = values.all("trust");
    for (const std::string& file : trusted) {
        for (KernelCertificate& certificate : KernelCertificate::load(file)) {
            keys.add({std::move(certificate), Keyring::builtin, "--trust " + file});
        }
    }
    if (const auto config = value_of(values, "kernel-config")) {
        facts.config = KernelConfig::load(*config);
    }
    if (kernel) {
        facts.release = kernel->release().text();
        facts.signing_command = "ksign sign -k " + shell_quoted(facts.release) + shell_root_option(kernel->root());
    }
    const auto image = image_of(values, kernel, keys);
    if (image) {
        add_image(*image, facts, keys);
    }
    if (!facts.config && kernel) {
        facts.config = find_kernel_config(*kernel);
        if (image && !facts.config) {
            keys.notes.push_back(without_config(*kernel));
        }
    }
    if (image && kernel) {
        compare_with_installed(*image, *kernel, facts, keys);
    } else if (kernel) {
        add_installed_certificates(keys, *kernel, facts.config);
    }
    // How it runs now is known of the running kernel alone; the firmware has the same keys for each.
    const auto running = kernel ? read_running_kernel(kernel->root()) : std::nullopt;
    const bool is_running = running && running->release == kernel->release().text();
    if (is_running && facts.banner.empty()) {
        facts.banner = running->banner;
    }
    if (kernel) {
        add_firmware_keys(keys, facts, kernel->root());
    }
    if (is_running) {
        compare_with_loaded_keys(keys, kernel->root());
        if (!values.contains("lockdown")) {
            facts.lockdown = running->lockdown.value_or(Lockdown::none);
        }
    }
    if (kernel && facts.release == kernel->release().text()) {
        find_untrusted_signing_key(facts, *kernel, keys, settings_of(values));
    }
    Judge judge(std::move(facts), keys);
    return {std::move(keys), std::move(judge)};
}

} // namespace ksign::hook
