#include "signing_choice.hpp"

#include <ksign/error.hpp>
#include <ksign/key_store.hpp>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace ksign::hook {
namespace {

std::optional<KeyLocation> locate(const SigningRequest& request, const Settings& settings) {
    if (request.key) {
        return KeyLocation{*request.key, request.certificate.value_or(""), "the command line", std::nullopt};
    }
    if (request.kernel) {
        if (auto own = find_kernel_key(*request.kernel)) {
            return own;
        }
    }
    if (settings.key) {
        return KeyLocation{*settings.key, settings.certificate.value_or(""), settings.source.string(), std::nullopt};
    }
    return std::nullopt;
}

/// Turns off the echo of a terminal as long as it lives.
class SilentTerminal {
  public:
    explicit SilentTerminal(int descriptor) : descriptor_(descriptor), known_(::tcgetattr(descriptor, &before_) == 0) {
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (known_) {
            ::tcsetattr(descriptor_, TCSAFLUSH, &silent);
        }
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        if (known_) {
            ::tcsetattr(descriptor_, TCSAFLUSH, &before_);
        }
    }

  private:
    termios before_{}; // before known_, whose initializer fills it
    int descriptor_;
    bool known_;
};

void write_text(int descriptor, std::string_view text) {
    if (::write(descriptor, text.data(), text.size()) < 0) {
        return; // a prompt that nobody sees: the answer, or its absence, decides
    }
}

std::optional<Secret> ask_on_terminal(const std::string& subject) {
    const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0) {
        return std::nullopt;
    }
    write_text(terminal, "Passphrase or PIN for " + subject + ": ");
    std::optional<Secret> secret;
    {
        const SilentTerminal silent(terminal);
        Secret typed;
        char character = 0;
        while (::read(terminal, &character, 1) == 1) {
            if (character == '\n') {
                secret = std::move(typed);
                break;
            }
            typed.append({&character, 1});
        }
        wipe_memory(&character, sizeof character);
    }
    write_text(terminal, "\n");
    ::close(terminal);
    return secret;
}

} // namespace

std::optional<SigningChoice> choose_signing(const SigningRequest& request, const Settings& settings) {
    const std::optional<KeyLocation> location = locate(request, settings);
    if (!location) {
        return std::nullopt;
    }
    Signer signer = Signer::load(
        {location->key, location->certificate, request.passphrase, request.insecure || settings.insecure_keys});
    const std::optional<KernelConfig> config = request.kernel ? request.kernel->config() : std::nullopt;
    std::optional<HashAlgorithm> hash = request.hash;
    if (!hash && config) {
        hash = config->module_hash();
    }
    if (!hash) {
        hash = location->hash;
    }
    if (!hash) {
        hash = settings.hash;
    }
    if (!hash) {
        hash = HashAlgorithm::sha512;
    }
    if (config) {
        if (const auto why = config->why_not_verifiable(signer.key_type(), *hash)) {
            throw Error(ErrorCode::kernel, signer.key_source(), why->reason, why->remedy);
        }
    }
    return SigningChoice{std::move(signer), *hash, location->origin};
}

Error missing_key_error(const std::optional<Kernel>& kernel, const Settings& settings) {
    if (!kernel) {
        return {ErrorCode::no_key, "signing key", "none was named",
                "name a kernel, whose own key is taken (-k RELEASE), or a key (--key FILE --certificate FILE), or set "
                "key and certificate in " +
                    settings.source.string()};
    }
    std::error_code ignored;
    if (!std::filesystem::is_directory(kernel->modules_folder(), ignored)) {
        return {ErrorCode::no_key, "kernel " + kernel->release().text(),
                "is not installed: there is no " + kernel->modules_folder().string(),
                "`ls " + kernel->modules_folder().parent_path().string() + "` shows the kernels that are"};
    }
    const std::string build = (kernel->modules_folder() / "build").string();
    return {ErrorCode::no_key, "kernel " + kernel->release().text(),
            "has no signing key: there is no " + build + "/certs-local, no " + build + "/certs/signing_key.pem, and " +
                settings.source.string() + " names none",
            "install the headers package that holds this kernel's certs-local, or set key and certificate (a MOK that "
            "is enrolled) in " +
                settings.source.string() + "; until then ksign signs nothing for it"};
}

PassphraseSource passphrase_source(const std::optional<std::string>& pin_file, const Settings& settings,
                                   Prompt prompt) {
    return [pin_file, configured = settings.pin_file, prompt](const std::string& subject) -> std::optional<Secret> {
        if (pin_file) {
            return Secret::from_file(*pin_file);
        }
        // The kernel's own name for it (scripts/sign-file.c). DKMS from 3.0.9 on does not let it through.
        if (const char* pin = std::getenv("KBUILD_SIGN_PIN")) {
            return Secret(pin);
        }
        if (configured) {
            return Secret::from_file(*configured);
        }
        return prompt == Prompt::on_terminal && ::isatty(STDIN_FILENO) == 1 ? ask_on_terminal(subject) : std::nullopt;
    };
}

} // namespace ksign::hook
