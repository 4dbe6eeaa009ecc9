#include "dkms_report.hpp"

#include "output.hpp"
#include "process.hpp"

#include <ksign/error.hpp>

#include <algorithm>
#include <iostream>

namespace ksign::hook {
namespace {

std::string count_of(std::size_t number, const std::string& what) {
    return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

/// A build alone leaves what is installed as it was.
std::string rebuild_command(const DkmsPackage& package, const DkmsBuild& build, const std::filesystem::path& root) {
    const std::string command = dkms_command("build", package, build, root);
    return build.installed ? command + " && " + dkms_command("install", package, build, root) : command;
}

bool is_built_well(const DkmsBuild& build) {
    return build.unsigned_modules == 0 && build.stale_modules == 0;
}

bool is_good(const DkmsBuild& build) {
    return build.gone || (build.problems.empty() && is_built_well(build) && build.installed_unsigned_modules == 0 &&
                          build.installed_stale_modules == 0);
}

bool is_good(const DkmsPackageSurvey& package) {
    return package.problems.empty() &&
           std::ranges::all_of(package.builds, [](const DkmsBuild& build) { return is_good(build); });
}

std::string way_of(const DkmsSurvey& survey, const DkmsPackageSurvey& package) {
    return survey.native && package.post_build ? "both"
           : package.post_build                ? "post-build"
           : survey.native                     ? "native"
                                               : "none";
}

std::string signature_text(const DkmsBuild& build) {
    std::string text = count_of(build.modules, "module");
    for (const std::string& signer : build.signers) {
        text += "; signed by " + signer;
    }
    if (!build.key_origin.empty() && build.stale_modules == 0 && build.unsigned_modules < build.modules) {
        text += " (" + build.key_origin + ')';
    }
    return text;
}

void print_build(const DkmsPackageSurvey& package, const DkmsBuild& build, const std::filesystem::path& root) {
    std::cout << "  " << one_line(build.release + ' ' + build.architecture + ": " + signature_text(build)) << '\n';
    if (build.gone) {
        // Not "remove": with its last build that takes the package from DKMS.
        std::cout << "    note: "
                  << one_line("kernel " + build.release +
                              " is gone: " + dkms_command("unbuild", package.package, build, root))
                  << '\n';
        return;
    }
    if (build.unsigned_modules > 0) {
        std::cout << "    problem: " << count_of(build.unsigned_modules, "module")
                  << " not signed: " << one_line(rebuild_command(package.package, build, root)) << '\n';
    }
    if (build.stale_modules > 0) {
        std::cout << "    problem: " << count_of(build.stale_modules, "module") << " not signed by today's key ("
                  << one_line(build.key_origin) << "): " << one_line(rebuild_command(package.package, build, root))
                  << '\n';
    }
    // Where the build is not right either, what was said of it mends both.
    if (is_built_well(build) && build.installed_unsigned_modules > 0) {
        std::cout << "    problem: " << count_of(build.installed_unsigned_modules, "module")
                  << " installed and not signed: " << one_line(dkms_command("install", package.package, build, root))
                  << '\n';
    }
    if (is_built_well(build) && build.installed_stale_modules > 0) {
        std::cout << "    problem: " << count_of(build.installed_stale_modules, "module")
                  << " installed and not signed by today's key (" << one_line(build.key_origin)
                  << "): " << one_line(dkms_command("install", package.package, build, root)) << '\n';
    }
    for (const std::string& problem : build.problems) {
        std::cout << "    problem: " << one_line(problem) << '\n';
    }
}

std::string array_of(const std::vector<std::string>& texts) {
    std::vector<std::string> values;
    values.reserve(texts.size());
    for (const std::string& text : texts) {
        values.push_back(json_string(text));
    }
    return json_array(values);
}

std::string build_object(const DkmsBuild& build) {
    return JsonObject()
        .text("release", build.release)
        .text("arch", build.architecture)
        .flag("gone", build.gone)
        .number("modules", build.modules)
        .number("unsigned", build.unsigned_modules)
        .number("stale", build.stale_modules)
        .flag("installed", build.installed)
        .number("installed_unsigned", build.installed_unsigned_modules)
        .number("installed_stale", build.installed_stale_modules)
        .raw("signers", array_of(build.signers))
        .text("key_origin", build.key_origin)
        .raw("problems", array_of(build.problems))
        .done();
}

std::string survey_document(const DkmsSurvey& survey, bool good) {
    std::vector<std::string> packages;
    for (const DkmsPackageSurvey& package : survey.packages) {
        std::vector<std::string> builds;
        for (const DkmsBuild& build : package.builds) {
            builds.push_back(build_object(build));
        }
        packages.push_back(JsonObject()
                               .text("name", package.package.name)
                               .text("version", package.package.version)
                               .text("way", way_of(survey, package))
                               .raw("builds", json_array(builds))
                               .raw("problems", array_of(package.problems))
                               .done());
    }
    return JsonObject()
        .number("schema", json_schema)
        .text("dkms_version", survey.version ? survey.version->text() : "")
        .flag("good", good)
        .flag("native", survey.native)
        .raw("packages", json_array(packages))
        .raw("problems", array_of(survey.problems))
        .raw("notes", array_of(survey.notes))
        .done();
}

} // namespace

void add_root_option(Options& options) {
    options.value_or("root", "DIR", "/", "where the system is: an image or chroot");
}

DkmsSetup dkms_setup_of(const Values& values) {
    const std::string root = value_of(values, "root").value_or("/");
    std::error_code ignored;
    if (!std::filesystem::is_directory(root, ignored)) {
        throw UsageError("--root: '" + root + "' is not a folder");
    }
    return {root, KSIGN_SYSCONFDIR "/dkms/kernel-sign.conf", KSIGN_SYSCONFDIR "/ksign/dkms-framework.conf"};
}

std::optional<DkmsVersion> dkms_version_of(const Values& values) {
    if (std::filesystem::path(value_of(values, "root").value_or("/")).lexically_normal() != "/") {
        return std::nullopt;
    }
    const auto dkms = find_program("dkms");
    std::string said;
    if (!dkms || run_program({dkms->string(), "--version"}, said) != 0) {
        return std::nullopt;
    }
    return DkmsVersion::of(said);
}

void print_dkms_change(const std::filesystem::path& file, DkmsChange change) {
    std::cout << one_line(file.string()) << ": ";
    switch (change) {
    case DkmsChange::none:
        std::cout << "as it should be already";
        break;
    case DkmsChange::linked:
        std::cout << "linked to ksign's";
        break;
    case DkmsChange::created:
        std::cout << "made, with a line that calls ksign";
        break;
    case DkmsChange::appended:
        std::cout << "a line added that calls ksign";
        break;
    case DkmsChange::unlinked:
        std::cout << "link removed";
        break;
    case DkmsChange::removed:
        std::cout << "removed";
        break;
    case DkmsChange::taken_out:
        std::cout << "the line that called ksign taken away";
        break;
    }
    std::cout << '\n';
}

int print_dkms_survey(const DkmsSurvey& survey, const std::filesystem::path& root, OutputForm form) {
    const bool good =
        survey.problems.empty() &&
        std::ranges::all_of(survey.packages, [](const DkmsPackageSurvey& package) { return is_good(package); });
    if (form == OutputForm::json) {
        std::cout << survey_document(survey, good) << '\n';
        return good ? exit_done : exit_failed;
    }
    std::cout << "DKMS " << (survey.version ? survey.version->text() : "(version not known)")
              << ": in place of sign-file: " << (survey.native ? "ksign" : "not ksign") << '\n';
    for (const std::string& problem : survey.problems) {
        std::cout << "  problem: " << one_line(problem) << '\n';
    }
    for (const std::string& note : survey.notes) {
        std::cout << "  note: " << one_line(note) << '\n';
    }
    for (const DkmsPackageSurvey& package : survey.packages) {
        std::cout << one_line(package.package.name + ' ' + package.package.version) << ": "
                  << (package.post_build ? "ksign is its POST_BUILD"
                      : survey.native    ? "signed by ksign in place of sign-file"
                                         : "not signed by ksign")
                  << (package.builds.empty() ? "; not built" : "") << '\n';
        for (const std::string& problem : package.problems) {
            std::cout << "  problem: " << one_line(problem) << '\n';
        }
        for (const DkmsBuild& build : package.builds) {
            print_build(package, build, root);
        }
    }
    if (survey.packages.empty()) {
        std::cout << "DKMS knows no packages.\n";
    }
    return good ? exit_done : exit_failed;
}

} // namespace ksign::hook
