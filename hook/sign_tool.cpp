// sign-tool KERNELVER FILE: what DKMS 2.8.1 to 3.0.3 calls (`sign_tool` of its configuration).
#include "options.hpp"
#include "report.hpp"
#include "signing_choice.hpp"
#include "targets.hpp"

#include <ksign/error.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "sign-tool [OPTIONS] KERNELVER FILE",
    "Signs a module for a kernel, with that kernel's key, as DKMS 2.8.1 to 3.0.3 calls its sign_tool.\n"
    "Silent on success. Where the kernel has no key, missing-key of ksign.conf decides the exit code.",
    "  sign_tool=\"" KSIGN_LIBEXECDIR "/sign-tool\"       in /etc/dkms/framework.conf\n"};

} // namespace

int run_sign_tool(const Arguments& arguments) {
    Options options("Options");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.size() != 2) {
        throw UsageError("expected KERNELVER FILE");
    }
    const Settings settings = settings_of(*values);
    const Kernel kernel{KernelRelease(words[0])};
    const auto choice = choose_signing({{}, {}, {}, kernel, passphrase_source({}, settings, Prompt::never)}, settings);
    if (!choice) {
        print_error(missing_key_error(kernel, settings));
        return settings.missing_key == MissingKey::fail ? exit_failed : exit_done;
    }
    SignOptions sign_options;
    sign_options.hash = choice->hash;
    sign_options.files = settings.files;
    static_cast<void>(sign_module(words[1], choice->signer, sign_options));
    return exit_done;
}

} // namespace ksign::hook
