// What the commands that make keys have in common: which kernel configurations, which kind of key, which folder.
#pragma once

#include "options.hpp"

#include <ksign/kernel_config.hpp>
#include <ksign/key_choice.hpp>
#include <ksign/key_refresh.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ksign::hook {

/// --certs-local; the default is the current folder if it is one, else certs-local in it.
void add_certs_local_option(Options& options);
[[nodiscard]] std::filesystem::path certs_local_of(const Values& values);
/// Whether a folder is a certs-local: by its name, its keys or its profile.
[[nodiscard]] bool is_certs_local(const std::filesystem::path& folder);

/// --kernel-config, -k and --root.
void add_kernel_config_options(Options& options);
/// The configurations that were named; else that of the kernel of -k; else, if there is one, that of the running
/// kernel.
/// @param remark  gets a word about which one was taken, where nobody named it
[[nodiscard]] std::vector<KernelConfig> kernel_configs_of(const Values& values, std::string& remark);

/// The files that words name, shell patterns among them ('conf/config.*' in quotes). Throws Error for one without any.
[[nodiscard]] std::vector<std::filesystem::path> expand_patterns(const std::vector<std::string>& words);

/// --type, --hash, --profile, --cn, --days, --code-signing, --ca and --keep.
void add_key_options(Options& options);
/// All but the period. A remark of the choice of key goes to stderr.
[[nodiscard]] RefreshRequest refresh_request_of(const Values& values);

/// --refresh. Throws UsageError for what is no period.
[[nodiscard]] RefreshPeriod refresh_period_of(const std::string& text);

/// CERTS_LOCAL/x509.oot.genkey, else that in ksign's /etc; nothing if there is neither.
[[nodiscard]] std::optional<std::filesystem::path> usual_profile(const std::filesystem::path& certs_local);

} // namespace ksign::hook
