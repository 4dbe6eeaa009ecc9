#include "report.hpp"

#include "options.hpp"
#include "output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

namespace ksign::hook {
namespace {

std::string_view outcome_word(SignOutcome outcome) {
    switch (outcome) {
    case SignOutcome::signed_first:
        return "signed";
    case SignOutcome::signed_again:
        return "signed again";
    case SignOutcome::repacked:
        return "repacked";
    case SignOutcome::unchanged:
        return "already signed";
    }
    return "?";
}

std::string signature_object(const SignatureDescription& signature) {
    JsonObject object;
    if (!signature.problem.empty()) {
        return object.text("problem", signature.problem).number("size", signature.size).done();
    }
    if (signature.key_id.empty()) {
        object.text("signer", signature.signer).text("serial", signature.serial);
    } else {
        object.text("key_id", signature.key_id);
    }
    return object.text("hash", signature.hash)
        .text("algorithm", signature.algorithm)
        .flag("signed_attributes", signature.has_signed_attributes)
        .number("certificates", signature.certificates)
        .number("size", signature.size)
        .done();
}

std::string signer_line(const SignatureDescription& signature) {
    if (!signature.problem.empty()) {
        return signature.problem;
    }
    std::string line = signature.key_id.empty() ? signature.signer + ", serial " + signature.serial
                                                : "key id " + signature.key_id + " (modinfo shows no signer)";
    line += ", " + signature.hash + ", " + signature.algorithm;
    if (signature.has_signed_attributes) {
        line += ", with signed attributes (a kernel refuses them for RSA and ECDSA)";
    }
    if (signature.certificates > 0) {
        line += ", with " + std::to_string(signature.certificates) + " certificate(s) inside";
    }
    return line;
}

std::string json_texts(const std::vector<std::string>& texts) {
    std::vector<std::string> quoted;
    std::ranges::transform(texts, std::back_inserter(quoted), json_string);
    return json_array(quoted);
}

/// What a kernel says to a module, less its path.
void add_verdict(JsonObject& object, const Verdict& verdict) {
    object.text("verdict", answer_name(verdict.answer))
        .text("errno", verdict.error_name)
        .text("errno_text", verdict.error_text)
        .text("console", verdict.console)
        .text("rule", verdict.rule)
        .text("reason", verdict.reason)
        .text("remedy", verdict.remedy)
        .text("container", container_name(verdict.container))
        .text("signer", verdict.signer)
        .text("serial", verdict.serial)
        .text("hash", verdict.hash)
        .text("key", verdict.key)
        .text("keyring", verdict.keyring ? keyring_name(*verdict.keyring) : "")
        .text("trust_origin", verdict.trust_origin)
        .raw("warnings", json_texts(verdict.warnings));
}

std::string verdict_line(const Verdict& verdict) {
    std::string line;
    switch (verdict.answer) {
    case Answer::loads:
        line = verdict.key.empty() ? "loads: " + verdict.reason
                                   : "loads (" + verdict.key + ", " + verdict.hash + "; " + verdict.trust_origin + ")";
        break;
    case Answer::taints:
        line = "loads and taints the kernel: " + verdict.reason;
        break;
    case Answer::unknown:
        line = "not known: " + verdict.reason;
        break;
    case Answer::refused:
        line = "refused with " + verdict.error_name + " (modprobe: " + verdict.error_text + "): " + verdict.reason;
        break;
    }
    if (!verdict.remedy.empty()) {
        line += "; " + verdict.remedy;
    }
    for (const std::string& warning : verdict.warnings) {
        line += "; note: " + warning;
    }
    return line;
}

std::string trust_object(const TrustEntry& entry, std::string_view unusable) {
    const KernelCertificate& certificate = entry.certificate;
    JsonObject object;
    object.text("name", certificate.name())
        .text("issuer", certificate.issuer())
        .text("serial", certificate.serial())
        .text("key_id", certificate.key_id())
        .text("key", certificate.key_description())
        .text("sha256", certificate.fingerprint())
        .text("keyring", keyring_name(entry.keyring))
        .text("origin", entry.origin);
    if (!unusable.empty()) {
        object.text("unusable", unusable);
    }
    return object.done();
}

/// What was known of a kernel.
std::string kernel_object(const JudgeChoice& choice) {
    const auto& [keys, judge] = choice;
    std::vector<std::string> trusted;
    for (const TrustEntry& entry : keys.entries) {
        const auto& unusable = judge.unusable_keys();
        const auto found = std::ranges::find_if(unusable, [&entry](const UnusableKey& other) {
            return other.entry.keyring == entry.keyring &&
                   other.entry.certificate.fingerprint() == entry.certificate.fingerprint();
        });
        trusted.push_back(trust_object(entry, found == unusable.end() ? std::string_view() : found->reason));
    }
    std::vector<std::string> unproven;
    for (const TrustEntry& entry : keys.unproven) {
        unproven.push_back(trust_object(entry, {}));
    }
    const KernelFacts& facts = judge.facts();
    return JsonObject()
        .text("release", facts.release)
        .text("banner", facts.banner)
        .text("config", facts.config ? facts.config->path().string() : "")
        .flag("enforced", facts.enforced)
        .text("lockdown", facts.lockdown == Lockdown::none        ? "none"
                          : facts.lockdown == Lockdown::integrity ? "integrity"
                                                                  : "confidentiality")
        .text("load", facts.method == LoadMethod::modprobe ? "modprobe"
                      : facts.method == LoadMethod::kernel ? "kernel"
                                                           : "plain")
        .flag("platform_keys", trusts_platform_keys(facts))
        .raw("trusted", json_array(trusted))
        .raw("unproven", json_array(unproven))
        .raw("unread", json_texts(keys.unread))
        .raw("notes", json_texts(keys.notes))
        .done();
}

// --- audits -------------------------------------------------------------------

std::string counts_object(const std::map<std::string, std::size_t>& counts) {
    JsonObject object;
    for (const auto& [name, count] : counts) {
        object.number(name, count);
    }
    return object.done();
}

std::string audited_object(const AuditResult::Module& module) {
    JsonObject object;
    object.text("path", module.path.string());
    if (module.judged.verdict) {
        add_verdict(object, *module.judged.verdict);
    } else {
        object.raw("error", error_object(*module.judged.error));
    }
    return object.done();
}

std::string initramfs_object(const AuditResult& result) {
    std::vector<std::string> stale;
    for (const InitramfsModule& module : result.stale) {
        JsonObject object;
        object.text("path", module.path).text("installed", module.installed.string()).flag("differs", module.differs);
        if (module.error) {
            object.raw("error", error_object(*module.error));
        } else {
            add_verdict(object, module.verdict);
        }
        stale.push_back(object.done());
    }
    return JsonObject()
        .text("path", result.initramfs ? result.initramfs->string() : "")
        .number("modules", result.initramfs_modules)
        .text("problem", result.initramfs_problem)
        .raw("stale", json_array(stale))
        .done();
}

std::string running_object(const AuditResult& result) {
    std::vector<std::string> refused;
    for (const RefusedAtBoot& module : result.loaded) {
        refused.push_back(JsonObject()
                              .text("name", module.module.name)
                              .text("path", module.file.string())
                              .text("taints", module.module.taints)
                              .text("reason", module.reason)
                              .done());
    }
    return JsonObject()
        .number("modules", result.running->modules.size())
        .flag("enforced", result.running->enforced.value_or(false))
        .flag("tainted_by_unsigned", result.running->tainted_by_unsigned)
        .raw("refused", json_array(refused))
        .raw("log", json_texts(result.running->log))
        .done();
}

void print_audit_json(const Kernel& kernel, const JudgeChoice& choice, const AuditResult& result) {
    std::vector<std::string> troubled;
    std::ranges::transform(result.troubled, std::back_inserter(troubled), audited_object);
    std::map<std::string, std::size_t> verdicts;
    for (const auto& [answer, count] : result.answers) {
        verdicts.emplace(answer_name(answer), count);
    }
    JsonObject object;
    object.number("schema", json_schema)
        .text("release", kernel.release().text())
        .flag("safe", result.safe)
        .flag("known", result.known)
        .text("sentence", result.sentence)
        .number("modules", result.modules)
        .raw("verdicts", counts_object(verdicts))
        .raw("signers", counts_object(result.signers))
        .raw("troubled", json_array(troubled))
        .raw("initramfs", initramfs_object(result))
        .raw("kernel", kernel_object(choice));
    if (result.running) {
        object.raw("running", running_object(result));
    }
    std::cout << object.done() << '\n';
}

void print_audit_counts(const Kernel& kernel, const AuditResult& result) {
    std::cout << "kernel " << one_line(kernel.release().text()) << ": " << result.modules << " modules";
    for (const auto& [answer, count] : result.answers) {
        std::cout << ", " << count
                  << (answer == Answer::loads     ? " load"
                      : answer == Answer::taints  ? " taint"
                      : answer == Answer::unknown ? " not known"
                                                  : " refused");
    }
    std::cout << '\n';
    for (const auto& [signer, count] : result.signers) {
        std::cout << "  " << count << " signed by " << (signer.empty() ? "nobody that they name" : one_line(signer))
                  << '\n';
    }
}

void print_audit_initramfs(const AuditResult& result) {
    if (!result.initramfs) {
        std::cout << "initramfs: none was found (--initramfs FILE names one)\n";
        return;
    }
    std::cout << "initramfs " << one_line(result.initramfs->string()) << ": " << result.initramfs_modules
              << " modules, " << result.stale.size() << " of them stale or refused\n";
    for (const InitramfsModule& module : result.stale) {
        std::cout << "  " << one_line(module.path) << ": "
                  << (module.installed.empty() ? "is not installed"
                      : module.differs         ? "differs from " + one_line(module.installed.string())
                                               : "is the installed one")
                  << "; " << one_line(module.error ? module.error->reason() : verdict_line(module.verdict)) << '\n';
    }
}

void print_audit_running(const RunningKernel& running, const std::vector<RefusedAtBoot>& refused) {
    std::cout << "running now: " << running.modules.size() << " modules loaded, " << refused.size()
              << " that would not load again" << (running.enforced.value_or(false) ? "; signatures are enforced" : "")
              << (running.tainted_by_unsigned ? "; tainted: an unsigned module was loaded since the boot" : "") << '\n';
    for (const RefusedAtBoot& module : refused) {
        std::cout << "  " << one_line(module.module.name) << ": " << one_line(module.reason) << '\n';
    }
    for (const std::string& line : running.log) {
        std::cout << "  log: " << one_line(line) << '\n';
    }
}

// Whether the line of a Progress stands on the terminal. There is one standard error.
constinit bool progress_is_shown = false; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

/// Standard error, for a line of its own.
std::ostream& diagnostics() {
    if (progress_is_shown) {
        std::cerr << "\r\x1b[K";
        progress_is_shown = false;
    }
    return std::cerr;
}

} // namespace

void print_error(const Error& error) {
    diagnostics() << "ksign: " << one_line(without_pins(error.what())) << '\n';
    if (!error.remedy().empty()) {
        std::cerr << "  hint: " << one_line(without_pins(error.remedy())) << '\n';
    }
}

void print_note(std::string_view text) {
    diagnostics() << "ksign: " << one_line(without_pins(text)) << '\n';
}

void ModuleReport::add_json(const std::string& object) {
    if (done_ + failed_ == 0) {
        std::cout << "{\"schema\": " << json_schema << ", \"modules\": [";
    } else {
        std::cout << ',';
    }
    std::cout << "\n  " << object;
}

void ModuleReport::signed_module(const std::filesystem::path& module, const SignResult& result, const Signer& signer,
                                 HashAlgorithm hash, bool dry_run) {
    if (form_ == OutputForm::json) {
        add_json(JsonObject()
                     .text("path", module.string())
                     .text("outcome", outcome_word(result.outcome))
                     .flag("dry_run", dry_run)
                     .text("container", container_name(result.container))
                     .text("hash", hash_name(hash))
                     .text("signer", signer.name())
                     .text("serial", signer.serial())
                     .text("key", signer.key_description())
                     .number("signatures_removed", result.signatures_removed)
                     .done());
    } else {
        const bool would = dry_run && result.outcome != SignOutcome::unchanged;
        std::cout << one_line(module.string()) << ": " << (would ? "would be " : "") << outcome_word(result.outcome)
                  << " (" << one_line(signer.name()) << ", " << signer.key_description() << ", " << hash_name(hash)
                  << ", " << container_name(result.container) << ")\n";
    }
    ++done_;
}

void ModuleReport::stripped_module(const std::filesystem::path& module, std::size_t signatures, bool dry_run) {
    if (form_ == OutputForm::json) {
        add_json(JsonObject()
                     .text("path", module.string())
                     .number("signatures_removed", signatures)
                     .flag("dry_run", dry_run)
                     .done());
    } else if (signatures == 0) {
        std::cout << one_line(module.string()) << ": is not signed\n";
    } else {
        std::cout << one_line(module.string()) << ": " << signatures
                  << (signatures == 1 ? " signature " : " signatures ") << (dry_run ? "would be " : "")
                  << "taken off\n";
    }
    ++done_;
}

void ModuleReport::described_module(const std::filesystem::path& module, const ModuleDescription& description) {
    if (form_ == OutputForm::json) {
        std::string signatures;
        for (const SignatureDescription& signature : description.signatures) {
            signatures += (signatures.empty() ? "" : ", ") + signature_object(signature);
        }
        JsonObject object;
        object.text("path", module.string())
            .text("container", container_name(description.container))
            .number("file_size", description.file_size)
            .number("payload_size", description.payload_size);
        if (!description.load_obstacle.empty()) {
            object.text("load_obstacle", description.load_obstacle);
        }
        object.raw("signatures", "[" + signatures + "]");
        if (description.more_signatures > 0) {
            object.number("more_signatures", description.more_signatures);
        }
        add_json(object.done());
    } else {
        std::cout << one_line(module.string()) << '\n'
                  << "  container:  " << container_name(description.container) << ", " << description.file_size
                  << " bytes; module " << description.payload_size << " bytes\n";
        if (!description.load_obstacle.empty()) {
            std::cout << "  obstacle:   " << description.load_obstacle << '\n';
        }
        if (description.signatures.empty()) {
            std::cout << "  signature:  none\n";
        }
        bool last = true;
        for (const SignatureDescription& signature : description.signatures) {
            std::cout << (last ? "  signature:  " : "  below it:   ") << one_line(signer_line(signature)) << '\n';
            last = false;
        }
        if (description.more_signatures > 0) {
            std::cout << "  below them: " << description.more_signatures << " more\n";
        }
        if (description.signatures.size() > 1) {
            std::cout
                << "              a kernel checks the first of these only; `ksign sign` takes all off and signs once\n";
        }
    }
    ++done_;
}

void ModuleReport::judged_module(const std::filesystem::path& module, const Verdict& verdict) {
    if (form_ == OutputForm::json) {
        JsonObject object;
        object.text("path", module.string());
        add_verdict(object, verdict);
        add_json(object.done());
    } else {
        std::cout << one_line(module.string()) << ": " << one_line(verdict_line(verdict)) << '\n';
    }
    ++done_;
    refused_ += verdict.answer == Answer::refused ? 1U : 0U;
    unknown_ += verdict.answer == Answer::unknown ? 1U : 0U;
}

void ModuleReport::judged_by(const JudgeChoice& choice) {
    for (const std::string& note : choice.keys.notes) {
        print_note(note);
    }
    if (form_ == OutputForm::json) {
        kernel_ = kernel_object(choice);
    }
}

void ModuleReport::failed(const std::filesystem::path& module, const Error& error) {
    if (form_ == OutputForm::json) {
        add_json(JsonObject().text("path", module.string()).raw("error", error_object(error)).done());
    }
    print_error(error);
    ++failed_;
}

int ModuleReport::finish() {
    if (form_ == OutputForm::json) {
        if (done_ + failed_ == 0) {
            std::cout << "{\"schema\": " << json_schema << ", \"modules\": [";
        }
        std::cout << "\n]" << (kernel_.empty() ? "" : ", \"kernel\": " + kernel_) << "}\n";
    }
    if (refused_ > 0 && done_ > 1) {
        print_note(std::to_string(refused_) + " of " + std::to_string(done_) + " modules would be refused");
    }
    if (unknown_ > 0 && done_ > 1) {
        print_note("of " + std::to_string(unknown_) + " of " + std::to_string(done_) +
                   " modules it is not known whether they would load");
    }
    if (failed_ > 0 && done_ + failed_ > 1) {
        print_note(std::to_string(failed_) + " of " + std::to_string(done_ + failed_) + " modules failed");
    }
    return failed_ == 0 && refused_ == 0 && unknown_ == 0 ? exit_done : exit_failed;
}

int print_audit(OutputForm form, const Kernel& kernel, const JudgeChoice& choice, const AuditResult& result) {
    for (const std::string& note : choice.keys.notes) {
        print_note(note);
    }
    if (form == OutputForm::json) {
        print_audit_json(kernel, choice, result);
        return result.safe ? exit_done : exit_failed;
    }
    print_audit_counts(kernel, result);
    for (const AuditResult::Module& module : result.troubled) {
        std::cout << "  " << one_line(module.path.string()) << ": "
                  << one_line(module.judged.verdict ? verdict_line(*module.judged.verdict)
                                                    : module.judged.error->reason())
                  << '\n';
    }
    print_audit_initramfs(result);
    if (result.running) {
        print_audit_running(*result.running, result.loaded);
    }
    std::cout << one_line(result.sentence) << '\n';
    return result.safe ? exit_done : exit_failed;
}

namespace {

/// ", 812 a second, 3 s left".
std::string rate_and_time_left(std::size_t done, std::size_t total, std::chrono::steady_clock::duration elapsed) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    if (done == 0 || seconds <= 0) {
        return {};
    }
    const double rate = static_cast<double>(done) / seconds;
    const auto whole = [](double number) { return std::to_string(std::llround(number)); };
    return ", " + (rate >= 1 ? whole(rate) + " a second" : whole(1 / rate) + " s each") + ", " +
           whole(static_cast<double>(total - done) / rate) + " s left";
}

/// Whether there is somebody who sees a line, and a terminal that can take it away again.
bool can_show_progress() {
    const char* const terminal = std::getenv("TERM");
    return ::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) != 1 && terminal != nullptr && *terminal != '\0' &&
           std::string_view(terminal) != "dumb";
}

/// How long a line may be: what goes on in a second one can't be taken away. The last column stays free, since some
/// terminals go on in the next line once that is written.
std::size_t line_width() {
    constexpr std::size_t usual = 80;
    struct winsize size {};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return (known ? std::size_t{size.ws_col} : usual) - 1;
}

} // namespace

Progress::Progress() : visible_(can_show_progress()) {}

Progress::~Progress() {
    diagnostics() << std::flush;
}

void Progress::at(std::size_t done, std::size_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (visible_ && now >= next_) {
        const std::string line =
            std::to_string(done) + " of " + std::to_string(total) + rate_and_time_left(done, total, now - start_);
        diagnostics() << line.substr(0, line_width()) << std::flush;
        next_ = now + std::chrono::milliseconds(100);
        progress_is_shown = true;
    }
}

} // namespace ksign::hook
