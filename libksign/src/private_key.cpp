#include "private_key.hpp"

#include "file.hpp"
#include "private_file.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

namespace ksign {
namespace {

constexpr std::size_t largest_key_file = 1U << 20U;

/// What OpenSSL's callback is given: asks the source once, and remembers whether it had to.
struct PassphraseRequest {
    const std::string subject;
    const PassphraseSource& source;
    bool asked = false;
    bool given = false;
    bool too_long = false;
    std::exception_ptr failure = nullptr;
};

int give_passphrase(char* buffer, int size, int /*writing*/, void* data) {
    auto& request = *static_cast<PassphraseRequest*>(data);
    if (request.asked) {
        return -1; // a wrong one does not get better by trying again
    }
    request.asked = true;
    std::optional<Secret> secret;
    try {
        secret = request.source ? request.source(request.subject) : std::nullopt;
    } catch (...) {
        request.failure = std::current_exception(); // not through OpenSSL, which would keep what it holds
    }
    if (!secret) {
        return -1;
    }
    request.given = true;
    const std::string_view text = secret->view();
    if (text.size() > static_cast<std::size_t>(size)) {
        request.too_long = true;
        return -1;
    }
    std::copy(text.begin(), text.end(), buffer); // may be empty: memcpy(3) takes no null pointer even then
    return static_cast<int>(text.size());
}

constexpr const char* passphrase_remedy =
    "give it with --pin-file FILE, pin-file in ksign.conf (the way that works under DKMS), or KBUILD_SIGN_PIN";

/// An error of OpenSSL's, with what else may be the cause: a wrong passphrase shows as damaged data.
Error key_failure(const PassphraseRequest& request, const std::string& action) {
    if (request.too_long) {
        ERR_clear_error();
        return {ErrorCode::key, request.subject, "the passphrase is too long"};
    }
    if (request.asked && !request.given) {
        ERR_clear_error();
        return {ErrorCode::key, request.subject, "needs a passphrase, and there is none", passphrase_remedy};
    }
    if (request.given) {
        return {ErrorCode::key, request.subject, action + ": " + take_openssl_reason() + " (a wrong passphrase?)",
                passphrase_remedy};
    }
    return openssl_error(ErrorCode::key, request.subject, action);
}

/// The first private key of a PEM text. Not by PEM_read_bio_PrivateKey(): that buffers the text in memory which it
/// gives back as it is (BIO_f_readbuffer); this is wiped.
KeyHandle decode(const Secret& content, PassphraseRequest& request) {
    const BioHandle text(BIO_new_mem_buf(content.view().data(), static_cast<int>(content.view().size())));
    unsigned char* der = nullptr;
    long size = 0;
    char* name = nullptr;
    if (!text || PEM_bytes_read_bio_secmem(&der, &size, &name, PEM_STRING_EVP_PKEY, text.get(), give_passphrase,
                                           &request) != 1) {
        return {};
    }
    KeyHandle key;
    if (std::strcmp(name, PEM_STRING_PKCS8) == 0) {
        const BioHandle encrypted(BIO_new_mem_buf(der, static_cast<int>(size)));
        key.reset(encrypted ? d2i_PKCS8PrivateKey_bio(encrypted.get(), nullptr, give_passphrase, &request) : nullptr);
    } else {
        const unsigned char* start = der;
        key.reset(d2i_AutoPrivateKey(nullptr, &start, size));
    }
    OPENSSL_secure_clear_free(der, static_cast<std::size_t>(size));
    OPENSSL_free(name);
    return key;
}

} // namespace

KeyHandle read_private_key(const std::string& path, const PassphraseSource& passphrase, InsecureFile insecure) {
    Secret content;
    const auto take = [&content](std::span<const std::byte> bytes) {
        content.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    const struct stat status = read_small_file(path, largest_key_file, take, NamedPipe::awaited);
    if (content.view().find("PRIVATE KEY-----") == std::string_view::npos) {
        throw Error(ErrorCode::key, path, "holds no private key in PEM",
                    "name the key's file (signing_prv.pem, signing_key.pem, MOK.priv in PEM), or a pkcs11: URI");
    }
    if (insecure == InsecureFile::refused) {
        expect_private_file(path, status);
    }
    PassphraseRequest request{path, passphrase};
    KeyHandle key = decode(content, request);
    if (request.failure) {
        ERR_clear_error();
        std::rethrow_exception(request.failure);
    }
    if (!key) {
        throw key_failure(request, "read the private key");
    }
    ERR_clear_error(); // what OpenSSL tried before it found the right way
    return key;
}

} // namespace ksign
