#include "boot_notes.hpp"

#include "process.hpp"
#include "report.hpp"

#include <ksign/audit.hpp>
#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/shell.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace ksign::hook {
namespace {

struct InstalledModule {
    Kernel kernel;
    std::filesystem::path file; ///< Below the kernel's modules_folder().
};

/// A module by its place, ROOT[/usr]/lib/modules/RELEASE/…. Nothing for one that stands elsewhere.
std::optional<InstalledModule> as_installed(const std::filesystem::path& module) {
    std::error_code ignored; // whoever has removed it meanwhile needs no notes
    const std::filesystem::path file = std::filesystem::canonical(module, ignored);
    std::filesystem::path above;
    for (const std::filesystem::path& part : file) {
        if (above.filename() == "modules" && above.parent_path().filename() == "lib") {
            const std::filesystem::path system = above.parent_path().parent_path();
            const Kernel kernel(KernelRelease(part), system.filename() == "usr" ? system.parent_path() : system);
            return InstalledModule{kernel, kernel.modules_folder() / file.lexically_relative(above / part)};
        }
        above /= part;
    }
    return std::nullopt;
}

/// "nvidia, zfs and 3 others".
std::string names_of(const std::vector<std::filesystem::path>& modules) {
    constexpr std::size_t shown = 3;
    std::string names;
    for (std::size_t index = 0; index < std::min(modules.size(), shown); ++index) {
        names += (index == 0 ? "" : ", ") + module_name(modules[index]);
    }
    return modules.size() > shown ? names + " and " + std::to_string(modules.size() - shown) + " more" : names;
}

void rebuild_now(const std::vector<std::string>& command) {
    auto words = command;
    const auto program = find_program(words.front());
    if (!program) {
        throw Error(ErrorCode::system, words.front(), "is not installed", "rebuild the initramfs by hand");
    }
    words.front() = *program;
    print_note("rebuilding the initramfs: " + shell_line(command));
    if (const int code = run_program_aside(words); code != 0) {
        throw Error(ErrorCode::system, shell_line(command),
                    "failed with exit code " + std::to_string(code) + "; the initramfs may still be the old one",
                    "the modules are signed: run that command once what it says is mended");
    }
}

void tell_of_initramfs(const Kernel& kernel, const std::vector<std::filesystem::path>& modules, bool rebuild) {
    const auto initramfs = find_initramfs(kernel);
    if (!initramfs) {
        if (rebuild) {
            print_note("no initramfs of kernel " + kernel.release().text() +
                       " was found; if one is elsewhere, in a unified image say, make that anew");
        }
        return;
    }
    const auto command = initramfs_command(kernel, *initramfs);
    std::string state;
    try {
        const auto outdated = outdated_in_initramfs(kernel, *initramfs, modules);
        if (outdated.empty()) {
            return;
        }
        state = initramfs->string() + " still holds the older " + names_of(outdated);
    } catch (const Error& error) {
        state = initramfs->string() + " may hold older copies, and can't be read (" + error.reason() + ")";
    }
    if (rebuild && command) {
        rebuild_now(*command);
    } else if (rebuild) {
        throw Error(ErrorCode::system, initramfs->string(), "was made by no program that ksign knows",
                    "the modules are signed: rebuild it with what made it");
    } else {
        print_note(state + ": rebuild it with " + (command ? "`" + shell_line(*command) + "`" : "what made it") +
                   (command ? ", or have --rebuild-initramfs do it" : ""));
    }
}

} // namespace

void tell_before_boot(const std::vector<std::filesystem::path>& modules, bool rebuild) {
    using Installed = std::pair<Kernel, std::vector<std::filesystem::path>>;
    std::map<std::filesystem::path, Installed> by_kernel;
    for (const std::filesystem::path& module : modules) {
        if (const auto known = as_installed(module)) {
            const auto at = by_kernel.try_emplace(known->kernel.modules_folder(), known->kernel,
                                                  std::vector<std::filesystem::path>());
            at.first->second.second.push_back(known->file);
        }
    }
    if (by_kernel.empty()) {
        return;
    }
    print_note("depmod is not needed: a signature changes no symbol and no dependency");
    for (const auto& [folder, installed] : by_kernel) {
        tell_of_initramfs(installed.first, installed.second, rebuild);
    }
}

} // namespace ksign::hook
