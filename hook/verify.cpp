// ksign verify: what a kernel would answer to modules, without booting it.
#include "kernel_choice.hpp"
#include "options.hpp"
#include "report.hpp"
#include "targets.hpp"

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "verify [-k RELEASE] [--image FILE] [--trust FILE]... [OPTIONS] PATH|NAME...",
    "Says of each module whether a kernel would load it, by that kernel's own rules and the certificates\n"
    "that are built into its image; and if not, the errno, why, and what to do. By default the running\n"
    "kernel, as with module.sig_enforce=1. Exit code 1 if any would be refused, or is not known.",
    "  ksign verify nvidia                                       a module of the running kernel, by name\n"
    "  ksign verify -k 6.12.1-arch1-1 /lib/modules/6.12.1-arch1-1/updates\n"
    "  ksign verify --image vmlinuz --kernel-config config ./build/\n"
    "  ksign verify --trust MOK.der --json nvidia.ko.zst\n"};

} // namespace

int run_verify(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "its image, configuration and modules");
    add_knowledge_options(options);
    add_policy_options(options);
    add_jobs_option(options);
    options.value("max-size", "SIZE", "largest module, decompressed (K, M, G; default 1G)")
        .flag("json", "results as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.empty()) {
        throw UsageError("name what to verify: a module or a folder");
    }
    auto kernel = kernel_of(*values);
    if (!kernel && !values->contains("image") && !values->contains("trust")) {
        kernel.emplace(KernelRelease::running(), value_of(*values, "root").value_or("/"));
    }
    const unsigned threads = jobs_of(*values);
    const std::uint64_t max_payload = file_options_of(*values, settings_of(*values)).max_payload;
    const JudgeChoice choice = choose_judge(*values, kernel);

    ModuleReport report(values->contains("json") ? OutputForm::json : OutputForm::lines);
    report.judged_by(choice);
    std::vector<std::filesystem::path> modules;
    for_each_module(words, kernel, report, [&](const std::filesystem::path& module) { modules.push_back(module); });
    Progress progress;
    judge_all(choice.judge, modules, threads, max_payload, [&](std::size_t index, const JudgedModule& judged) {
        if (judged.verdict) {
            report.judged_module(modules[index], *judged.verdict);
        } else {
            report.failed(modules[index], *judged.error);
        }
        progress.at(index + 1, modules.size());
    });
    return report.finish();
}

} // namespace ksign::hook
