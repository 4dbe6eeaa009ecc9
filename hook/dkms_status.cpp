// ksign dkms status: how DKMS's modules come to be signed, and by which key they are.
#include "dkms_report.hpp"

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "dkms status [--root DIR] [--json]",
    "Shows for each package of DKMS whether ksign is called for it, and for each kernel who signed its modules\n"
    "and whether that is today's key. Tells settings that the installed DKMS does not read, links that lead\n"
    "nowhere, and files that keep ksign from being called. Ends with 1 if something is not as it should be.",
    "  ksign dkms status\n"
    "  ksign dkms status --json\n"};

} // namespace

int run_dkms_status(const Arguments& arguments) {
    Options options("Options");
    add_root_option(options);
    options.flag("json", "the result as JSON");
    add_settings_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    if (!positional(*values).empty()) {
        throw UsageError("dkms status takes no words");
    }
    const Settings settings = settings_of(*values);
    std::optional<std::filesystem::path> certificate;
    if (settings.certificate) {
        certificate = *settings.certificate;
    } else if (settings.key) {
        certificate = *settings.key;
    }
    const DkmsSetup setup = dkms_setup_of(*values);
    return print_dkms_survey(survey_dkms(setup, dkms_version_of(*values), certificate), setup.root(),
                             values->contains("json") ? OutputForm::json : OutputForm::lines);
}

} // namespace ksign::hook
