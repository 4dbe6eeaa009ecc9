// ksign show: what modules carry. Needs no key.
#include "options.hpp"
#include "report.hpp"
#include "targets.hpp"

#include <ksign/module.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "show [-k RELEASE] [OPTIONS] PATH|NAME...",
    "Shows a module's container, size and every signature that it carries, older ones below the\n"
    "last too. Nothing is verified, and no key is needed.",
    "  ksign show nvidia.ko.zst\n"
    "  ksign show -k \"$(uname -r)\" zfs spl\n"
    "  ksign show --json /lib/modules/\"$(uname -r)\"/updates\n"};

} // namespace

int run_show(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "modules by name");
    options.value("max-size", "SIZE", "largest module, decompressed (K, M, G; default 1G)")
        .flag("json", "results as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.empty()) {
        throw UsageError("name what to show: a module or a folder");
    }
    const auto kernel = kernel_of(*values);
    const std::uint64_t max_payload = file_options_of(*values, settings_of(*values)).max_payload;
    ModuleReport report(values->contains("json") ? OutputForm::json : OutputForm::lines);
    for_each_module(words, kernel, report, [&](const std::filesystem::path& module) {
        report.described_module(module, describe_module(module, max_payload));
    });
    return report.finish();
}

} // namespace ksign::hook
