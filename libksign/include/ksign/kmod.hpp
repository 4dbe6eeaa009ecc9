// The kmod of a system: who decompresses modules, it or the kernel.
#pragma once

#include <ksign/export.hpp>

#include <filesystem>

namespace ksign {

/// Whether the kmod installed below @p root decompresses every module itself, as those before 31 do. Newer ones leave
/// it to a kernel whose /sys/module/compression names the container. It goes by the name of its library,
/// libkmod.so.2.4.1 in kmod 31; false where there is none.
[[nodiscard]] KSIGN_EXPORT bool kmod_decompresses_itself(const std::filesystem::path& root = "/");

} // namespace ksign
