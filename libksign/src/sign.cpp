#include <ksign/sign.hpp>

#include "certificate.hpp"
#include "cms.hpp"
#include "kernel_crypto.hpp"
#include "module.hpp"
#include "pkcs7.hpp"
#include "prepared_module.hpp"
#include "relay.hpp"

#include <algorithm>
#include <utility>

namespace ksign {
namespace {

/// Decodes what was compressed and compares it with what it was made from, before it takes the module's place: a
/// faulty compressor, memory or disk must not cost the module.
void expect_written_right(ReplacementFile& output, const Examination& found, HashAlgorithm hash,
                          std::span<const std::byte> tail, const std::string& subject) {
    Digest digest(hash);
    std::uint64_t kept_left = found.payload.size;
    std::vector<std::byte> end;
    const ByteSink compare = [&](std::span<const std::byte> bytes) {
        const auto kept = bytes.first(std::min<std::uint64_t>(kept_left, bytes.size()));
        digest.update(kept);
        kept_left -= kept.size();
        const auto rest = bytes.subspan(kept.size());
        end.insert(end.end(), rest.begin(), rest.end());
    };
    const ByteSource source = output.read_back();
    Relay relay(compare);
    const ByteSink hand_on = [&relay](std::span<const std::byte> bytes) { relay.take(bytes); };
    const LoadObstacle obstacle =
        read_payload({source, hand_on, subject}, found.codec, found.payload.size + tail.size());
    relay.finish();
    if (kept_left != 0 || !std::ranges::equal(end, tail) || digest.finish() != found.payload.digest ||
        !obstacle.empty()) {
        throw Error(ErrorCode::system, subject,
                    "what was written does not read back as it should; the old file is untouched",
                    "check this machine's disk and memory");
    }
}

/// Does what reads a file more than once. If that fails since another process has written to the file meanwhile, that
/// is what is said, and not that the file is damaged.
template <typename Work> auto on_unchanged(const InputFile& file, const Work& work) {
    try {
        return work();
    } catch (const Error&) {
        file.expect_unchanged();
        throw;
    }
}

/// The module anew, but for its commit: its payload as it is, then the tail.
std::unique_ptr<ReplacementFile> write_module(const InputFile& file, const Examination& found, HashAlgorithm hash,
                                              std::span<const std::byte> tail, const FileOptions& options,
                                              const std::optional<std::filesystem::path>& destination) {
    auto output =
        destination ? std::make_unique<ReplacementFile>(file, *destination) : std::make_unique<ReplacementFile>(file);
    on_unchanged(file, [&] {
        const Written written = write_kept_and_tail(file, found.codec, &found.notes, {found.payload.size, tail},
                                                    options.levels.of(found.codec.kind), *output);
        if (written == Written::unchecked) {
            expect_written_right(*output, found, hash, tail, file.path().string());
        }
    });
    return output;
}

/// What write_module() would refuse, found out without writing.
void expect_writable(const InputFile& file, const std::optional<std::filesystem::path>& destination) {
    if (!destination) {
        file.expect_only_name();
    }
}

/// Throws unless kernels parse a signature, the newest at least.
void expect_parsed(std::span<const std::byte> signature) {
    const auto refuse = [](const std::string& reason) {
        throw Error(ErrorCode::malformed_signature, "the signature", "no kernel takes it: " + reason,
                    "make it as ksign sign or the kernel's sign-file does: detached, of plain data, without "
                    "certificates of other kinds");
    };
    const auto parsed = parse_pkcs7(signature, {});
    if (const auto* failure = std::get_if<KernelFailure>(&parsed)) {
        refuse(failure->reason);
    }
    const auto& message = std::get<Pkcs7Message>(parsed);
    if (!message.is_plain_data) {
        refuse("its content is of a type that kernels do not know");
    }
    const KernelCrypto newest(newest_kernel, std::nullopt);
    for (const KernelCertificate& certificate : message.certificates) {
        if (const auto failure = newest.why_not_parsed(certificate)) {
            refuse("of the certificate " + certificate.name() + " in it, " + failure->reason);
        }
    }
    // asn1_ber_decoder()
    constexpr std::size_t largest = 65535;
    if (signature.size() > largest) {
        refuse("it is larger than 64 KiB");
    }
}

/// The module with nothing else changed, at another place, but for its commit.
std::unique_ptr<ReplacementFile> copy_module(const InputFile& file, const std::filesystem::path& destination) {
    auto output = std::make_unique<ReplacementFile>(file, destination);
    output->copy_from(file, 0, file.size());
    return output;
}

bool is_same_place(const InputFile& file, const std::filesystem::path& destination) {
    std::error_code ignored;
    return std::filesystem::equivalent(file.real_path(), destination, ignored);
}

/// The destination, unless it is the module itself under whatever name.
std::optional<std::filesystem::path> other_destination(const InputFile& file, const SignOptions& options) {
    return options.destination && !is_same_place(file, *options.destination) ? options.destination : std::nullopt;
}

} // namespace

PreparedModule::PreparedModule(InputFile input, const Signer& signer, const SignOptions& options)
    : file(std::move(input)) {
    const Examination found =
        on_unchanged(file, [&] { return examine(file, options.hash, options.files.max_payload); });
    const auto& old_signatures = found.payload.signatures;
    const auto destination = other_destination(file, options);
    result.container = found.codec.kind;

    const bool right =
        !options.force && old_signatures.size() == 1 &&
        is_right_signature(old_signatures.front(), signer, options.hash, found.payload.digest, options.form);
    if (right) {
        result.signature = old_signatures.front();
        result.outcome = found.obstacle.empty() ? SignOutcome::unchanged : SignOutcome::repacked;
    } else {
        result.outcome = old_signatures.empty() ? SignOutcome::signed_first : SignOutcome::signed_again;
        result.signatures_removed = old_signatures.size();
        result.signature = sign_digest(signer, options.hash, found.payload.digest, options.form);
    }
    if (options.files.dry_run) {
        if (result.outcome != SignOutcome::unchanged) {
            expect_writable(file, destination);
        }
        return;
    }
    if (result.outcome != SignOutcome::unchanged) {
        output = write_module(file, found, options.hash, make_tail(result.signature), options.files, destination);
    } else if (destination) {
        output = copy_module(file, *destination);
    }
}

SignResult sign_module(const std::filesystem::path& module, const Signer& signer, const SignOptions& options) {
    PreparedModule prepared(InputFile::open_locked(module), signer, options);
    if (prepared.output) {
        prepared.output->commit();
    }
    return std::move(prepared.result);
}

std::vector<std::byte> make_detached_signature(const std::filesystem::path& module, const Signer& signer,
                                               const SignOptions& options) {
    const InputFile file = InputFile::open(module);
    const Examination found =
        on_unchanged(file, [&] { return examine(file, options.hash, options.files.max_payload); });
    file.expect_unchanged();
    return sign_digest(signer, options.hash, found.payload.digest, options.form);
}

SignResult attach_signature(const std::filesystem::path& module, std::span<const std::byte> signature,
                            const std::optional<std::filesystem::path>& certificate, const SignOptions& options) {
    const InputFile file = InputFile::open_locked(module);
    const Examination found =
        on_unchanged(file, [&] { return examine(file, options.hash, options.files.max_payload); });
    if (certificate) {
        const CertificateHandle handle = read_certificate(*certificate);
        expect_signature_of(signature, handle.get(), options.hash, found.payload.digest, "the signature");
    } else {
        // At least one of the form that kernels take: other bytes would make a module that never loads.
        expect_detached(signature, "the signature");
        expect_parsed(signature);
    }
    const auto destination = other_destination(file, options);
    if (options.files.dry_run) {
        expect_writable(file, destination);
    } else {
        write_module(file, found, options.hash, make_tail(signature), options.files, destination)->commit();
    }
    return {found.payload.signatures.empty() ? SignOutcome::signed_first : SignOutcome::signed_again,
            found.codec.kind,
            found.payload.signatures.size(),
            {signature.begin(), signature.end()}};
}

std::size_t strip_signatures(const std::filesystem::path& module, const FileOptions& options) {
    const InputFile file = InputFile::open_locked(module);
    const Examination found =
        on_unchanged(file, [&] { return examine(file, HashAlgorithm::sha256, options.max_payload); });
    // One after the container's end goes when that is written anew.
    const std::size_t signatures = found.payload.signatures.size() + (found.obstacle.appended_signature ? 1 : 0);
    if (signatures == 0) {
        return 0;
    }
    if (options.dry_run) {
        expect_writable(file, std::nullopt);
    } else {
        write_module(file, found, HashAlgorithm::sha256, {}, options, std::nullopt)->commit();
    }
    return signatures;
}

} // namespace ksign
