// Keys and certificates in PKCS#11 tokens, named by URIs (RFC 7512).
#pragma once

#include "openssl.hpp"

#include <ksign/secret.hpp>
#include <ksign/token.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// A PKCS#11 URI taken apart. The PIN is not among what it shows or passes on.
class TokenUri {
  public:
    explicit TokenUri(std::string_view text);

    /// As it was written, less pin-value.
    [[nodiscard]] std::string displayed() const;
    /// The URI of the object of that type ("private", "cert") under the same name, without a PIN.
    [[nodiscard]] std::string of_type(std::string_view type) const;
    /// What of it names the token. Two objects of one token have it alike if their URIs name the token alike.
    [[nodiscard]] std::string token() const;

    [[nodiscard]] bool has_pin() const noexcept { return !pin_value_.empty() || !pin_source_.empty(); }
    /// The PIN that it carries, or that is the first line of the file it names. Throws Error (system: no such file;
    /// key: two PINs, a program in a file's place, or a file that others can get at).
    [[nodiscard]] Secret pin(InsecureFile insecure = InsecureFile::refused) const;

  private:
    std::vector<std::string> path_;  ///< Attributes as written.
    std::vector<std::string> query_; ///< Those after the "?", less the PIN.
    std::vector<Secret> pin_value_;
    std::vector<std::string> pin_source_;
};

/// Reads objects of tokens, by OpenSSL's pkcs11 provider or else by its pkcs11 engine. Asks for the PIN of a token only
/// when the token wants it, once, and remembers it: a key that must be unlocked for each signature, or a second object
/// of the token, asks no more. It must outlive the keys it has read.
class TokenSession {
  public:
    /// @param insecure  whether a PIN's file that a URI names is taken that others can get at
    explicit TokenSession(PassphraseSource source, InsecureFile insecure = InsecureFile::refused);
    TokenSession(const TokenSession&) = delete;
    TokenSession& operator=(const TokenSession&) = delete;
    ~TokenSession();

    /// Makes the PIN of this URI, if it has one, that of the token for whichever object.
    void take_pin_of(const TokenUri& uri);

    /// Throws Error (key).
    [[nodiscard]] KeyHandle read_key(const TokenUri& uri);
    /// The certificate under that name, whatever type the URI says. Throws Error (certificate).
    [[nodiscard]] CertificateHandle read_certificate(const TokenUri& uri);

    /// For token.cpp.
    struct State;

  private:
    std::unique_ptr<State> state_;
};

} // namespace ksign
