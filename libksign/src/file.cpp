#include "file.hpp"

#include <ksign/shell.hpp>
#include <ksign/text_file.hpp>

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

namespace ksign {
namespace {

constexpr std::string_view temporary_suffix = ".ksign";

std::filesystem::path resolve(const std::filesystem::path& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    if (!resolved) {
        throw Error::from_errno(path.string(), "open", errno);
    }
    return resolved.get();
}

Error no_regular_file(const std::filesystem::path& path, bool is_folder) {
    return {ErrorCode::usage, path.string(), is_folder ? "is a folder" : "is not a regular file"};
}

FileDescriptor open_no_link(const std::filesystem::path& path) {
    // O_NONBLOCK: a FIFO in a module's place must not hang; it is refused as no regular file.
    return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK));
}

FileDescriptor open_folder(const std::filesystem::path& folder) {
    return FileDescriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

bool same_time(const timespec& left, const timespec& right) {
    return left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec;
}

bool same_file(const struct stat& left, const struct stat& right) {
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/// Whether a pipe is in a folder; those without a name are on a file system of the kernel's own.
bool has_name(int pipe) {
    struct statfs system {};
    return ::fstatfs(pipe, &system) != 0 || system.f_type != PIPEFS_MAGIC;
}

bool is_immutable(int descriptor) {
    int flags = 0;
    return ::ioctl(descriptor, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) != 0;
}

void write_everything(int descriptor, std::span<const std::byte> bytes, const std::function<Error(int)>& failure) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw failure(errno);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

std::size_t read_fully(int descriptor, std::uint64_t position, std::span<std::byte> bytes, const std::string& subject) {
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const auto got =
            ::pread(descriptor, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(position + filled));
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw Error::from_errno(subject, "read", errno);
        }
        if (got == 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
    }
    return filled;
}

enum class Lock { held, impossible, stopped };

/// Asks again and again rather than wait in flock(2), which has no end, and which a signal whose handler has SA_RESTART
/// does not interrupt.
Lock wait_for_lock(int descriptor, const std::filesystem::path& path, const std::function<bool()>& stop,
                   std::chrono::milliseconds patience) {
    constexpr std::chrono::milliseconds longest_pause(20);
    std::chrono::milliseconds pause(1);
    const auto end = std::chrono::steady_clock::now() + patience;
    while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        // No locks on this file system. EBADF: NFS wants a descriptor that is open for writing, which no folder has.
        if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK || errno == EBADF || errno == EINVAL) {
            return Lock::impossible;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            throw Error::from_errno(path.string(), "lock", errno);
        }
        if (stop()) {
            return Lock::stopped;
        }
        if (std::chrono::steady_clock::now() >= end) {
            throw Error(ErrorCode::system, path.string(), "is locked by another process, which does not let go of it",
                        "`fuser -v " + shell_path(path) + "` shows who has it open: wait for that, or end it");
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, longest_pause);
    }
    return Lock::held;
}

} // namespace

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        static_cast<void>(close());
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

FileDescriptor::~FileDescriptor() {
    static_cast<void>(close());
}

int FileDescriptor::close() noexcept {
    if (number_ < 0) {
        return 0;
    }
    return ::close(std::exchange(number_, -1)) == 0 ? 0 : errno;
}

InputFile::InputFile(FileDescriptor descriptor, std::filesystem::path path, std::filesystem::path real_path)
    : descriptor_(std::move(descriptor)), path_(std::move(path)), real_path_(std::move(real_path)) {
    if (::fstat(descriptor_.number(), &status_) != 0) {
        throw Error::from_errno(path_.string(), "read its attributes", errno);
    }
    if (!S_ISREG(status_.st_mode)) {
        throw no_regular_file(path_, S_ISDIR(status_.st_mode));
    }
}

InputFile InputFile::open(const std::filesystem::path& path) {
    // Resolving costs a system call for each folder of the path, and is needed only where the last name is a link.
    if (path.is_absolute()) {
        if (FileDescriptor descriptor = open_no_link(path); descriptor.is_open()) {
            return {std::move(descriptor), path, path};
        }
    }
    const std::filesystem::path real_path = resolve(path);
    FileDescriptor descriptor = open_no_link(real_path);
    if (!descriptor.is_open()) {
        throw Error::from_errno(path.string(), "open", errno);
    }
    return {std::move(descriptor), path, real_path};
}

InputFile InputFile::open_of_system(const std::filesystem::path& path) {
    try {
        return open(path);
    } catch (const Error& error) {
        if (error.is_denied()) {
            throw error.or_remedy(run_as_root);
        }
        throw;
    }
}

InputFile InputFile::open_locked(const std::filesystem::path& path, std::chrono::milliseconds patience) {
    return *open_locked_unless([] { return false; }, path, patience);
}

std::optional<InputFile> InputFile::try_open_locked(const std::filesystem::path& path) {
    return open_locked_unless([] { return true; }, path);
}

std::optional<InputFile> InputFile::open_locked_unless(const std::function<bool()>& stop,
                                                       const std::filesystem::path& path,
                                                       std::chrono::milliseconds patience) {
    while (true) {
        InputFile file = open(path);
        switch (wait_for_lock(file.descriptor(), path, stop, patience)) {
        case Lock::held:
            break;
        case Lock::impossible:
            return file;
        case Lock::stopped:
            return std::nullopt;
        }
        // While this process waited, the one before it may have put a new file under the name, or written to this one.
        struct stat now {};
        if (::stat(file.real_path_.c_str(), &now) != 0) {
            throw Error::from_errno(path.string(), "open", errno);
        }
        if (same_file(now, file.status_)) {
            file.status_ = now;
            return file;
        }
    }
}

InputFile InputFile::of_bytes(std::span<const std::byte> bytes, const std::filesystem::path& name) {
    const auto failure = [&name](int number) { return Error::from_errno(name.string(), "keep in memory", number); };
    FileDescriptor descriptor(::memfd_create("ksign", MFD_CLOEXEC));
    if (!descriptor.is_open()) {
        throw failure(errno);
    }
    write_everything(descriptor.number(), bytes, failure);
    return {std::move(descriptor), name, name};
}

std::size_t InputFile::read_at(std::uint64_t position, std::span<std::byte> bytes) const {
    return read_fully(descriptor_.number(), position, bytes, path_.string());
}

ByteSource InputFile::source(std::uint64_t position) const {
    return [this, position](std::span<std::byte> bytes) mutable {
        const std::size_t got = read_at(position, bytes);
        position += got;
        return got;
    };
}

void InputFile::expect_unchanged() const {
    struct stat by_descriptor {};
    struct stat by_name {};
    const bool unchanged = ::fstat(descriptor_.number(), &by_descriptor) == 0 &&
                           ::stat(real_path_.c_str(), &by_name) == 0 && same_file(by_name, status_) &&
                           by_descriptor.st_size == status_.st_size &&
                           same_time(by_descriptor.st_mtim, status_.st_mtim) &&
                           // Of owner, mode, attributes and names, which the new file takes over.
                           same_time(by_descriptor.st_ctim, status_.st_ctim);
    if (!unchanged) {
        throw Error(ErrorCode::system, path_.string(), "was changed by another process meanwhile; left as it is",
                    "run ksign again once the build or copy that writes it has ended");
    }
}

void InputFile::expect_only_name() const {
    if (status_.st_nlink > 1) {
        throw Error(ErrorCode::usage, path_.string(),
                    "has " + std::to_string(status_.st_nlink) +
                        " names (hard links), and replacing it under one would leave the old module under the others",
                    "give it a file of its own first: cp -a FILE FILE.new && mv FILE.new FILE");
    }
}

ReplacementFile::ReplacementFile(const InputFile& original) : original_(original), destination_(original.real_path()) {
    original.expect_only_name();
    open_temporary();
}

ReplacementFile::ReplacementFile(const InputFile& original, std::filesystem::path destination)
    : original_(original), destination_(std::move(destination)) {
    std::error_code ignored;
    if (std::filesystem::is_symlink(destination_, ignored) && std::filesystem::exists(destination_, ignored)) {
        destination_ = resolve(destination_);
    }
    // Anything else, such as /dev/null, would be renamed over and gone.
    const std::filesystem::file_status there = std::filesystem::status(destination_, ignored);
    if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
        throw no_regular_file(destination_, std::filesystem::is_directory(there));
    }
    open_temporary();
}

ReplacementFile::~ReplacementFile() {
    if (owns_temporary()) {
        ::unlink(temporary_.c_str());
    }
}

void ReplacementFile::open_temporary() {
    temporary_ = destination_;
    temporary_.replace_filename("." + destination_.filename().string() + std::string(temporary_suffix));
    constexpr int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    // Nobody else may open it until it has its owner and mode.
    constexpr mode_t private_mode = S_IRUSR | S_IWUSR;
    descriptor_ = FileDescriptor(::open(temporary_.c_str(), flags, private_mode));
    if (!descriptor_.is_open() && errno == EEXIST) {
        remove_leftover();
        descriptor_ = FileDescriptor(::open(temporary_.c_str(), flags, private_mode));
    }
    if (!descriptor_.is_open()) {
        throw failure("create a file in its folder", errno);
    }
    // So that it is taken for no leftover. Where there are no locks, owns_temporary() is what is left.
    if ((::flock(descriptor_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) || !owns_temporary()) {
        throw written_by_another();
    }
    buffer_.reserve(chunk_size);
}

void ReplacementFile::remove_leftover() const {
    const FileDescriptor leftover(::open(temporary_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (leftover.is_open() && ::flock(leftover.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        throw written_by_another();
    }
    ::unlink(temporary_.c_str());
}

bool ReplacementFile::owns_temporary() const noexcept {
    struct stat own {};
    struct stat named {};
    return descriptor_.is_open() && ::fstat(descriptor_.number(), &own) == 0 &&
           ::lstat(temporary_.c_str(), &named) == 0 && same_file(own, named);
}

Error ReplacementFile::written_by_another() const {
    return {ErrorCode::system, destination_.string(), "is being written by another process; left to that",
            "run ksign again once that has ended"};
}

void ReplacementFile::write(std::span<const std::byte> bytes) {
    if (buffer_.size() + bytes.size() > chunk_size) {
        flush();
    }
    if (bytes.size() >= chunk_size) {
        write_all(bytes);
        return;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void ReplacementFile::flush() {
    write_all(buffer_);
    buffer_.clear();
}

void ReplacementFile::write_all(std::span<const std::byte> bytes) {
    write_everything(descriptor_.number(), bytes, [this](int number) { return failure("write", number); });
}

void ReplacementFile::copy_from(const InputFile& file, std::uint64_t begin, std::uint64_t end) {
    if (end - begin < chunk_size) {
        // A short range is cheaper to read than to flush the buffer for.
        std::vector<std::byte> bytes(end - begin);
        if (file.read_at(begin, bytes) < bytes.size()) {
            throw Error(ErrorCode::system, file.path().string(), "became shorter while it was read");
        }
        write(bytes);
        return;
    }
    flush();
    auto from = static_cast<off_t>(begin);
    auto left = end - begin;
    while (left > 0) {
        const ssize_t copied = ::copy_file_range(file.descriptor(), &from, descriptor_.number(), nullptr, left, 0);
        if (copied <= 0) {
            // Not on this file system, not across these two, or a short file: the loop below says which.
            break;
        }
        left -= static_cast<std::uint64_t>(copied);
    }
    std::vector<std::byte> chunk(std::min<std::uint64_t>(left, chunk_size));
    while (left > 0) {
        const auto got = file.read_at(end - left, std::span(chunk).first(std::min<std::uint64_t>(left, chunk.size())));
        if (got == 0) {
            throw Error(ErrorCode::system, file.path().string(), "became shorter while it was read");
        }
        write_all(std::span(chunk).first(got));
        left -= got;
    }
}

ByteSource ReplacementFile::read_back() {
    flush();
    return [this, position = std::uint64_t{0}](std::span<std::byte> bytes) mutable {
        const std::size_t got = read_fully(descriptor_.number(), position, bytes, temporary_.string());
        position += got;
        return got;
    };
}

void ReplacementFile::copy_attributes() {
    const struct stat& wanted = original_.status();
    struct stat have {};
    if (::fstat(descriptor_.number(), &have) != 0) {
        throw failure("read the new file's attributes", errno);
    }
    if ((have.st_uid != wanted.st_uid || have.st_gid != wanted.st_gid) &&
        ::fchown(descriptor_.number(), wanted.st_uid, wanted.st_gid) != 0) {
        throw failure("keep its owner", errno);
    }
    copy_extended_attributes();
    // Last: chown clears the set-id bits, and setting an ACL changes the mode's group bits.
    if (::fchmod(descriptor_.number(), wanted.st_mode & 07777) != 0) {
        throw failure("keep its mode", errno);
    }
}

void ReplacementFile::copy_extended_attributes() {
    std::vector<char> names(4096);
    ssize_t size = 0;
    while ((size = ::flistxattr(original_.descriptor(), names.data(), names.size())) < 0 && errno == ERANGE) {
        names.resize(names.size() * 4);
    }
    if (size < 0) {
        if (errno == ENOTSUP) {
            return;
        }
        throw failure("list its extended attributes", errno);
    }
    // A folder's default ACL gives new files one that the original need not have.
    if (::fremovexattr(descriptor_.number(), "system.posix_acl_access") != 0 && errno != ENODATA && errno != ENOTSUP) {
        throw failure("take off the access control list of its folder", errno);
    }
    const std::string_view all(names.data(), static_cast<std::size_t>(size));
    for (std::size_t start = 0; start < all.size();) {
        const std::string name(all.substr(start, all.find('\0', start) - start));
        start += name.size() + 1;
        // IMA's and EVM's are hashes or signatures of the old content and would make the new one unreadable.
        if (name == "security.ima" || name == "security.evm") {
            continue;
        }
        std::vector<char> value(XATTR_SIZE_MAX);
        const ssize_t length = ::fgetxattr(original_.descriptor(), name.c_str(), value.data(), value.size());
        if (length < 0) {
            throw failure("read its extended attribute " + name, errno);
        }
        value.resize(static_cast<std::size_t>(length));
        // A new file may have the attribute from its folder already (SELinux label), which needs no privilege to keep.
        std::vector<char> present(value.size() + 1);
        const ssize_t present_length = ::fgetxattr(descriptor_.number(), name.c_str(), present.data(), present.size());
        if (present_length == length && std::equal(value.begin(), value.end(), present.begin())) {
            continue;
        }
        if (::fsetxattr(descriptor_.number(), name.c_str(), value.data(), value.size(), 0) != 0) {
            throw failure("keep its extended attribute " + name, errno);
        }
    }
}

void ReplacementFile::commit() {
    finish_writing();
    sync();
    put_in_place();
    sync_folder(folder(), destination_.string());
}

void ReplacementFile::finish_writing() {
    flush();
    buffer_ = std::vector<std::byte>(); // its memory, too
    copy_attributes();
}

void ReplacementFile::sync() {
    if (::fsync(descriptor_.number()) != 0) {
        throw failure("sync", errno);
    }
}

void ReplacementFile::put_in_place() {
    original_.expect_unchanged();
    if (!owns_temporary()) {
        throw written_by_another();
    }
    if (::rename(temporary_.c_str(), destination_.c_str()) != 0) {
        throw failure("replace", errno);
    }
    // From here on the new file is in place: nothing is to be removed any more.
    const int close_error = descriptor_.close();
    if (close_error != 0) {
        throw Error::from_errno(destination_.string(), "close", close_error);
    }
}

std::filesystem::path ReplacementFile::folder() const {
    return destination_.parent_path().empty() ? "." : destination_.parent_path();
}

Error ReplacementFile::failure(const std::string& action, int error_number) const {
    const std::string subject =
        destination_ == original_.real_path() ? original_.path().string() : destination_.string();
    std::string remedy;
    if (error_number == EPERM && is_immutable(original_.descriptor())) {
        remedy = "the file is immutable or append-only: chattr -i -a " + shell_path(original_.real_path());
    } else if (error_number == EPERM && is_immutable(open_folder(folder()).number())) {
        remedy = "its folder is immutable or append-only: chattr -i -a " + shell_path(folder());
    } else if (error_number == EROFS) {
        remedy = "the file system is mounted read-only";
    } else if (error_number == EFBIG) {
        remedy = "the shell's ulimit -f, or the file system, limits the size of files; the old file is untouched";
    } else if (error_number == EACCES || error_number == EPERM) {
        remedy = "run as a user who may write to " + destination_.parent_path().string() + " and keep the file's owner";
    } else if (error_number == ENOSPC || error_number == EDQUOT) {
        remedy =
            "make room on the file system of " + destination_.parent_path().string() + "; the old file is untouched";
    }
    return Error::from_errno(subject, action, error_number, std::move(remedy));
}

namespace {

/// Whether syncfs(2) on this file system is an fsync(2) of all of its files. FUSE and network file systems take it for
/// little or nothing, and overlayfs does not pass on that the system below it failed to write (ovl_sync_fs()).
bool has_thorough_syncfs(int descriptor) {
    // linux/magic.h; ZFS and bcachefs have theirs elsewhere.
    constexpr std::array<std::uint32_t, 7> known{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,
                                                 TMPFS_MAGIC,      0x2fc12fc1,      0xca451a4e};
    struct statfs system {};
    return ::fstatfs(descriptor, &system) == 0 &&
           std::ranges::find(known, static_cast<std::uint32_t>(system.f_type)) != known.end();
}

} // namespace

bool sync_file_system(int descriptor) {
    static const bool tells_of_failures = [] {
        // "vfs: make sync_filesystem return errors from ->sync_fs"; those of data since 5.8.
        constexpr unsigned major = 5;
        constexpr unsigned minor = 17;
        struct utsname system {};
        unsigned have_major = 0;
        unsigned have_minor = 0;
        return ::uname(&system) == 0 &&
               std::sscanf(system.release, "%u.%u", &have_major, &have_minor) == 2 && // NOLINT(cert-err34-c)
               (have_major > major || (have_major == major && have_minor >= minor));
    }();
    return tells_of_failures && has_thorough_syncfs(descriptor) && ::syncfs(descriptor) == 0;
}

struct stat read_small_file(const std::filesystem::path& path, std::size_t limit, const ByteSink& sink,
                            NamedPipe pipe) {
    // O_NONBLOCK: to open a named pipe waits for its writer.
    const int wait = pipe == NamedPipe::refused ? O_NONBLOCK : 0;
    const FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | wait));
    if (!descriptor.is_open()) {
        throw Error::from_errno(path.string(), "open", errno);
    }
    struct stat status {};
    if (::fstat(descriptor.number(), &status) != 0) {
        throw Error::from_errno(path.string(), "read its attributes", errno);
    }
    if (wait != 0 && !S_ISREG(status.st_mode)) {
        if (S_ISFIFO(status.st_mode) && has_name(descriptor.number())) {
            throw Error(ErrorCode::usage, path.string(), "is a named pipe, to which nobody may ever write",
                        "name a file, or a pipe without a name: <(COMMAND) of a shell");
        }
        ::fcntl(descriptor.number(), F_SETFL, 0); // what reads from here on may wait
    }
    std::size_t total = 0;
    std::array<std::byte, 4096> chunk{};
    while (true) {
        // read(2), not pread(2): a passphrase may come through a pipe, as in `--pin-file <(pass show kernel)`.
        const ssize_t got = ::read(descriptor.number(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw Error::from_errno(path.string(), "read", errno);
        }
        total += static_cast<std::size_t>(got);
        if (total > limit) {
            throw Error(ErrorCode::limit, path.string(),
                        "is larger than the " + std::to_string(limit) + " bytes that such a file may have");
        }
        sink(std::span(chunk).first(static_cast<std::size_t>(got)));
        ::explicit_bzero(chunk.data(), chunk.size());
        if (got == 0) {
            return status;
        }
    }
}

std::string read_text_file(const std::filesystem::path& file, std::size_t limit) {
    std::string text;
    static_cast<void>(read_small_file(file, limit, [&text](std::span<const std::byte> chunk) {
        text.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    }));
    return text;
}

std::vector<std::byte> read_small_file(const std::filesystem::path& path, std::size_t limit) {
    std::vector<std::byte> bytes;
    static_cast<void>(read_small_file(path, limit, [&bytes](std::span<const std::byte> chunk) {
        bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    }));
    return bytes;
}

void create_file(const std::filesystem::path& path, std::span<const std::byte> bytes, mode_t mode) {
    FileDescriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600U));
    if (!descriptor.is_open()) {
        throw Error::from_errno(path.string(), "create", errno);
    }
    write_everything(descriptor.number(), bytes,
                     [&path](int number) { return Error::from_errno(path.string(), "write", number); });
    if (::fchmod(descriptor.number(), mode) != 0) {
        throw Error::from_errno(path.string(), "set its mode", errno);
    }
    if (::fsync(descriptor.number()) != 0) {
        throw Error::from_errno(path.string(), "sync", errno);
    }
    if (const int close_error = descriptor.close(); close_error != 0) {
        throw Error::from_errno(path.string(), "close", close_error);
    }
}

void sync_folder(const std::filesystem::path& folder, const std::string& subject) {
    const FileDescriptor descriptor = open_folder(folder);
    if (!descriptor.is_open()) {
        throw Error::from_errno(subject, "open its folder to sync it", errno);
    }
    // EINVAL, ENOTSUP: a file system that has nothing to sync for folders.
    if (::fsync(descriptor.number()) != 0 && errno != EINVAL && errno != ENOTSUP) {
        throw Error::from_errno(subject, "sync its folder", errno);
    }
}

UnfinishedFolder::UnfinishedFolder(std::filesystem::path path) : path_(std::move(path)) {
    if (::mkdir(path_.c_str(), S_IRWXU) != 0) {
        throw Error::from_errno(path_.string(), "make the folder", errno);
    }
}

UnfinishedFolder::~UnfinishedFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::error_code for_each_entry(const std::filesystem::path& folder,
                               const std::function<void(const std::filesystem::directory_entry&)>& handle) {
    std::error_code why;
    for (std::filesystem::directory_iterator entry(folder, why), end; !why && entry != end; entry.increment(why)) {
        handle(*entry);
    }
    return why;
}

FileDescriptor lock_folder(const std::filesystem::path& folder, std::chrono::milliseconds patience) {
    FileDescriptor descriptor = open_folder(folder);
    if (!descriptor.is_open()) {
        throw Error::from_errno(folder.string(), "open", errno);
    }
    static_cast<void>(wait_for_lock(
        descriptor.number(), folder, [] { return false; }, patience));
    return descriptor;
}

void write_small_file(const std::filesystem::path& path, std::span<const std::byte> bytes, mode_t mode) {
    std::filesystem::path temporary = path;
    temporary.replace_filename("." + path.filename().string() + std::string(temporary_suffix));
    ::unlink(temporary.c_str());
    FileDescriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600U));
    if (!descriptor.is_open()) {
        throw Error::from_errno(path.string(), "create", errno);
    }
    try {
        write_everything(descriptor.number(), bytes,
                         [&path](int number) { return Error::from_errno(path.string(), "write", number); });
        if (::fchmod(descriptor.number(), mode) != 0) {
            throw Error::from_errno(path.string(), "set its mode", errno);
        }
        if (::fsync(descriptor.number()) != 0) {
            throw Error::from_errno(path.string(), "sync", errno);
        }
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            throw Error::from_errno(path.string(), "replace", errno);
        }
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    sync_folder(path.parent_path().empty() ? "." : path.parent_path(), path.string());
}

} // namespace ksign
