// A system of one's own below a temporary folder: kernels, modules, DKMS's tree.
#pragma once

#include "temporary_folder.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace ksign::test {

class KernelRoot {
  public:
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_.path(); }
    [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const { return folder_ / name; }

    /// Writes a file, and makes the folders to it.
    std::filesystem::path file(const std::filesystem::path& name, std::string_view content = {}) const {
        std::filesystem::create_directories((folder_ / name).parent_path());
        write_file(folder_ / name, content);
        return folder_ / name;
    }
    std::filesystem::path folder(const std::filesystem::path& name) const {
        std::filesystem::create_directories(folder_ / name);
        return folder_ / name;
    }
    /// Makes a link, and the folders to it.
    void link(const std::filesystem::path& name, const std::filesystem::path& target) const {
        std::filesystem::create_directories((folder_ / name).parent_path());
        std::filesystem::create_symlink(target, folder_ / name);
    }

  private:
    TemporaryFolder folder_;
};

} // namespace ksign::test
