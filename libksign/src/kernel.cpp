#include <ksign/kernel.hpp>

#include "assignments.hpp"
#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/shell.hpp>
#include <ksign/text_file.hpp>

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <map>
#include <sstream>
#include <utility>

namespace ksign {
namespace {

constexpr std::array<std::string_view, 4> module_suffixes{".ko", ".ko.gz", ".ko.xz", ".ko.zst"};

/// A file's name without a module's suffix; nothing if it has none.
std::optional<std::string> stem_of_module(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    for (const std::string_view suffix : module_suffixes) {
        if (name.size() > suffix.size() && name.ends_with(suffix)) {
            return name.substr(0, name.size() - suffix.size());
        }
    }
    return std::nullopt;
}

/// What a file of the root says, up to 16 MiB; empty if it can't be read: what asks has another way.
std::string text_in_root(const std::filesystem::path& root, const std::filesystem::path& file) {
    constexpr std::size_t limit = std::size_t{16} << 20U;
    try {
        return read_text_file(resolve_in_root(root, file), limit);
    } catch (const Error&) {
        return {};
    }
}

Error folder_failure(const std::filesystem::path& folder, const std::error_code& why) {
    return Error::from_errno(folder.string(), "read the folder", why.value());
}

/// What is at a path. What can't be seen may be there all the same: throws Error (system).
std::filesystem::file_type type_of(const std::filesystem::path& path) {
    std::error_code why;
    const std::filesystem::file_type type = std::filesystem::status(path, why).type();
    if (type == std::filesystem::file_type::none) {
        const Error error = Error::from_errno(path.string(), "look for it", why.value());
        throw error.is_denied() ? error.or_remedy(run_as_root) : error;
    }
    return type;
}

void collect_modules(const std::filesystem::path& folder, std::vector<std::filesystem::path>& modules,
                     std::vector<Error>& unread) {
    const std::error_code why = for_each_entry(folder, [&](const std::filesystem::directory_entry& entry) {
        std::error_code ignored;
        if (!entry.is_symlink(ignored) && entry.is_directory(ignored)) {
            collect_modules(entry.path(), modules, unread);
        } else if (has_module_name(entry.path()) && entry.is_regular_file(ignored)) {
            modules.push_back(entry.path());
        }
    });
    if (why) {
        unread.push_back(folder_failure(folder, why));
    }
}

} // namespace

KernelRelease::KernelRelease(std::string text) : text_(std::move(text)) {
    if (text_.empty() || text_ == "." || text_ == ".." || text_.find('/') != std::string::npos) {
        throw Error(ErrorCode::usage, "'" + text_ + "'", "is not a kernel's release",
                    "name one as `uname -r` prints it, or as a folder in /lib/modules is called");
    }
}

KernelRelease KernelRelease::running() {
    struct utsname name {};
    if (::uname(&name) != 0) {
        throw Error::from_errno("uname", "ask for the running kernel's release", errno);
    }
    return KernelRelease(static_cast<const char*>(name.release));
}

bool has_module_name(const std::filesystem::path& path) {
    return stem_of_module(path).has_value();
}

std::string module_name(const std::filesystem::path& path) {
    std::string name = stem_of_module(path).value_or(path.filename().string());
    // kmod: underscores(), alias_normalize(): the two are one to modprobe.
    std::ranges::replace(name, '-', '_');
    return name;
}

std::vector<std::filesystem::path> find_modules(const std::filesystem::path& folder, std::vector<Error>& unread) {
    std::vector<std::filesystem::path> modules;
    collect_modules(folder, modules, unread);
    std::ranges::sort(modules, {}, &std::filesystem::path::native); // by components it takes ten times as long
    return modules;
}

std::vector<std::filesystem::path> find_modules(const std::filesystem::path& folder) {
    std::vector<Error> unread;
    auto modules = find_modules(folder, unread);
    if (!unread.empty()) {
        throw Error(std::move(unread.front()));
    }
    return modules;
}

std::filesystem::path resolve_in_root(const std::filesystem::path& root, const std::filesystem::path& path) {
    constexpr int most_links = 40; // as the kernel's MAXSYMLINKS
    std::deque<std::filesystem::path> parts;
    for (const auto& part : path.lexically_relative(root)) {
        parts.push_back(part);
    }
    std::filesystem::path inside; // relative to the root
    int links = 0;
    while (!parts.empty()) {
        const std::filesystem::path part = parts.front();
        parts.pop_front();
        if (part == "." || part.empty() || part == "/") {
            continue;
        }
        if (part == "..") {
            inside = inside.parent_path();
            continue;
        }
        std::error_code not_a_link;
        const std::filesystem::path target = std::filesystem::read_symlink(root / inside / part, not_a_link);
        if (not_a_link) {
            inside /= part;
            continue;
        }
        if (++links > most_links) {
            throw Error::from_errno(path.string(), "follow its links", ELOOP);
        }
        if (target.is_absolute()) {
            inside.clear();
        }
        const std::vector<std::filesystem::path> target_parts(target.begin(), target.end());
        parts.insert(parts.begin(), target_parts.begin(), target_parts.end());
    }
    return inside.empty() ? root : root / inside;
}

Kernel::Kernel(KernelRelease release, std::filesystem::path root)
    : release_(std::move(release)), root_(std::move(root)),
      modules_folder_(resolve_in_root(root_, root_ / "lib/modules") / release_.text()) {}

bool Kernel::is_gone() const {
    return std::ranges::all_of(std::array{"kernel", "build"}, [this](const char* name) {
        std::error_code ignored; // then its type is none
        return std::filesystem::symlink_status(modules_folder_ / name, ignored).type() ==
               std::filesystem::file_type::not_found;
    });
}

std::optional<std::filesystem::path> Kernel::build_folder() const {
    for (const std::filesystem::path& candidate :
         {modules_folder_ / "build", root_ / "usr/src/kernels" / release_.text()}) {
        std::filesystem::path folder = resolve_in_root(root_, candidate);
        if (type_of(folder) == std::filesystem::file_type::directory) {
            return folder;
        }
    }
    return std::nullopt;
}

std::string Kernel::package_base() const {
    const std::string text = text_in_root(root_, modules_folder_ / "pkgbase");
    const std::string name = text.substr(0, text.find('\n'));
    return name.find('/') == std::string::npos ? name : std::string();
}

std::optional<KernelConfig> Kernel::config() const {
    const auto build = build_folder();
    if (!build) {
        return std::nullopt;
    }
    for (const char* name : {".config", "include/config/auto.conf"}) {
        const std::filesystem::path file = resolve_in_root(root_, *build / name);
        if (type_of(file) != std::filesystem::file_type::not_found) {
            return KernelConfig::load(file);
        }
    }
    return std::nullopt;
}

std::filesystem::path Kernel::module_file(std::string_view name) const {
    const std::string wanted = module_name(std::string(name));
    std::istringstream dependencies(text_in_root(root_, modules_folder_ / "modules.dep"));
    for (std::string line; std::getline(dependencies, line);) {
        const std::filesystem::path file = line.substr(0, line.find(':'));
        std::error_code ignored;
        if (has_module_name(file) && module_name(file) == wanted &&
            std::filesystem::exists(modules_folder_ / file, ignored)) {
            return modules_folder_ / file;
        }
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(modules_folder_, ignored)) {
        for (const std::filesystem::path& file : find_modules(modules_folder_)) {
            if (module_name(file) == wanted) {
                return file;
            }
        }
    }
    throw Error(ErrorCode::kernel, std::string(name),
                "no module of that name is installed for kernel " + release_.text() + " in " +
                    modules_folder_.string());
}

std::vector<std::filesystem::path> Kernel::dkms_modules() const {
    std::vector<Error> missing;
    auto files = dkms_modules(missing);
    if (!missing.empty()) {
        throw Error(std::move(missing.front()));
    }
    return files;
}

std::vector<std::filesystem::path> Kernel::dkms_modules(std::vector<Error>& missing) const {
    // DKMS marks what is installed by a link TREE/MODULE/kernel-RELEASE-ARCH to VERSION/RELEASE/ARCH.
    const std::filesystem::path tree = find_dkms_tree(root_);
    const std::string mark = "kernel-" + release_.text() + "-";
    std::vector<std::string> names;
    const std::error_code why = for_each_entry(tree, [&](const std::filesystem::directory_entry& module) {
        for_each_entry(module.path(), [&](const std::filesystem::directory_entry& entry) {
            // The name alone does not tell 6.12.1-rt from 6.12.1 on an architecture called "rt-…".
            std::error_code no_link;
            const std::filesystem::path target = std::filesystem::read_symlink(entry.path(), no_link);
            if (no_link || !entry.path().filename().string().starts_with(mark) ||
                target.parent_path().filename() != release_.text()) {
                return;
            }
            const std::filesystem::path built = resolve_in_root(root_, entry.path()) / "module";
            for (const std::filesystem::path& file : find_modules(built)) {
                names.push_back(module_name(file));
            }
        });
    });
    if (why && why.value() != ENOENT) {
        throw folder_failure(tree, why);
    }
    std::map<std::string, std::vector<std::filesystem::path>> installed;
    if (!names.empty()) {
        for (const std::filesystem::path& file : find_modules(modules_folder_)) {
            installed[module_name(file)].push_back(file);
        }
    }
    std::vector<std::filesystem::path> files;
    for (const std::string& name : names) {
        const auto found = installed.find(name);
        if (found == installed.end()) {
            missing.emplace_back(ErrorCode::kernel, name,
                                 "DKMS has it as installed for kernel " + release_.text() + ", and it is not in " +
                                     modules_folder_.string(),
                                 shell_chroot(root_) + "dkms install --force it again");
            continue;
        }
        // A module of the kernel's own under the same name is not DKMS's: modprobe's choice is.
        files.push_back(found->second.size() == 1 ? found->second.front() : module_file(name));
    }
    std::ranges::sort(files);
    files.erase(std::unique(files.begin(), files.end()), files.end());
    return files;
}

std::filesystem::path find_dkms_tree(const std::filesystem::path& root) {
    // dkms, read_framework_conf(): the last one counts. 2.8 reads no such folder.
    std::vector<std::filesystem::path> files;
    for_each_entry(root / "etc/dkms/framework.conf.d", [&files](const std::filesystem::directory_entry& entry) {
        if (entry.path().extension() == ".conf") {
            files.push_back(entry.path());
        }
    });
    files.push_back(root / "etc/dkms/framework.conf"); // sorts first
    std::ranges::sort(files);
    std::string tree = "/var/lib/dkms";
    for (const std::filesystem::path& file : files) {
        const auto value = assigned(resolve_in_root(root, file), "dkms_tree");
        if (!value) {
            continue;
        }
        tree = value->substr(0, value->find(" #"));
        tree.resize(tree.find_last_not_of(" \t\r;") + 1);
        if (!tree.starts_with('/') || tree.find_first_of("$`\\;&|") != std::string::npos) {
            throw Error(ErrorCode::system, file.string(),
                        "sets dkms_tree=" + *value + ": where DKMS's tree is, only a shell can tell",
                        "write its path there as it is: dkms_tree=\"/var/lib/dkms\"");
        }
    }
    return resolve_in_root(root, root / std::filesystem::path(tree).relative_path());
}

std::optional<std::filesystem::path> first_file_in_root(const std::filesystem::path& root,
                                                        const std::vector<std::filesystem::path>& candidates) {
    for (const std::filesystem::path& candidate : candidates) {
        std::filesystem::path file = resolve_in_root(root, candidate);
        std::error_code ignored;
        if (std::filesystem::is_regular_file(file, ignored)) {
            return file;
        }
    }
    return std::nullopt;
}

std::vector<Kernel> find_kernels(const std::filesystem::path& root) {
    const std::filesystem::path folder = resolve_in_root(root, root / "lib/modules");
    std::vector<std::string> releases;
    const std::error_code why = for_each_entry(folder, [&releases](const std::filesystem::directory_entry& entry) {
        releases.push_back(entry.path().filename());
    });
    if (why && why.value() != ENOENT) {
        throw folder_failure(folder, why);
    }
    std::ranges::sort(releases);
    std::vector<Kernel> kernels;
    kernels.reserve(releases.size());
    for (std::string& release : releases) {
        Kernel kernel(KernelRelease(std::move(release)), root);
        if (!kernel.is_gone()) {
            kernels.push_back(std::move(kernel));
        }
    }
    return kernels;
}

} // namespace ksign
