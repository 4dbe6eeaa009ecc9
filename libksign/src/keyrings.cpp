#include "keyrings.hpp"

#include "der.hpp"
#include "digest.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ksign {
namespace {

using Failure = std::optional<KernelFailure>;

std::string first_id(const KernelCertificate& certificate) {
    return issuer_and_serial(certificate.parts().serial, certificate.parts().issuer);
}

} // namespace

Keyrings::Keyrings(const KernelFacts& facts, const TrustedKeys& keys, const KernelCrypto& crypto)
    : keys_(keys), crypto_(crypto) {
    for (const TrustEntry& entry : keys.entries) {
        place(entry, facts);
    }
}

bool Keyrings::is_revoked_by_hash(const KernelCertificate& certificate) const {
    if (keys_.revoked_hashes.empty()) {
        return false;
    }
    const std::vector<std::byte> digest = crypto_.revocation_digest(certificate);
    return !digest.empty() && std::ranges::find(keys_.revoked_hashes, digest) != keys_.revoked_hashes.end();
}

bool Keyrings::is_revoked_for_firmware(const KernelCertificate& certificate) const {
    if (keys_.revoked_hashes.empty()) {
        return false;
    }
    Digest digest(HashAlgorithm::sha256);
    digest.update(certificate.parts().signed_part);
    const std::vector<std::byte> hash = digest.finish();
    return std::ranges::any_of(keys_.revoked_hashes, [&hash](const std::vector<std::byte>& entry) {
        return entry.size() >= hash.size() && std::ranges::equal(std::span(entry).first(hash.size()), hash);
    });
}

void Keyrings::place(const TrustEntry& entry, const KernelFacts& facts) {
    const auto lacks = [&facts](std::string_view option) { return facts.config && !facts.config->enabled(option); };
    const auto refuse = [this, &entry](std::string reason) { unusable_.push_back({entry, std::move(reason)}); };
    if (const Failure failure = crypto_.why_not_parsed(entry.certificate)) {
        refuse(failure->reason);
        return;
    }
    // x509_key_preparse(): "Don't permit addition of blacklisted keys".
    if (entry.keyring != Keyring::revoked && is_revoked_by_hash(entry.certificate)) {
        refuse("the certificate is revoked");
        return;
    }
    // check_codesign_eku_by_key() of SUSE's pkcs7_validate_trust_one().
    if (entry.keyring != Keyring::revoked && facts.config && facts.config->enabled("CHECK_CODESIGN_EKU") &&
        !entry.certificate.parts().signs_code) {
        refuse("it lacks the extended key usage codeSigning, which this kernel wants (CONFIG_CHECK_CODESIGN_EKU)");
        return;
    }
    switch (entry.keyring) {
    case Keyring::builtin:
        secondary_.push_back(&entry);
        return;
    case Keyring::secondary:
    case Keyring::machine:
        // set_machine_trusted_keys() links .machine to the secondary keyring.
        if (lacks("SECONDARY_TRUSTED_KEYRING")) {
            refuse("CONFIG_SECONDARY_TRUSTED_KEYRING is not set, so that this kernel looks at built-in keys only");
            return;
        }
        secondary_.push_back(&entry);
        return;
    case Keyring::platform:
        if (lacks("INTEGRITY_PLATFORM_KEYRING")) {
            refuse("CONFIG_INTEGRITY_PLATFORM_KEYRING is not set");
        } else if (!trusts_platform_keys(facts)) {
            refuse("it is in .platform, where this kernel does not look for the keys of modules");
        } else {
            platform_.push_back(&entry);
        }
        return;
    case Keyring::revoked:
        // Without it, is_key_on_revocation_list() is a stub.
        if (!lacks("SYSTEM_REVOCATION_LIST")) {
            revoked_.push_back(&entry);
        }
        return;
    }
}

bool has_id(const KernelCertificate& certificate, std::string_view id) {
    const auto key_id = as_text(certificate.parts().key_id);
    return first_id(certificate) == id || (!key_id.empty() && key_id == id);
}

KeyList keys_by_id(const KeyList& keys, std::string_view id) {
    KeyList found;
    std::ranges::copy_if(keys, std::back_inserter(found),
                         [id](const TrustEntry* entry) { return has_id(entry->certificate, id); });
    return found;
}

MessageCheck::MessageCheck(const Pkcs7Message& message, const KernelCrypto& crypto, const Keyrings& keyrings,
                           ContentOf content_of)
    : message_(message), crypto_(crypto), keyrings_(keyrings), content_of_(std::move(content_of)),
      signers_(message.signers.size()), certificates_(message.certificates.size()) {
    for (std::size_t index = 0; index < certificates_.size(); ++index) {
        certificates_[index].self_signed = message.certificates[index].parts().self_issued;
    }
}

Failure MessageCheck::verify() {
    if (!message_.is_plain_data) {
        return KernelFailure{EKEYREJECTED, "pkcs7_verify", "its content type is not pkcs7-data",
                             "PKCS7: Invalid module sig (not pkcs7-data)"};
    }
    const Pkcs7Signer& first = message_.signers.front();
    if (!first.attributes.empty()) {
        const bool is_mldsa =
            first.key_algorithm != PublicKeyAlgorithm::rsa && first.key_algorithm != PublicKeyAlgorithm::ecdsa;
        if (!is_mldsa || !crypto_.knowledge().waives_attributes) {
            return KernelFailure{EKEYREJECTED, "pkcs7_verify",
                                 is_mldsa ? "it has signed attributes, which this kernel takes for no algorithm: "
                                            "CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA is not set"
                                          : "it has signed attributes, which kernels refuse for RSA and ECDSA",
                                 "PKCS7: Invalid module sig (has authattrs)"};
        }
    }
    Failure result = KernelFailure{ENOPKG, "pkcs7_verify", "no signer's algorithms are known to this kernel", {}};
    for (std::size_t index = 0; index < signers_.size(); ++index) {
        SignerState& state = signers_[index];
        Failure failure = verify_one(index);
        if (state.revoked) {
            if (result && result->error == ENOPKG) {
                result = KernelFailure{EKEYREJECTED, "pkcs7_verify_sig_chain", "a certificate in it is revoked", {}};
            }
            continue;
        }
        if (failure && failure->error == ENOPKG) {
            state.unsupported = true;
            if (result && result->error == ENOPKG) {
                result = std::move(failure);
            }
            continue;
        }
        if (failure) {
            return failure;
        }
        result.reset();
    }
    return result;
}

/// pkcs7_digest().
Failure MessageCheck::digest(std::size_t index) {
    const Pkcs7Signer& signer = message_.signers[index];
    SignerState& state = signers_[index];
    const auto console_line = [index](const std::string& text) {
        return "PKCS7: Sig " + std::to_string(index + 1) + ": " + text;
    };
    if (!crypto_.has(signer.hash) &&
        (signer.key_algorithm == PublicKeyAlgorithm::rsa || signer.key_algorithm == PublicKeyAlgorithm::ecdsa ||
         !signer.attributes.empty())) {
        return KernelFailure{ENOPKG,
                             "pkcs7_digest",
                             "it is signed with " + std::string(hash_name(signer.hash)) +
                                 ", which this kernel's configuration leaves out",
                             {}};
    }
    state.content = content_of_(signer);
    if (signer.attributes.empty()) {
        return {};
    }
    if (signer.message_digest.size() != state.content.digest.size()) {
        return KernelFailure{
            EBADMSG, "pkcs7_digest", "the digest in its signed attributes has another size",
            console_line("Invalid digest size (" + std::to_string(signer.message_digest.size()) + ")")};
    }
    if (!std::ranges::equal(signer.message_digest, state.content.digest)) {
        return KernelFailure{EKEYREJECTED, "pkcs7_digest",
                             "its signed attributes hold another digest: the module was changed after it was signed",
                             console_line("Message digest doesn't match")};
    }
    return {};
}

Failure MessageCheck::verify_one(std::size_t index) {
    if (Failure failure = digest(index)) {
        return failure;
    }
    const Pkcs7Signer& signer = message_.signers[index];
    SignerState& state = signers_[index];
    // pkcs7_find_key(): by issuer and serial number alone.
    const auto& certificates = message_.certificates;
    for (std::size_t at = 0; at < certificates.size(); ++at) {
        if (first_id(certificates[at]) == signer.id) {
            state.certificate = at;
            break;
        }
    }
    if (state.certificate == none) {
        return {};
    }
    // "Check that the PKCS#7 signing time is valid according to the X.509 certificate." Keys of the keyrings are not
    // asked.
    const auto& validity = certificates[state.certificate].parts();
    if (signer.signing_time &&
        (*signer.signing_time < validity.valid_from || *signer.signing_time > validity.valid_to)) {
        return KernelFailure{EKEYREJECTED, "pkcs7_verify_one",
                             "it was signed outside of the validity of the certificate in its signature",
                             "PKCS7: Message signed outside of X.509 validity window"};
    }
    if (Failure failure = crypto_.why_not_verified(certificates[state.certificate], signer.key_algorithm, state.content,
                                                   signer.value)) {
        failure->reason += " (checked with the certificate in the signature)";
        return failure;
    }
    return verify_chain(state);
}

/// The certificate in the message that issued another: by the authority key identifier alone; none without it.
std::size_t MessageCheck::issuer_of(std::size_t certificate) const {
    const auto& parts = message_.certificates[certificate].parts();
    for (std::size_t index = 0; index < certificates_.size(); ++index) {
        const KernelCertificate& other = message_.certificates[index];
        const bool by_serial = !parts.authority_serial.empty();
        if (by_serial
                ? first_id(other) == issuer_and_serial(parts.authority_serial, parts.authority_issuer)
                : !parts.authority_key_id.empty() && as_text(other.parts().key_id) == as_text(parts.authority_key_id)) {
            return index;
        }
    }
    return none;
}

Failure MessageCheck::certificate_failure(const KernelCertificate& issuer, const KernelCertificate& certificate) const {
    const bool right =
        crypto_.has(issuer.parts().key_algorithm) &&
        X509_verify(certificate.parts().certificate.get(), X509_get0_pubkey(issuer.parts().certificate.get())) == 1;
    ERR_clear_error();
    return right
               ? Failure()
               : KernelFailure{EKEYREJECTED,
                               "pkcs7_verify_sig_chain",
                               "the certificate of " + certificate.name() + " in it is not signed by " + issuer.name(),
                               {}};
}

Failure MessageCheck::verify_chain(SignerState& state) {
    std::vector<bool> seen(certificates_.size());
    for (std::size_t at = state.certificate; at != none && !seen[at];) {
        seen[at] = true;
        if (keyrings_.is_revoked_by_hash(message_.certificates[at])) {
            state.revoked = true;
            return {};
        }
        if (certificates_[at].self_signed) {
            return {};
        }
        const std::size_t issuer = issuer_of(at);
        if (issuer == none || seen[issuer]) {
            return {};
        }
        if (Failure failure = certificate_failure(message_.certificates[issuer], message_.certificates[at])) {
            return failure;
        }
        certificates_[at].issuer = issuer;
        at = issuer;
    }
    return {};
}

Failure MessageCheck::validate_trust(const KeyList& keys) {
    Failure result = KernelFailure{ENOKEY, "pkcs7_validate_trust", {}, {}};
    for (std::size_t index = 0; index < signers_.size(); ++index) {
        Failure failure = validate_one(message_.signers[index], signers_[index], keys);
        if (!failure) {
            result.reset();
        } else if (failure->error == ENOPKG) {
            if (result && result->error == ENOKEY) {
                result = std::move(failure);
            }
        } else if (failure->error != ENOKEY) {
            return failure;
        }
    }
    return result;
}

/// "matched:" of pkcs7_validate_trust_one(): whatever goes wrong is EKEYREJECTED.
Failure MessageCheck::matched(const TrustEntry& key, Failure failure) {
    if (!failure) {
        key_ = &key;
        return {};
    }
    failure->error = EKEYREJECTED;
    return failure;
}

/// pkcs7_validate_trust_one().
Failure MessageCheck::validate_one(const Pkcs7Signer& signer, const SignerState& state, const KeyList& keys) {
    Failure no_key = KernelFailure{ENOKEY, "pkcs7_validate_trust_one", {}, {}};
    if (state.unsupported) {
        return KernelFailure{ENOPKG, "pkcs7_validate_trust_one", "its algorithms are not known to this kernel", {}};
    }
    // Up the chain of certificates in the message: one that is trusted itself must verify what is below it.
    std::size_t below = none;
    for (std::size_t at = state.certificate; at != none; at = certificates_[at].issuer) {
        const KernelCertificate& certificate = message_.certificates[at];
        for (const TrustEntry* key : keys_by_id(keys, first_id(certificate))) {
            if (as_text(key->certificate.parts().key_id) != as_text(certificate.parts().key_id)) {
                continue;
            }
            return matched(*key, below == none ? crypto_.why_not_verified(key->certificate, signer.key_algorithm,
                                                                          state.content, signer.value)
                                               : certificate_failure(key->certificate, message_.certificates[below]));
        }
        if (certificates_[at].self_signed) {
            return no_key;
        }
        below = at;
    }
    // The trusted issuer of the topmost.
    if (below != none) {
        const auto& parts = message_.certificates[below].parts();
        const bool by_serial = !parts.authority_serial.empty();
        const std::string id = by_serial ? issuer_and_serial(parts.authority_serial, parts.authority_issuer)
                                         : std::string(as_text(parts.authority_key_id));
        for (const TrustEntry* key : id.empty() ? KeyList() : keys_by_id(keys, id)) {
            if (by_serial && !parts.authority_key_id.empty() &&
                as_text(key->certificate.parts().key_id) != as_text(parts.authority_key_id)) {
                return KernelFailure{EKEYREJECTED,
                                     "find_asymmetric_key",
                                     "the trusted certificate of its issuer has another key identifier",
                                     {}};
            }
            return matched(*key, certificate_failure(key->certificate, message_.certificates[below]));
        }
    }
    // "As a last resort, see if we have a trusted public key that matches the signed info directly."
    const KeyList direct = signer.id.empty() ? KeyList() : keys_by_id(keys, signer.id);
    if (direct.empty()) {
        return no_key;
    }
    ambiguous_ = direct.size() > 1;
    Failure failure;
    for (const TrustEntry* key : direct) {
        failure = matched(
            *key, crypto_.why_not_verified(key->certificate, signer.key_algorithm, state.content, signer.value));
        if (!failure) {
            return {};
        }
        key_ = nullptr;
    }
    return failure;
}

} // namespace ksign
