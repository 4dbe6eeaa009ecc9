#include "kernel_crypto.hpp"

#include "digest.hpp"
#include "kernel_options.hpp"
#include "key_kind.hpp"

#include <ksign/error.hpp>

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace ksign {
namespace {

using Failure = std::optional<KernelFailure>;

constexpr KernelVersion first_with_sha3{6, 7};
constexpr KernelVersion first_with_ecdsa{5, 13};
constexpr KernelVersion first_with_p521{6, 10};
constexpr KernelVersion first_with_mldsa{7, 0};
/// "x509: Separately calculate sha256 for blacklist"; before, it was the hash by which the certificate is signed.
constexpr KernelVersion first_to_revoke_by_sha256{7, 0};

std::string_view option_of(PublicKeyAlgorithm algorithm) {
    switch (algorithm) {
    case PublicKeyAlgorithm::rsa:
        return key_option(KeyType::rsa);
    case PublicKeyAlgorithm::ecdsa:
        return key_option(KeyType::ecdsa);
    case PublicKeyAlgorithm::mldsa44:
    case PublicKeyAlgorithm::mldsa65:
    case PublicKeyAlgorithm::mldsa87:
        return key_option(KeyType::ml_dsa);
    case PublicKeyAlgorithm::unknown:
        break;
    }
    return {};
}

bool is_mldsa(PublicKeyAlgorithm algorithm) {
    return algorithm == PublicKeyAlgorithm::mldsa44 || algorithm == PublicKeyAlgorithm::mldsa65 ||
           algorithm == PublicKeyAlgorithm::mldsa87;
}

KernelFailure failure(int error, std::string_view rule, std::string reason) {
    return {error, rule, std::move(reason), {}};
}

const unsigned char* as_unsigned(std::span<const std::byte> bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Which error rsassa_pkcs1_verify() (pkcs1pad_verify_complete() in older ones) gives for a signature that is wrong.
int rsa_error(EVP_PKEY* key, std::span<const std::byte> signature) {
    const auto size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
    if (signature.size() != size) {
        return EINVAL;
    }
    const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
    std::vector<unsigned char> message(size);
    std::size_t got = size;
    if (!context || EVP_PKEY_verify_recover_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) != 1 ||
        EVP_PKEY_verify_recover(context.get(), message.data(), &got, as_unsigned(signature), signature.size()) != 1) {
        ERR_clear_error();
        return EINVAL;
    }
    if (message[0] != 0) {
        return EINVAL;
    }
    constexpr std::ptrdiff_t first_separator = 10; // after 0, 1 and at least eight bytes of 0xff
    const auto separator =
        std::find_if(message.begin() + 2, message.end(), [](unsigned char byte) { return byte != 0xff; });
    const bool padded = message[1] == 1 && separator - message.begin() >= first_separator &&
                        separator != message.end() && *separator == 0;
    return padded ? EKEYREJECTED : EBADMSG;
}

KeyContext digest_context(EVP_PKEY* key, HashAlgorithm hash) {
    KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
    const bool ready = context && EVP_PKEY_verify_init(context.get()) == 1 &&
                       EVP_PKEY_CTX_set_signature_md(context.get(), digest_method(hash)) == 1;
    return ready ? std::move(context) : nullptr;
}

bool verifies_bytes(EVP_PKEY* key, std::span<const std::byte> bytes, std::span<const std::byte> signature) {
    const DigestContext context(EVP_MD_CTX_new());
    const bool right =
        context && EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, nullptr, nullptr, key, nullptr) == 1 &&
        EVP_DigestVerify(context.get(), as_unsigned(signature), signature.size(), as_unsigned(bytes), bytes.size()) ==
            1;
    ERR_clear_error();
    return right;
}

} // namespace

std::string_view algorithm_name(PublicKeyAlgorithm algorithm) noexcept {
    switch (algorithm) {
    case PublicKeyAlgorithm::rsa:
        return "RSA";
    case PublicKeyAlgorithm::ecdsa:
        return "ECDSA";
    case PublicKeyAlgorithm::mldsa44:
        return "ML-DSA-44";
    case PublicKeyAlgorithm::mldsa65:
        return "ML-DSA-65";
    case PublicKeyAlgorithm::mldsa87:
        return "ML-DSA-87";
    case PublicKeyAlgorithm::unknown:
        break;
    }
    return "an unknown algorithm";
}

Pkcs7Knowledge KernelCrypto::knowledge() const {
    return {version_ >= first_with_sha3, version_ >= first_with_ecdsa, version_ >= first_with_mldsa,
            enabled("PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA")};
}

bool KernelCrypto::has(HashAlgorithm hash) const {
    // What the kernel signs its own modules with it can verify (MODULE_SIG_SHA512 selects CRYPTO_SHA512).
    return !config_ || config_->enabled(hash_option(hash)) || config_->module_hash() == hash;
}

std::string_view KernelCrypto::module_option(HashAlgorithm hash) const {
    return config_ && config_->value(hash_option(hash)) == "m" ? hash_option(hash) : std::string_view();
}

bool KernelCrypto::has(PublicKeyAlgorithm algorithm) const {
    return enabled(option_of(algorithm));
}

Failure KernelCrypto::why_not_parsed(const KernelCertificate& certificate) const {
    const auto& parts = certificate.parts();
    const auto signed_with = parts.signed_with;
    const bool is_new_hash = signed_with.hash && (*signed_with.hash == HashAlgorithm::sha3_256 ||
                                                  *signed_with.hash == HashAlgorithm::sha3_384 ||
                                                  *signed_with.hash == HashAlgorithm::sha3_512);
    if (signed_with.key == PublicKeyAlgorithm::unknown || (is_new_hash && version_ < first_with_sha3) ||
        (signed_with.key == PublicKeyAlgorithm::rsa && !signed_with.hash)) {
        return failure(ENOPKG, "x509_note_sig_algo",
                       "this kernel does not know the algorithm that the certificate itself is signed with");
    }
    const bool unknown_key =
        parts.key_algorithm == PublicKeyAlgorithm::unknown ||
        (parts.key_algorithm == PublicKeyAlgorithm::ecdsa &&
         (version_ < first_with_ecdsa || parts.curve == Curve::unknown || parts.curve == Curve::none ||
          (parts.curve == Curve::p521 && version_ < first_with_p521))) ||
        (is_mldsa(parts.key_algorithm) && version_ < first_with_mldsa);
    if (unknown_key) {
        return failure(ENOPKG, "x509_extract_key_data",
                       "this kernel does not know keys of this kind (" + certificate.key_description() + ")");
    }
    // x509_check_for_self_signed(). A hash that is missing only keeps the signature from being looked at.
    if (!parts.self_issued || (signed_with.hash && !has(*signed_with.hash))) {
        return {};
    }
    if (!has(signed_with.key)) {
        return failure(ENOENT, "x509_check_for_self_signed",
                       "this kernel has no " + std::string(algorithm_name(signed_with.key)) + ": CONFIG_" +
                           std::string(option_of(signed_with.key)) + " is not set");
    }
    if (parts.key_algorithm == PublicKeyAlgorithm::rsa && !is_rsa_length(parts.key_bits)) {
        return failure(EINVAL, "rsa_check_key_length",
                       "kernels have no RSA keys of " + std::to_string(parts.key_bits) + " bits, but of up to 4096");
    }
    if (!parts.self_signature_right) {
        return failure(EKEYREJECTED, "x509_check_for_self_signed", "the certificate's own signature is wrong");
    }
    return {};
}

std::vector<std::byte> KernelCrypto::revocation_digest(const KernelCertificate& certificate) const {
    const auto& parts = certificate.parts();
    const auto hash = version_ >= first_to_revoke_by_sha256 ? HashAlgorithm::sha256 : parts.signed_with.hash;
    if (!hash || !has(*hash)) {
        return {};
    }
    Digest digest(*hash);
    digest.update(parts.signed_part);
    return digest.finish();
}

Failure KernelCrypto::why_not_verified(const KernelCertificate& key, PublicKeyAlgorithm algorithm,
                                       const SignedContent& content, std::span<const std::byte> signature) const {
    constexpr std::string_view rule = "public_key_verify_signature";
    const auto& parts = key.parts();
    if (parts.key_algorithm != algorithm) {
        return failure(EKEYREJECTED, rule,
                       "it says that it is made by " + std::string(algorithm_name(algorithm)) + ", and the key is " +
                           key.key_description());
    }
    if (!has(algorithm)) {
        // crypto_alloc_akcipher() gives ENOENT, which nobody translates.
        return failure(ENOENT, rule,
                       "this kernel has no " + std::string(algorithm_name(algorithm)) + ": CONFIG_" +
                           std::string(option_of(algorithm)) + " is not set");
    }
    if (algorithm == PublicKeyAlgorithm::rsa && !is_rsa_length(parts.key_bits)) {
        return failure(EINVAL, "rsa_check_key_length",
                       "kernels have no RSA keys of " + std::to_string(parts.key_bits) + " bits");
    }
    if (is_mldsa(algorithm) && content.hash != HashAlgorithm::sha512) {
        return failure(EINVAL, "software_key_determine_akcipher",
                       "kernels take ML-DSA with sha512 only, and it says " + std::string(hash_name(content.hash)));
    }
    EVP_PKEY* public_key = X509_get0_pubkey(parts.certificate.get());
    if (public_key == nullptr) {
        ERR_clear_error();
        throw Error(ErrorCode::crypto, key.name(),
                    "this OpenSSL does not know keys of this kind (" + key.key_description() + ")",
                    "ML-DSA needs OpenSSL 3.5");
    }
    constexpr const char* wrong =
        "the signature is not one of this content: the module was changed after it was signed, "
        "or the signature is damaged";
    if (is_mldsa(algorithm)) {
        return verifies_bytes(public_key, content.bytes(), signature) ? Failure() : failure(EKEYREJECTED, rule, wrong);
    }
    const KeyContext context = digest_context(public_key, content.hash);
    if (!context) {
        throw openssl_error(ErrorCode::crypto, key.name(),
                            "check a signature made with " + std::string(hash_name(content.hash)),
                            "a policy of this system may forbid that hash to OpenSSL; kernels follow none");
    }
    const bool right = EVP_PKEY_verify(context.get(), as_unsigned(signature), signature.size(),
                                       as_unsigned(content.digest), content.digest.size()) == 1;
    ERR_clear_error();
    if (right) {
        return {};
    }
    return failure(algorithm == PublicKeyAlgorithm::rsa ? rsa_error(public_key, signature) : EKEYREJECTED, rule, wrong);
}

} // namespace ksign
