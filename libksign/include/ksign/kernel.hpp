// Installed kernels: their folders and modules.
#pragma once

#include <ksign/error.hpp>
#include <ksign/export.hpp>
#include <ksign/kernel_config.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// A kernel's release as `uname -r` gives it: never empty, never a path.
class KSIGN_EXPORT KernelRelease {
  public:
    /// Throws Error (usage) for what can't name a folder in /lib/modules.
    explicit KernelRelease(std::string text);
    /// The running kernel's.
    [[nodiscard]] static KernelRelease running();
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
};

/// Whether a file's name is that of a module: .ko, .ko.gz, .ko.xz, .ko.zst.
[[nodiscard]] KSIGN_EXPORT bool has_module_name(const std::filesystem::path& path);

/// A module's name as modprobe knows it: no folder, no .ko and what follows, "-" as "_".
[[nodiscard]] KSIGN_EXPORT std::string module_name(const std::filesystem::path& path);

/// The module files of a folder and those below it, sorted; links to files are listed, links to folders are not
/// followed (the `build` link of a kernel leads to its headers). Throws Error (system).
[[nodiscard]] KSIGN_EXPORT std::vector<std::filesystem::path> find_modules(const std::filesystem::path& folder);

/// As above; a folder that can't be read is added to @p unread, and keeps no other away.
[[nodiscard]] KSIGN_EXPORT std::vector<std::filesystem::path> find_modules(const std::filesystem::path& folder,
                                                                           std::vector<Error>& unread);

/// A kernel that is installed below a root folder.
class KSIGN_EXPORT Kernel {
  public:
    /// @param root  where the system is: "/" but for images and chroots
    Kernel(KernelRelease release, std::filesystem::path root = "/");

    [[nodiscard]] const KernelRelease& release() const noexcept { return release_; }
    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
    /// ROOT/lib/modules/RELEASE. It need not exist.
    [[nodiscard]] const std::filesystem::path& modules_folder() const noexcept { return modules_folder_; }
    /// Whether there is neither modules nor headers in that folder: a removed kernel's often stays behind, with no more
    /// than what depmod wrote, and what DKMS has left. Not so where that can't be seen.
    [[nodiscard]] bool is_gone() const;
    /// The headers: what its `build` leads to within the root, else Fedora's /usr/src/kernels/RELEASE, to which only
    /// the kernel's own package has a link. Nothing if there are none. Throws Error (system) if that can't be seen: its
    /// key and what it can verify are not known then.
    [[nodiscard]] std::optional<std::filesystem::path> build_folder() const;
    /// What Arch calls its package, and names its files in /boot and mkinitcpio's presets by: the first line of
    /// `pkgbase` beside the modules. Empty if there is none.
    [[nodiscard]] std::string package_base() const;
    /// build/.config, or build/include/config/auto.conf. Nothing if there is none. Throws Error if that can't be
    /// seen or read.
    [[nodiscard]] std::optional<KernelConfig> config() const;

    /// The file that modprobe takes for a module's name: by modules.dep, else by looking for it. Throws Error (kernel)
    /// if there is none.
    [[nodiscard]] std::filesystem::path module_file(std::string_view name) const;

    /// The installed files of the modules that DKMS built for this kernel, sorted.
    /// Throws Error (kernel) for one that DKMS calls installed and that is not there.
    [[nodiscard]] std::vector<std::filesystem::path> dkms_modules() const;
    /// As above; one that is not there is added to @p missing, and keeps no other away.
    [[nodiscard]] std::vector<std::filesystem::path> dkms_modules(std::vector<Error>& missing) const;

  private:
    KernelRelease release_;
    std::filesystem::path root_;
    std::filesystem::path modules_folder_;
};

/// The kernels of ROOT/lib/modules that are not gone, sorted. Throws Error (system) if
/// it can't be read.
[[nodiscard]] KSIGN_EXPORT std::vector<Kernel> find_kernels(const std::filesystem::path& root);

/// Where DKMS has what it builds: dkms_tree of ROOT/etc/dkms/framework.conf and of framework.conf.d, else
/// ROOT/var/lib/dkms, its links followed in the root. It need not exist. Throws Error (system) if it is set to what
/// only a shell can tell.
[[nodiscard]] KSIGN_EXPORT std::filesystem::path find_dkms_tree(const std::filesystem::path& root);

/// A path with its links followed as they lead when @p root is the root folder: an absolute target starts there anew,
/// and ".." never leaves it. What does not exist is kept as it is. Throws Error (system) for a loop.
[[nodiscard]] KSIGN_EXPORT std::filesystem::path resolve_in_root(const std::filesystem::path& root,
                                                                 const std::filesystem::path& path);

/// The first of these that is a file, its links followed in the root. Nothing if none is.
[[nodiscard]] KSIGN_EXPORT std::optional<std::filesystem::path>
first_file_in_root(const std::filesystem::path& root, const std::vector<std::filesystem::path>& candidates);

} // namespace ksign
