// Every role and command of the executable. Each has a file of its own, named after it.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace ksign::hook {

/// The words after the command's name.
using Arguments = std::vector<std::string>;

/// Each returns the exit code, and throws Error or UsageError.
int run_post_build(const Arguments& arguments);
int run_sign_file(const Arguments& arguments);
int run_sign_tool(const Arguments& arguments);
int run_sign(const Arguments& arguments);
int run_show(const Arguments& arguments);
int run_strip(const Arguments& arguments);
int run_verify(const Arguments& arguments);
int run_audit(const Arguments& arguments);
int run_keys_generate(const Arguments& arguments);
int run_keys_refresh(const Arguments& arguments);
int run_keys_install(const Arguments& arguments);
int run_keys_enroll(const Arguments& arguments);
int run_keys_show(const Arguments& arguments);
int run_config_check(const Arguments& arguments);
int run_config_update(const Arguments& arguments);
int run_dkms_enable(const Arguments& arguments);
int run_dkms_disable(const Arguments& arguments);
int run_dkms_status(const Arguments& arguments);
int run_genkeys(const Arguments& arguments);
int run_install_certs(const Arguments& arguments);
int run_sign_module(const Arguments& arguments);

/// The path or name by which this process was called.
const std::filesystem::path& called_as();

/// The links that a certs-local gets beside its keys, so that Arch-SKM's hooks find their tool.
std::vector<std::pair<std::string, std::filesystem::path>> certs_local_links();

} // namespace ksign::hook
