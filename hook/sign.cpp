// ksign sign: for people.
#include "boot_notes.hpp"
#include "kernel_choice.hpp"
#include "options.hpp"
#include "report.hpp"
#include "signing_choice.hpp"
#include "targets.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/shell.hpp>

#include <array>
#include <atomic>
#include <csignal>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "sign [-k RELEASE] [--key KEY --certificate CERTIFICATE] [OPTIONS] PATH|NAME...",
    "Signs modules, compressed ones too, each replaced whole. A PATH is a module or a folder; with -k,\n"
    "a word without a slash is a module's name. With -k and no PATH, all that DKMS installed for that kernel.\n"
    "The key: --key; else the kernel's own (build/certs-local, build/certs); else that of ksign.conf.",
    "  ksign sign -k \"$(uname -r)\"                     what DKMS installed for the running kernel\n"
    "  ksign sign -k \"$(uname -r)\" nvidia              one module, by name\n"
    "  ksign sign --key MOK.priv --certificate MOK.der ./build/\n"
    "  ksign sign --key \"pkcs11:token=modules;object=signing\" nvidia.ko\n"};

std::vector<std::string> words_or_usage_error(const Values& values) {
    auto words = positional(values);
    const bool names_kernel = values.contains("kernel");
    if (values.contains("all-modules") && (!names_kernel || !words.empty())) {
        throw UsageError("--all-modules takes -k RELEASE and no PATH");
    }
    if (words.empty() && !names_kernel) {
        throw UsageError("name what to sign: a module, a folder, or a kernel with -k");
    }
    return words;
}

/// What a run without a PATH takes. What is missing of it is reported as failed.
std::vector<std::filesystem::path> modules_of_kernel(const Kernel& kernel, bool all, ModuleReport& report) {
    std::vector<Error> failures;
    auto modules = all ? find_modules(kernel.modules_folder(), failures) : kernel.dkms_modules(failures);
    for (const Error& failure : failures) {
        report.failed(failure.subject(), failure);
    }
    if (modules.empty() && failures.empty()) {
        throw Error(ErrorCode::kernel, "kernel " + kernel.release().text(),
                    all ? "has no modules in " + kernel.modules_folder().string()
                        : "DKMS has no modules installed for it",
                    all ? ""
                        : "`" + shell_chroot(kernel.root()) +
                              "dkms status` shows what there is; --all-modules takes every module of the kernel");
    }
    return modules;
}

// Set by the handler of SIGINT and SIGTERM.
constinit std::atomic<int> stop_signal = 0; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
static_assert(std::atomic<int>::is_always_lock_free);

/// While it lives, SIGINT and SIGTERM end the work between two modules, not within one. The second one ends it at once.
class StopOnSignal {
  public:
    StopOnSignal() {
        struct sigaction action {};
        action.sa_handler = [](int number) { stop_signal = number; };
        action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
        for (Handled& handled : handled_) {
            ::sigaction(handled.number, nullptr, &handled.before);
            // nohup(1), or a shell's background: whoever started this one wants it so.
            if (handled.before.sa_handler != SIG_IGN) { // NOLINT(cppcoreguidelines-pro-type-*)
                ::sigaction(handled.number, &action, nullptr);
            }
        }
    }
    StopOnSignal(const StopOnSignal&) = delete;
    StopOnSignal& operator=(const StopOnSignal&) = delete;
    ~StopOnSignal() {
        for (const Handled& handled : handled_) {
            ::sigaction(handled.number, &handled.before, nullptr);
        }
    }
    [[nodiscard]] static bool is_set() { return stop_signal != 0; }

  private:
    struct Handled {
        int number;
        struct sigaction before {};
    };
    std::array<Handled, 2> handled_{{{SIGINT}, {SIGTERM}}};
};

/// Signs them all, and adds those that are signed now to @p handled. Returns the exit code: after a signal 128 and its
/// number, as a shell tells of it.
int sign_modules(const std::vector<std::filesystem::path>& modules, const SigningChoice& choice,
                 const SignOptions& options, unsigned threads, ModuleReport& report,
                 std::vector<HandledModule>& handled) {
    const StopOnSignal signals;
    std::size_t left = 0;
    {
        Progress progress;
        sign_all(modules, choice.signer, options, {threads, StopOnSignal::is_set},
                 [&](std::size_t index, const SignedModule& module) {
                     if (module.error) {
                         report.failed(modules[index], *module.error);
                     } else if (module.result) {
                         report.signed_module(modules[index], *module.result, choice.signer, choice.hash,
                                              options.files.dry_run);
                         handled.push_back({modules[index], module.result->outcome != SignOutcome::unchanged});
                     } else {
                         ++left;
                     }
                     progress.at(index + 1, modules.size());
                 });
    }
    const int code = report.finish();
    if (!StopOnSignal::is_set()) {
        return code;
    }
    print_note("stopped by a signal; " + std::to_string(left) + " of " + std::to_string(modules.size()) +
               " modules were not begun");
    constexpr int signal_base = 128;
    return signal_base + stop_signal;
}

} // namespace

int run_sign(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "its key, and modules by name");
    options.value("key", "KEY", "private key: PEM file or pkcs11: URI")
        .value("certificate", "FILE", "its certificate: DER, PEM or pkcs11: URI (default: in the key's file or token)")
        .value("pin-file", "FILE", "its first line is the key's passphrase or PIN")
        .flag("insecure", "take a file of a key or PIN that others may read or replace")
        .value("hash", "HASH", "sha256, sha384, sha512, sha3-256, … (default: the kernel's)");
    add_file_options(options);
    options.flag("force,f", "sign anew what this key signed already")
        .flag("all-modules", "with -k: every module of the kernel")
        .flag("rebuild-initramfs", "where the kernel's initramfs holds older copies, have it made anew")
        .flag("json", "results as JSON");
    add_jobs_option(options);
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = words_or_usage_error(*values);
    const auto kernel = kernel_of(*values);
    const auto key = value_of(*values, "key");
    const auto certificate = value_of(*values, "certificate");
    if (certificate && !key) {
        throw UsageError("--certificate goes with --key");
    }
    const auto hash = hash_of(value_of(*values, "hash"));
    const unsigned threads = jobs_of(*values);
    const Settings settings = settings_of(*values);
    SignOptions sign_options;
    sign_options.files = file_options_of(*values, settings);
    sign_options.force = values->contains("force");
    const bool insecure = values->contains("insecure");
    const auto choice = choose_signing(
        {key, certificate, hash, kernel,
         passphrase_source(value_of(*values, "pin-file"), settings, Prompt::on_terminal, insecure), insecure},
        settings);
    if (!choice) {
        throw missing_key_error(kernel, settings);
    }

    sign_options.hash = choice->hash;
    ModuleReport report(values->contains("json") ? OutputForm::json : OutputForm::lines);
    auto modules = find_targets(words, kernel, report);
    if (words.empty()) {
        modules = modules_of_kernel(*kernel, values->contains("all-modules"), report);
    }
    std::vector<HandledModule> handled;
    const int code = sign_modules(modules, *choice, sign_options, threads, report, handled);
    if (code == exit_done || code == exit_failed) {
        tell_before_boot(handled, values->contains("rebuild-initramfs"), sign_options.files.dry_run);
    }
    return code;
}

} // namespace ksign::hook
