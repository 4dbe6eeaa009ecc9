#include <ksign/trust.hpp>

#include <ksign/error.hpp>
#include <ksign/key_store.hpp>

#include <algorithm>
#include <utility>

namespace ksign {
namespace {

/// Adds what a file holds; a file that is not there is nothing to speak of, one that can't be read is noted.
void add_file(TrustedKeys& keys, const std::filesystem::path& file, const std::string& origin) {
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
        return;
    }
    try {
        for (KernelCertificate& certificate : KernelCertificate::load(file)) {
            keys.add({std::move(certificate), Keyring::builtin, origin});
        }
    } catch (const Error& error) {
        keys.notes.emplace_back(error.what());
    }
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

void add_installed_certificates(TrustedKeys& keys, const Kernel& kernel) {
    const auto build = kernel.build_folder();
    if (!build) {
        return;
    }
    const std::string& release = kernel.release().text();
    try {
        if (const auto location = find_kernel_key(kernel)) {
            add_file(keys, location->certificate, location->origin);
        }
        add_file(keys, resolve_in_root(kernel.root(), *build / "certs/signing_key.x509"),
                 "certs/signing_key.x509 of kernel " + release);
        const auto config = kernel.config();
        const auto named = config ? config->value("SYSTEM_TRUSTED_KEYS") : std::nullopt;
        if (named && !named->empty()) {
            // Relative to the build's own folder, which for an installed kernel is that of its headers.
            const std::filesystem::path file(*named);
            add_file(keys,
                     resolve_in_root(kernel.root(),
                                     file.is_absolute() ? kernel.root() / file.relative_path() : *build / file),
                     "CONFIG_SYSTEM_TRUSTED_KEYS of kernel " + release);
        }
    } catch (const Error& error) {
        keys.notes.emplace_back(error.what());
    }
}

} // namespace ksign
