// Where a kernel's initramfs is, and what makes it.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ksign {

/// The initramfs of an installed kernel: boot/initrd.img-RELEASE (initramfs-tools), boot/initramfs-RELEASE.img
/// (dracut), initrd in its modules' folder, or boot/initramfs-PKGBASE.img (mkinitcpio). Nothing if there is none.
[[nodiscard]] KSIGN_EXPORT std::optional<std::filesystem::path> find_initramfs(const Kernel& kernel);

/// The command that makes a kernel's initramfs anew, by words, run by chroot below another root: that of
/// update-initramfs, mkinitcpio or dracut, whichever its system has. Nothing if it has none of them.
[[nodiscard]] KSIGN_EXPORT std::optional<std::vector<std::string>>
initramfs_command(const Kernel& kernel, const std::filesystem::path& initramfs);

} // namespace ksign
