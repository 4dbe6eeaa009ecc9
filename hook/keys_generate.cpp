// ksign keys generate, ksign keys refresh: make keys in a certs-local folder.
#include "key_report.hpp"
#include "key_request.hpp"

namespace ksign::hook {
namespace {

constexpr CommandHelp generate_help{
    "keys generate [--kernel-config FILE]... [OPTIONS]",
    "Makes a new signing key in a folder of its own, named by date and time, and leads `current` to it.\n"
    "Type and hash are those of the kernel's configuration, as far as that kernel can verify them.\n"
    "A kernel trusts the key once it is built with it: see `ksign config update`.",
    "  ksign keys generate --kernel-config config           in ./certs-local, for a kernel to be built\n"
    "  ksign keys generate --certs-local /root/mok --type rsa-2048 --code-signing --cn 'My MOK'\n"};

constexpr CommandHelp refresh_help{
    "keys refresh [--kernel-config FILE]... [OPTIONS]",
    "Makes a new key where the current one is older than the period of --refresh, has another type or\n"
    "hash than the kernel's configuration, or is not there; else leaves all as it is.",
    "  ksign keys refresh --kernel-config config && ksign config update config\n"
    "  ksign keys refresh --refresh 30days --keep 3 --kernel-config 'conf/config.*'\n"};

Options common_options() {
    Options options("Options");
    add_certs_local_option(options);
    add_kernel_config_options(options);
    add_key_options(options);
    return options;
}

void expect_no_words(const Values& values) {
    if (!positional(values).empty()) {
        throw UsageError("'" + positional(values).front() +
                         "' is too much: files are named with --kernel-config, the folder with --certs-local");
    }
}

} // namespace

int run_keys_generate(const Arguments& arguments) {
    const auto values = parse_arguments(arguments, common_options(), generate_help);
    if (!values) {
        return exit_done;
    }
    expect_no_words(*values);
    RefreshRequest request = refresh_request_of(*values);
    request.period = {};
    print_refresh(refresh_keys(request));
    return exit_done;
}

int run_keys_refresh(const Arguments& arguments) {
    Options options = common_options();
    options.value("refresh", "TIME", "how old a key may get: 7d, 24h, 30days, 2weeks, always (default: 7d)");
    const auto values = parse_arguments(arguments, options, refresh_help);
    if (!values) {
        return exit_done;
    }
    expect_no_words(*values);
    const auto period = value_of(*values, "refresh");
    const RefreshPeriod parsed = period ? refresh_period_of(*period) : usual_refresh_period;
    RefreshRequest request = refresh_request_of(*values);
    request.period = parsed;
    print_refresh(refresh_keys(request));
    return exit_done;
}

} // namespace ksign::hook
