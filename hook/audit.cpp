// ksign audit: is a kernel ready for module.sig_enforce=1?
#include "kernel_choice.hpp"
#include "options.hpp"
#include "report.hpp"

#include <ksign/audit.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "audit [-k RELEASE] [--root DIR] [--image FILE] [OPTIONS]",
    "Looks at every module that is installed for a kernel, at those in its initramfs, and if it is the\n"
    "running one, at those that are loaded now and at its log: what would be refused if signatures were\n"
    "enforced? Ends with one sentence: safe to boot with module.sig_enforce=1, or not and why, or not known;\n"
    "exit code 1 unless it is safe. By default the running kernel.",
    "  ksign audit                                     the running kernel\n"
    "  ksign audit -k 6.12.1-arch1-1 --json\n"
    "  ksign audit --root /mnt -k 6.12.1-arch1-1       a mounted image\n"};

} // namespace

int run_audit(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "its modules, image and configuration");
    add_knowledge_options(options);
    options.value("initramfs", "FILE",
                  "its initramfs, or the unified kernel image with it (default: the installed one)");
    add_jobs_option(options);
    options.value("max-size", "SIZE", "largest module, decompressed (K, M, G; default 1G)")
        .flag("json", "the result as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    if (!positional(*values).empty()) {
        throw UsageError("audit takes no PATH; `ksign verify` looks at single modules");
    }
    auto kernel = kernel_of(*values);
    if (!kernel) {
        kernel.emplace(KernelRelease::running(), value_of(*values, "root").value_or("/"));
    }
    AuditOptions audit_options;
    audit_options.threads = jobs_of(*values);
    audit_options.max_payload = file_options_of(*values, settings_of(*values)).max_payload;
    audit_options.initramfs = value_of(*values, "initramfs");
    const JudgeChoice choice = choose_judge(*values, kernel);
    const AuditResult result = [&] {
        Progress progress;
        return audit_kernel(*kernel, choice.judge, audit_options,
                            [&progress](std::size_t done, std::size_t total) { progress.at(done, total); });
    }();
    return print_audit(values->contains("json") ? OutputForm::json : OutputForm::lines, *kernel, choice, result);
}

} // namespace ksign::hook
