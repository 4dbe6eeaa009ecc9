// Which key and hash a module is signed with.
#pragma once

#include "settings.hpp"

#include <ksign/error.hpp>
#include <ksign/hash.hpp>
#include <ksign/kernel.hpp>
#include <ksign/secret.hpp>
#include <ksign/signer.hpp>

#include <optional>
#include <string>

namespace ksign::hook {

/// What may decide.
struct SigningRequest {
    std::optional<std::string>
        key; ///< Named on the command line; then @ref certificate is too, or the key's file or token holds it.
    std::optional<std::string> certificate;
    std::optional<HashAlgorithm> hash;
    std::optional<Kernel> kernel;
    PassphraseSource passphrase;
    bool insecure = false; ///< As insecure-keys of ksign.conf.
};

struct SigningChoice {
    Signer signer;
    HashAlgorithm hash;
    std::string origin; ///< For people: where the key is from.
};

/// Finds and loads the key: the one named, else the kernel's own, else that of ksign.conf. The hash: the one named,
/// else what the kernel signs its own modules with, else the key store's, else ksign.conf's, else SHA-512.
/// Nothing if there is no key. Throws Error if there is one that can't be used, or that this kernel can't verify.
[[nodiscard]] std::optional<SigningChoice> choose_signing(const SigningRequest& request, const Settings& settings);

/// The error that says that there is no key, and what to do.
[[nodiscard]] Error missing_key_error(const std::optional<Kernel>& kernel, const Settings& settings);

/// Whether a passphrase may be asked for on the terminal.
enum class Prompt { never, on_terminal };

/// Where passphrases and PINs come from: --pin-file, else KBUILD_SIGN_PIN, else pin-file of ksign.conf, else a prompt.
/// @param insecure  as insecure-keys of ksign.conf
[[nodiscard]] PassphraseSource passphrase_source(const std::optional<std::string>& pin_file, const Settings& settings,
                                                 Prompt prompt, bool insecure = false);

} // namespace ksign::hook
