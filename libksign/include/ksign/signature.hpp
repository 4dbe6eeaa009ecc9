// A signature of a module: how it is made, and what it says.
#pragma once

#include <cstddef>
#include <string>

namespace ksign {

/// How a signature names its signer, and what it carries.
struct SignatureForm {
    bool by_key_id =
        false; ///< By subject key identifier, not by issuer and serial (sign-file -k). kmod shows no signer then.
    bool include_certificate = false; ///< With the certificate inside (sign-file -i).
};

/// What one signature says of itself. Nothing of it is verified.
struct SignatureDescription {
    std::string signer;    ///< The issuer's common name, as modinfo shows it; empty if named by key id.
    std::string serial;    ///< "0A:1B:…", as modinfo's sig_key; empty if named by key id.
    std::string key_id;    ///< "0A:1B:…", where the signer is named by subject key identifier.
    std::string hash;      ///< The kernel's name where it has one, else OpenSSL's.
    std::string algorithm; ///< OpenSSL's long name: "rsaEncryption", "ecdsa-with-SHA512".
    bool has_signed_attributes = false;
    std::size_t certificates = 0; ///< How many it carries.
    std::size_t size = 0;         ///< Bytes of the CMS message.
    std::string problem;          ///< Why it can't be described; all else is empty then.
};

} // namespace ksign
