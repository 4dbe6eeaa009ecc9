#include "targets.hpp"

#include <ksign/error.hpp>

namespace ksign::hook {
namespace {

/// Folders that can't be read are reported as failed.
std::vector<std::filesystem::path> modules_of(const std::string& word, const std::optional<Kernel>& kernel,
                                              ModuleReport& report) {
    if (word.empty()) {
        throw Error(ErrorCode::usage, "''", "is no module's name");
    }
    std::error_code ignored;
    if (kernel && word.find('/') == std::string::npos) {
        try {
            return {kernel->module_file(word)};
        } catch (const Error& error) {
            if (error.code() == ErrorCode::kernel && std::filesystem::exists(word, ignored)) {
                throw Error(error.code(), error.subject(), error.reason(),
                            "for the file in this folder write ./" + word);
            }
            throw;
        }
    }
    if (!std::filesystem::is_directory(word, ignored)) {
        return {word};
    }
    std::vector<Error> unread;
    auto modules = find_modules(word, unread);
    for (const Error& error : unread) {
        report.failed(error.subject(), error);
    }
    if (modules.empty() && unread.empty()) {
        throw Error(ErrorCode::usage, word, "there are no modules (.ko, .ko.gz, .ko.xz, .ko.zst) in this folder");
    }
    return modules;
}

} // namespace

std::vector<std::filesystem::path> find_targets(const std::vector<std::string>& words,
                                                const std::optional<Kernel>& kernel, ModuleReport& report) {
    std::vector<std::filesystem::path> all;
    for (const std::string& word : words) {
        try {
            const auto modules = modules_of(word, kernel, report);
            all.insert(all.end(), modules.begin(), modules.end());
        } catch (const Error& error) {
            report.failed(word, error);
        }
    }
    return all;
}

void for_each_module(const std::vector<std::filesystem::path>& modules, ModuleReport& report,
                     const ModuleAction& action) {
    for (const std::filesystem::path& module : modules) {
        try {
            action(module);
        } catch (const Error& error) {
            report.failed(module, error);
        }
    }
}

void for_each_module(const std::vector<std::string>& words, const std::optional<Kernel>& kernel, ModuleReport& report,
                     const ModuleAction& action) {
    for (const std::string& word : words) {
        std::vector<std::filesystem::path> modules;
        try {
            modules = modules_of(word, kernel, report);
        } catch (const Error& error) {
            report.failed(word, error);
        }
        for_each_module(modules, report, action);
    }
}

} // namespace ksign::hook
