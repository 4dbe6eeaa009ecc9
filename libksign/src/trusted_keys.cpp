#include <ksign/trusted_keys.hpp>

#include "certificate.hpp"
#include "config_text.hpp"
#include "digest.hpp"
#include "file.hpp"
#include "key_generation.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace ksign {
namespace {

constexpr std::string_view option = "SYSTEM_TRUSTED_KEYS";
constexpr std::size_t largest_config = 4U << 20U;
constexpr std::size_t largest_bundle = 4U << 20U;
constexpr const char* replace_remedy = "--replace drops what the configuration names, and trusts the new key alone";

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::string read_text(const InputFile& file) {
    if (file.size() > largest_config) {
        throw Error(ErrorCode::limit, file.path().string(), "is too large for a kernel configuration");
    }
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    text.resize(file.read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
}

/// The certificates of a PEM file, or the one of a DER file, as certs/extract-cert.c reads CONFIG_SYSTEM_TRUSTED_KEYS.
std::vector<CertificateHandle> read_certificates(const std::filesystem::path& path) {
    std::vector<CertificateHandle> certificates;
    const WipedBytes bytes = read_key_material(path, largest_bundle);
    const BioHandle bio(bytes.empty() ? nullptr : BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    while (bio) {
        CertificateHandle certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (certificate) {
            certificates.push_back(std::move(certificate));
            continue;
        }
        // The end of a PEM file is an error to OpenSSL; any other is one to us, as to extract-cert.c.
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
            throw openssl_error(ErrorCode::certificate, path.string(), "read its certificates",
                                "mend the file; what it holds would else be trusted no more");
        }
        break;
    }
    ERR_clear_error();
    if (certificates.empty()) {
        certificates.push_back(read_certificate(path));
    }
    return certificates;
}

/// Whether a file lies in a folder that is named as key folders are, by date and time. Where that lies does not matter:
/// a configuration may come from another build, or another machine.
bool is_in_key_folder(const std::filesystem::path& path) {
    const std::string folder = path.parent_path().filename().string();
    constexpr std::size_t shortest_stamp = 13;
    return folder.size() >= shortest_stamp && std::all_of(folder.begin(), folder.end(), [](char character) {
               return character == '-' || (character >= '0' && character <= '9');
           });
}

bool is_bundle(const std::filesystem::path& path) {
    return is_in_key_folder(path) && path.filename().string().starts_with(key_file::bundle_prefix);
}

bool is_earlier_key(const std::filesystem::path& path) {
    return is_in_key_folder(path) && path.filename() == key_file::key_and_certificate;
}

/// The certificates that a configuration trusts beside the key that is renewed.
std::vector<CertificateHandle> other_certificates(const std::string& named, const InputFile& config,
                                                  const TrustedKeysRequest& request) {
    if (named.empty() || request.replace || is_earlier_key(named)) {
        return {};
    }
    if (named.starts_with("pkcs11:")) {
        throw Error(ErrorCode::certificate, config.path().string(),
                    "CONFIG_SYSTEM_TRUSTED_KEYS names a token, whose certificates can't be put beside the new key's",
                    replace_remedy);
    }
    std::filesystem::path file = named;
    if (file.is_relative()) {
        file = request.source.value_or(config.real_path().parent_path()) / file;
    }
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
        throw Error(ErrorCode::certificate, config.path().string(),
                    "CONFIG_SYSTEM_TRUSTED_KEYS names " + named + ", and there is no " + file.string(),
                    (std::filesystem::path(named).is_relative()
                         ? "--source DIR names the kernel's source tree, where relative names start; "
                         : "") +
                        std::string(replace_remedy));
    }
    auto certificates = read_certificates(file);
    if (is_bundle(file)) {
        certificates.erase(certificates.begin()); // that of the key then
    }
    return certificates;
}

/// make reads the name as a target: none of these may be in it (certs/Makefile). A '~' may, after the first '/':
/// Debian's versions have it.
void expect_name_for_make(const std::filesystem::path& path) {
    const std::size_t wrong = path.string().find_first_of(" \t\r\n:#$%;|*?[\\'\"");
    if (wrong != std::string::npos) {
        throw Error(ErrorCode::usage, path.string(),
                    std::string("the kernel's build can't read a path with '") + path.string()[wrong] + "' in it",
                    "keep certs-local in a folder without such characters in its path");
    }
}

/// The current key's certificate, then the others, each once.
std::string bundle_text(const KeyFolder& key, std::vector<CertificateHandle>& others) {
    const CertificateHandle own = read_certificate(key.path / key_file::certificate);
    std::vector<const X509*> written{own.get()};
    std::string text;
    const auto add = [&text](const X509* certificate) {
        text += "# " + display_name(X509_get_subject_name(certificate)) + '\n';
        const auto pem = certificate_pem(certificate);
        text.append(reinterpret_cast<const char*>(pem.data()), pem.size());
    };
    add(own.get());
    std::erase_if(others, [&](const CertificateHandle& other) {
        const bool known = std::any_of(written.begin(), written.end(), [&other](const X509* certificate) {
            return X509_cmp(certificate, other.get()) == 0;
        });
        if (!known) {
            written.push_back(other.get());
            add(other.get());
        }
        return known;
    });
    return text;
}

/// Named after its content: what a configuration names never changes under it.
std::filesystem::path bundle_path(const KeyFolder& key, std::string_view text) {
    Digest digest(HashAlgorithm::sha256);
    digest.update(bytes_of(text));
    const auto sum = digest.finish();
    std::string name = colon_hex({reinterpret_cast<const unsigned char*>(sum.data()), 8});
    std::erase(name, ':');
    return key.path / (key_file::bundle_prefix + name + ".pem");
}

KeyFolder current_key(const std::filesystem::path& certs_local) {
    std::error_code why;
    const auto absolute = std::filesystem::canonical(certs_local, why);
    if (why) {
        throw Error::from_errno(certs_local.string(), "look for the keys", why.value(),
                                "`ksign keys generate` makes them");
    }
    const auto folder = current_key_folder(absolute);
    if (!folder) {
        throw Error(ErrorCode::no_key, certs_local.string(), "has no current key", "`ksign keys generate` makes one");
    }
    return read_key_folder(*folder);
}

} // namespace

TrustedKeysResult update_trusted_keys(const std::filesystem::path& config, const TrustedKeysRequest& request) {
    const KeyFolder key = current_key(request.certs_local);
    const InputFile file = InputFile::open_locked(config);
    ConfigText text(read_text(file));
    auto others = other_certificates(text.value(option).value_or(""), file, request);
    TrustedKeysResult result;
    result.trusted = key.path / key_file::key_and_certificate;
    std::string bundle;
    if (!others.empty()) {
        bundle = bundle_text(key, others);
        result.other_certificates = others.size();
        if (!others.empty()) {
            result.trusted = bundle_path(key, bundle);
        }
    }
    expect_name_for_make(result.trusted);
    result.changed = text.set_string(option, result.trusted.string());
    if (request.dry_run) {
        return result;
    }
    std::error_code ignored;
    if (result.other_certificates > 0 && !std::filesystem::exists(result.trusted, ignored)) {
        // Nothing in it is secret, and another user may build the kernel.
        constexpr mode_t mode = 0644;
        write_small_file(result.trusted, bytes_of(bundle), mode);
    }
    if (result.changed) {
        ReplacementFile replacement(file);
        replacement.write(bytes_of(text.text()));
        replacement.commit();
    }
    return result;
}

bool names_key_folder(const std::filesystem::path& trusted, const std::filesystem::path& folder) {
    return !trusted.empty() && trusted.parent_path().filename() == folder.filename();
}

bool names_kernel_key(const KernelConfig& config, const KeyLocation& location) {
    const std::filesystem::path& file = location.certificate;
    const bool is_of_build = file.filename() == "signing_key.x509" ||
                             (file.filename() == "signing_key.pem" && file.parent_path().filename() == "certs");
    return is_of_build ||
           names_key_folder(std::string(config.value("SYSTEM_TRUSTED_KEYS").value_or("")), file.parent_path());
}

} // namespace ksign
