// ksign keys show: the signing key of each installed kernel.
#include "key_report.hpp"
#include "key_request.hpp"

#include <ksign/error.hpp>
#include <ksign/key_survey.hpp>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "keys show [-k RELEASE] [--root DIR] [--refresh TIME] [--json]",
    "Shows for each installed kernel where its signing key is, of what type and hash, how old, whether its\n"
    "configuration trusts it, whether the kernel can verify it, and whether its files are safe from others.\n"
    "Ends with 1 if a key is broken, open to others, or of no use to its kernel.",
    "  ksign keys show\n"
    "  ksign keys show -k \"$(uname -r)\" --json\n"};

std::vector<Kernel> kernels_of(const Values& values) {
    if (auto kernel = kernel_of(values)) {
        return {std::move(*kernel)};
    }
    auto kernels = find_kernels(value_of(values, "root").value_or("/"));
    if (kernels.empty()) {
        throw Error(ErrorCode::kernel,
                    (std::filesystem::path(value_of(values, "root").value_or("/")) / "lib/modules").string(),
                    "there are no kernels");
    }
    return kernels;
}

} // namespace

int run_keys_show(const Arguments& arguments) {
    Options options("Options");
    add_kernel_options(options, "this one alone");
    options.value("refresh", "TIME", "how old a key may get: 7d, 24h, 30days, 2weeks, always (default: 7d)")
        .flag("json", "results as JSON");
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    if (!positional(*values).empty()) {
        throw UsageError("a kernel is named with -k");
    }
    const auto period = value_of(*values, "refresh");
    const RefreshPeriod parsed = period ? refresh_period_of(*period) : usual_refresh_period;
    std::vector<KeySurvey> surveys;
    for (const Kernel& kernel : kernels_of(*values)) {
        surveys.push_back(survey_kernel_key(kernel, parsed));
    }
    return print_surveys(surveys, values->contains("json") ? OutputForm::json : OutputForm::lines);
}

} // namespace ksign::hook
