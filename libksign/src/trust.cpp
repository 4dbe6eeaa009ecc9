#include <ksign/trust.hpp>

#include <ksign/error.hpp>
#include <ksign/key_store.hpp>
#include <ksign/trusted_keys.hpp>

#include <algorithm>
#include <utility>

namespace ksign {
namespace {

/// Collects from one place after the other.
class Collector {
  public:
    Collector(const Kernel& kernel, const std::optional<KernelConfig>& config)
        : kernel_(kernel), config_(config), of_kernel_(" of kernel " + kernel.release().text()) {}

    [[nodiscard]] InstalledCertificates collect() {
        std::optional<std::filesystem::path> build;
        attempt([&] { build = kernel_.build_folder(); });
        if (build) {
            if (!config_) {
                attempt([this] { static_cast<void>(kernel_.config()); }); // it may be there, and closed to this user
            }
            attempt([this] { take_kernel_key(); });
            // What the kernel's build extracts of CONFIG_MODULE_SIG_KEY (certs/Makefile), and always builds in.
            attempt([&] {
                found_.has_build_key =
                    take(*build / "certs/signing_key.x509", "certs/signing_key.x509" + of_kernel_, true);
            });
            attempt([&] { take_trusted_keys(*build); });
        }
        return std::move(found_);
    }

  private:
    template <typename Action> void attempt(const Action& action) {
        try {
            action();
        } catch (const Error& error) {
            if (error.is_denied()) {
                found_.unread.emplace_back(error.what());
            }
            found_.notes.push_back((error.is_denied() ? error.or_remedy(run_as_root) : error).with_remedy());
        }
    }

    void take_kernel_key() {
        if (const auto location = find_kernel_key(kernel_)) {
            take(location->certificate, location->origin,
                 config_ ? std::optional(names_kernel_key(*config_, *location)) : std::nullopt);
        }
    }

    void take_trusted_keys(const std::filesystem::path& build) {
        const auto named = config_ ? config_->value("SYSTEM_TRUSTED_KEYS") : std::nullopt;
        if (named && !named->empty()) {
            // Relative to the build's own folder, which for an installed kernel is that of its headers.
            const std::filesystem::path file(*named);
            take(file.is_absolute() ? kernel_.root() / file.relative_path() : build / file,
                 "CONFIG_SYSTEM_TRUSTED_KEYS" + of_kernel_, true);
        }
    }

    /// What a file holds; one that is not there is nothing to speak of. Returns whether it is.
    bool take(const std::filesystem::path& path, const std::string& origin, std::optional<bool> named) {
        const std::filesystem::path file = resolve_in_root(kernel_.root(), path);
        std::error_code why;
        if (!std::filesystem::exists(file, why) && !why) {
            return false;
        }
        if (why) {
            throw Error::from_errno(file.string(), "look for certificates", why.value());
        }
        for (KernelCertificate& certificate : KernelCertificate::load(file)) {
            found_.certificates.push_back({std::move(certificate), origin, named});
        }
        return true;
    }

    const Kernel& kernel_;
    const std::optional<KernelConfig>& config_;
    std::string of_kernel_;
    InstalledCertificates found_;
};

/// Whether a keyring holds it.
bool holds(const TrustedKeys& keys, const KernelCertificate& certificate) {
    return std::ranges::any_of(keys.entries, [&certificate](const TrustEntry& entry) {
        return entry.keyring != Keyring::revoked && entry.certificate.fingerprint() == certificate.fingerprint();
    });
}

} // namespace

std::string_view keyring_name(Keyring keyring) noexcept {
    switch (keyring) {
    case Keyring::builtin:
        return ".builtin_trusted_keys";
    case Keyring::secondary:
        return ".secondary_trusted_keys";
    case Keyring::machine:
        return ".machine";
    case Keyring::platform:
        return ".platform";
    case Keyring::revoked:
        return ".blacklist";
    }
    return "";
}

void TrustedKeys::add(TrustEntry entry) {
    const bool known = std::ranges::any_of(entries, [&entry](const TrustEntry& other) {
        return other.keyring == entry.keyring && other.certificate.fingerprint() == entry.certificate.fingerprint();
    });
    if (!known) {
        entries.push_back(std::move(entry));
    }
}

InstalledCertificates find_installed_certificates(const Kernel& kernel, const std::optional<KernelConfig>& config) {
    return Collector(kernel, config).collect();
}

void add_installed_certificates(TrustedKeys& keys, const Kernel& kernel, const std::optional<KernelConfig>& config) {
    InstalledCertificates found = find_installed_certificates(kernel, config);
    keys.unread.insert(keys.unread.end(), found.unread.begin(), found.unread.end());
    keys.notes.insert(keys.notes.end(), found.notes.begin(), found.notes.end());
    for (const InstalledCertificate& each : found.certificates) {
        if (each.named == true) {
            keys.add({each.certificate, Keyring::builtin, each.origin});
        }
    }
    for (const InstalledCertificate& each : found.certificates) {
        if (each.named == true || holds(keys, each.certificate)) {
            continue;
        }
        if (each.named) {
            keys.notes.push_back(each.certificate.name() + " (" + each.origin + ") is not what " +
                                 config->path().string() +
                                 " has built in (CONFIG_SYSTEM_TRUSTED_KEYS): what it signs does not load by it");
            keys.left_out.push_back({each.certificate, Keyring::builtin, each.origin});
        } else {
            keys.unproven.push_back({each.certificate, Keyring::builtin, each.origin});
        }
    }
    if (!found.has_build_key) {
        keys.unknown_builtin = "no image of it was read, and its headers do not hold the key of its own build";
    }
}

} // namespace ksign
