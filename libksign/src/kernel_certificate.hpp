// What a kernel reads of a certificate (crypto/asymmetric_keys/x509_cert_parser.c), raw as it compares it.
#pragma once

#include "der.hpp"
#include "openssl.hpp"

#include <ksign/hash.hpp>
#include <ksign/kernel_certificate.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// Public key algorithms as the kernel tells them apart (pkey_algo).
enum class PublicKeyAlgorithm { unknown, rsa, ecdsa, mldsa44, mldsa65, mldsa87 };

/// Curves of ECDSA that some kernel has (x509_extract_key_data()).
enum class Curve { none, unknown, p192, p256, p384, p521 };

struct SignatureAlgorithm {
    PublicKeyAlgorithm key = PublicKeyAlgorithm::unknown;
    std::optional<HashAlgorithm> hash;
};

/// The algorithm of a signature's object identifier: of a signed message, or of a certificate.
[[nodiscard]] SignatureAlgorithm signature_algorithm_of(std::span<const std::byte> object);

/// The hash of an object identifier; nothing for what no kernel knows.
[[nodiscard]] std::optional<HashAlgorithm> hash_of_object(std::span<const std::byte> object);

struct KernelCertificate::Parts {
    std::vector<std::byte> der;
    CertificateHandle certificate;
    // Within der:
    std::span<const std::byte> signed_part; ///< TBSCertificate with its header.
    std::span<const std::byte> serial;
    std::span<const std::byte> issuer;
    std::span<const std::byte> subject;
    std::span<const std::byte> key_id;           ///< Subject key identifier; empty if none.
    std::span<const std::byte> authority_key_id; ///< Of the authority key identifier; empty if none.
    std::span<const std::byte> authority_issuer; ///< Its issuer's name, and
    std::span<const std::byte> authority_serial; ///< its issuer's serial number; empty if none.
    PublicKeyAlgorithm key_algorithm{};
    Curve curve{};
    int key_bits = 0;
    std::int64_t valid_from = 0; ///< Seconds since 1970.
    std::int64_t valid_to = 0;
    SignatureAlgorithm signed_with;
    bool is_ca = false;              ///< KEY_EFLAG_CA
    bool signs_certificates = false; ///< KEY_EFLAG_KEYCERTSIGN
    bool signs_data = false;         ///< KEY_EFLAG_DIGITALSIG
    bool signs_code = false;         ///< Of the extended key usage codeSigning.
    bool self_issued = false; ///< Subject and issuer are one, and so is the authority key identifier if there is one.
    bool self_signature_right =
        false; ///< Where self_issued: its key made its signature. True where OpenSSL can't tell.
    std::string name_text;
    std::string issuer_text;
    std::string serial_text;
    std::string key_id_text;
    std::string key_text;
    std::string fingerprint_text;
};

/// A UTCTime or GeneralizedTime as x509_decode_time() reads it, in seconds since 1970; nothing for what it refuses.
[[nodiscard]] std::optional<std::int64_t> time_of(const DerElement& element);

/// Bytes in hexadecimal, in lower case without colons.
[[nodiscard]] std::string lower_hex(std::span<const std::byte> bytes);

/// Serial and issuer, one after the other: the kernel's first identifier of a key (asymmetric_key_generate_id()).
[[nodiscard]] std::string issuer_and_serial(std::span<const std::byte> serial, std::span<const std::byte> issuer);

} // namespace ksign
