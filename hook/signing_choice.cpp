#include "signing_choice.hpp"

#include "options.hpp"
#include "output.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel_image.hpp>
#include <ksign/key_store.hpp>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
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

/// What the kernel can verify. Headers that this user may not read are an error, which find_kernel_config() alone would
/// pass over.
std::optional<KernelConfig> config_of(const Kernel& kernel) {
    auto config = kernel.config();
    return config ? std::move(config) : find_kernel_config(kernel);
}

void write_text(int descriptor, std::string_view text) {
    if (::write(descriptor, text.data(), text.size()) < 0) {
        return; // a prompt that nobody sees: the answer, or its absence, decides
    }
}

/// Asks on a terminal whose echo is off as long as this lives. A signal that ends or stops the process has it on again
/// first, as with readpassphrase(3): the shell that goes on may not see to that.
class SilentTerminal {
  public:
    SilentTerminal(int descriptor, std::string_view question)
        : question_(question), descriptor_(descriptor), known_(::tcgetattr(descriptor, &before_) == 0),
          silent_(before_) {
        silent_.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        current = this;
        struct sigaction action {};
        action.sa_handler = [](int number) {
            const int error = errno;
            current.load()->stand_back(number);
            errno = error;
        };
        action.sa_flags = SA_RESTART;
        for (const Handled& handled : handled_) {
            ::sigaddset(&action.sa_mask, handled.number);
        }
        for (Handled& handled : handled_) {
            ::sigaction(handled.number, nullptr, &handled.before);
            // nohup(1): whoever started this one wants it so.
            if (handled.before.sa_handler != SIG_IGN) { // NOLINT(cppcoreguidelines-pro-type-*)
                ::sigaction(handled.number, &action, nullptr);
            }
        }
        ask();
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        set(before_);
        for (const Handled& handled : handled_) {
            ::sigaction(handled.number, &handled.before, nullptr);
        }
        current = nullptr;
    }

  private:
    struct Handled {
        int number;
        struct sigaction before {};
    };

    void set(const termios& state) const {
        if (known_) {
            ::tcsetattr(descriptor_, TCSAFLUSH, &state);
        }
    }

    void ask() const {
        set(silent_);
        write_text(descriptor_, question_);
    }

    /// In the handler, so only what is safe there (signal-safety(7)): lets the signal do what it would have done, and
    /// asks again when the process goes on after it.
    void stand_back(int number) const {
        set(before_);
        write_text(descriptor_, "\n");
        const auto* const handled =
            std::ranges::find_if(handled_, [number](const Handled& each) { return each.number == number; });
        struct sigaction own {};
        ::sigaction(number, &handled->before, &own);
        sigset_t only;
        sigset_t blocked;
        ::sigemptyset(&only);
        ::sigaddset(&only, number);
        static_cast<void>(::raise(number));
        ::pthread_sigmask(SIG_UNBLOCK, &only, &blocked);
        ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
        ::sigaction(number, &own, nullptr);
        ask();
    }

    static constinit std::atomic<SilentTerminal*> current; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

    std::array<Handled, 5> handled_{{{SIGINT}, {SIGTERM}, {SIGHUP}, {SIGQUIT}, {SIGTSTP}}};
    std::string_view question_;
    termios before_{}; // before known_, whose initializer fills it
    int descriptor_;
    bool known_;
    termios silent_;
};

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
constinit std::atomic<SilentTerminal*> SilentTerminal::current = nullptr;
static_assert(std::atomic<SilentTerminal*>::is_always_lock_free);

std::optional<Secret> ask_on_terminal(const std::string& subject) {
    const int terminal = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0) {
        return std::nullopt;
    }
    const std::string question = "Passphrase or PIN for " + one_line(subject) + ": ";
    std::optional<Secret> secret;
    {
        const SilentTerminal silent(terminal, question);
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
    const std::optional<KernelConfig> config = request.kernel ? config_of(*request.kernel) : std::nullopt;
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
        if (const auto why = config->why_not_verifiable(signer, *hash)) {
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
    if (!is_installed(*kernel)) {
        return not_installed_error(*kernel);
    }
    const std::string build = (kernel->modules_folder() / "build").string();
    return {ErrorCode::no_key, "kernel " + kernel->release().text(),
            "has no signing key: there is no " + build + "/certs-local, no " + build + "/certs/signing_key.pem, and " +
                settings.source.string() + " names none",
            "install the headers package that holds this kernel's certs-local, or set key and certificate (a MOK that "
            "is enrolled) in " +
                settings.source.string() + "; until then ksign signs nothing for it"};
}

PassphraseSource passphrase_source(const std::optional<std::string>& pin_file, const Settings& settings, Prompt prompt,
                                   bool insecure) {
    const InsecureFile file = insecure || settings.insecure_keys ? InsecureFile::allowed : InsecureFile::refused;
    return [pin_file, configured = settings.pin_file, prompt,
            file](const std::string& subject) -> std::optional<Secret> {
        if (pin_file) {
            return Secret::from_file(*pin_file, file);
        }
        // The kernel's own name for it (scripts/sign-file.c). DKMS from 3.0.9 on does not let it through.
        if (const char* pin = std::getenv("KBUILD_SIGN_PIN"); pin != nullptr && *pin != '\0') {
            return Secret(pin);
        }
        if (configured) {
            return Secret::from_file(*configured, file);
        }
        return prompt == Prompt::on_terminal && ::isatty(STDIN_FILENO) == 1 ? ask_on_terminal(subject) : std::nullopt;
    };
}

} // namespace ksign::hook
