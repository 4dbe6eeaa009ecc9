#include <ksign/dkms_survey.hpp>

#include "assignments.hpp"
#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/key_store.hpp>
#include <ksign/module.hpp>
#include <ksign/shell.hpp>
#include <ksign/token.hpp>

#include <unistd.h>

#include <algorithm>

namespace ksign {
namespace {

/// What failed, and what to do.
std::string problem_text(const Error& error) {
    return (error.is_denied() ? error.or_remedy(run_as_root) : error).with_remedy();
}

std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> entries;
    for_each_entry(folder,
                   [&entries](const std::filesystem::directory_entry& entry) { entries.push_back(entry.path()); });
    std::ranges::sort(entries);
    return entries;
}

class Surveyor {
  public:
    Surveyor(const DkmsSetup& setup, const std::optional<DkmsVersion>& version,
             const std::optional<std::filesystem::path>& certificate)
        : setup_(setup), certificate_(certificate) {
        survey_.version = version;
    }

    DkmsSurvey survey() {
        survey_framework();
        survey_kernel_sign();
        std::vector<std::string> known;
        for (const DkmsPackage& package : find_dkms_packages(setup_.root())) {
            known.push_back(package.name);
            survey_.packages.push_back(survey_package(package));
        }
        for (const std::string& name : setup_.enabled_packages()) {
            // NAME-VERSION.conf and the like are DKMS's as well.
            const bool is_known = std::ranges::any_of(known, [&name](const std::string& package) {
                return name == package || name.starts_with(package + '-');
            });
            if (!is_known) {
                survey_.problems.push_back(setup_.package_file(name).string() +
                                           " is for a package that DKMS does not know: " + command("disable") + name);
            }
        }
        const bool any = std::ranges::any_of(survey_.packages, &DkmsPackageSurvey::post_build);
        if (survey_.native && any) {
            survey_.notes.emplace_back("both ways are on: DKMS has ksign sign, compresses, and has it look once more, "
                                       "which mends what an old DKMS compressed wrong");
        }
        return std::move(survey_);
    }

  private:
    /// "ksign dkms enable " and the like, for the system that is looked at.
    [[nodiscard]] std::string command(const std::string& word) const {
        return "ksign dkms " + word + shell_root_option(setup_.root()) + ' ';
    }

    [[nodiscard]] bool is_before(int major, int minor, int patch) const {
        return survey_.version && survey_.version->is_before(major, minor, patch);
    }

    void survey_framework() {
        const std::filesystem::path main = setup_.folder() / "framework.conf";
        const std::filesystem::path drop_in = setup_.folder() / "framework.conf.d/ksign.conf";
        const bool has_folder = !is_before(3, 0, 4);
        const auto holds = [this](const std::filesystem::path& file) {
            const DkmsHold how = setup_.hold(file);
            return how == DkmsHold::link || how == DkmsHold::line;
        };
        const bool by_drop_in = holds(drop_in);
        std::error_code ignored;
        survey_.native = holds(main) || (by_drop_in && has_folder);
        if (by_drop_in && !std::filesystem::exists(resolve_in_root(setup_.root(), drop_in), ignored)) {
            survey_.native = false;
            survey_.problems.push_back(drop_in.string() + " leads to nothing: install ksign anew, or " +
                                       command("disable") + "--native");
        } else if (by_drop_in && !has_folder) {
            survey_.problems.push_back(drop_in.string() + " is without effect: DKMS " + survey_.version->text() +
                                       " does not read that folder; " + command("enable") + "--native --append");
        }
        std::vector<std::filesystem::path> files{main};
        for (const std::filesystem::path& file : sorted_entries(setup_.folder() / "framework.conf.d")) {
            if (file.extension() == ".conf" && file != drop_in) {
                files.push_back(file);
            }
        }
        // The last of both counts: framework.conf is read first, the folder's files by name.
        std::filesystem::path ours;
        if (survey_.native) {
            ours = by_drop_in && has_folder ? drop_in : main;
        }
        for (const std::filesystem::path& file : files) {
            survey_settings(file, ours);
        }
    }

    /// @param ours  where ksign's settings come from; empty if DKMS does not read them
    void survey_settings(const std::filesystem::path& file, const std::filesystem::path& ours) {
        // dkms 3.0.4 replaced sign_tool by sign_file.
        if (assigned(file, "sign_tool") && !is_before(3, 0, 4)) {
            survey_.problems.push_back(file.string() +
                                       " sets sign_tool, which DKMS reads no more since 3.0.4: use sign_file (" +
                                       command("enable") + "--native)");
        }
        if (assigned(file, "sign_file") && is_before(3, 0, 4)) {
            survey_.problems.push_back(file.string() + " sets sign_file, which DKMS " + survey_.version->text() +
                                       " does not read yet: use sign_tool (" + command("enable") +
                                       "--native --append)");
        }
        const bool is_main = file.filename() == "framework.conf";
        if (ours.empty() || (!is_main && is_before(3, 0, 4))) {
            return;
        }
        const bool by_line = ours.filename() == "framework.conf";
        const std::vector<std::string> names =
            is_before(3, 0, 4) ? std::vector<std::string>{"sign_tool"}
                               : std::vector<std::string>{"sign_file", "mok_signing_key", "mok_certificate"};
        for (const std::string& name : names) {
            const auto value =
                is_main && by_line ? assigned_in(setup_.text_after_line(file), name) : assigned(file, name);
            if (!value) {
                continue;
            }
            const std::string setting = file.string() + " sets " + name + '=' + *value;
            if (is_main && by_line) {
                survey_.problems.push_back(setting + " after the line that sources ksign's: move that line to its end");
            } else if (by_line || (!is_main && file > ours)) {
                survey_.problems.push_back(setting + ", over what ksign's " + (by_line ? "line in " : "") +
                                           ours.filename().string() + " sets: take it out there");
            } else {
                survey_.problems.push_back(setting + ", without effect: " + ours.string() + " sets it after that");
                continue;
            }
            // With another key it is ksign still that DKMS calls.
            survey_.native = survey_.native && name != "sign_file" && name != "sign_tool";
        }
    }

    void survey_kernel_sign() {
        try {
            setup_.require_own_kernel_sign();
        } catch (const Error& error) {
            kernel_sign_problem_ = problem_text(error);
        }
        if (!kernel_sign_problem_.empty() && !setup_.enabled_packages().empty()) {
            survey_.problems.push_back(kernel_sign_problem_);
        }
    }

    /// How ksign comes into a package's file, if what that leads to is ksign's.
    [[nodiscard]] bool calls(DkmsHold how) const {
        return kernel_sign_problem_.empty() && (how == DkmsHold::link || how == DkmsHold::line);
    }

    DkmsPackageSurvey survey_package(const DkmsPackage& package) {
        DkmsPackageSurvey found;
        found.package = package;
        DkmsHold how = DkmsHold::none;
        try {
            how = setup_.hold(setup_.package_file(package.name));
            found.post_build = calls(how);
            survey_confs(found, how);
            survey_builds(found);
        } catch (const Error& error) {
            found.problems.push_back(problem_text(error));
        }
        // One that is enabled, and in vain, has another problem.
        if (!found.post_build && !survey_.native && how != DkmsHold::link && how != DkmsHold::line) {
            found.problems.push_back("DKMS does not call ksign for it: " + command("enable") + package.name);
        }
        return found;
    }

    /// read_conf() of dkms: the more special file is sourced later.
    void survey_confs(DkmsPackageSurvey& found, DkmsHold how) {
        const DkmsPackage& package = found.package;
        const std::filesystem::path file = setup_.package_file(package.name);
        std::error_code ignored;
        if (how == DkmsHold::link && !std::filesystem::exists(resolve_in_root(setup_.root(), file), ignored)) {
            found.post_build = false;
            found.problems.push_back(file.string() + " leads to nothing: install ksign anew, or " + command("disable") +
                                     package.name);
        }
        if (found.post_build && how == DkmsHold::line) {
            if (const auto value = post_build_after_line(file)) {
                found.post_build = false;
                found.problems.push_back(override_text(file, *value));
            }
        }
        for (const std::filesystem::path& other : sorted_entries(setup_.folder())) {
            const std::string name = other.filename().string();
            const bool is_later = name.starts_with(package.name + "--") ||
                                  name == package.name + '-' + package.version + ".conf" ||
                                  name.starts_with(package.name + '-' + package.version + '-');
            if (!is_later || other.extension() != ".conf") {
                continue;
            }
            const DkmsHold hold = setup_.hold(other);
            if (calls(hold)) {
                const auto value = hold == DkmsHold::line ? post_build_after_line(other) : std::nullopt;
                found.post_build = found.post_build || !value;
                if (value) {
                    found.problems.push_back(override_text(other, *value));
                }
            } else if (found.post_build && assigned(other, "POST_BUILD")) {
                found.problems.push_back(other.string() +
                                         " sets POST_BUILD after ksign, which is not called then: add to its end: . " +
                                         (setup_.folder() / "kernel-sign.conf").string());
            }
        }
        // run_build_script() of dkms 3.4 looks for POST_BUILD in /etc/dkms/MODULE first.
        const auto own = assigned(resolve_in_root(setup_.root(), package.folder / "source/dkms.conf"), "POST_BUILD");
        if (own && !is_before(3, 4, 0) && !own->empty()) {
            const std::filesystem::path script = setup_.folder() / package.name / own->substr(0, own->find(' '));
            if (::access(script.c_str(), X_OK) == 0) {
                survey_.notes.push_back(script.string() + " is run in place of the package's own " + *own +
                                        " (DKMS 3.4 and newer)");
            }
        }
    }

    /// What keeps ksign from being called; nothing if it is made of what ksign's sets: POST_BUILD="$POST_BUILD …"
    [[nodiscard]] std::optional<std::string> post_build_after_line(const std::filesystem::path& file) const {
        auto value = assigned_in(setup_.text_after_line(file), "POST_BUILD");
        const bool keeps = value && (value->find("$POST_BUILD") != std::string::npos ||
                                     value->find("${POST_BUILD") != std::string::npos);
        return keeps ? std::nullopt : value;
    }

    [[nodiscard]] static std::string override_text(const std::filesystem::path& file, const std::string& value) {
        return file.string() + " sets POST_BUILD=" + value +
               " after the line that sources ksign's, which is not called then: move that line to its end";
    }

    void survey_builds(DkmsPackageSurvey& found) {
        for (const std::filesystem::path& release : sorted_entries(found.package.folder)) {
            for (const std::filesystem::path& architecture : sorted_entries(release)) {
                std::error_code ignored;
                if (std::filesystem::is_directory(architecture / "module", ignored) &&
                    !std::filesystem::is_symlink(release, ignored)) {
                    found.builds.push_back(survey_build(found.package, release.filename().string(), architecture));
                }
            }
        }
    }

    DkmsBuild survey_build(const DkmsPackage& package, const std::string& release,
                           const std::filesystem::path& folder) {
        DkmsBuild build;
        build.release = release;
        build.architecture = folder.filename().string();
        build.gone = is_gone(release);
        const std::string serial = build.gone ? std::string() : serial_of_key(build);
        const std::vector<std::filesystem::path> modules = find_modules(folder / "module");
        build.modules = modules.size();
        for (const std::filesystem::path& module : modules) {
            try {
                const auto signature = signature_of(module);
                if (!signature) {
                    ++build.unsigned_modules;
                    continue;
                }
                const std::string signer = signature->signer + ", serial " + signature->serial;
                if (std::ranges::find(build.signers, signer) == build.signers.end()) {
                    build.signers.push_back(signer);
                }
                if (!serial.empty() && signature->serial != serial) {
                    ++build.stale_modules;
                }
            } catch (const Error& error) {
                build.problems.push_back(problem_text(error));
            }
        }
        // _is_module_installed() of dkms: a link to the one version that is.
        const std::filesystem::path installed =
            package.folder.parent_path() / ("kernel-" + release + '-' + build.architecture);
        build.installed = resolve_in_root(setup_.root(), installed) == resolve_in_root(setup_.root(), folder);
        if (build.gone) {
            build.problems.clear();
        } else if (build.installed) {
            survey_installed(build, package, modules, serial);
        }
        return build;
    }

    /// DKMS builds for headers alone as well, which Fedora has elsewhere.
    [[nodiscard]] bool is_gone(const std::string& release) const {
        const Kernel kernel(KernelRelease(release), setup_.root());
        try {
            return kernel.is_gone() && !kernel.build_folder();
        } catch (const Error&) {
            return false; // closed to this user
        }
    }

    /// The copies of what was built, which DKMS makes when it installs: a new build does not change them.
    void survey_installed(DkmsBuild& build, const DkmsPackage& package, const std::vector<std::filesystem::path>& built,
                          const std::string& serial) const {
        const Kernel kernel(KernelRelease(build.release), setup_.root());
        for (const std::filesystem::path& module : built) {
            try {
                const auto signature =
                    signature_of(resolve_in_root(setup_.root(), kernel.module_file(module_name(module))));
                if (!signature) {
                    ++build.installed_unsigned_modules;
                } else if (!serial.empty() && signature->serial != serial) {
                    ++build.installed_stale_modules;
                }
            } catch (const Error& error) {
                const std::string again = dkms_command("install", package, build, setup_.root());
                build.problems.push_back(problem_text(error.is_denied() ? error : error.or_remedy(again)));
            }
        }
    }

    /// The signature that the kernel checks.
    [[nodiscard]] static std::optional<SignatureDescription> signature_of(const std::filesystem::path& module) {
        const ModuleDescription description = describe_module(module);
        return description.signatures.empty() ? std::nullopt : std::optional(description.signatures.front());
    }

    /// The serial number of the key that this kernel's modules would be signed with now; empty if there is none.
    [[nodiscard]] std::string serial_of_key(DkmsBuild& build) const {
        try {
            const Kernel kernel(KernelRelease(build.release), setup_.root());
            if (const auto own = find_kernel_key(kernel)) {
                build.key_origin = own->origin;
                return describe_certificate(own->certificate).serial;
            }
            if (certificate_) {
                build.key_origin = displayed_key(certificate_->native());
                return describe_certificate(*certificate_).serial;
            }
            build.problems.emplace_back("there is no key for this kernel: nothing is signed for it");
        } catch (const Error& error) {
            build.problems.push_back(problem_text(error));
        }
        return {};
    }

    const DkmsSetup& setup_;
    const std::optional<std::filesystem::path>& certificate_;
    DkmsSurvey survey_;
    std::string kernel_sign_problem_; ///< Of what packages are linked to; empty: it is ksign's, or not there.
};

} // namespace

DkmsSurvey survey_dkms(const DkmsSetup& setup, const std::optional<DkmsVersion>& version,
                       const std::optional<std::filesystem::path>& certificate) {
    return Surveyor(setup, version, certificate).survey();
}

std::string dkms_command(const std::string& action, const DkmsPackage& package, const DkmsBuild& build,
                         const std::filesystem::path& root) {
    std::vector<std::string> words{"dkms", action};
    if (action != "unbuild") {
        words.emplace_back("--force");
    }
    words.insert(words.end(), {"-m", package.name, "-v", package.version, "-k", build.release});
    return shell_chroot(root) + shell_line(words);
}

} // namespace ksign
