// ksign strip: takes signatures off, and nothing else.
#include "options.hpp"
#include "report.hpp"
#include "targets.hpp"

#include <ksign/sign.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{"strip [-k RELEASE] [OPTIONS] PATH|NAME...",
                           "Takes every signature off a module and keeps all else, debug information too, which\n"
                           "strip(1) would not.",
                           "  ksign strip nvidia.ko.zst\n"
                           "  ksign strip --dry-run ./build/\n"};

} // namespace

int run_strip(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "modules by name");
    add_file_options(options);
    options.flag("json", "results as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.empty()) {
        throw UsageError("name what to strip: a module or a folder");
    }
    const auto kernel = kernel_of(*values);
    const FileOptions files = file_options_of(*values, settings_of(*values));
    ModuleReport report(values->contains("json") ? OutputForm::json : OutputForm::lines);
    for_each_module(words, kernel, report, [&](const std::filesystem::path& module) {
        report.stripped_module(module, strip_signatures(module, files), files.dry_run);
    });
    return report.finish();
}

} // namespace ksign::hook
