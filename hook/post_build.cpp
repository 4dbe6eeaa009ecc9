// post-build: what DKMS 2.8 to 3.4 runs after it has built, stripped, perhaps signed, and compressed a package's
// modules (POST_BUILD; conf/kernel-sign.conf sets it). Signs them where they lie in DKMS's tree.
#include "options.hpp"
#include "process.hpp"
#include "report.hpp"
#include "signing_choice.hpp"
#include "targets.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/sign.hpp>

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

namespace ksign::hook {
namespace {

constexpr CommandHelp help{
    "post-build [OPTIONS] [-- OWN-POST-BUILD [ARGUMENTS]]",
    "Signs the modules that DKMS has just built, with the key of the kernel that they were built for.\n"
    "OWN-POST-BUILD is the package's own script, run afterwards; its exit code is passed on. What is not\n"
    "given is taken from DKMS's environment (kernelver, arch, module) and the current folder.\n"
    "Where the kernel has no key, missing-key of ksign.conf decides the exit code.",
    "  ln -s kernel-sign.conf /etc/dkms/nvidia.conf    makes DKMS call it for nvidia\n"};

/// One package's build, as DKMS names it.
struct Build {
    std::filesystem::path tree; ///< /var/lib/dkms
    std::string package;
    std::string package_version;
    std::string kernel_release;
    std::string architecture;

    [[nodiscard]] std::filesystem::path version_folder() const { return tree / package / package_version; }
    [[nodiscard]] std::filesystem::path build_folder() const { return version_folder() / "build"; }
};

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string machine() {
    struct utsname name {};
    return ::uname(&name) == 0 ? static_cast<const char*>(name.machine) : "";
}

/// What the arguments leave out: DKMS exports kernelver, arch and module, and mostly runs POST_BUILD in
/// TREE/PACKAGE/VERSION/build.
Build identify_build(const Values& values) {
    Build build{value_of(values, "dkms-tree").value_or(""), value_of(values, "module").value_or(environment("module")),
                value_of(values, "module-version").value_or(""),
                value_of(values, "kernel").value_or(environment("kernelver")),
                value_of(values, "arch").value_or(environment("arch"))};
    std::error_code ignored;
    const std::filesystem::path here = std::filesystem::current_path(ignored);
    if (here.filename() == "build" && here.parent_path().parent_path().filename() == build.package) {
        if (build.package_version.empty()) {
            build.package_version = here.parent_path().filename().string();
        }
        if (build.tree.empty()) {
            build.tree = here.parent_path().parent_path().parent_path();
        }
    }
    if (build.tree.empty()) {
        build.tree = "/var/lib/dkms";
    }
    if (build.architecture.empty()) {
        build.architecture = machine();
    }
    if (build.package.empty() || build.package_version.empty() || build.kernel_release.empty()) {
        throw Error(ErrorCode::usage, "post-build", "can't tell which package, version and kernel DKMS has built",
                    "let DKMS call it: ln -s kernel-sign.conf /etc/dkms/MODULE.conf; by hand, name them with --module, "
                    "--module-version and -k");
    }
    return build;
}

/// Where DKMS has put the modules: KERNEL/ARCH/module. DKMS 3.1.7 runs POST_BUILD while that folder is still called
/// tmp_ARCH_XXXXXX (dkms.in v3.1.7, do_build).
std::vector<std::filesystem::path> built_modules(const Build& build) {
    const std::filesystem::path kernel_folder = build.version_folder() / build.kernel_release;
    std::vector<std::filesystem::path> folders{kernel_folder / build.architecture / "module"};
    std::error_code ignored;
    if (!std::filesystem::is_directory(folders.front(), ignored)) {
        folders.clear();
        const std::string prefix = "tmp_" + build.architecture + "_";
        for (const auto& entry : std::filesystem::directory_iterator(kernel_folder, ignored)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with(prefix) || name.starts_with("." + prefix)) {
                folders.push_back(entry.path() / "module");
            }
        }
    }
    std::vector<std::filesystem::path> modules;
    for (const std::filesystem::path& folder : folders) {
        const auto found = find_modules(folder);
        modules.insert(modules.end(), found.begin(), found.end());
    }
    if (modules.empty()) {
        throw Error(ErrorCode::not_a_module, (kernel_folder / build.architecture / "module").string(),
                    "there are no built modules",
                    "`dkms status` shows what is built; --dkms-tree names a tree that is elsewhere");
    }
    return modules;
}

/// Runs the package's own POST_BUILD as DKMS would have: in the build folder, or in /etc/dkms/PACKAGE where DKMS 3.4
/// found an override there (it then runs us in that folder too). Where it is not known which build it is, in the
/// current folder, which is one of the two. Returns its exit code.
int run_own_post_build(const std::optional<Build>& build, const std::vector<std::string>& command) {
    std::error_code ignored;
    std::filesystem::path folder = std::filesystem::current_path(ignored);
    if (build) {
        const std::filesystem::path override_folder = std::filesystem::path("/etc/dkms") / build->package;
        const bool is_overridden = std::filesystem::equivalent(folder, override_folder, ignored) &&
                                   ::access((override_folder / command.front()).c_str(), X_OK) == 0;
        folder = is_overridden ? override_folder : build->build_folder();
    }
    const std::string program = (folder / command.front()).string();
    if (::access(program.c_str(), X_OK) != 0) {
        // DKMS's own words and choice: a warning (dkms: run_build_script).
        print_note(program + ": the package's own POST_BUILD is not executable, and was not run");
        return exit_done;
    }
    std::vector<std::string> words(command);
    words.front() = program;
    const int code = run_program(words, folder);
    if (code != 0) {
        print_note(program + ": the package's own POST_BUILD failed with exit code " + std::to_string(code));
    }
    return code;
}

/// Signs a package's modules. The second round does not say again what the first has said: which are signed already,
/// and which fail for the same reason.
class PackageSigner {
  public:
    PackageSigner(SigningChoice choice, const Settings& settings) : choice_(std::move(choice)) {
        options_.hash = choice_.hash;
        options_.files = settings.files;
    }
    void sign(const std::vector<std::filesystem::path>& modules, bool say_unchanged) {
        sign_all(modules, choice_.signer, options_, {}, [&](std::size_t index, const SignedModule& module) {
            if (module.error) {
                if (told_.emplace(modules[index], module.error->what()).second) {
                    report_.failed(modules[index], *module.error);
                }
            } else if (say_unchanged || module.result->outcome != SignOutcome::unchanged) {
                report_.signed_module(modules[index], *module.result, choice_.signer, choice_.hash, false);
            }
        });
    }
    [[nodiscard]] int finish() { return report_.finish(); }

  private:
    SigningChoice choice_;
    SignOptions options_;
    ModuleReport report_{OutputForm::lines};
    std::set<std::pair<std::filesystem::path, std::string>> told_; ///< Failures.
};

} // namespace

int run_post_build(const Arguments& arguments) {
    const auto separator = std::ranges::find(arguments, "--");
    Options options("Options");
    options.value("dkms-tree", "DIR", "DKMS's tree (default: /var/lib/dkms)")
        .value("module", "NAME", "the package")
        .value("module-version", "VERSION", "its version")
        .value("kernel,k", "RELEASE", "the kernel that it was built for")
        .value("arch", "ARCH", "the architecture, as DKMS names it");
    add_settings_option(options);
    const auto values = parse_arguments({arguments.begin(), separator}, options, help);
    if (!values) {
        return exit_done;
    }
    if (!positional(*values).empty()) {
        throw UsageError("unexpected '" + positional(*values).front() + "'");
    }
    const std::vector<std::string> own_command(separator == arguments.end() ? separator : separator + 1,
                                               arguments.end());

    int code = exit_done;
    std::optional<Build> build;
    std::optional<PackageSigner> signer;
    try {
        build = identify_build(*values);
        const Kernel kernel{KernelRelease(build->kernel_release)};
        const Settings settings = settings_of(*values);
        auto choice = choose_signing({{}, {}, {}, kernel, passphrase_source({}, settings, Prompt::never)}, settings);
        if (choice) {
            signer.emplace(std::move(*choice), settings);
            signer->sign(built_modules(*build), true);
        } else {
            print_error(missing_key_error(kernel, settings));
            code = settings.missing_key == MissingKey::fail ? exit_failed : exit_done;
        }
    } catch (const Error& error) {
        // The package's own script still has to run: without it the package may not work at all, and DKMS up to 3.0.13
        // takes no notice of our exit code.
        print_error(error);
        code = exit_failed;
    }
    if (!own_command.empty()) {
        const int own_code = run_own_post_build(build, own_command);
        if (signer && code == exit_done) {
            // It may have changed modules, which no longer fit their signatures then.
            try {
                signer->sign(built_modules(*build), false);
            } catch (const Error& error) {
                print_error(error);
                code = exit_failed;
            }
        }
        if (own_code != 0) {
            code = own_code;
        }
    }
    const int signing_code = signer ? signer->finish() : exit_done;
    return code != exit_done ? code : signing_code;
}

} // namespace ksign::hook
