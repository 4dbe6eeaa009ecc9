#include <ksign/installed_initramfs.hpp>

#include <array>
#include <string_view>
#include <system_error>

namespace ksign {

std::optional<std::filesystem::path> find_initramfs(const Kernel& kernel) {
    const std::string& release = kernel.release().text();
    const std::filesystem::path boot = kernel.root() / "boot";
    std::vector<std::filesystem::path> candidates{boot / ("initrd.img-" + release),
                                                  boot / ("initramfs-" + release + ".img"),
                                                  kernel.modules_folder() / "initrd", boot / ("initrd-" + release)};
    if (const std::string name = kernel.package_base(); !name.empty()) {
        candidates.push_back(boot / ("initramfs-" + name + ".img"));
    }
    return first_file_in_root(kernel.root(), candidates);
}

std::optional<std::vector<std::string>> initramfs_command(const Kernel& kernel,
                                                          const std::filesystem::path& initramfs) {
    const std::string& release = kernel.release().text();
    const std::string package = kernel.package_base();
    const bool own = kernel.root().lexically_normal() == "/";
    const std::string file = own ? initramfs.string() : "/" + initramfs.lexically_relative(kernel.root()).string();
    const std::array<std::vector<std::string>, 3> known{{
        {"update-initramfs", "-u", "-k", release},
        package.empty() ? std::vector<std::string>{"mkinitcpio", "-P"}
                        : std::vector<std::string>{"mkinitcpio", "-p", package},
        {"dracut", "--force", file, release},
    }};
    for (const std::vector<std::string>& words : known) {
        for (const std::string_view folder : {"usr/sbin", "usr/bin"}) {
            std::error_code ignored;
            if (std::filesystem::exists(kernel.root() / folder / words.front(), ignored)) {
                std::vector<std::string> command;
                if (!own) {
                    command = {"chroot", kernel.root()};
                }
                command.insert(command.end(), words.begin(), words.end());
                return command;
            }
        }
    }
    return std::nullopt;
}

} // namespace ksign
