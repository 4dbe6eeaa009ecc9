// What has DKMS call ksign: links and lines in /etc/dkms.
#pragma once

#include <ksign/export.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ksign {

/// DKMS's version: "3.0.10".
struct DkmsVersion {
    std::array<int, 3> numbers{};
    /// Of what `dkms --version` prints, "dkms-3.0.10" for instance. Nothing if no version is in it.
    [[nodiscard]] static KSIGN_EXPORT std::optional<DkmsVersion> of(std::string_view text);
    [[nodiscard]] KSIGN_EXPORT std::string text() const;
    [[nodiscard]] bool is_before(int major, int minor, int patch) const {
        return numbers < std::array{major, minor, patch};
    }
};

/// How ksign comes into a file of DKMS's configuration.
enum class DkmsHold {
    none,    ///< Not at all; the file may be there all the same.
    link,    ///< The file is a link to ksign's.
    line,    ///< A line of it sources ksign's.
    foreign, ///< It is a link to something else.
};

/// What was done to a file of DKMS's configuration.
enum class DkmsChange {
    none,
    linked,
    created,  ///< A file with a line that sources ksign's was made.
    appended, ///< A line was added to a file that was there.
    unlinked,
    removed,   ///< The file that was made went.
    taken_out, ///< The line went, the file stays.
};

/// DKMS's configuration below a root.
class KSIGN_EXPORT DkmsSetup {
  public:
    /// @param kernel_sign  ksign's conf file for packages, as installed: "/etc/dkms/kernel-sign.conf"
    /// @param framework    that for all of DKMS: "/etc/ksign/dkms-framework.conf"
    DkmsSetup(std::filesystem::path root, std::filesystem::path kernel_sign, std::filesystem::path framework);

    [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }
    /// ROOT/etc/dkms
    [[nodiscard]] std::filesystem::path folder() const { return root_ / "etc/dkms"; }
    /// ROOT/etc/dkms/PACKAGE.conf. Throws Error (usage) for a name that is none of a package.
    [[nodiscard]] std::filesystem::path package_file(const std::string& package) const;
    /// Where the native way is switched on: ROOT/etc/dkms/framework.conf.d/ksign.conf, or framework.conf itself for
    /// DKMS before 3.0.4, which knows no such folder.
    [[nodiscard]] std::filesystem::path native_file(const std::optional<DkmsVersion>& version) const;

    /// Throws Error (system) if what packages are linked to is there and does not call ksign: the headers of a kernel
    /// that was packaged with Arch-SKM bring a file of the same name.
    void require_own_kernel_sign() const;

    /// How ksign comes into a package's file, or into a file of the native way. Throws Error (system).
    [[nodiscard]] DkmsHold hold(const std::filesystem::path& file) const;
    /// What comes after the last line that sources ksign's, in a file whose hold() is a line: it may set anew what that
    /// has set. Throws Error (system).
    [[nodiscard]] std::string text_after_line(const std::filesystem::path& file) const;
    /// The packages that call ksign, or are linked to, by their files; sorted.
    [[nodiscard]] std::vector<std::string> enabled_packages() const;

    /// Links a package's file. A file of the user's is never replaced: with @p append it gets a line at its end, else
    /// Error (usage) says how to merge. Throws as require_own_kernel_sign() does.
    [[nodiscard]] DkmsChange enable(const std::string& package, bool append) const;
    /// The same for all packages. Where a framework.conf is wanted and there is none, it is made.
    [[nodiscard]] DkmsChange enable_native(const std::optional<DkmsVersion>& version, bool append) const;
    /// Takes away what enable() made, and nothing else.
    [[nodiscard]] DkmsChange disable(const std::string& package) const;
    /// The same in both files that enable_native() may have written to; and the folder, if that has made it.
    [[nodiscard]] std::vector<std::pair<std::filesystem::path, DkmsChange>> disable_native() const;

  private:
    [[nodiscard]] DkmsChange enable_file(const std::filesystem::path& file, const std::filesystem::path& source,
                                         bool append, bool may_link) const;
    [[nodiscard]] DkmsChange disable_file(const std::filesystem::path& file) const;
    [[nodiscard]] const std::filesystem::path& source_of(const std::filesystem::path& file) const;

    std::filesystem::path root_;
    std::filesystem::path kernel_sign_;
    std::filesystem::path framework_;
};

/// A package that DKMS knows: a folder in its tree.
struct DkmsPackage {
    std::string name;
    std::string version;
    std::filesystem::path folder;
};

/// The packages in DKMS's tree, as find_dkms_tree() has it, sorted. Throws Error (system).
[[nodiscard]] KSIGN_EXPORT std::vector<DkmsPackage> find_dkms_packages(const std::filesystem::path& root);
/// Whether a package's source is in ROOT/usr/src, from where `dkms add` takes it: by the name that its dkms.conf gives
/// it, else by its folder's, NAME-VERSION.
[[nodiscard]] KSIGN_EXPORT bool has_dkms_source(const std::filesystem::path& root, const std::string& package);

} // namespace ksign
