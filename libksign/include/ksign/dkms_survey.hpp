// How DKMS's modules come to be signed, and by which key they are.
#pragma once

#include <ksign/dkms_setup.hpp>
#include <ksign/export.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// The modules that DKMS built of one package for one kernel.
struct DkmsBuild {
    std::string release;
    std::string architecture;
    /// Its kernel is not installed any more, so nothing of it is a problem: it is to be removed. No key is looked for.
    bool gone = false;
    std::size_t modules = 0;
    std::size_t unsigned_modules = 0;
    std::vector<std::string> signers; ///< "NAME, serial 0A:1B:…", each once.
    /// How many are signed by another key than the one they would be signed with today.
    std::size_t stale_modules = 0;
    bool installed = false; ///< DKMS has it as installed. What the kernel loads are copies in its modules' folder:
    std::size_t installed_unsigned_modules = 0;
    std::size_t installed_stale_modules = 0;
    std::string key_origin; ///< Which key that is: "certs-local of kernel 6.12.1"; empty: there is none.
    std::vector<std::string> problems;
};

struct DkmsPackageSurvey {
    DkmsPackage package;
    bool post_build = false; ///< POST_BUILD is ksign's.
    std::vector<DkmsBuild> builds;
    std::vector<std::string> problems;
};

struct DkmsSurvey {
    std::optional<DkmsVersion> version;
    bool native = false; ///< DKMS calls ksign in place of sign-file.
    std::vector<DkmsPackageSurvey> packages;
    std::vector<std::string> problems; ///< Of DKMS's configuration: what is without effect, or leads nowhere.
    std::vector<std::string> notes;    ///< What is right, and may surprise.
};

/// Surveys DKMS's configuration and tree. What can't be read is among the problems.
/// @param version      of DKMS; nothing: not known, and taken for a new one
/// @param certificate  of the key for kernels that have none of their own; may be empty
[[nodiscard]] KSIGN_EXPORT DkmsSurvey survey_dkms(const DkmsSetup& setup, const std::optional<DkmsVersion>& version,
                                                  const std::optional<std::filesystem::path>& certificate);

/// The command that has DKMS do an action ("build", "install") of a build anew, or "unbuild" it, run by chroot below
/// another root.
[[nodiscard]] KSIGN_EXPORT std::string dkms_command(const std::string& action, const DkmsPackage& package,
                                                    const DkmsBuild& build, const std::filesystem::path& root);

} // namespace ksign
