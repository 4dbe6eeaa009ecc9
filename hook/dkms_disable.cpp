// ksign dkms disable: DKMS no longer calls ksign.
#include "dkms_report.hpp"

#include <ksign/error.hpp>
#include <ksign/shell.hpp>

#include <iostream>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "dkms disable [MODULE...] [--native]",
    "Takes away what `ksign dkms enable` made: links, and lines that --append added; nothing else. Without\n"
    "words all of it. Modules keep the signatures that they have.",
    "  ksign dkms disable                   all, as a package's removal script does\n"
    "  ksign dkms disable nvidia\n"
    "  ksign dkms disable --native\n"};

/// Without words no package is taken from another program that signs.
std::vector<std::string> packages_of_ksign(const DkmsSetup& setup) {
    std::vector<std::string> packages = setup.enabled_packages();
    if (packages.empty()) {
        return packages;
    }
    try {
        setup.require_own_kernel_sign();
        return packages;
    } catch (const Error& error) {
        print_note(error.what());
        print_note("what leads to it was left, since it may sign; take it away with: ksign dkms disable" +
                   shell_root_option(setup.root()) + " MODULE...");
        return {};
    }
}

} // namespace

int run_dkms_disable(const Arguments& arguments) {
    Options options("Options");
    options.flag("native", "DKMS calls sign-file again");
    add_root_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const DkmsSetup setup = dkms_setup_of(*values);
    std::vector<std::string> packages = positional(*values);
    const bool named = !packages.empty();
    const bool native = values->contains("native");
    if (!named && !native) {
        packages = packages_of_ksign(setup);
    }
    int code = exit_done;
    for (const std::string& package : packages) {
        try {
            const DkmsChange change = setup.disable(package);
            if (change == DkmsChange::none) {
                print_note(setup.package_file(package).string() + ": does not call ksign");
            } else {
                print_dkms_change(setup.package_file(package), change);
            }
        } catch (const Error& error) {
            print_error(error);
            code = exit_failed;
        }
    }
    if (native || !named) {
        for (const auto& [file, change] : setup.disable_native()) {
            print_dkms_change(file, change);
        }
    }
    return code;
}

} // namespace ksign::hook
