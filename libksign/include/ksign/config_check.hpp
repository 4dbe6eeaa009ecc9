// What a kernel's configuration needs so that modules are signed, and can be enforced to be.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel_config.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// One line that is to be written into a .config: an empty value means "is not set".
struct ConfigSetting {
    std::string option; ///< Without "CONFIG_".
    std::string value;  ///< As Kconfig writes it: y, "sha512" with its quotes.
};

/// One point that was checked.
struct ConfigFinding {
    bool must = false; ///< Without it modules are refused or unsigned; else it is advice.
    bool good = false;
    std::string option; ///< Without "CONFIG_".
    std::string now;    ///< Its value; "n" if not set.
    std::string wanted;
    std::string why;
    std::vector<ConfigSetting> fix; ///< What to write. Empty where it is good, or where no single setting helps.
};

/// Checks a configuration against what out-of-tree signing wants, by the names and rules that Kconfig has in that
/// kernel's version (kernel/module/Kconfig, certs/Kconfig).
/// @param certs_local  where the keys are: then CONFIG_SYSTEM_TRUSTED_KEYS must name the current one
[[nodiscard]] KSIGN_EXPORT std::vector<ConfigFinding>
check_kernel_config(const KernelConfig& config, const std::optional<std::filesystem::path>& certs_local);

/// Writes all fixes of findings that are not good. Returns how many lines changed; the file is replaced whole if any
/// did. `make olddefconfig` then keeps them, and adds what they select. Throws Error.
KSIGN_EXPORT std::size_t fix_kernel_config(const std::filesystem::path& config,
                                           const std::vector<ConfigFinding>& findings);

} // namespace ksign
