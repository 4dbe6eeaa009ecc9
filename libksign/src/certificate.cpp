#include "certificate.hpp"

#include "file.hpp"
#include "token.hpp"

#include <openssl/pem.h>

#include <array>
#include <vector>

namespace ksign {
namespace {

constexpr std::size_t largest_certificate_file = 1U << 20U;

bool looks_like_der(std::span<const std::byte> bytes) {
    // A SEQUENCE with a length of one to four bytes.
    return bytes.size() > 2 && bytes[0] == std::byte{0x30} && bytes[1] >= std::byte{0x81} &&
           bytes[1] <= std::byte{0x84};
}

} // namespace

CertificateHandle read_certificate(const std::filesystem::path& path) {
    if (is_token_uri(path.native())) {
        // For a certificate alone nothing is refused that was taken when it signed.
        return TokenSession({}, InsecureFile::allowed).read_certificate(TokenUri(path.native()));
    }
    const WipedBytes bytes = read_key_material(path, largest_certificate_file);
    // No BIO stands on no bytes; an empty file gets the same message as any other without a certificate.
    const BioHandle bio(bytes.empty() ? BIO_new(BIO_s_mem())
                                      : BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    CertificateHandle certificate(bio == nullptr          ? nullptr
                                  : looks_like_der(bytes) ? d2i_X509_bio(bio.get(), nullptr)
                                                          : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) {
        throw openssl_error(
            ErrorCode::certificate, path.string(), "holds no certificate in DER or PEM",
            "name the certificate that belongs to the key (signing_crt.crt, signing_key.x509, MOK.der)");
    }
    return certificate;
}

WipedBytes read_key_material(const std::filesystem::path& path, std::size_t limit) {
    WipedBytes content;
    read_small_file(path, limit, [&content](std::span<const std::byte> bytes) {
        content.insert(content.end(), bytes.begin(), bytes.end());
    });
    return content;
}

std::string display_name(const X509_NAME* name) {
    const int index = X509_NAME_get_index_by_NID(const_cast<X509_NAME*>(name), NID_commonName, -1);
    if (index >= 0) {
        const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(const_cast<X509_NAME*>(name), index));
        unsigned char* text = nullptr;
        const int size = ASN1_STRING_to_UTF8(&text, const_cast<ASN1_STRING*>(value));
        if (size >= 0) {
            std::string result(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
            OPENSSL_free(text);
            return result;
        }
    }
    const BioHandle bio(BIO_new(BIO_s_mem()));
    if (!bio || X509_NAME_print_ex(bio.get(), const_cast<X509_NAME*>(name), 0, XN_FLAG_ONELINE) < 0) {
        return {};
    }
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string colon_hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const unsigned char byte : bytes) {
        if (!text.empty()) {
            text += ':';
        }
        text += digits[byte >> 4U];
        text += digits[byte & 0xfU];
    }
    return text;
}

std::string serial_text(const ASN1_INTEGER* serial) {
    return colon_hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
}

} // namespace ksign
