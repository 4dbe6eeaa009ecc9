// What is printed about DKMS's configuration, and who asks DKMS its version. The rules are report.hpp's.
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <ksign/dkms_setup.hpp>
#include <ksign/dkms_survey.hpp>

#include <filesystem>

namespace ksign::hook {

/// --root, without -k.
void add_root_option(Options& options);
/// DKMS's configuration below --root, with ksign's files where they are installed.
[[nodiscard]] DkmsSetup dkms_setup_of(const Values& values);
/// The installed DKMS's; nothing below a root that is not this system, or if there is none.
[[nodiscard]] std::optional<DkmsVersion> dkms_version_of(const Values& values);

void print_dkms_change(const std::filesystem::path& file, DkmsChange change);

/// The survey of a system below @p root. Returns the exit code: 1 if something is not as it should be.
[[nodiscard]] int print_dkms_survey(const DkmsSurvey& survey, const std::filesystem::path& root, OutputForm form);

} // namespace ksign::hook
