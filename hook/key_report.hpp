// What is printed about keys and kernel configurations. The rules are report.hpp's.
#pragma once

#include "report.hpp"

#include <ksign/config_check.hpp>
#include <ksign/key_install.hpp>
#include <ksign/key_refresh.hpp>
#include <ksign/key_survey.hpp>
#include <ksign/mok.hpp>
#include <ksign/trusted_keys.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign::hook {

void print_refresh(const RefreshResult& result);
void print_installed(const KeyFolder& key, const KeyInstallRequest& request);
void print_config_update(const std::filesystem::path& config, const TrustedKeysResult& result, bool dry_run);

/// Returns the exit code: 1 if a key is broken, open to others, or of no use to its kernel.
[[nodiscard]] int print_surveys(const std::vector<KeySurvey>& surveys, OutputForm form);

/// A machine owner key on its way to the firmware.
struct Enrollment {
    std::string source;  ///< The certificate as it was named, without a PIN.
    std::string command; ///< What asks for all this again, for a shell.
    KernelCertificate certificate;
    std::string release; ///< The kernel's.
    MokSurvey survey;
    std::optional<std::filesystem::path> der; ///< What mokutil takes; nothing: none was needed, or could be written.
    bool der_written = false;
    std::string mokutil; ///< What `mokutil --test-key` said; empty if it was not asked.
    bool imported = false;
};

/// Returns the exit code: 1 unless it is enrolled, or was imported.
[[nodiscard]] int print_enrollment(const Enrollment& enrollment, OutputForm form);

/// The results of one run over kernel configurations.
class ConfigReport {
  public:
    explicit ConfigReport(OutputForm form) : form_(form) {}

    /// @param changed  how many lines --fix wrote
    void checked(const std::filesystem::path& config, const std::vector<ConfigFinding>& findings, std::size_t changed);
    void failed(const std::filesystem::path& config, const Error& error);

    /// Ends the document. Returns the exit code: 1 if a must is missing or anything failed.
    [[nodiscard]] int finish();

  private:
    OutputForm form_;
    std::vector<std::string> objects_;
    bool good_ = true;
};

} // namespace ksign::hook
