#include <ksign/key_folder.hpp>

#include "certificate.hpp"
#include "digest.hpp"
#include "file.hpp"
#include "key_generation.hpp"

#include <ksign/error.hpp>
#include <ksign/token.hpp>

#include <openssl/asn1.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <utility>

namespace ksign {
namespace {

constexpr const char* folder_remedy = "`ksign keys generate` makes a new key folder";

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time, const std::filesystem::path& path) {
    std::tm fields{};
    if (ASN1_TIME_to_tm(time, &fields) != 1) {
        throw Error(ErrorCode::certificate, displayed_key(path.native()), "has a date that can't be read",
                    folder_remedy);
    }
    return std::chrono::system_clock::from_time_t(::timegm(&fields));
}

std::chrono::system_clock::time_point written_at(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        throw Error::from_errno(path.string(), "look for it", errno, folder_remedy);
    }
    return std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec);
}

bool is_there(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

std::optional<HashAlgorithm> hash_in(const std::filesystem::path& file) {
    constexpr std::size_t largest_word_file = 256;
    if (!is_there(file)) {
        return std::nullopt;
    }
    const auto bytes = read_small_file(file, largest_word_file);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return parse_hash(text.substr(0, text.find_first_of(" \t\r\n")));
}

} // namespace

KeyDescription describe_certificate(const std::filesystem::path& file) {
    const CertificateHandle certificate = read_certificate(file);
    KeyDescription key;
    key.kind = kind_of_key(X509_get0_pubkey(certificate.get()));
    key.signer = display_name(X509_get_subject_name(certificate.get()));
    key.serial = serial_text(X509_get0_serialNumber(certificate.get()));
    Digest digest(HashAlgorithm::sha256);
    digest.update(certificate_der(certificate.get()));
    const auto fingerprint = digest.finish();
    key.fingerprint = colon_hex({reinterpret_cast<const unsigned char*>(fingerprint.data()), fingerprint.size()});
    key.made = time_of(X509_get0_notBefore(certificate.get()), file);
    if (!is_token_uri(file.native())) {
        key.made = std::min(key.made, written_at(file));
    }
    return key;
}

KeyFolder read_key_folder(const std::filesystem::path& folder) {
    const std::filesystem::path file = folder / key_file::certificate;
    KeyDescription key = describe_certificate(file);
    if (!key.kind) {
        throw Error(ErrorCode::certificate, file.string(), "is for a type of key that ksign does not make",
                    folder_remedy);
    }
    KeyFolder described{folder,
                        *key.kind,
                        hash_in(folder / key_file::hash),
                        std::move(key.signer),
                        std::move(key.serial),
                        std::move(key.fingerprint),
                        key.made,
                        is_there(folder / key_file::key_and_certificate) && is_there(folder / key_file::private_key)};
    // Arch-SKM goes by the time of signing_key.pem, which a copy may have renewed; the certificate's can't change.
    if (described.has_private_key) {
        described.made = std::min(described.made, written_at(folder / key_file::key_and_certificate));
    }
    return described;
}

std::optional<std::filesystem::path> current_key_folder(const std::filesystem::path& certs_local) {
    std::filesystem::path path = certs_local / current_link;
    std::error_code why;
    if (!std::filesystem::is_symlink(path, why)) {
        if (std::filesystem::symlink_status(path, why).type() == std::filesystem::file_type::not_found) {
            return std::nullopt;
        }
        throw Error(ErrorCode::key, path.string(), "is no symbolic link",
                    "move it away; it should lead to the newest key folder beside it");
    }
    // To the folder itself: its name is the key's, and it must not be taken for an older one.
    constexpr int most_links = 40; // as the kernel's MAXSYMLINKS
    for (int links = 0; std::filesystem::is_symlink(path, why); ++links) {
        const std::filesystem::path target = std::filesystem::read_symlink(path, why);
        if (why || links == most_links) {
            throw Error::from_errno(path.string(), "follow the link", why ? why.value() : ELOOP);
        }
        path = (path.parent_path() / target).lexically_normal();
        if (!path.has_filename()) {
            path = path.parent_path(); // it ended in a slash
        }
    }
    return path;
}

} // namespace ksign
