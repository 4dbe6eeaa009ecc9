// What is done with module files: sign them, attach a signature, strip them.
#pragma once

#include <ksign/container.hpp>
#include <ksign/error.hpp>
#include <ksign/export.hpp>
#include <ksign/hash.hpp>
#include <ksign/signature.hpp>
#include <ksign/signer.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// Levels of compression for what has to be compressed anew; each within its container's range.
struct CompressionLevels {
    int gzip = container_levels(ContainerKind::gzip).usual;
    int xz = container_levels(ContainerKind::xz).usual;
    int zstd = container_levels(ContainerKind::zstd).usual;
    [[nodiscard]] int of(ContainerKind kind) const noexcept {
        return kind == ContainerKind::gzip   ? gzip
               : kind == ContainerKind::xz   ? xz
               : kind == ContainerKind::zstd ? zstd
                                             : 0;
    }
};

/// How modules are read and written.
struct FileOptions {
    std::uint64_t max_payload = usual_max_payload; ///< Bytes; Error (limit) beyond.
    CompressionLevels levels;
    bool dry_run = false; ///< Do everything but write.
};

struct SignOptions {
    HashAlgorithm hash = HashAlgorithm::sha512;
    SignatureForm form;
    FileOptions files;
    bool force = false;                               ///< Sign anew although this very key and hash signed it already.
    std::optional<std::filesystem::path> destination; ///< Write there, and leave the module as it is.
};

/// What became of a module.
enum class SignOutcome {
    signed_first, ///< It was unsigned.
    signed_again, ///< Other signatures, or a wrong one, were taken off first.
    repacked,     ///< Signed right already, in a container that the kernel does not read: compressed anew.
    unchanged,    ///< Signed right already, by this key and hash. The file was not touched.
};

struct SignResult {
    SignOutcome outcome{};
    ContainerKind container{};
    std::size_t signatures_removed = 0;
    std::vector<std::byte> signature; ///< The CMS message, DER.
};

/// Signs a module: takes off what signatures it has, signs what is left, and replaces the file whole, compressed as it
/// was. Its owner, mode, extended attributes and ACLs are kept; links are followed to the file. On any error the file
/// is the old one. Two processes that sign the same file do it one after the other.
/// Throws Error.
[[nodiscard]] KSIGN_EXPORT SignResult sign_module(const std::filesystem::path& module, const Signer& signer,
                                                  const SignOptions& options);

/// How many modules are signed at a time, and until when.
struct BatchOptions {
    unsigned threads = 0; ///< 0: as many as the machine has processors.
    /// Asked before each module, by any thread; once it is true, no further one is begun. Empty: never.
    std::function<bool()> stop;
};

/// What became of one module of a batch. Neither: it was not begun.
struct SignedModule {
    std::optional<SignResult> result;
    std::optional<Error> error;
};

/// Signs many modules, several at a time, each as sign_module() would; what fails does not stop the rest. Groups of
/// them share one sync of their file system, and each is the old file or the new one, whole, whenever the machine
/// stops.
/// @param done  called by this thread, in the order of the modules, once each is on the disk. What it throws ends all.
KSIGN_EXPORT void sign_all(const std::vector<std::filesystem::path>& modules, const Signer& signer,
                           const SignOptions& options, const BatchOptions& batch,
                           const std::function<void(std::size_t, const SignedModule&)>& done);

/// The CMS message that sign_module() would append, as DER; the module is only read.
[[nodiscard]] KSIGN_EXPORT std::vector<std::byte>
make_detached_signature(const std::filesystem::path& module, const Signer& signer, const SignOptions& options);

/// Appends a signature made elsewhere (a CMS message, DER), after taking off what signatures the module has.
/// With a certificate given, the signature must be right by it. Throws Error.
KSIGN_EXPORT SignResult attach_signature(const std::filesystem::path& module, std::span<const std::byte> signature,
                                         const std::optional<std::filesystem::path>& certificate,
                                         const SignOptions& options);

/// Takes all signatures off a module; every other byte of it stays. Returns how many there were, where what sign-file
/// has appended to a compressed file counts as one; with none, the file is not touched. Throws Error.
KSIGN_EXPORT std::size_t strip_signatures(const std::filesystem::path& module, const FileOptions& options);

} // namespace ksign
