// ksign dkms enable: has DKMS call ksign.
#include "dkms_report.hpp"

#include <ksign/error.hpp>

#include <algorithm>
#include <iostream>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "dkms enable [--append] MODULE... | --all | --native",
    "Has DKMS call ksign for these packages, as POST_BUILD: links /etc/dkms/MODULE.conf to kernel-sign.conf.\n"
    "With --native DKMS calls it for all packages, in place of sign-file. A file of yours is never replaced:\n"
    "--append adds one line to its end. What is built already stays as it is: `ksign dkms status` tells.",
    "  ksign dkms enable nvidia zfs         nvidia (Debian: nvidia-current)\n"
    "  ksign dkms enable --all              every package that DKMS knows, as a package's install script does\n"
    "  ksign dkms enable --native\n"};

/// ", but nvidia-current": what of these a user may have meant.
std::string like_it(const std::string& name, const std::vector<std::string>& known) {
    std::string like;
    for (const std::string& package : known) {
        if (package.starts_with(name + '-')) {
            like += (like.empty() ? ", but " : ", ") + package;
        }
    }
    return like;
}

std::vector<std::string> packages_of(const Values& values, const std::filesystem::path& root) {
    std::vector<std::string> known;
    for (const DkmsPackage& package : find_dkms_packages(root)) {
        if (std::ranges::find(known, package.name) == known.end()) {
            known.push_back(package.name);
        }
    }
    if (values.contains("all")) {
        if (known.empty()) {
            print_note("DKMS knows no packages");
        }
        return known;
    }
    std::vector<std::string> named = positional(values);
    for (const std::string& name : named) {
        // One that is being installed is not known yet: that is when it is best enabled.
        if (std::ranges::find(known, name) == known.end() && !has_dkms_source(root, name)) {
            print_note(name + ": DKMS does not know this package yet" + like_it(name, known));
        }
    }
    return named;
}

} // namespace

int run_dkms_enable(const Arguments& arguments) {
    Options options("Options");
    options.flag("all", "every package that DKMS knows")
        .flag("native", "for all packages, in place of sign-file")
        .flag("append", "add a line to a file of yours that is in the way");
    add_root_option(options);
    const auto values = parse_arguments(arguments, options, help);
    if (!values) {
        return exit_done;
    }
    const bool names = !positional(*values).empty();
    if (static_cast<int>(names) + static_cast<int>(values->contains("all")) +
            static_cast<int>(values->contains("native")) !=
        1) {
        throw UsageError("name DKMS packages, or say --all, or --native");
    }
    const DkmsSetup setup = dkms_setup_of(*values);
    const bool append = values->contains("append");
    if (values->contains("native")) {
        const auto version = dkms_version_of(*values);
        print_dkms_change(setup.native_file(version), setup.enable_native(version, append));
        return exit_done;
    }
    int code = exit_done;
    for (const std::string& package : packages_of(*values, setup.root())) {
        try {
            print_dkms_change(setup.package_file(package), setup.enable(package, append));
        } catch (const Error& error) {
            print_error(error);
            code = exit_failed;
        }
    }
    return code;
}

} // namespace ksign::hook
