#include <ksign/key_install.hpp>

#include "certificate.hpp"
#include "file.hpp"

#include <ksign/error.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <vector>

namespace ksign {
namespace {

constexpr std::size_t largest_key_file = 1U << 20U;
constexpr const char* unfinished_folder = ".new.ksign";
constexpr const char* unfinished_link = ".link.ksign";

KeyFolder installable_key(const KeyInstallRequest& request) {
    const auto folder = current_key_folder(request.certs_local);
    if (!folder) {
        throw Error(ErrorCode::no_key, request.certs_local.string(), "has no current key",
                    "`ksign keys generate` makes one");
    }
    KeyFolder key = read_key_folder(*folder);
    if (!request.public_only && !key.has_private_key) {
        throw Error(ErrorCode::no_key, folder->string(), "has no private key",
                    "`ksign keys generate` makes a whole key folder; --public-only installs the certificate alone");
    }
    return key;
}

bool is_private(const std::filesystem::path& file) {
    return file.filename() == key_file::key_and_certificate || file.filename() == key_file::private_key;
}

/// The files of a key folder that tell nobody the key; what else lies there may be a copy of it.
bool is_public(const std::filesystem::path& file) {
    const std::string name = file.filename().string();
    return name == key_file::certificate || name == key_file::hash || name == key_file::family ||
           name.starts_with(key_file::bundle_prefix);
}

/// Whether a file holds a private key, by whatever name.
bool holds_private_key(const std::filesystem::path& file) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored) ||
        std::filesystem::file_size(file, ignored) > largest_key_file) {
        return false;
    }
    const WipedBytes content = read_key_material(file, largest_key_file);
    return std::string_view(reinterpret_cast<const char*>(content.data()), content.size()).find("PRIVATE KEY-----") !=
           std::string_view::npos;
}

/// A package that is to be given away must not have a private key from an earlier run in it.
void expect_no_private_key(const std::filesystem::path& destination) {
    std::error_code why;
    for (std::filesystem::recursive_directory_iterator entry(destination, why), end; !why && entry != end;
         entry.increment(why)) {
        if (is_private(entry->path()) || holds_private_key(entry->path())) {
            throw Error(ErrorCode::usage, entry->path().string(), "is a private key, where none is to be",
                        "remove it, or name another folder: what is there would be given away");
        }
    }
    if (why) {
        throw Error::from_errno(destination.string(), "look through it for private keys", why.value());
    }
}

void make_folder(const std::filesystem::path& folder) {
    std::error_code why;
    std::filesystem::create_directories(folder, why);
    if (why) {
        throw Error::from_errno(folder.string(), "make the folder", why.value());
    }
}

void remove_leftover(const std::filesystem::path& path) {
    std::error_code why;
    std::filesystem::remove_all(path, why);
    if (why) {
        throw Error::from_errno(path.string(), "remove what a killed run left", why.value());
    }
}

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        throw Error::from_errno(path.string(), "read its mode", errno);
    }
    return status.st_mode & 07777U;
}

void copy_with_mode(const std::filesystem::path& from, const std::filesystem::path& to, mode_t mode) {
    create_file(to, read_key_material(from, largest_key_file), mode);
}

void rename_over(const std::filesystem::path& from, const std::filesystem::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
        throw Error::from_errno(to.string(), "replace", errno);
    }
}

void make_link(const std::filesystem::path& target, const std::filesystem::path& link) {
    const std::filesystem::path unfinished = link.parent_path() / unfinished_link;
    remove_leftover(unfinished);
    if (::symlink(target.c_str(), unfinished.c_str()) != 0) {
        throw Error::from_errno(link.string(), "make the link", errno);
    }
    rename_over(unfinished, link);
}

/// Copies the files of a key folder into one under a name that is not yet anybody's.
void copy_folder(const KeyFolder& key, const KeyInstallRequest& request, const std::filesystem::path& unfinished) {
    const std::error_code why = for_each_entry(key.path, [&](const std::filesystem::directory_entry& entry) {
        std::error_code gone;
        if (entry.is_regular_file(gone) && (!request.public_only || is_public(entry.path()))) {
            copy_with_mode(entry.path(), unfinished / entry.path().filename(), mode_of(entry.path()));
        }
    });
    if (why) {
        throw Error::from_errno(key.path.string(), "list", why.value());
    }
    // A certificate alone is no secret, and its folder must be readable for whoever gets the package.
    constexpr mode_t readable = 0755;
    if (::chmod(unfinished.c_str(), request.public_only ? readable : mode_of(key.path)) != 0) {
        throw Error::from_errno(unfinished.string(), "set its mode", errno);
    }
    sync_folder(unfinished, unfinished.string());
}

} // namespace

KeyFolder install_keys(const KeyInstallRequest& request) {
    const KeyFolder key = installable_key(request);
    make_folder(request.destination);
    const std::filesystem::path folder = request.destination / key.path.filename();
    std::error_code ignored;
    // `current` may lead into the destination from elsewhere: what is to be copied would be removed as an older copy. A
    // link that leads back is but a link.
    if (std::filesystem::equivalent(request.certs_local, request.destination, ignored) ||
        (std::filesystem::equivalent(key.path, folder, ignored) && !std::filesystem::is_symlink(folder, ignored))) {
        throw Error(ErrorCode::usage, request.destination.string(), "is where the keys are already",
                    "name the certs-local of the package's build folder");
    }
    const FileDescriptor lock = lock_folder(request.destination);
    remove_leftover(request.destination / unfinished_folder);
    const UnfinishedFolder unfinished(request.destination / unfinished_folder);
    copy_folder(key, request, unfinished.path());
    // A key folder is the same key for ever: an earlier copy under its name may go first.
    remove_leftover(folder);
    rename_over(unfinished.path(), folder);
    if (request.public_only) {
        expect_no_private_key(request.destination);
    }
    for (const auto& [name, target] : request.links) {
        make_link(target, request.destination / name);
    }
    make_link(key.path.filename(), request.destination / current_link);
    sync_folder(request.destination, request.destination.string());
    return read_key_folder(folder);
}

KeyFolder install_native_keys(const KeyInstallRequest& request) {
    KeyFolder key = installable_key(request);
    make_folder(request.destination);
    const FileDescriptor lock = lock_folder(request.destination);
    if (request.public_only) {
        expect_no_private_key(request.destination);
    }
    constexpr mode_t mode = 0400; // as kernel packages install them: `install -m 400 certs/signing_key.*`
    remove_leftover(request.destination / unfinished_folder);
    const UnfinishedFolder unfinished(request.destination / unfinished_folder);
    std::vector<const char*> written;
    const auto write = [&](const char* from, const char* to) {
        copy_with_mode(key.path / from, unfinished.path() / to, mode);
        written.push_back(to);
    };
    if (!request.public_only) {
        write(key_file::key_and_certificate, "signing_key.pem");
    }
    write(key_file::certificate, "signing_key.x509");
    // Only now, so that a failure can't leave the key of one pair and the certificate of another.
    for (const char* name : written) {
        rename_over(unfinished.path() / name, request.destination / name);
    }
    sync_folder(request.destination, request.destination.string());
    return key;
}

} // namespace ksign
