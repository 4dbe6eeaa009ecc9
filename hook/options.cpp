#include "options.hpp"

#include <ksign/error.hpp>
#include <ksign/shell.hpp>

#include <algorithm>

namespace ksign::hook {
namespace {

/// A level for whatever container a module has, so it must suit all of them that it is used for.
int parse_level(const std::string& text) {
    std::size_t used = 0;
    int level = -1;
    try {
        level = std::stoi(text, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    const int highest = container_levels(ContainerKind::zstd).highest;
    if (used != text.size() || level < 0 || level > highest) {
        throw UsageError("--level: '" + text + "' is not a compression level (gzip 1-9, xz 0-9, zstd 1-" +
                         std::to_string(highest) + ")");
    }
    return level;
}

int level_for(ContainerKind kind, int level) {
    const LevelRange range = container_levels(kind);
    return std::clamp(level, range.lowest, range.highest);
}

} // namespace

void add_kernel_options(Options& options, const std::string& use) {
    options.value("kernel,k", "RELEASE", "the kernel, as `uname -r` names it: " + use)
        .value_or("root", "DIR", "/", "where the system is: an image or chroot");
}

void add_file_options(Options& options) {
    options
        .value("level", "N",
               "compression level for what is compressed anew (gzip 1-9, xz 0-9, zstd 1-22; default: "
               "DKMS's 6, 6, 3)")
        .value("max-size", "SIZE", "largest module, decompressed (K, M, G; default 1G)")
        .flag("dry-run,n", "do everything but write");
}

void add_settings_option(Options& options) {
    options.value("config", "FILE", "read this in place of " KSIGN_SYSCONFDIR "/ksign/ksign.conf");
}

std::optional<Kernel> kernel_of(const Values& values) {
    const std::string root = value_of(values, "root").value_or("/");
    std::error_code ignored;
    if (!std::filesystem::is_directory(root, ignored)) {
        throw UsageError("--root: '" + root + "' is not a folder");
    }
    const auto release = value_of(values, "kernel");
    if (!release) {
        return std::nullopt;
    }
    std::optional<Kernel> kernel;
    try {
        kernel.emplace(KernelRelease(*release), root);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::usage) {
            throw UsageError(std::string("-k: ") + error.what());
        }
        throw;
    }
    if (!values.contains("image") && !is_installed(*kernel)) {
        throw not_installed_error(*kernel);
    }
    return kernel;
}

bool is_installed(const Kernel& kernel) {
    std::error_code ignored;
    return std::filesystem::is_directory(kernel.modules_folder(), ignored) || kernel.build_folder().has_value();
}

Error not_installed_error(const Kernel& kernel) {
    const std::filesystem::path folder = kernel.modules_folder().parent_path();
    std::string names;
    try {
        for (const Kernel& other : find_kernels(kernel.root())) {
            names += (names.empty() ? ": " : ", ") + other.release().text();
        }
    } catch (const Error&) {
        names.clear(); // what keeps them from being listed, ls says
    }
    return {ErrorCode::kernel, "kernel " + kernel.release().text(),
            "is not installed: there is no " + kernel.modules_folder().string(),
            "`ls " + shell_path(folder) + "` shows the kernels that are" + names};
}

Settings settings_of(const Values& values) {
    if (const auto file = value_of(values, "config")) {
        return read_settings(*file);
    }
    return read_usual_settings(value_of(values, "root").value_or("/"));
}

FileOptions file_options_of(const Values& values, const Settings& settings) {
    FileOptions options = settings.files;
    options.dry_run = values.contains("dry-run");
    if (const auto level = value_of(values, "level")) {
        const int number = parse_level(*level);
        options.levels.gzip = level_for(ContainerKind::gzip, number);
        options.levels.xz = level_for(ContainerKind::xz, number);
        options.levels.zstd = level_for(ContainerKind::zstd, number);
    }
    if (const auto size = value_of(values, "max-size")) {
        const auto bytes = parse_size(*size);
        if (!bytes) {
            throw UsageError("--max-size: '" + *size + "' is not a size; write 500M or 2G");
        }
        options.max_payload = *bytes;
    }
    return options;
}

std::optional<HashAlgorithm> hash_of(const std::optional<std::string>& name) {
    if (!name) {
        return std::nullopt;
    }
    const auto hash = parse_hash(*name);
    if (!hash) {
        std::string known;
        for (const std::string_view each : hash_names()) {
            known += (known.empty() ? "" : ", ") + std::string(each);
        }
        throw UsageError("unknown hash '" + *name + "'; known are " + known);
    }
    return hash;
}

} // namespace ksign::hook
