// Which kernel a verdict is by, and what it trusts.
#pragma once

#include "options.hpp"
#include "report.hpp"

#include <ksign/kernel.hpp>
#include <ksign/kernel_image.hpp>
#include <ksign/trust.hpp>
#include <ksign/verdict.hpp>

#include <filesystem>
#include <functional>
#include <optional>

namespace ksign::hook {

/// --image, --kernel-config and --trust: what is known of the kernel.
void add_knowledge_options(Options& options);
/// --enforce, --lockdown and --load: how it is run.
void add_policy_options(Options& options);
/// --jobs.
void add_jobs_option(Options& options);
/// Its value; 0 if it was not given. Throws UsageError.
[[nodiscard]] unsigned jobs_of(const Values& values);

/// Reads an installed kernel's image. One that this user may not read or whose form is not known is as good as none:
/// @p unread is given its error. Throws Error for all else.
[[nodiscard]] std::optional<KernelImage> read_image_or(const std::filesystem::path& file,
                                                       const std::function<void(const Error&)>& unread);

/// The kernel that -k names, or the running one if neither -k nor --image is given; what is known of it by its files,
/// overridden by the options. Throws UsageError, and Error where what an option names can't be read.
[[nodiscard]] JudgeChoice choose_judge(const Values& values, const std::optional<Kernel>& kernel);

} // namespace ksign::hook
