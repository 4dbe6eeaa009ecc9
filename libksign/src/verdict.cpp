#include <ksign/verdict.hpp>

#include "handed_module.hpp"
#include "keyrings.hpp"
#include "module_signature.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/shell.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <map>
#include <system_error>
#include <utility>
#include <variant>

namespace ksign {
namespace {

using Failure = std::optional<KernelFailure>;

struct ErrorRow {
    int number;
    std::string_view name;
};

constexpr std::array error_rows{
    ErrorRow{EPERM, "EPERM"},           ErrorRow{ENOENT, "ENOENT"},
    ErrorRow{ENOEXEC, "ENOEXEC"},       ErrorRow{EINVAL, "EINVAL"},
    ErrorRow{ENODATA, "ENODATA"},       ErrorRow{ENOPKG, "ENOPKG"},
    ErrorRow{EBADMSG, "EBADMSG"},       ErrorRow{EMSGSIZE, "EMSGSIZE"},
    ErrorRow{EOPNOTSUPP, "EOPNOTSUPP"}, ErrorRow{EKEYREJECTED, "EKEYREJECTED"},
    ErrorRow{ENOKEY, "ENOKEY"},
};

std::string error_name(int number) {
    const auto* row = std::ranges::find(error_rows, number, &ErrorRow::number);
    return row == error_rows.end() ? std::to_string(number) : std::string(row->name);
}

/// Where the last signature of a module is.
struct SignaturePlace {
    std::span<const std::byte> message;
    std::uint64_t payload_size = 0;
};

/// What module_sig_check(), mod_verify_sig() and mod_check_sig() see at the end of a module.
std::variant<SignaturePlace, KernelFailure> find_signature(std::span<const std::byte> tail, std::uint64_t size) {
    const std::size_t marker = signature_marker.size();
    if (size <= marker || !ends_with_marker(tail)) {
        return KernelFailure{ENODATA, "module_sig_check", "it is not signed", {}};
    }
    std::uint64_t left = size - marker;
    if (left <= module_signature_size) {
        return KernelFailure{EBADMSG, "mod_verify_sig", "there is nothing before its signature's marker", {}};
    }
    const auto info = tail.first(tail.size() - marker).last(module_signature_size);
    const std::uint32_t length = signature_length(info);
    left -= module_signature_size;
    if (length >= left) {
        return KernelFailure{EBADMSG,
                             "mod_check_sig",
                             "its signature claims " + std::to_string(length) + " bytes, and " + std::to_string(left) +
                                 " stand before it",
                             {}};
    }
    if (info[signature_type_offset] != pkcs7_type) {
        return KernelFailure{ENOPKG, "mod_check_sig",
                             "its signature is of type " +
                                 std::to_string(std::to_integer<int>(info[signature_type_offset])) +
                                 ", and the kernel knows PKCS#7 (2) only",
                             "module: not signed with expected PKCS#7 message"};
    }
    for (std::size_t index = 0; index < signature_length_offset; ++index) {
        if (index != signature_type_offset && info[index] != std::byte{0}) {
            return KernelFailure{EBADMSG, "mod_check_sig",
                                 "a field of its signature's trailer that must be zero is not",
                                 "module: PKCS#7 signature info has unexpected non-zero params"};
        }
    }
    const auto before = tail.first(tail.size() - trailer_size);
    if (length > before.size()) { // the tail holds all that the kernel's parser takes
        return KernelFailure{EMSGSIZE,
                             "asn1_ber_decoder",
                             "its signature has " + std::to_string(length) +
                                 " bytes, more than the 65535 that the kernel parses",
                             {}};
    }
    return SignaturePlace{before.last(length), left - length};
}

/// Whether an error is one that the kernel overlooks where nothing is enforced (the switch in module_sig_check()), and
/// what it calls the module then.
std::string_view overlooked(int error) {
    switch (error) {
    case ENODATA:
        return "unsigned module";
    case ENOPKG:
        return "module with unsupported crypto";
    case ENOKEY:
        return "module with unavailable key";
    default:
        return {};
    }
}

/// "certs: Reference revocation list for all keyrings".
constexpr KernelVersion first_to_revoke_for_all{6, 6};

std::string_view kernel_decompressor(const KernelConfig& config) {
    if (!config.enabled("MODULE_DECOMPRESS")) {
        return {};
    }
    for (const auto& [option, name] :
         {std::pair{"MODULE_COMPRESS_GZIP", "gzip"}, {"MODULE_COMPRESS_XZ", "xz"}, {"MODULE_COMPRESS_ZSTD", "zstd"}}) {
        if (config.enabled(option)) {
            return name;
        }
    }
    return {};
}

} // namespace

std::string_view answer_name(Answer answer) noexcept {
    switch (answer) {
    case Answer::loads:
        return "loads";
    case Answer::taints:
        return "taints";
    case Answer::refused:
        return "refused";
    case Answer::unknown:
        return "unknown";
    }
    return "";
}

struct Judge::Parts {
    Parts(KernelFacts known, TrustedKeys trusted)
        : facts(std::move(known)), keys(std::move(trusted)), version(version_of(facts).value_or(newest_kernel)),
          crypto(version, facts.config), keyrings(facts, keys, crypto),
          usual_hash(facts.config && facts.config->module_hash() ? *facts.config->module_hash()
                                                                 : HashAlgorithm::sha256) {}

    KernelFacts facts;
    TrustedKeys keys;
    KernelVersion version;
    KernelCrypto crypto;
    Keyrings keyrings;
    /// What the last module was signed with: the next one is likely to be as well.
    mutable std::atomic<HashAlgorithm> usual_hash;

    [[nodiscard]] bool lacks(std::string_view option) const { return facts.config && !facts.config->enabled(option); }
    [[nodiscard]] bool is_enforced() const {
        return facts.enforced || (facts.config && facts.config->enabled("MODULE_SIG_FORCE"));
    }
    [[nodiscard]] std::string kernel_name() const {
        return facts.release.empty() ? "this kernel" : "kernel " + facts.release;
    }
};

namespace {

/// Why it can't be said whether a kernel has a key.
struct Doubt {
    std::string reason;
    std::string remedy;
};

/// Judges one module.
class Trial {
  public:
    Trial(const Judge::Parts& parts, InputFile file, std::uint64_t max_payload)
        : parts_(parts), facts_(parts.facts), max_payload_(max_payload), file_(std::move(file)), path_(file_.path()) {}

    [[nodiscard]] Verdict run() {
        const Codec& codec = detect_codec(file_);
        verdict_.container = codec.kind;
        if (Failure failure = hand_over(codec)) {
            refuse(*failure,
                   "compress it as the kernel reads it: `ksign sign` does, or `ksign strip` for an unsigned one");
            return std::move(verdict_);
        }
        if (parts_.lacks("MODULE_SIG")) {
            verdict_.rule = "CONFIG_MODULE_SIG";
            verdict_.reason = "this kernel checks no signatures: CONFIG_MODULE_SIG is not set";
            check_elf(module_->size());
        } else {
            weigh(check_signature());
        }
        warn();
        return std::move(verdict_);
    }

  private:
    // --- what the kernel gets ------------------------------------------------

    /// Decides who decompresses, and reads the module so. A failure: it never gets as far as a signature.
    Failure hand_over(const Codec& codec) {
        const bool is_plain = codec.kind == ContainerKind::plain;
        const std::string_view own = facts_.config ? kernel_decompressor(*facts_.config) : std::string_view();
        // libkmod-file.c knows zstd by the magic number of a frame with content, and takes the rest for plain files.
        const bool has_other_start = codec.kind == ContainerKind::zstd && !starts_with_frame();
        const bool is_plain_to_kmod = facts_.method == LoadMethod::modprobe && has_other_start;
        const bool by_kernel = facts_.method == LoadMethod::kernel ||
                               (facts_.method == LoadMethod::modprobe && !facts_.kmod_decompresses && !is_plain &&
                                own == codec.name && !is_plain_to_kmod);
        if (facts_.method == LoadMethod::kernel) {
            if (Failure failure = check_decompressor(codec, own)) {
                return failure;
            }
        }
        const bool as_it_is = facts_.method == LoadMethod::plain || is_plain_to_kmod;
        const Codec& read_as = as_it_is ? codec_of(ContainerKind::plain) : codec;
        if (is_plain_to_kmod) {
            verdict_.warnings.emplace_back("it starts with a skippable zstd frame: kmod takes it for a module that is "
                                           "not compressed");
        }
        if (by_kernel && has_other_start) {
            return KernelFailure{EINVAL, "module_zstd_decompress",
                                 "it starts with a skippable zstd frame, where the kernel wants the module's",
                                 "not a zstd compressed module"};
        }
        by_kernel_ = by_kernel;
        try {
            module_.emplace(file_, read_as, by_kernel, parts_.usual_hash.load(), max_payload_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::container) {
                throw;
            }
            return KernelFailure{EINVAL, by_kernel ? "module_decompress" : "kmod", error.reason(), {}};
        }
        if (by_kernel) {
            return check_container(codec.kind, obstacle());
        }
        if (facts_.method == LoadMethod::modprobe) {
            warn_of(obstacle(), own == codec.name);
        }
        return {};
    }

    /// What the container has that this kernel was not built to read.
    [[nodiscard]] LoadObstacle obstacle() const {
        const LoadObstacle& found = module_->obstacle();
        const bool is_read = facts_.config && !found.kernel_options.empty() &&
                             std::ranges::all_of(found.kernel_options, [this](std::string_view option) {
                                 return facts_.config->enabled(option);
                             });
        return is_read ? LoadObstacle() : found;
    }

    /// What another kmod than the installed one, or a kernel in its place, would not read.
    void warn_of(const LoadObstacle& obstacle, bool kernel_decompresses) {
        const bool is_both = obstacle.reader == RefusingReader::both;
        if (is_both || obstacle.reader == RefusingReader::kmod) {
            verdict_.warnings.push_back(obstacle.reason + ": kmod 34 and newer can't read it");
        }
        if (is_both || obstacle.reader == RefusingReader::kernel) {
            if (!facts_.config) {
                verdict_.warnings.push_back("a kernel with CONFIG_MODULE_DECOMPRESS may not read it: " +
                                            obstacle.reason);
            } else if (kernel_decompresses) {
                verdict_.warnings.push_back("kmod 31 and newer leave it to the kernel, which may not read it: " +
                                            obstacle.reason);
            }
        }
    }

    /// module_decompress(): one algorithm for each kernel, chosen when it is built.
    [[nodiscard]] Failure check_decompressor(const Codec& codec, std::string_view own) const {
        if (facts_.config && own.empty()) {
            return KernelFailure{EOPNOTSUPP,
                                 "module_decompress",
                                 "this kernel decompresses no modules: CONFIG_MODULE_DECOMPRESS is not set",
                                 {}};
        }
        if (codec.kind == ContainerKind::plain || (facts_.config && own != codec.name)) {
            const std::string wanted = own.empty() ? "compressed" : std::string(own) + " compressed";
            // "not an xz compressed module", and "a" for the others.
            const std::string article = own == "xz" ? "an " : "a ";
            return KernelFailure{EINVAL, "module_decompress", "this kernel decompresses " + wanted + " modules only",
                                 own.empty() ? std::string() : "not " + article + wanted + " module"};
        }
        return {};
    }

    /// What the kernel's decompressor makes of a container that decodes.
    [[nodiscard]] static Failure check_container(ContainerKind kind, const LoadObstacle& obstacle) {
        if (obstacle.reader != RefusingReader::kernel) {
            return {};
        }
        // XZ_OPTIONS_ERROR (include/linux/xz.h): a check or a filter that the kernel was built without.
        const bool is_xz = kind == ContainerKind::xz;
        return KernelFailure{EINVAL, is_xz ? "module_xz_decompress" : "module_gzip_decompress", obstacle.reason,
                             is_xz ? "decompression failed with status 6" : ""};
    }

    /// Whether the first thing in it is no skippable frame.
    [[nodiscard]] bool starts_with_frame() const {
        std::array<std::byte, 4> start{};
        static_cast<void>(file_.read_at(0, start));
        constexpr std::array magic{std::byte{0x28}, std::byte{0xb5}, std::byte{0x2f}, std::byte{0xfd}};
        return start == magic;
    }

    /// What the kernel did not read of a compressed module; empty if nothing.
    [[nodiscard]] std::string left_unread() const {
        try {
            return read_payload(file_, codec_of(verdict_.container), max_payload_, [](std::span<const std::byte>) {})
                .reason;
        } catch (const Error& error) {
            return error.reason();
        }
    }

    // --- the signature -------------------------------------------------------

    Failure check_signature() {
        auto found = find_signature(module_->tail(), module_->size());
        if (auto* failure = std::get_if<KernelFailure>(&found)) {
            payload_size_ = module_->size();
            if (const std::string unread = by_kernel_ ? left_unread() : std::string(); !unread.empty()) {
                failure->reason += ", as far as the kernel reads it: " + unread;
            }
            return std::move(*failure);
        }
        const auto& place = std::get<SignaturePlace>(found);
        payload_size_ = place.payload_size;
        auto parsed = parse_pkcs7(place.message, parts_.crypto.knowledge());
        if (auto* failure = std::get_if<KernelFailure>(&parsed)) {
            describe_unparsed(place.message);
            return std::move(*failure);
        }
        return check_message(std::get<Pkcs7Message>(parsed));
    }

    /// Who signed it, where the kernel's parser stops before it says so.
    void describe_unparsed(std::span<const std::byte> message) {
        const auto parsed = parse_pkcs7(message, {});
        if (const auto* known = std::get_if<Pkcs7Message>(&parsed)) {
            describe(*known);
        }
    }

    [[nodiscard]] std::string signer_name(const Pkcs7Signer& signer) const {
        for (const TrustEntry& entry : parts_.keys.entries) {
            if (has_id(entry.certificate, signer.id)) {
                return signer.by_key_id ? entry.certificate.name() : entry.certificate.issuer();
            }
        }
        return issuer_text(signer);
    }

    void describe(const Pkcs7Message& message) {
        const Pkcs7Signer& signer = message.signers.front();
        verdict_.serial = signer.serial;
        verdict_.hash = hash_name(signer.hash);
        verdict_.signer = signer_name(signer);
    }

    Failure check_message(const Pkcs7Message& message) {
        describe(message);
        parts_.usual_hash = message.signers.front().hash;
        // pkcs7_extract_cert(): what the kernel's crypto makes of the certificates in the message.
        for (const KernelCertificate& certificate : message.certificates) {
            if (Failure failure = parts_.crypto.why_not_parsed(certificate)) {
                failure->reason = "the certificate in its signature can't be read: " + failure->reason;
                return failure;
            }
        }
        if (message.has_content) {
            return KernelFailure{EBADMSG, "verify_pkcs7_message_sig", "its signature carries content of its own",
                                 "PKCS#7 signature with non-detached data"};
        }
        MessageCheck check(message, parts_.crypto, parts_.keyrings,
                           [this](const Pkcs7Signer& signer) { return content_of(signer); });
        if (Failure failure = check.verify()) {
            return failure;
        }
        std::string revoked_by;
        if (!check.validate_trust(parts_.keyrings.revoked())) {
            revoked_by = check.key()->origin;
        }
        const KernelFailure revoked{
            EKEYREJECTED, "is_key_on_revocation_list", "its key is revoked (" + revoked_by + ")", {}};
        if (!revoked_by.empty() && parts_.version >= first_to_revoke_for_all) {
            return revoked;
        }
        // mod_verify_sig(): the secondary keyring; then, where trusts_platform_keys(), .platform if that has no key.
        Failure failure = check.validate_trust(parts_.keyrings.secondary());
        if (failure && failure->error == ENOKEY && !parts_.keyrings.platform().empty()) {
            if (!revoked_by.empty()) {
                return revoked;
            }
            failure = check.validate_trust(parts_.keyrings.platform());
        }
        if (!failure && !revoked_by.empty()) {
            verdict_.warnings.push_back("its key is revoked (" + revoked_by +
                                        "), which kernels before 6.6 ask about the keys of .platform only");
        }
        if (failure) {
            if (failure->error == ENOKEY) {
                failure->reason = why_no_key(message.signers.front());
                doubt_ = why_not_known(message.signers.front());
                const UnusableKey* const unusable = unusable_key_of(message.signers.front());
                is_enrolled_ = unusable != nullptr && (unusable->entry.keyring == Keyring::machine ||
                                                       unusable->entry.keyring == Keyring::platform);
            }
            return failure;
        }
        note_key(*check.key(), check.is_ambiguous());
        return {};
    }

    SignedContent content_of(const Pkcs7Signer& signer) {
        SignedContent content;
        content.hash = signer.hash;
        const bool by_digest =
            signer.key_algorithm == PublicKeyAlgorithm::rsa || signer.key_algorithm == PublicKeyAlgorithm::ecdsa;
        if (by_digest || !signer.attributes.empty()) {
            content.digest = digest_of(signer.hash);
        } else {
            content.bytes = [this] { return content_bytes(); };
        }
        if (!signer.attributes.empty()) {
            // "We need to switch the 'CONT 0' to a 'SET OF' when we digest".
            attributes_.emplace_back(signer.attributes.begin(), signer.attributes.end());
            attributes_.back().front() = std::byte{0x31};
            content.bytes = [&attributes = attributes_.back()] { return std::span<const std::byte>(attributes); };
        }
        return content;
    }

    // A message can have a thousand signers: what they have in common is read once.
    std::span<const std::byte> digest_of(HashAlgorithm hash) {
        const auto [known, is_new] = digests_.try_emplace(hash);
        if (is_new) {
            known->second = module_->digest(hash, payload_size_);
        }
        return known->second;
    }
    std::span<const std::byte> content_bytes() {
        if (!content_) {
            content_ = module_->bytes(payload_size_);
        }
        return *content_;
    }

    void note_key(const TrustEntry& entry, bool ambiguous) {
        verdict_.key = entry.certificate.name();
        verdict_.trust_origin = entry.origin;
        verdict_.keyring = entry.keyring;
        if (parts_.keyrings.is_revoked_for_firmware(entry.certificate)) {
            verdict_.warnings.emplace_back("the firmware revokes its key by a hash of the certificate (dbx), which "
                                           "kernels do not notice: sign it with another key");
        }
        if (ambiguous) {
            verdict_.warnings.emplace_back(
                "several trusted certificates bear this signer's name and serial number; the "
                "kernel tries one of them, and not always this one");
        }
    }

    [[nodiscard]] static std::string who_signed(const Pkcs7Signer& signer) {
        const std::string issuer = issuer_text(signer);
        return signer.by_key_id ? "the key " + signer.serial
                                : (issuer.empty() ? "an unnamed key" : issuer) + " (serial " + signer.serial + ")";
    }

    /// The signer's certificate, if the kernel was given it and does not take it; else null.
    [[nodiscard]] const UnusableKey* unusable_key_of(const Pkcs7Signer& signer) const {
        const auto& keys = parts_.keyrings.unusable();
        const auto found = std::ranges::find_if(
            keys, [&signer](const UnusableKey& key) { return has_id(key.entry.certificate, signer.id); });
        return found == keys.end() ? nullptr : &*found;
    }

    /// For ENOKEY: why the kernel may have the key all the same, and how to find out. Nothing: it has not.
    [[nodiscard]] std::optional<Doubt> why_not_known(const Pkcs7Signer& signer) const {
        const auto is_signer = [&signer](const TrustEntry& entry) { return has_id(entry.certificate, signer.id); };
        if (unusable_key_of(signer) != nullptr) {
            return std::nullopt;
        }
        const std::string open =
            "signed by " + who_signed(signer) + ", and whether " + parts_.kernel_name() + " trusts that key ";
        if (!parts_.keys.unread.empty()) {
            return Doubt{open + "is not known: " + parts_.keys.unread.front(), run_as_root};
        }
        const auto unproven = std::ranges::find_if(parts_.keys.unproven, is_signer);
        if (unproven != parts_.keys.unproven.end()) {
            return Doubt{
                open + "(" + unproven->origin + ") is not known: neither its image nor its configuration is here",
                "name its image (--image FILE), or the configuration that it was built with (--kernel-config FILE)"};
        }
        if (!parts_.keys.unknown_builtin.empty() && std::ranges::none_of(parts_.keys.left_out, is_signer)) {
            return Doubt{open + "is not known: " + parts_.keys.unknown_builtin,
                         "name its image (--image FILE), or mount what holds it, as /boot"};
        }
        return std::nullopt;
    }

    /// For ENOKEY.
    [[nodiscard]] std::string why_no_key(const Pkcs7Signer& signer) const {
        const std::string who = who_signed(signer);
        if (const UnusableKey* const unusable = unusable_key_of(signer)) {
            return "signed by " + who + ", whose certificate (" + unusable->entry.origin +
                   ") this kernel does not take: " + unusable->reason;
        }
        const bool knows_any = std::ranges::any_of(
            parts_.keys.entries, [](const TrustEntry& entry) { return entry.keyring != Keyring::revoked; });
        if (!knows_any) {
            return "signed by " + who + ", and no certificate that " + parts_.kernel_name() + " trusts is known";
        }
        return "signed by " + who + ", which no keyring of " + parts_.kernel_name() + " holds";
    }

    // --- the answer ----------------------------------------------------------

    /// The end of module_sig_check().
    void weigh(Failure failure) {
        if (!failure) {
            verdict_.rule = "module_sig_check";
            verdict_.reason = "its signature is right, and its key is trusted";
            check_elf(payload_size_);
            return;
        }
        const std::string_view kind = overlooked(failure->error);
        const bool in_doubt = doubt_ && failure->error == ENOKEY;
        if (in_doubt) {
            failure->reason = doubt_->reason;
        }
        const std::string remedy = in_doubt ? doubt_->remedy : remedy_for(failure->error);
        if (in_doubt && (parts_.is_enforced() || facts_.lockdown != Lockdown::none)) {
            verdict_.answer = Answer::unknown;
            verdict_.rule = failure->rule;
            verdict_.reason = failure->reason;
            verdict_.remedy = remedy;
            check_elf(payload_size_);
            return;
        }
        if (kind.empty()) {
            refuse(*failure, remedy);
        } else if (parts_.is_enforced()) {
            add_line(failure->console);
            failure->console = "Loading of " + std::string(kind) + " is rejected";
            failure->error = EKEYREJECTED;
            refuse(*failure, remedy);
        } else if (facts_.lockdown != Lockdown::none) {
            // lockdown_is_locked_down(); before it stands "Lockdown: " and the name of the process.
            failure->console = "unsigned module loading is restricted; see man kernel_lockdown.7";
            failure->error = EPERM;
            refuse(*failure, remedy);
        } else {
            verdict_.answer = Answer::taints;
            verdict_.rule = failure->rule;
            verdict_.reason = failure->reason;
            verdict_.remedy = remedy;
            add_line(failure->console);
            // pr_notice_once(): for the first such module since the boot.
            add_line(module_name(path_) +
                     ": module verification failed: signature and/or required key missing - tainting "
                     "kernel");
            check_elf(payload_size_);
        }
    }

    [[nodiscard]] std::string remedy_for(int error) const {
        const std::string sign = facts_.signing_command + " " + shell_path(path_);
        if (!facts_.untrusted_signing_key.empty() && (error == ENODATA || error == ENOKEY)) {
            if (!facts_.signing_key_is_own) {
                return "this kernel does not trust the key that modules are signed with for it (" +
                       facts_.untrusted_signing_key +
                       "), so signing with that does not help: enroll its certificate as a machine owner key (ksign "
                       "keys enroll says what is left to do), or sign with a key that it trusts (--key)";
            }
            return "this kernel does not trust its own key (" + facts_.untrusted_signing_key +
                   "), so signing with that does not help: build it with a configuration that names that key's "
                   "certificate (ksign config update), or enroll the certificate as a machine owner key (ksign keys "
                   "enroll), or sign with a key that it trusts (--key)";
        }
        switch (error) {
        case ENODATA:
            return "sign it with: " + sign;
        case ENOKEY:
            return "sign it with: " + sign +
                   (is_enrolled_ ? "; or see what `ksign keys enroll CERTIFICATE` advises about that signer's"
                                 : "; or, if it is you who trusts that signer, enroll its certificate as a machine "
                                   "owner key");
        case ENOPKG:
            return "sign it with a hash and a type of key that this kernel has: " + sign;
        default:
            return "rebuild or reinstall the module, then sign it with: " + sign;
        }
    }

    void add_line(std::string_view line) {
        if (!line.empty()) {
            verdict_.console += (verdict_.console.empty() ? "" : "\n") + std::string(line);
        }
    }

    void refuse(const KernelFailure& failure, std::string remedy) {
        verdict_.answer = Answer::refused;
        verdict_.error = failure.error;
        verdict_.error_name = error_name(failure.error);
        verdict_.error_text = std::generic_category().message(failure.error);
        verdict_.rule = failure.rule;
        verdict_.reason = failure.reason;
        verdict_.remedy = std::move(remedy);
        add_line(failure.console);
    }

    /// elf_validity_check(), as far as the headers tell: it comes after the signature.
    void check_elf(std::uint64_t payload_size) {
        try {
            expect_elf_module(module_->head(), payload_size, path_.string());
        } catch (const Error& error) {
            verdict_.console.clear();
            refuse({ENOEXEC, "elf_validity_check", error.reason(), {}}, "rebuild or reinstall the module");
        }
    }

    // --- beside the signature ------------------------------------------------

    void warn() {
        const std::string& vermagic = module_->vermagic();
        const std::string release = vermagic.substr(0, vermagic.find(' '));
        if (!vermagic.empty() && !facts_.release.empty() && release != facts_.release) {
            // same_magic(): with module versions the release is left out of the comparison.
            const bool has_versions = facts_.config && facts_.config->enabled("MODVERSIONS");
            verdict_.warnings.push_back(
                "it is built for kernel " + release + ", not " + facts_.release +
                (has_versions ? ": its symbols' versions decide whether it fits"
                              : ": without CONFIG_MODVERSIONS it is refused with ENOEXEC (version magic)"));
        }
        if (verdict_.answer == Answer::loads && !verdict_.hash.empty()) {
            if (const auto hash = parse_hash(verdict_.hash)) {
                const std::string_view option = parts_.crypto.module_option(*hash);
                if (!option.empty()) {
                    verdict_.warnings.push_back("CONFIG_" + std::string(option) + " is m: the module with " +
                                                verdict_.hash +
                                                " must be loadable first (in the initramfs too), else this one is one "
                                                "\"with unsupported crypto\"");
                }
            }
        }
        if (!facts_.enforced && parts_.is_enforced()) {
            verdict_.warnings.emplace_back("CONFIG_MODULE_SIG_FORCE is set: this kernel always enforces signatures");
        }
    }

    const Judge::Parts& parts_;
    const KernelFacts& facts_;
    std::uint64_t max_payload_;
    InputFile file_;
    const std::filesystem::path& path_;
    std::optional<HandedModule> module_;
    std::uint64_t payload_size_ = 0;
    bool by_kernel_ = false; ///< Decompresses it.
    std::optional<Doubt> doubt_;
    bool is_enrolled_ = false; ///< The signer's certificate is in the firmware, and of no use there.
    std::map<HashAlgorithm, std::vector<std::byte>> digests_;
    std::optional<std::vector<std::byte>> content_;
    std::deque<std::vector<std::byte>> attributes_; ///< Of each signer, as they are digested.
    Verdict verdict_;
};

} // namespace

Judge::Judge(KernelFacts facts, TrustedKeys keys)
    : parts_(std::make_unique<Parts>(std::move(facts), std::move(keys))) {}
Judge::Judge(Judge&&) noexcept = default;
Judge& Judge::operator=(Judge&&) noexcept = default;
Judge::~Judge() = default;

Verdict Judge::judge(const std::filesystem::path& module, std::uint64_t max_payload) const {
    return Trial(*parts_, InputFile::open(module), max_payload).run();
}

Verdict Judge::judge_bytes(std::span<const std::byte> module, const std::filesystem::path& name,
                           std::uint64_t max_payload) const {
    return Trial(*parts_, InputFile::of_bytes(module, name), max_payload).run();
}

const std::vector<UnusableKey>& Judge::unusable_keys() const noexcept {
    return parts_->keyrings.unusable();
}

const KernelFacts& Judge::facts() const noexcept {
    return parts_->facts;
}

} // namespace ksign
