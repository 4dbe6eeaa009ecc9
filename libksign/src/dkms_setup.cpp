#include <ksign/dkms_setup.hpp>

#include "assignments.hpp"
#include "file.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/shell.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <string_view>

namespace ksign {
namespace {

constexpr std::size_t largest_conf = std::size_t{1} << 20U;
constexpr std::string_view mark =
    "# Added by `ksign dkms enable --append`; `ksign dkms disable` takes it away again.\n";

constexpr std::string_view made_mark =
    "# Made by `ksign dkms enable --native`; `ksign dkms disable` removes it again.\n";

/// In a folder that ksign made. DKMS reads no files of such names.
constexpr const char* folder_mark = ".made-by-ksign";

bool is_there(const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(file, ignored));
}

bool is_link(const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::is_symlink(file, ignored);
}

std::string read_conf(const std::filesystem::path& file) {
    const std::vector<std::byte> bytes = read_small_file(file, largest_conf);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Replaces a file's content, its owner and mode kept.
void write_conf(const std::filesystem::path& file, const std::string& text) {
    const InputFile old = InputFile::open_locked(file);
    ReplacementFile replacement(old);
    replacement.write({reinterpret_cast<const std::byte*>(text.data()), text.size()});
    replacement.commit();
}

/// A new file, which others may read.
void write_text(const std::filesystem::path& file, const std::string& text) {
    write_small_file(file, {reinterpret_cast<const std::byte*>(text.data()), text.size()}, 0644);
}

void remove_file(const std::filesystem::path& file) {
    if (::unlink(file.c_str()) != 0) {
        throw Error::from_errno(file.string(), "remove", errno);
    }
    sync_folder(file.parent_path(), file.string());
}

/// Makes a folder, and those that lead to it, which others may read whatever the umask. That for the native way may be
/// DKMS's own, so what is made here is marked.
void make_folder(const std::filesystem::path& folder) {
    constexpr mode_t readable = 0755;
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) {
        return;
    }
    if (folder.has_parent_path() && folder.parent_path() != folder) {
        make_folder(folder.parent_path());
    }
    if (::mkdir(folder.c_str(), readable) != 0 || ::chmod(folder.c_str(), readable) != 0) {
        throw Error::from_errno(folder.string(), "make a folder", errno);
    }
    if (folder.filename() == "framework.conf.d") {
        write_text(folder / folder_mark, {});
    }
}

/// Removes a folder that make_folder() has marked, once nothing else is in it.
void remove_made_folder(const std::filesystem::path& folder) {
    std::size_t entries = 0;
    const std::error_code why =
        for_each_entry(folder, [&entries](const std::filesystem::directory_entry& /*entry*/) { ++entries; });
    if (why || entries != 1 || !is_there(folder / folder_mark)) {
        return;
    }
    remove_file(folder / folder_mark);
    if (::rmdir(folder.c_str()) != 0) {
        throw Error::from_errno(folder.string(), "remove", errno);
    }
    sync_folder(folder.parent_path(), folder.string());
}

std::string sourcing_line(const std::filesystem::path& source) {
    return ". " + source.string() + '\n';
}

/// Whether a line of a shell's file sources a file: by "." or "source", its name in quotes or not.
bool sources(std::string_view line, const std::string& file) {
    constexpr std::string_view blanks = " \t\r";
    const auto skip_blanks = [&line, blanks] {
        line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    };
    skip_blanks();
    const std::string_view word = line.substr(0, line.find_first_of(blanks));
    if (word != "." && word != "source") {
        return false;
    }
    line.remove_prefix(word.size());
    skip_blanks();
    for (const std::string& name : {file, '"' + file + '"', '\'' + file + '\''}) {
        if (line.starts_with(name)) {
            // What follows may be a comment or another command.
            line.remove_prefix(name.size());
            return line.empty() || (std::string(blanks) + ";&|").find(line.front()) != std::string::npos;
        }
    }
    return false;
}

bool has_sourcing_line(const std::string& text, const std::filesystem::path& source) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (sources(line, source.string())) {
            return true;
        }
    }
    return false;
}

/// Takes out what --append wrote; an editor may have cut off the end of its line. Returns whether it was there.
bool take_out_marked_line(std::string& text, const std::filesystem::path& source) {
    const std::string added = std::string(mark) + ". " + source.string();
    for (std::size_t at = text.find(added); at != std::string::npos; at = text.find(added, at + 1)) {
        const std::size_t end = at + added.size();
        if ((at == 0 || text[at - 1] == '\n') && (end == text.size() || text[end] == '\n')) {
            text.erase(at, added.size() + 1);
            return true;
        }
    }
    return false;
}

std::filesystem::path link_target(const std::filesystem::path& root, const std::filesystem::path& file,
                                  const std::filesystem::path& source) {
    const std::filesystem::path place = "/" / file.parent_path().lexically_relative(root);
    return *std::next(source.begin()) == "etc" ? source.lexically_relative(place) : source;
}

} // namespace

std::optional<DkmsVersion> DkmsVersion::of(std::string_view text) {
    const auto is_digit = [](unsigned char letter) { return std::isdigit(letter) != 0; };
    const char* const end = text.data() + text.size();
    const char* at = std::find_if(text.data(), end, is_digit);
    DkmsVersion version;
    for (std::size_t index = 0; index < version.numbers.size(); ++index) {
        const auto [last, why] = std::from_chars(at, end, version.numbers[index]);
        if (why != std::errc()) {
            // A third number may be missing.
            return index == 2 ? std::optional(version) : std::nullopt;
        }
        at = last != end && *last == '.' ? last + 1 : last;
    }
    return version;
}

std::string DkmsVersion::text() const {
    return std::to_string(numbers[0]) + '.' + std::to_string(numbers[1]) + '.' + std::to_string(numbers[2]);
}

DkmsSetup::DkmsSetup(std::filesystem::path root, std::filesystem::path kernel_sign, std::filesystem::path framework)
    : root_(std::move(root)), kernel_sign_(std::move(kernel_sign)), framework_(std::move(framework)) {}

std::filesystem::path DkmsSetup::package_file(const std::string& package) const {
    if (package.empty() || package.front() == '.' || package.find_first_of("/ \t\n") != std::string::npos) {
        throw Error(ErrorCode::usage, "'" + package + "'", "is no name of a DKMS package", "`dkms status` shows them");
    }
    // Names of files that are none of a package.
    if (package == "framework") {
        throw Error(ErrorCode::usage, "'" + package + "'",
                    "is no DKMS package: " + (folder() / "framework.conf").string() + " is read for all of them",
                    "for all packages use --native");
    }
    if (package == kernel_sign_.stem()) {
        throw Error(ErrorCode::usage, "'" + package + "'",
                    "is no DKMS package: " + kernel_sign_.string() +
                        " is ksign's own file, to which packages are linked",
                    "`dkms status` shows the packages");
    }
    return folder() / (package + ".conf");
}

std::filesystem::path DkmsSetup::native_file(const std::optional<DkmsVersion>& version) const {
    return version && version->is_before(3, 0, 4) ? folder() / "framework.conf"
                                                  : folder() / "framework.conf.d/ksign.conf";
}

const std::filesystem::path& DkmsSetup::source_of(const std::filesystem::path& file) const {
    return file.filename() == "framework.conf" || file.parent_path().filename() == "framework.conf.d" ? framework_
                                                                                                      : kernel_sign_;
}

void DkmsSetup::require_own_kernel_sign() const {
    const std::filesystem::path file = root_ / kernel_sign_.relative_path();
    if (!is_there(file)) {
        return;
    }
    std::istringstream lines(read_conf(file));
    for (std::string line; std::getline(lines, line);) {
        if (line.find("/ksign/post-build") != std::string::npos && line.find_first_not_of(" \t") != line.find('#')) {
            return;
        }
    }
    std::string remedy = "move it away, and install ksign anew: it brings this file";
    // install-unless-there, pacman, dpkg and rpm leave a file like that, and put their own beside it.
    for (const char* suffix : {".new", ".pacnew", ".dpkg-dist", ".rpmnew"}) {
        const std::filesystem::path own = file.string() + suffix;
        if (is_there(own)) {
            remedy = "ksign's is beside it: " + shell_line({"mv", own.string(), file.string()});
            break;
        }
    }
    throw Error(ErrorCode::system, file.string(), "does not call ksign: it is another's, as Arch-SKM's of that name",
                remedy + "; a headers package that brings one is to be built without it");
}

DkmsHold DkmsSetup::hold(const std::filesystem::path& file) const {
    const std::filesystem::path& source = source_of(file);
    if (is_link(file)) {
        return resolve_in_root(root_, file) == resolve_in_root(root_, root_ / source.relative_path())
                   ? DkmsHold::link
                   : DkmsHold::foreign;
    }
    return is_there(file) && has_sourcing_line(read_conf(file), source) ? DkmsHold::line : DkmsHold::none;
}

std::string DkmsSetup::text_after_line(const std::filesystem::path& file) const {
    const std::filesystem::path& source = source_of(file);
    std::istringstream lines(read_conf(file));
    std::string after;
    for (std::string line; std::getline(lines, line);) {
        if (sources(line, source.string())) {
            after.clear();
        } else {
            after += line + '\n';
        }
    }
    return after;
}

std::vector<std::string> DkmsSetup::enabled_packages() const {
    std::vector<std::string> packages;
    for_each_entry(folder(), [&](const std::filesystem::directory_entry& entry) {
        const std::filesystem::path& file = entry.path();
        if (file.extension() != ".conf" || file.filename() == "framework.conf" ||
            file.filename() == kernel_sign_.filename()) {
            return;
        }
        std::error_code ignored;
        if (!is_link(file) && !std::filesystem::is_regular_file(file, ignored)) {
            return;
        }
        const DkmsHold how = hold(file);
        if (how == DkmsHold::link || how == DkmsHold::line) {
            packages.push_back(file.stem().string());
        }
    });
    std::ranges::sort(packages);
    return packages;
}

DkmsChange DkmsSetup::enable_file(const std::filesystem::path& file, const std::filesystem::path& source, bool append,
                                  bool may_link) const {
    if (!is_there(root_ / source.relative_path())) {
        throw Error(ErrorCode::system, (root_ / source.relative_path()).string(), "is not there",
                    "install ksign anew: it brings this file");
    }
    const DkmsHold how = hold(file);
    if (how == DkmsHold::link || how == DkmsHold::line) {
        return DkmsChange::none;
    }
    if (how == DkmsHold::foreign) {
        std::error_code ignored;
        throw Error(ErrorCode::usage, file.string(),
                    "is a link to " + std::filesystem::read_symlink(file, ignored).string() + ", and was left as it is",
                    "remove the link if it is of no use any more, or add to the end of that file: . " +
                        source.string());
    }
    if (!is_there(file)) {
        make_folder(file.parent_path());
        if (!may_link) {
            write_text(file, std::string(made_mark).append(mark).append(sourcing_line(source)));
            return DkmsChange::created;
        }
        const std::filesystem::path target = link_target(root_, file, source);
        if (::symlink(target.c_str(), file.c_str()) != 0) {
            throw Error::from_errno(file.string(), "make a link", errno);
        }
        sync_folder(file.parent_path(), file.string());
        return DkmsChange::linked;
    }
    if (!append) {
        throw Error(ErrorCode::usage, file.string(), "is your own, and was left as it is",
                    "add this line to its end, which --append does: . " + source.string());
    }
    std::string text = read_conf(file);
    text += text.empty() || text.back() == '\n' ? "" : "\n";
    text.append(mark).append(sourcing_line(source));
    write_conf(file, text);
    return DkmsChange::appended;
}

DkmsChange DkmsSetup::enable(const std::string& package, bool append) const {
    const std::filesystem::path file = package_file(package);
    require_own_kernel_sign();
    return enable_file(file, kernel_sign_, append, true);
}

DkmsChange DkmsSetup::enable_native(const std::optional<DkmsVersion>& version, bool append) const {
    const std::filesystem::path file = native_file(version);
    // framework.conf is where the user adds settings of his own: a file, not a link.
    return enable_file(file, framework_, append, file.filename() != "framework.conf");
}

DkmsChange DkmsSetup::disable_file(const std::filesystem::path& file) const {
    const DkmsHold how = hold(file);
    if (how == DkmsHold::link) {
        remove_file(file);
        return DkmsChange::unlinked;
    }
    if (how != DkmsHold::line) {
        return DkmsChange::none;
    }
    const std::filesystem::path& source = source_of(file);
    std::string text = read_conf(file);
    if (take_out_marked_line(text, source)) {
        if (text == made_mark) {
            remove_file(file);
            return DkmsChange::removed;
        }
        write_conf(file, text);
    }
    if (has_sourcing_line(text, source)) {
        throw Error(ErrorCode::usage, file.string(), "has a line of your own that sources " + source.string(),
                    "take it away by hand; only what `ksign dkms enable --append` wrote is taken away");
    }
    return DkmsChange::taken_out;
}

DkmsChange DkmsSetup::disable(const std::string& package) const {
    return disable_file(package_file(package));
}

std::vector<std::pair<std::filesystem::path, DkmsChange>> DkmsSetup::disable_native() const {
    std::vector<std::pair<std::filesystem::path, DkmsChange>> changes;
    for (const std::filesystem::path& file : {folder() / "framework.conf.d/ksign.conf", folder() / "framework.conf"}) {
        if (const DkmsChange change = disable_file(file); change != DkmsChange::none) {
            changes.emplace_back(file, change);
        }
    }
    remove_made_folder(folder() / "framework.conf.d");
    return changes;
}

std::vector<DkmsPackage> find_dkms_packages(const std::filesystem::path& root) {
    const std::filesystem::path tree = find_dkms_tree(root);
    std::vector<DkmsPackage> packages;
    const std::error_code why = for_each_entry(tree, [&packages](const std::filesystem::directory_entry& package) {
        for_each_entry(package.path(), [&](const std::filesystem::directory_entry& version) {
            // What a package's version always has (dkms: add_module()).
            if (is_there(version.path() / "source")) {
                packages.push_back(
                    {package.path().filename().string(), version.path().filename().string(), version.path()});
            }
        });
    });
    if (why && why.value() != ENOENT) {
        throw Error::from_errno(tree.string(), "read the folder", why.value());
    }
    std::ranges::sort(packages, {}, &DkmsPackage::folder);
    return packages;
}

bool has_dkms_source(const std::filesystem::path& root, const std::string& package) {
    bool found = false;
    for_each_entry(root / "usr/src", [&](const std::filesystem::directory_entry& entry) {
        const std::string folder = entry.path().filename().string();
        const std::filesystem::path conf = entry.path() / "dkms.conf";
        if (!folder.starts_with(package + '-') || !is_there(conf)) {
            return;
        }
        // Debian's nvidia-current-535.216.03 is no version of nvidia. What is made up of variables tells nothing.
        const auto name = assigned(resolve_in_root(root, conf), "PACKAGE_NAME");
        const bool is_plain = name && !name->empty() && name->find_first_of("@$` \t#;") == std::string::npos;
        const bool is_version = std::isdigit(static_cast<unsigned char>(folder[package.size() + 1])) != 0;
        found = found || (is_plain ? *name == package : is_version);
    });
    return found;
}

} // namespace ksign
