#include <ksign/audit.hpp>

#include "container.hpp"
#include "digest.hpp"
#include "initramfs.hpp"

#include <ksign/error.hpp>
#include <ksign/shell.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace ksign {
namespace {

std::vector<std::byte> content_digest_as(const InputFile& file, const Codec& codec, std::uint64_t max_payload) {
    Digest digest(HashAlgorithm::sha256);
    static_cast<void>(
        read_payload(file, codec, max_payload, [&digest](std::span<const std::byte> bytes) { digest.update(bytes); }));
    return digest.finish();
}

/// The digest of what a module's file holds, decompressed: the same module may be packed in two ways. Of the file
/// itself where it does not decode.
std::vector<std::byte> content_digest(const InputFile& file, std::uint64_t max_payload) {
    try {
        return content_digest_as(file, detect_codec(file), max_payload);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::container) {
            throw;
        }
        return content_digest_as(file, codec_of(ContainerKind::plain), max_payload);
    }
}

/// A path below lib/modules/RELEASE without what compression adds: kernel/fs/ext4/ext4.ko.
std::string without_compression(const std::filesystem::path& path) {
    std::string text = path.generic_string();
    for (const std::string_view suffix : {".gz", ".xz", ".zst"}) {
        if (text.ends_with(suffix)) {
            text.resize(text.size() - suffix.size());
            break;
        }
    }
    return text;
}

/// Finds modules of a kernel by where they stand in an initramfs.
class InstalledModules {
  public:
    InstalledModules() = default;
    InstalledModules(const Kernel& kernel, const std::vector<std::filesystem::path>& modules)
        : folder_("lib/modules/" + kernel.release().text() + "/") {
        for (std::size_t index = 0; index < modules.size(); ++index) {
            by_path_.emplace(without_compression(modules[index].lexically_relative(kernel.modules_folder())), index);
            by_name_.emplace(module_name(modules[index]), index);
        }
    }

    /// The one that a module of the initramfs was made from: of the same path, or else of the same name.
    [[nodiscard]] std::optional<std::size_t> packed_as(const std::string& path) const {
        if (const std::size_t at = path.find(folder_); at != std::string::npos) {
            const auto found = by_path_.find(without_compression(path.substr(at + folder_.size())));
            if (found != by_path_.end()) {
                return found->second;
            }
        }
        return named(module_name(path));
    }

    [[nodiscard]] std::optional<std::size_t> named(const std::string& name) const {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? std::nullopt : std::optional(found->second);
    }

  private:
    std::string folder_;
    std::map<std::string, std::size_t> by_path_;
    std::map<std::string, std::size_t> by_name_;
};

class Audit {
  public:
    Audit(const Kernel& kernel, const Judge& judge, const AuditOptions& options,
          const std::function<void(std::size_t, std::size_t)>& progress)
        : kernel_(kernel), judge_(judge), options_(options), progress_(progress) {}

    [[nodiscard]] AuditResult run() {
        judge_installed();
        const auto found = find_initramfs(kernel_);
        result_.initramfs = options_.initramfs ? options_.initramfs : found;
        if (result_.initramfs) {
            rebuilding_ = how_to_rebuild(*result_.initramfs, found);
            judge_initramfs(*result_.initramfs);
        }
        auto running = read_running_kernel(kernel_.root());
        if (running && running->release == kernel_.release().text()) {
            result_.running = std::move(running);
            judge_loaded();
        }
        conclude();
        return std::move(result_);
    }

  private:
    void judge_installed() {
        std::error_code ignored;
        if (std::filesystem::is_directory(kernel_.modules_folder(), ignored)) {
            modules_ = find_modules(kernel_.modules_folder());
        }
        if (modules_.empty()) {
            throw Error(ErrorCode::kernel, "kernel " + kernel_.release().text(),
                        "has no modules in " + kernel_.modules_folder().string(),
                        "`ls " + shell_path(kernel_.modules_folder().parent_path()) +
                            "` shows the kernels that there are");
        }
        result_.modules = modules_.size();
        refused_.resize(modules_.size());
        remedies_.resize(modules_.size());
        installed_ = InstalledModules(kernel_, modules_);
        judge_all(judge_, modules_, options_.threads, options_.max_payload,
                  [this](std::size_t index, const JudgedModule& judged) {
                      count(index, judged);
                      progress_(index + 1, modules_.size());
                  });
    }

    void count(std::size_t index, const JudgedModule& judged) {
        if (judged.verdict) {
            const Verdict& verdict = *judged.verdict;
            ++result_.answers[verdict.answer];
            ++result_.signers[verdict.key.empty() ? verdict.signer : verdict.key];
            note_doubt(verdict);
            if (verdict.answer != Answer::refused) {
                return;
            }
            refused_[index] = verdict.reason;
            remedies_[index] = verdict.remedy;
        } else {
            refused_[index] = judged.error->reason();
            remedies_[index] = judged.error->remedy();
            if (judged.error->is_denied()) {
                ++unreadable_;
                doubt_remedy_ = run_as_root;
            }
        }
        if (!remedies_[index].empty()) {
            remedies_[index] += "; then ";
        }
        result_.troubled.push_back({modules_[index], judged});
    }

    /// What is signed in an initramfs is signed before that is made. A @p file that is not the one @p found, a copy or
    /// a unified image, is not what the command makes.
    [[nodiscard]] std::string how_to_rebuild(const std::filesystem::path& file,
                                             const std::optional<std::filesystem::path>& found) const {
        std::error_code ignored;
        const bool is_found = found && std::filesystem::equivalent(file, *found, ignored);
        const auto command = is_found ? initramfs_command(kernel_, file) : std::nullopt;
        return "make the initramfs anew with" + (command ? ": " + shell_line(*command) : " what made it");
    }

    void note_doubt(const Verdict& verdict) {
        if (verdict.answer == Answer::unknown) {
            doubt_remedy_ = verdict.remedy;
        }
    }

    void judge_initramfs(const std::filesystem::path& file) {
        try {
            read_initramfs(file, [&](const std::string& path, std::span<const std::byte> content) {
                ++result_.initramfs_modules;
                judge_packed(file, path, content);
            });
        } catch (const Error& error) {
            result_.initramfs_problem = error.what();
            // What is too much for ksign need not be so for a kernel.
            initramfs_unknown_ = error.is_denied() || error.code() == ErrorCode::limit;
            if (error.is_denied()) {
                doubt_remedy_ = run_as_root;
            }
        }
    }

    void judge_packed(const std::filesystem::path& file, const std::string& path, std::span<const std::byte> content) {
        InitramfsModule module;
        module.path = path;
        const InputFile packed = InputFile::of_bytes(content, file.string() + ":" + path);
        if (const auto index = installed_.packed_as(path)) {
            module.installed = modules_[*index];
            module.differs = differs(packed, module.installed);
        }
        // One that can't be read is no reason to stop: the others are still to be judged.
        try {
            module.verdict = judge_.judge_bytes(content, packed.path(), options_.max_payload);
            note_doubt(module.verdict);
            unknown_packed_ += module.verdict.answer == Answer::unknown ? 1U : 0U;
        } catch (const Error& error) {
            module.error = error;
            module.verdict.answer = Answer::refused;
        }
        if (module.differs || module.installed.empty() || module.verdict.answer == Answer::refused) {
            const auto index = installed_.packed_as(path);
            module.verdict.remedy = (index ? remedies_[*index] : std::string()) + rebuilding_;
            result_.stale.push_back(std::move(module));
        }
    }

    /// What can't be read is not the same as anything; why, its verdict says.
    [[nodiscard]] bool differs(const InputFile& packed, const std::filesystem::path& installed) const {
        try {
            return content_digest(packed, options_.max_payload) !=
                   content_digest(InputFile::open(installed), options_.max_payload);
        } catch (const Error&) {
            return true;
        }
    }

    void judge_loaded() {
        for (const LoadedModule& module : result_.running->modules) {
            const auto found = installed_.named(module.name);
            if (!found) {
                result_.loaded.push_back({module, {}, "no file of it is installed any more"});
            } else if (!refused_[*found].empty()) {
                result_.loaded.push_back({module, modules_[*found], refused_[*found]});
            }
        }
    }

    void conclude() {
        const std::string name = kernel_.release().text() + " with module.sig_enforce=1";
        const auto refused_packed = std::ranges::count_if(
            result_.stale, [](const InitramfsModule& module) { return module.verdict.answer == Answer::refused; });
        std::vector<std::string> reasons;
        const auto add = [&reasons](std::size_t count, const std::string& one, const std::string& many) {
            if (count > 0) {
                reasons.push_back(count == 1 ? "one " + one : std::to_string(count) + " " + many);
            }
        };
        add(result_.troubled.size() - unreadable_, "installed module would be refused",
            "installed modules would be refused");
        add(static_cast<std::size_t>(refused_packed), "module in the initramfs would be refused",
            "modules in the initramfs would be refused");
        add(std::ranges::count_if(result_.loaded, [](const RefusedAtBoot& module) { return !module.file.empty(); }) > 0
                ? result_.loaded.size()
                : 0,
            "of the modules that are loaded now would not load again",
            "of the modules that are loaded now would not load again");
        const std::string unreadable_initramfs = "the initramfs can't be read: " + result_.initramfs_problem;
        if (!result_.initramfs_problem.empty() && !initramfs_unknown_) {
            reasons.push_back(unreadable_initramfs);
        }
        // From here on, what is not known: it may be all right.
        const std::size_t certain = reasons.size();
        const auto unknown = result_.answers.find(Answer::unknown);
        add((unknown == result_.answers.end() ? 0 : unknown->second) + unreadable_,
            "installed module is not known to load", "installed modules are not known to load");
        add(unknown_packed_, "module in the initramfs is not known to load",
            "modules in the initramfs are not known to load");
        if (initramfs_unknown_) {
            reasons.push_back(unreadable_initramfs);
        }
        result_.safe = reasons.empty();
        result_.known = result_.safe || certain > 0;
        if (result_.safe) {
            result_.sentence =
                "It is safe to boot " + name + ": all " + std::to_string(result_.modules) + " installed modules load" +
                (result_.initramfs ? ", and the " + std::to_string(result_.initramfs_modules) + " in the initramfs do"
                                   : "; no initramfs was found") +
                ".";
            return;
        }
        result_.sentence =
            (result_.known ? "It is not safe to boot " : "It is not known whether it is safe to boot ") + name + ": ";
        for (std::size_t index = 0; index < reasons.size(); ++index) {
            result_.sentence += (index == 0 ? "" : index + 1 == reasons.size() ? ", and " : ", ") + reasons[index];
        }
        result_.sentence += doubt_remedy_.empty() ? "." : "; " + doubt_remedy_ + ".";
    }

    const Kernel& kernel_;
    const Judge& judge_;
    const AuditOptions& options_;
    const std::function<void(std::size_t, std::size_t)>& progress_;
    std::vector<std::filesystem::path> modules_;
    std::vector<std::string> refused_;  ///< Why, for each module; empty if it loads.
    std::vector<std::string> remedies_; ///< What to do before the initramfs is made, for each; empty if nothing.
    std::string rebuilding_;            ///< How the initramfs is made anew.
    std::size_t unreadable_ = 0;        ///< Installed modules that this user may not read.
    std::size_t unknown_packed_ = 0;    ///< Modules in the initramfs of which it is not known whether they load.
    bool initramfs_unknown_ = false;    ///< It can't be read, and may be all right.
    std::string doubt_remedy_;          ///< How to learn what is not known; empty if nothing is.
    InstalledModules installed_;
    AuditResult result_;
};

} // namespace

std::vector<PackedModule> modules_in_initramfs(const Kernel& kernel, const std::filesystem::path& initramfs,
                                               const std::vector<std::filesystem::path>& modules) {
    const InstalledModules installed(kernel, modules);
    std::vector<PackedModule> packed;
    read_initramfs(initramfs, [&](const std::string& path, std::span<const std::byte> content) {
        if (const auto index = installed.packed_as(path)) {
            packed.push_back(
                {modules[*index], content_digest(InputFile::of_bytes(content, path), usual_max_payload) !=
                                      content_digest(InputFile::open(modules[*index]), usual_max_payload)});
        }
    });
    return packed;
}

AuditResult audit_kernel(const Kernel& kernel, const Judge& judge, const AuditOptions& options,
                         const std::function<void(std::size_t, std::size_t)>& progress) {
    return Audit(kernel, judge, options, progress).run();
}

} // namespace ksign
