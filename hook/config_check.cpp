// ksign config check: what a kernel configuration lacks for signed modules.
#include "key_report.hpp"
#include "key_request.hpp"

#include <ksign/config_check.hpp>
#include <ksign/error.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "config check [--certs-local DIR] [--fix] [--json] FILE|PATTERN...",
    "Checks kernel configurations for what signed modules need, by the names that Kconfig has in that kernel's\n"
    "version: a table of what, now, wanted and why. Ends with 1 if a must is missing. --fix writes what is\n"
    "wanted; `make olddefconfig` then adds what that needs.",
    "  ksign config check config\n"
    "  ksign config check --fix config && make olddefconfig\n"};

/// The keys, where they were named or lie at the usual place.
std::optional<std::filesystem::path> certs_local_if_any(const Values& values) {
    const auto folder = certs_local_of(values);
    std::error_code ignored;
    if (values.contains("certs-local") || std::filesystem::is_symlink(folder / "current", ignored)) {
        return folder;
    }
    return std::nullopt;
}

void check_file(const std::filesystem::path& file, const std::optional<std::filesystem::path>& certs_local, bool fix,
                ConfigReport& report) {
    try {
        auto findings = check_kernel_config(KernelConfig::load(file), certs_local);
        std::size_t changed = 0;
        if (fix) {
            changed = fix_kernel_config(file, findings);
            findings = check_kernel_config(KernelConfig::load(file), certs_local);
        }
        report.checked(file, findings, changed);
    } catch (const Error& error) {
        report.failed(file, error);
    }
}

} // namespace

int run_config_check(const Arguments& arguments) {
    Options options("Options");
    add_certs_local_option(options);
    options.flag("fix", "write what is wanted into the file").flag("json", "results as JSON");
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const auto words = positional(*values);
    if (words.empty()) {
        throw UsageError("name the kernel configurations to check");
    }
    const auto certs_local = certs_local_if_any(*values);
    ConfigReport report(values->contains("json") ? OutputForm::json : OutputForm::lines);
    for (const std::string& word : words) {
        try {
            for (const auto& file : expand_patterns({word})) {
                check_file(file, certs_local, values->contains("fix"), report);
            }
        } catch (const Error& error) {
            report.failed(word, error);
        }
    }
    return report.finish();
}

} // namespace ksign::hook
