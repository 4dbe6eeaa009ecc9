#include <ksign/key_survey.hpp>

#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/key_folder.hpp>
#include <ksign/shell.hpp>
#include <ksign/trusted_keys.hpp>

#include <sys/stat.h>

#include <array>
#include <cstdio>

namespace ksign {
namespace {

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    static_cast<void>(std::snprintf(text.data(), text.size(), "%04o", static_cast<unsigned>(mode & 07777U)));
    return text.data();
}

/// What of a path's mode lets others at the key.
void survey_mode(const std::filesystem::path& path, mode_t unwanted, std::vector<std::string>& unsafe) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || (status.st_mode & unwanted) == 0) {
        return;
    }
    // A sticky folder's files are safe from others (/tmp).
    if (S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0) {
        return;
    }
    unsafe.push_back(path.string() + " has mode " + octal(status.st_mode) + ": chmod " +
                     (S_ISDIR(status.st_mode) ? "go-w " : "go-rwx ") + shell_path(path));
}

void survey_modes(const KeyLocation& location, std::vector<std::string>& unsafe) {
    const std::filesystem::path key = location.key;
    survey_mode(key, S_IRWXG | S_IRWXO, unsafe);
    if (key.filename() == key_file::private_key) {
        survey_mode(key.parent_path() / key_file::key_and_certificate, S_IRWXG | S_IRWXO, unsafe);
    }
    survey_mode(key.parent_path(), S_IWGRP | S_IWOTH, unsafe);
    survey_mode(key.parent_path().parent_path(), S_IWGRP | S_IWOTH, unsafe);
}

void fill_in(KeySurvey& survey, const KeyDescription& key) {
    survey.key_type = key.kind ? key_kind_name(*key.kind) : "unknown";
    survey.signer = key.signer;
    survey.serial = key.serial;
    survey.fingerprint = key.fingerprint;
    survey.made = key.made;
}

} // namespace

KeySurvey survey_kernel_key(const Kernel& kernel, const RefreshPeriod& period) {
    KeySurvey survey;
    survey.release = kernel.release().text();
    try {
        survey.location = find_kernel_key(kernel);
        if (!survey.location) {
            return survey;
        }
        const KeyDescription key = describe_certificate(survey.location->certificate);
        fill_in(survey, key);
        std::error_code ignored;
        survey.has_private_key = std::filesystem::exists(survey.location->key, ignored);
        const auto config = kernel.config();
        survey.hash = config && config->module_hash() ? config->module_hash() : survey.location->hash;
        if (config) {
            survey.trusted_by_config = names_kernel_key(*config, *survey.location);
            if (key.kind && survey.hash) {
                survey.obstacle = config->why_not_verifiable(*key.kind, *survey.hash);
            }
        }
        if (survey.location->certificate.filename() == key_file::certificate && period.length) {
            survey.refresh_due = survey.made + *period.length;
        }
        survey_modes(*survey.location, survey.unsafe);
    } catch (const Error& error) {
        const Error told = error.is_denied() ? error.or_remedy(run_as_root) : error;
        survey.problem = told.what();
        survey.remedy = told.remedy();
    }
    return survey;
}

} // namespace ksign
