#include <ksign/key_store.hpp>

#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>

#include <array>
#include <utility>

namespace ksign {
namespace {

/// Whether a file is there. One that can't be seen is no reason to take another key: throws Error (system).
bool is_there(const std::filesystem::path& path) {
    std::error_code why;
    const bool there = std::filesystem::exists(path, why);
    if (why) {
        throw Error::from_errno(path.string(), "look for the signing key", why.value(), run_as_root);
    }
    return there;
}

/// The first word of a one-word file, as khash is.
std::string read_word(const std::filesystem::path& path) {
    constexpr std::size_t largest_word_file = 256;
    std::string text;
    read_small_file(path, largest_word_file, [&text](std::span<const std::byte> bytes) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    return text.substr(0, text.find_first_of(" \t\r\n"));
}

std::optional<HashAlgorithm> read_hash(const std::filesystem::path& path) {
    if (!is_there(path)) {
        return std::nullopt;
    }
    const std::string word = read_word(path);
    const auto hash = parse_hash(word);
    if (!hash) {
        throw Error(ErrorCode::key, path.string(), "names an unknown hash, '" + word + "'",
                    "write one of sha256, sha384, sha512, sha3-256, sha3-384, sha3-512");
    }
    return hash;
}

/// The key of a folder as Arch-SKM lays it out.
KeyLocation location_in(const std::filesystem::path& current, const std::filesystem::path& root, std::string origin) {
    const auto file = [&](const char* name) { return resolve_in_root(root, current / name); };
    const std::filesystem::path both = file(key_file::key_and_certificate);
    const std::filesystem::path key = file(key_file::private_key);
    const std::filesystem::path certificate = file(key_file::certificate);
    KeyLocation location{{}, {}, std::move(origin), read_hash(file(key_file::hash))};
    if (is_there(key) && is_there(certificate)) {
        location.key = key.string();
        location.certificate = certificate;
    } else if (is_there(both)) {
        location.key = both.string();
        location.certificate = is_there(certificate) ? certificate : both;
    } else if (is_there(certificate)) {
        throw Error(ErrorCode::key, current.string(), "holds a certificate without its private key",
                    "this kernel's package was given away without it; sign with a key of your own that the kernel "
                    "trusts (--key, ksign.conf)");
    } else {
        throw Error(
            ErrorCode::key, current.string(), "holds neither signing_prv.pem with signing_crt.crt, nor signing_key.pem",
            "install this kernel's headers package again, or put its key there; nothing is signed with another");
    }
    return location;
}

/// The key that certs-local's `current` leads to.
KeyLocation current_location(const std::filesystem::path& certs_local, const std::filesystem::path& root,
                             std::string origin) {
    const std::filesystem::path current = resolve_in_root(root, certs_local / current_link);
    if (!is_there(current)) {
        throw Error(ErrorCode::key, (certs_local / current_link).string(), "does not lead to a folder with keys",
                    "point the link to the newest key folder in certs-local, or install the headers package again");
    }
    return location_in(current, root, std::move(origin));
}

} // namespace

std::optional<KeyLocation> find_kernel_key(const Kernel& kernel) {
    const auto build = kernel.build_folder();
    if (!build) {
        return std::nullopt;
    }
    const std::filesystem::path certs_local = resolve_in_root(kernel.root(), *build / "certs-local");
    std::error_code ignored;
    if (is_there(certs_local) || std::filesystem::is_symlink(*build / "certs-local", ignored)) {
        return current_location(certs_local, kernel.root(), "certs-local of kernel " + kernel.release().text());
    }
    const std::filesystem::path key = resolve_in_root(kernel.root(), *build / "certs/signing_key.pem");
    const std::filesystem::path certificate = resolve_in_root(kernel.root(), *build / "certs/signing_key.x509");
    if (is_there(key)) {
        return KeyLocation{key.string(), is_there(certificate) ? certificate : key,
                           "certs/signing_key of kernel " + kernel.release().text(), std::nullopt};
    }
    return std::nullopt;
}

KeyLocation find_certs_local_key(const std::filesystem::path& certs_local) {
    std::error_code why;
    const std::filesystem::path folder = std::filesystem::canonical(certs_local, why);
    if (why) {
        throw Error::from_errno(certs_local.string(), "look for the signing key", why.value());
    }
    return current_location(folder, "/", folder.string());
}

} // namespace ksign
