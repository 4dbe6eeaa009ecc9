// ksign keys enroll: a machine owner key: is it enrolled, and if not, what to do.
#include "kernel_choice.hpp"
#include "key_report.hpp"
#include "options.hpp"
#include "process.hpp"

#include <ksign/error.hpp>
#include <ksign/key_store.hpp>
#include <ksign/mok.hpp>
#include <ksign/running_kernel.hpp>
#include <ksign/shell.hpp>
#include <ksign/token.hpp>

#include <algorithm>
#include <iostream>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "keys enroll [-k RELEASE] [--root DIR] [--der FILE] [--yes] [--json] [CERTIFICATE]",
    "Says whether a machine owner key is enrolled in this machine's firmware, which keyring of the kernel it\n"
    "is in then, and whether modules load by it; if not, why, and what to do. Prepares the certificate in DER,\n"
    "which mokutil takes. CERTIFICATE is by default that of ksign.conf, else the kernel's own. Ends with 1\n"
    "unless it is enrolled, or with --yes requested. Nothing but --yes asks the firmware for anything.",
    "  ksign keys enroll                                is the key of ksign.conf enrolled?\n"
    "  ksign keys enroll /var/lib/dkms/mok.pub          is DKMS's?\n"
    "  ksign keys enroll --yes MOK.pem                  mokutil --import, which asks for a password\n"
    "  ksign keys enroll -k 6.12.1-arch1-1 --json       by the rules of another kernel\n"};

std::string certificate_of(const Values& values, const Kernel& kernel) {
    const auto words = positional(values);
    if (words.size() > 1) {
        throw UsageError("name one certificate");
    }
    if (!words.empty()) {
        return words.front();
    }
    const Settings settings = settings_of(values);
    if (settings.certificate) {
        return *settings.certificate;
    }
    if (settings.key) {
        return *settings.key;
    }
    if (const auto own = find_kernel_key(kernel)) {
        return own->certificate;
    }
    throw Error(ErrorCode::no_key, "machine owner key", "none was named",
                "name its certificate, or set key and certificate in " + settings.source.string() +
                    "; `ksign keys generate --code-signing` makes a key");
}

/// The command that asks the same again, with all that was named. No PIN: whoever runs it gives one.
std::string command_again(const Values& values) {
    std::string command = "ksign keys enroll";
    if (const auto release = value_of(values, "kernel")) {
        command += " -k " + shell_quoted(*release);
    }
    command += shell_root_option(value_of(values, "root").value_or("/"));
    if (const auto config = value_of(values, "config")) {
        command += " --config " + shell_path(*config);
    }
    for (const std::string& certificate : positional(values)) {
        command += ' ' + shell_path(displayed_key(certificate));
    }
    return command;
}

/// What is known of a kernel by its files. What of them can't be read, @p notes get.
KernelFacts facts_of(const Kernel& kernel, std::vector<std::string>& notes) {
    KernelFacts facts;
    facts.release = kernel.release().text();
    const auto running = read_running_kernel(kernel.root());
    if (running && running->release == facts.release) {
        facts.banner = running->banner;
    } else if (const auto file = find_kernel_image(kernel)) {
        auto image = read_image_or(*file, [&](const Error& error) {
            notes.push_back(error.with_remedy());
            notes.push_back("kernel " + facts.release + " is judged as mainline: who built it, its image says");
        });
        if (image) {
            facts.banner = std::move(image->banner);
            facts.config = std::move(image->config);
        }
    }
    if (auto config = find_kernel_config(kernel)) {
        facts.config = std::move(config);
    }
    return facts;
}

/// Beside the certificate, as NAME.der; a DER file is taken as it is.
std::optional<std::filesystem::path> der_file(const Values& values, const std::string& source) {
    if (const auto file = value_of(values, "der")) {
        return *file;
    }
    if (is_token_uri(source)) {
        return std::nullopt;
    }
    std::filesystem::path file(source);
    return is_mok_file(file) ? file : file.replace_extension(".der");
}

/// Writes the certificate in DER for mokutil. Where nobody has asked for just that and it can't be written, the error
/// is a note, and there is no such file.
void prepare_der(Enrollment& enrollment, const std::filesystem::path& file, bool must) {
    try {
        enrollment.der_written = write_mok_certificate(enrollment.certificate, file);
        enrollment.der = file;
    } catch (const Error& error) {
        const char* const remedy = error.is_denied() ? "run it as root, or say with --der FILE where to write it"
                                                     : "say with --der FILE where to write it";
        if (must || error.code() != ErrorCode::system) {
            throw error.or_remedy(remedy);
        }
        enrollment.survey.notes.push_back(error.or_remedy(remedy).with_remedy());
    }
}

/// What `mokutil --test-key` says: the words and not the exit code, which came to mean the opposite
/// after mokutil 0.7.2.
std::string asked_mokutil(const std::filesystem::path& mokutil, const std::filesystem::path& der) {
    std::string said;
    run_program({mokutil.string(), "--test-key", der.string()}, said);
    const std::size_t end = said.find('\n');
    return said.substr(0, end);
}

} // namespace

int run_keys_enroll(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "whose keyrings it is to get into (default: the running one)");
    options.value("der", "FILE", "where the certificate in DER goes (default: beside CERTIFICATE, as NAME.der)")
        .flag("yes", "run mokutil --import, unless it is enrolled or requested already")
        .flag("json", "the result as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const bool here = std::filesystem::path(value_of(*values, "root").value_or("/")).lexically_normal() == "/";
    const bool import = values->contains("yes");
    if (import && !here) {
        throw UsageError("--yes asks this machine's own firmware; it does not go with --root");
    }
    const auto named = kernel_of(*values);
    const Kernel kernel = named ? *named : Kernel(KernelRelease::running(), value_of(*values, "root").value_or("/"));
    const std::string source = certificate_of(*values, kernel);
    const std::string shown = displayed_key(source);
    KernelCertificate certificate = load_mok_certificate(source);
    std::vector<std::string> notes;
    MokSurvey survey = survey_mok(certificate, facts_of(kernel, notes), kernel.root());
    survey.notes.insert(survey.notes.end(), notes.begin(), notes.end());
    Enrollment enrollment{shown,
                          command_again(*values),
                          std::move(certificate),
                          kernel.release().text(),
                          std::move(survey),
                          {},
                          false,
                          {},
                          false};
    const auto is = [&enrollment](MokState state) { return enrollment.survey.state == state; };

    const bool wanted = is(MokState::absent) || is(MokState::unknown);
    if (wanted || values->contains("der")) {
        const auto file = der_file(*values, source);
        if (!file) {
            throw Error(ErrorCode::usage, shown, "mokutil takes a file, and this certificate is in a token",
                        "say with --der FILE where to write it");
        }
        prepare_der(enrollment, *file, import || values->contains("der"));
    }
    const auto mokutil = here ? find_program("mokutil") : std::nullopt;
    if (mokutil && enrollment.der && !is(MokState::no_firmware)) {
        enrollment.mokutil = asked_mokutil(*mokutil, *enrollment.der);
    }
    if (import && is(MokState::no_firmware)) {
        throw Error(ErrorCode::system, shown, "can't be enrolled: this machine was not started by UEFI firmware",
                    "its kernel trusts what is built into it alone; `ksign config update` has it trust a key of yours");
    }
    if (import && is(MokState::revoked)) {
        throw Error(ErrorCode::certificate, shown, "is revoked on this machine (dbx or MokListX)",
                    "make another key: ksign keys generate");
    }
    if (import && wanted) {
        if (!mokutil) {
            throw Error(ErrorCode::system, "mokutil", "is not installed", "install the package mokutil");
        }
        const int code = run_program_aside({mokutil->string(), "--import", enrollment.der->string()});
        if (code != 0) {
            throw Error(ErrorCode::system, enrollment.der->string(),
                        "was not imported: mokutil ended with exit code " + std::to_string(code), "run it as root");
        }
        enrollment.imported = true;
    }
    if (import && is(MokState::requested)) {
        enrollment.imported = true;
    }
    return print_enrollment(enrollment, values->contains("json") ? OutputForm::json : OutputForm::lines);
}

} // namespace ksign::hook
