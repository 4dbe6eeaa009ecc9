// Would a kernel still start with all its modules if signatures were enforced?
#pragma once

#include <ksign/export.hpp>
#include <ksign/installed_initramfs.hpp>
#include <ksign/kernel.hpp>
#include <ksign/running_kernel.hpp>
#include <ksign/verdict.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

struct AuditOptions {
    unsigned threads = 0; ///< 0: as many as the machine has processors
    std::uint64_t max_payload = usual_max_payload;
    std::optional<std::filesystem::path> initramfs; ///< Nothing: looked for; see find_initramfs().
};

/// A module that was asked for, and that an initramfs holds.
struct PackedModule {
    std::filesystem::path module;
    bool differs = false; ///< From what is now on disk, both decompressed: it was packed before that was signed.
};

/// Which of the modules given, installed ones of a kernel, an initramfs holds. Throws Error if it can't be read.
[[nodiscard]] KSIGN_EXPORT std::vector<PackedModule>
modules_in_initramfs(const Kernel& kernel, const std::filesystem::path& initramfs,
                     const std::vector<std::filesystem::path>& modules);

/// A module of an initramfs that is not the installed one.
struct InitramfsModule {
    std::string path;                ///< In the initramfs.
    std::filesystem::path installed; ///< Empty: none is installed under that name.
    bool differs = false;            ///< From the installed one, when both are decompressed.
    Verdict verdict; ///< On the one in the initramfs; its remedy, never empty, is to make the initramfs anew.
    std::optional<Error> error; ///< It can't be read; then the verdict only says "refused".
};

/// A loaded module whose file would be refused at the next boot.
struct RefusedAtBoot {
    LoadedModule module;
    std::filesystem::path file; ///< Empty: it is in no file any more.
    std::string reason;
};

struct AuditResult {
    struct Module {
        std::filesystem::path path;
        JudgedModule judged;
    };
    std::size_t modules = 0;
    std::map<Answer, std::size_t> answers;
    std::map<std::string, std::size_t> signers; ///< By the trusted key, or what the signature names; "" is unsigned.
    std::vector<Module> troubled;               ///< Refused ones, and those that can't be read; by path. Those of
                                                ///< which nothing is known are in answers alone: they may be all.

    std::optional<std::filesystem::path> initramfs;
    std::size_t initramfs_modules = 0;
    std::vector<InitramfsModule> stale; ///< That differ, or that would be refused.
    std::string initramfs_problem;      ///< Why it could not be read to its end.

    std::optional<RunningKernel> running; ///< If it is the kernel that is audited.
    std::vector<RefusedAtBoot> loaded;

    bool safe = false;
    bool known = true;    ///< False: nothing speaks against it, but not all could be found out. It is not safe then.
    std::string sentence; ///< "It is safe to boot 6.12.1 with module.sig_enforce=1: …", or not, and why.
};

/// Audits an installed kernel. @p progress is told how many of how many modules are done.
/// Throws Error (kernel) if it has no modules at all.
[[nodiscard]] KSIGN_EXPORT AuditResult audit_kernel(const Kernel& kernel, const Judge& judge,
                                                    const AuditOptions& options,
                                                    const std::function<void(std::size_t, std::size_t)>& progress);

} // namespace ksign
