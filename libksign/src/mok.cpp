#include <ksign/mok.hpp>

#include "certificate.hpp"
#include "digest.hpp"
#include "file.hpp"
#include "firmware.hpp"
#include "kernel_certificate.hpp"
#include "kernel_crypto.hpp"
#include "key_generation.hpp"
#include "key_kind.hpp"

#include <ksign/error.hpp>
#include <ksign/token.hpp>

#include <algorithm>
#include <optional>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t largest_certificate = std::size_t{1} << 20U;

constexpr const char* other_way = "build the certificate into the kernel (CONFIG_SYSTEM_TRUSTED_KEYS; ksign config "
                                  "update), or use a kernel that takes machine owner keys";

/// Where a certificate is, by the firmware's lists.
class MokSearch {
  public:
    MokSearch(const KernelCertificate& certificate, const Firmware& firmware, std::vector<std::string>& notes)
        : der_(certificate.parts().der), firmware_(firmware), notes_(notes) {
        Digest digest(HashAlgorithm::sha256);
        digest.update(certificate.parts().signed_part);
        signed_part_hash_ = digest.finish();
    }

    [[nodiscard]] MokState state() {
        // A revoked key is refused whatever else holds it (is_key_on_revocation_list()).
        if (holds("dbx", database_guid) || holds("MokListXRT", shim_guid)) {
            return MokState::revoked;
        }
        if (holds("MokListRT", shim_guid)) {
            return MokState::enrolled;
        }
        if (holds("db", database_guid)) {
            return MokState::in_db;
        }
        if (holds("MokNew", shim_guid)) {
            return MokState::requested;
        }
        return notes_.empty() ? MokState::absent : MokState::unknown;
    }

  private:
    [[nodiscard]] bool holds(const std::string& name, const char* guid) {
        bool found = false;
        try {
            const auto content = firmware_.variable(name, guid);
            const bool whole = !content || for_each_signature(*content, [&](const Guid& type, Bytes data) {
                found = found || (type == x509_guid && std::ranges::equal(data, der_)) ||
                        (type == x509_sha256_guid &&
                         std::ranges::equal(data.first(std::min(data.size(), hash_size)), signed_part_hash_));
            });
            if (!whole) {
                notes_.push_back("the firmware's variable " + name + " can't be parsed to its end");
            }
        } catch (const Error& error) {
            notes_.emplace_back(error.what());
        }
        return found;
    }

    static constexpr std::size_t hash_size = 32; // in dbx; a time of revocation follows
    Bytes der_;
    std::vector<std::byte> signed_part_hash_;
    const Firmware& firmware_;
    std::vector<std::string>& notes_;
};

/// What the kernel does with a machine owner key, and whether that makes modules load.
class MokRules {
  public:
    MokRules(MokSurvey& survey, const KernelCertificate& certificate, const KernelFacts& kernel,
             const Firmware& firmware)
        : survey_(survey), certificate_(certificate), kernel_(kernel), firmware_(firmware) {}

    void apply() {
        survey_.keyring = survey_.state == MokState::in_db
                              ? Keyring::platform
                              : machine_owner_keyring(kernel_.config, firmware_, certificate_);
        survey_.keyring_reason = why_that_keyring();
        if (survey_.state == MokState::revoked) {
            obstruct("it is revoked on this machine (dbx or MokListX)", "make another key: ksign keys generate");
        }
        check_firmware();
        check_keyring();
        check_certificate();
    }

  private:
    void obstruct(std::string reason, std::string remedy) {
        survey_.obstacles.push_back({std::move(reason), std::move(remedy)});
    }
    [[nodiscard]] bool lacks(std::string_view option) const {
        return kernel_.config && !kernel_.config->enabled(option);
    }
    [[nodiscard]] bool has(std::string_view option) const { return kernel_.config && kernel_.config->enabled(option); }

    [[nodiscard]] std::string why_that_keyring() const {
        if (survey_.state == MokState::in_db) {
            return "keys of the firmware's db all go there";
        }
        if (survey_.keyring == Keyring::machine) {
            return "it takes machine owner keys, and shim says that they are trusted (MokListTrustedRT)";
        }
        if (lacks("INTEGRITY_MACHINE_KEYRING")) {
            return "it has no machine keyring (CONFIG_INTEGRITY_MACHINE_KEYRING is not set)";
        }
        if (!firmware_.variable("MokListTrustedRT", shim_guid)) {
            return "shim does not say that machine owner keys are trusted (there is no MokListTrustedRT)";
        }
        return has("INTEGRITY_CA_MACHINE_KEYRING_MAX")
                   ? "its machine keyring takes only certificate authorities that do not sign data themselves "
                     "(CONFIG_INTEGRITY_CA_MACHINE_KEYRING_MAX)"
                   : "its machine keyring takes only certificate authorities (CONFIG_INTEGRITY_CA_MACHINE_KEYRING)";
    }

    /// load_uefi_certs().
    void check_firmware() {
        if (lacks("LOAD_UEFI_KEYS")) {
            obstruct("this kernel takes no keys from the firmware: CONFIG_LOAD_UEFI_KEYS is not set in " +
                         kernel_.config->path().string(),
                     other_way);
        }
        if (survey_.state == MokState::in_db) {
            if (firmware_.variable("MokIgnoreDB", shim_guid)) {
                obstruct("shim has the kernel ignore the firmware's db (MokIgnoreDB)",
                         "enroll it as a machine owner key, or: mokutil --use-db");
            }
            return;
        }
        if (!takes_machine_owner_keys(kernel_)) {
            obstruct("this kernel looks at no machine owner keys: up to Linux 7.0 that takes CONFIG_IMA_ARCH_POLICY, "
                     "which is not set in " +
                         kernel_.config->path().string(),
                     other_way);
        }
        if (const SecureBoot state = firmware_.secure_boot(); state != SecureBoot::on) {
            const std::string remedy = state == SecureBoot::not_validated
                                           ? "mokutil --enable-validation, reboot, and confirm it in MokManager"
                                       : state == SecureBoot::setup_mode
                                           ? "enroll the firmware's keys (PK) in its setup, as by its default ones"
                                           : "turn Secure Boot on in the firmware's setup";
            obstruct(std::string(why_not_secure(state)) + ", and the kernel then looks at no machine owner keys",
                     remedy + "; until then signatures are enforced only where module.sig_enforce=1 is set");
        }
    }

    /// verify_pkcs7_signature() of module_sig_check() looks in the secondary keyring, which links to .machine.
    void check_keyring() {
        if (survey_.keyring == Keyring::machine || trusts_platform_keys(kernel_)) {
            return;
        }
        const std::string where = ".platform, where this kernel does not look for the keys of modules: ";
        if (has("INTEGRITY_MACHINE_KEYRING") && survey_.state != MokState::in_db) {
            const bool is_barred = firmware_.variable("MokListTrustedRT", shim_guid).has_value();
            obstruct("it goes into " + where + survey_.keyring_reason,
                     is_barred ? "enroll the certificate of an authority (ksign keys generate --ca), or build it into "
                                 "the kernel (ksign config update)"
                               : "run mokutil --trust-mok (0.6 or newer), reboot, and confirm it in MokManager");
        } else {
            obstruct("it goes into " + where + survey_.keyring_reason, other_way);
        }
    }

    void check_certificate() {
        if (kernel_.config) {
            const auto kind = kind_of_key(X509_get0_pubkey(certificate_.parts().certificate.get()));
            const HashAlgorithm hash = kernel_.config->module_hash().value_or(HashAlgorithm::sha256);
            if (!kind) {
                obstruct("its key, " + certificate_.key_description() +
                             ", is of a kind that kernels do not verify "
                             "modules with",
                         "make another key: ksign keys generate");
            } else if (auto why = kernel_.config->why_not_verifiable(*kind, hash)) {
                survey_.obstacles.push_back(std::move(*why));
            }
        }
        const KernelCrypto crypto(KernelVersion::of(kernel_.release).value_or(newest_kernel), kernel_.config);
        if (const auto failure = crypto.why_not_parsed(certificate_)) {
            obstruct("this kernel does not take the certificate: " + failure->reason,
                     "make another key: ksign keys generate");
        }
        // check_codesign_eku() of SUSE's kernels ("KEYS: CodeSigning EKU").
        if (has("CHECK_CODESIGN_EKU") && !certificate_.parts().signs_code) {
            obstruct("this kernel wants the extended key usage codeSigning (CONFIG_CHECK_CODESIGN_EKU), which the "
                     "certificate does not have",
                     "make one that has it: ksign keys generate --code-signing");
        }
    }

    MokSurvey& survey_;
    const KernelCertificate& certificate_;
    const KernelFacts& kernel_;
    const Firmware& firmware_;
};

/// The one that bytes are in DER; nothing if they are anything else.
std::optional<KernelCertificate> certificate_in(Bytes bytes) {
    try {
        return KernelCertificate::parse(bytes, {});
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// Why a file is not to be written over.
std::string what_it_holds(Bytes bytes) {
    const auto other = certificate_in(bytes);
    return other ? "holds another certificate (" + other->name() + ", serial " + other->serial() + ')'
                 : "is there already, and is no certificate in DER";
}

} // namespace

std::string_view mok_state_name(MokState state) noexcept {
    switch (state) {
    case MokState::no_firmware:
        return "no firmware";
    case MokState::enrolled:
        return "enrolled";
    case MokState::in_db:
        return "in db";
    case MokState::requested:
        return "requested";
    case MokState::revoked:
        return "revoked";
    case MokState::unknown:
        return "unknown";
    case MokState::absent:
        return "not enrolled";
    }
    return "";
}

KernelCertificate load_mok_certificate(const std::string& source) {
    try {
        return KernelCertificate::parse(certificate_der(read_certificate(source).get()), displayed_key(source));
    } catch (const Error& error) {
        throw error.is_denied() ? error.or_remedy(run_as_root) : error;
    }
}

MokSurvey survey_mok(const KernelCertificate& certificate, const KernelFacts& kernel,
                     const std::filesystem::path& root) {
    MokSurvey survey;
    const Firmware firmware(root);
    if (!firmware.is_there()) {
        survey.state = MokState::no_firmware;
        return survey;
    }
    survey.secure_boot = firmware.secure_boot() == SecureBoot::on;
    survey.state = MokSearch(certificate, firmware, survey.notes).state();
    MokRules(survey, certificate, kernel, firmware).apply();
    return survey;
}

bool is_mok_file(const std::filesystem::path& file) {
    return certificate_in(read_small_file(file, largest_certificate)).has_value();
}

bool write_mok_certificate(const KernelCertificate& certificate, const std::filesystem::path& file) {
    constexpr mode_t readable = 0644;
    const std::vector<std::byte>& der = certificate.parts().der;
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) {
        const std::vector<std::byte> held = read_small_file(file, largest_certificate);
        if (held == der) {
            return false;
        }
        // Not ours to replace: a private key, or a certificate that may exist nowhere else.
        throw Error(ErrorCode::certificate, file.string(), what_it_holds(held),
                    "say with --der FILE where to write it, or move that file away");
    }
    write_small_file(file, der, readable);
    return true;
}

} // namespace ksign
