// A module's CMS message as the kernel parses it (crypto/asymmetric_keys/pkcs7_parser.c, pkcs7.asn1): not whether it is
// good CMS, but what the kernel makes of it.
#pragma once

#include "kernel_certificate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ksign {

/// What a step of the kernel's check returns when it fails.
struct KernelFailure {
    int error = 0;            ///< errno's value, positive.
    std::string_view rule;    ///< The kernel's function that decides.
    std::string reason;       ///< For people.
    std::string console = {}; ///< What it prints, if it does.
};

/// What a kernel's parser knows; newer ones know more object identifiers.
struct Pkcs7Knowledge {
    bool sha3 = true;              ///< Linux 6.7
    bool ecdsa = true;             ///< Linux 5.13
    bool mldsa = true;             ///< Linux 7.0
    bool waives_attributes = true; ///< CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA
};

/// One SignerInfo.
struct Pkcs7Signer {
    std::string id;         ///< issuer_and_serial(), or the subject key identifier: what keys are looked up by.
    bool by_key_id = false; ///< The latter.
    std::string serial;     ///< "0A:1B:…"; the key identifier if by_key_id.
    HashAlgorithm hash{};
    PublicKeyAlgorithm key_algorithm{};
    std::span<const std::byte> issuer;         ///< Its name in DER, see issuer_text(); empty if by_key_id.
    std::span<const std::byte> attributes;     ///< The signed attributes with their header; empty if none.
    std::span<const std::byte> message_digest; ///< Of the signed attributes.
    std::optional<std::int64_t> signing_time;  ///< Of the signed attributes, in seconds since 1970.
    std::span<const std::byte> value;          ///< The signature itself.
};

struct Pkcs7Message {
    std::vector<Pkcs7Signer> signers;
    std::vector<KernelCertificate> certificates;
    bool is_plain_data = false; ///< Its content type is pkcs7-data.
    bool has_content = false;   ///< It is not detached.
};

/// The issuer's common name; empty if there is none.
[[nodiscard]] std::string issuer_text(const Pkcs7Signer& signer);

/// Parses; the bytes must outlive the message.
[[nodiscard]] std::variant<Pkcs7Message, KernelFailure> parse_pkcs7(std::span<const std::byte> bytes,
                                                                    const Pkcs7Knowledge& knowledge);

} // namespace ksign
