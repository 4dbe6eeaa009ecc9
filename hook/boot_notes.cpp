#include "boot_notes.hpp"

#include "process.hpp"
#include "report.hpp"

#include <ksign/audit.hpp>
#include <ksign/error.hpp>
#include <ksign/installed_initramfs.hpp>
#include <ksign/kernel.hpp>
#include <ksign/shell.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace ksign::hook {
namespace {

struct InstalledModule {
    Kernel kernel;
    std::filesystem::path file; ///< Below the kernel's modules_folder().
};

/// The handled modules of one kernel; their paths are below its modules_folder().
struct HandledOfKernel {
    Kernel kernel;
    std::vector<HandledModule> modules;
};

/// What is at a place ROOT[/usr]/lib/modules/RELEASE/…, in which no folder is a link. Nothing if it stands elsewhere.
std::optional<InstalledModule> installed_at(const std::filesystem::path& file) {
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

/// A module by its place. With DKMS's symlink_modules that is a link, which leads into DKMS's tree.
std::optional<InstalledModule> as_installed(const std::filesystem::path& module) {
    std::error_code ignored; // whoever has removed it meanwhile needs no notes
    const std::filesystem::path folder =
        std::filesystem::canonical(std::filesystem::absolute(module, ignored).parent_path(), ignored);
    const auto installed = installed_at(folder / module.filename());
    return installed ? installed : installed_at(std::filesystem::canonical(module, ignored));
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

/// Those worth a look into the initramfs, which takes a moment: all where it is to be rebuilt, else those that were
/// written in this run, or since the initramfs was.
std::vector<std::filesystem::path> worth_a_look(const std::vector<HandledModule>& modules,
                                                const std::filesystem::path& initramfs, bool rebuild) {
    std::error_code ignored;
    const auto made = std::filesystem::last_write_time(initramfs, ignored);
    std::vector<std::filesystem::path> paths;
    for (const HandledModule& module : modules) {
        if (rebuild || module.changed || std::filesystem::last_write_time(module.path, ignored) > made) {
            paths.push_back(module.path);
        }
    }
    return paths;
}

/// The modules that an initramfs holds otherwise than they are, or after a run that is no dry one would be.
std::vector<std::filesystem::path> outdated(const HandledOfKernel& handled, const std::filesystem::path& initramfs,
                                            const std::vector<std::filesystem::path>& paths, bool dry_run) {
    std::vector<std::filesystem::path> found;
    for (const PackedModule& packed : modules_in_initramfs(handled.kernel, initramfs, paths)) {
        const bool will_differ =
            dry_run && std::ranges::any_of(handled.modules, [&packed](const HandledModule& module) {
                return module.changed && module.path == packed.module;
            });
        if (packed.differs || will_differ) {
            found.push_back(packed.module);
        }
    }
    return found;
}

void tell_of_initramfs(const HandledOfKernel& handled, bool rebuild, bool dry_run) {
    const Kernel& kernel = handled.kernel;
    const auto initramfs = find_initramfs(kernel);
    if (!initramfs) {
        if (rebuild) {
            print_note("no initramfs of kernel " + kernel.release().text() +
                       " was found; if one is elsewhere, in a unified image say, make that anew");
        }
        return;
    }
    const auto paths = worth_a_look(handled.modules, *initramfs, rebuild);
    if (paths.empty()) {
        return;
    }
    const auto command = initramfs_command(kernel, *initramfs);
    std::string state;
    try {
        const auto older = outdated(handled, *initramfs, paths, dry_run);
        if (older.empty()) {
            if (rebuild) {
                print_note(initramfs->string() + " holds no older copies of these modules, and is not rebuilt");
            }
            return;
        }
        state =
            initramfs->string() + (dry_run ? " would hold the older " : " still holds the older ") + names_of(older);
    } catch (const Error& error) {
        state = initramfs->string() + " may hold older copies, and can't be read (" + error.reason() + ")";
    }
    if (rebuild && !command) {
        throw Error(ErrorCode::system, initramfs->string(), "was made by no program that ksign knows",
                    dry_run ? "once the modules are signed, rebuild it with what made it"
                            : "the modules are signed: rebuild it with what made it");
    }
    if (rebuild && dry_run) {
        print_note(state + ": it would be rebuilt with `" + shell_line(*command) + "`");
    } else if (rebuild) {
        rebuild_now(*command);
    } else {
        print_note(state + ": rebuild it with " + (command ? "`" + shell_line(*command) + "`" : "what made it") +
                   (command ? ", or have --rebuild-initramfs do it" : ""));
    }
}

} // namespace

void tell_before_boot(const std::vector<HandledModule>& modules, bool rebuild, bool dry_run) {
    std::map<std::filesystem::path, HandledOfKernel> by_kernel;
    bool changed = false;
    for (const HandledModule& module : modules) {
        if (const auto known = as_installed(module.path)) {
            const auto at = by_kernel.try_emplace(known->kernel.modules_folder(), HandledOfKernel{known->kernel, {}});
            at.first->second.modules.push_back({known->file, module.changed});
            changed = changed || module.changed;
        }
    }
    if (changed && !dry_run) {
        print_note("depmod is not needed: a signature changes no symbol and no dependency");
    }
    if (rebuild || !dry_run) {
        for (const auto& [folder, handled] : by_kernel) {
            tell_of_initramfs(handled, rebuild, dry_run);
        }
    }
}

} // namespace ksign::hook
