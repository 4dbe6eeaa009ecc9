// Descriptors, reading a file in chunks, and replacing a file whole.
#pragma once

#include <ksign/error.hpp>

#include <sys/stat.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ksign {

/// Gives the next bytes of a stream: fills the span from its start, returns how many bytes; 0 at the end.
using ByteSource = std::function<std::size_t(std::span<std::byte>)>;
/// Takes the next bytes of a stream.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Bytes that one read or write moves. Large enough that system calls do not count, small enough to stay in the cache.
inline constexpr std::size_t chunk_size = std::size_t{128} * 1024;

/// How long a lock is waited for. Whoever may read a file can lock it (flock(2)), and keep others waiting.
inline constexpr std::chrono::milliseconds lock_patience = std::chrono::minutes(1);

/// Owns a file descriptor.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int number) noexcept : number_(number) {}
    FileDescriptor(FileDescriptor&& other) noexcept;
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor();

    [[nodiscard]] int number() const noexcept { return number_; }
    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    /// Closes it now; returns errno's value, 0 if all went well. Some file systems report a failed write only here.
    [[nodiscard]] int close() noexcept;

  private:
    int number_ = -1;
};

/// A regular file opened for reading, with symbolic links followed to the end.
///
/// The file is read, not mapped: a mapped file that another process truncates kills the reader by SIGBUS, and its
/// pages count as this process's memory.
class InputFile {
  public:
    /// Throws Error (system, or usage if it is not a regular file).
    [[nodiscard]] static InputFile open(const std::filesystem::path& path);
    /// As open(), of a file that often root alone may read: the error then says so.
    [[nodiscard]] static InputFile open_of_system(const std::filesystem::path& path);

    /// As open(), and holds an exclusive lock until destroyed, so that two processes that replace the same file do it
    /// one after the other, each seeing the other's result. Waits for the lock; throws Error (system) when the patience
    /// is at its end. Where the file system has no locks, it goes on without.
    [[nodiscard]] static InputFile open_locked(const std::filesystem::path& path,
                                               std::chrono::milliseconds patience = lock_patience);
    /// The same; nothing if it has to wait and @p stop says, then or later, that it is not to.
    [[nodiscard]] static std::optional<InputFile>
    open_locked_unless(const std::function<bool()>& stop, const std::filesystem::path& path,
                       std::chrono::milliseconds patience = lock_patience);

    /// As open_locked(), but where another holds the lock it gives nothing rather than wait. For those who hold locks
    /// already: two that wait for each other's would wait for ever.
    [[nodiscard]] static std::optional<InputFile> try_open_locked(const std::filesystem::path& path);

    /// What is in memory, as a file: @p name stands for its path. Throws Error (system).
    [[nodiscard]] static InputFile of_bytes(std::span<const std::byte> bytes, const std::filesystem::path& name);

    /// The path as it was given, for messages.
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    /// An absolute path of the file itself: its name is no symbolic link, though folders before it may be.
    [[nodiscard]] const std::filesystem::path& real_path() const noexcept { return real_path_; }
    [[nodiscard]] const struct stat& status() const noexcept { return status_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status_.st_size); }
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.number(); }

    /// Bytes from a position on; fewer than asked for only at the end of the file.
    [[nodiscard]] std::size_t read_at(std::uint64_t position, std::span<std::byte> bytes) const;

    /// A source that reads from a position to the end. The file must outlive it.
    [[nodiscard]] ByteSource source(std::uint64_t position = 0) const;

    /// Throws if the file was written to, or its name now leads to another file, since it was opened: what was
    /// computed from it then no longer holds.
    void expect_unchanged() const;

    /// Throws Error (usage) if the file has further names (hard links): replaced under one, it would keep its old
    /// content under the others.
    void expect_only_name() const;

  private:
    InputFile(FileDescriptor descriptor, std::filesystem::path path, std::filesystem::path real_path);

    FileDescriptor descriptor_;
    std::filesystem::path path_;
    std::filesystem::path real_path_;
    struct stat status_ {};
};

/// A file that takes another's place whole, on commit(), or never.
///
/// It is written beside its destination under a temporary name, gets owner, mode, extended attributes and ACLs of
/// the file that it is made from, is synced, renamed over the destination, and the folder is synced. If that file was
/// changed meanwhile, it is not. Destroyed before commit(), it leaves nothing behind. Its modification time is the time
/// of writing: its content is new.
///
/// The temporary name is fixed, `.NAME.ksign`, and the file locked: what is not locked under that name is a leftover of
/// a killed process and is removed. It does not end in .ko, so depmod never takes it for a module.
class ReplacementFile {
  public:
    /// A replacement for @p original itself, which has to have only one name.
    explicit ReplacementFile(const InputFile& original);

    /// A file at @p destination with the attributes of @p original. An existing file there is replaced. Throws if what
    /// is there is no regular file.
    ReplacementFile(const InputFile& original, std::filesystem::path destination);

    ReplacementFile(const ReplacementFile&) = delete;
    ReplacementFile& operator=(const ReplacementFile&) = delete;
    ~ReplacementFile();

    void write(std::span<const std::byte> bytes);
    /// Copies a file's bytes from @p begin to @p end, in the kernel where that can be done.
    void copy_from(const InputFile& file, std::uint64_t begin, std::uint64_t end);
    /// Writes what is still buffered, and gives a source that reads back what was written so far.
    [[nodiscard]] ByteSource read_back();
    /// Syncs it and puts it in place: finish_writing(), sync() and put_in_place(), and the folder synced.
    void commit();

    /// commit() in steps, for those who commit many at once. Writes all, and gives it its attributes.
    void finish_writing();
    void sync();
    /// Renames it over its destination, unless the original was changed meanwhile: then throws. It must be on the disk
    /// by then; its folder is to be synced after that.
    void put_in_place();
    [[nodiscard]] std::filesystem::path folder() const;
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.number(); }

  private:
    void open_temporary();
    /// Of a killed process. Throws if it is another's who lives.
    void remove_leftover() const;
    /// Whether the temporary name still is that of the file that is written here.
    [[nodiscard]] bool owns_temporary() const noexcept;
    [[nodiscard]] Error written_by_another() const;
    void flush();
    void write_all(std::span<const std::byte> bytes);
    void copy_attributes();
    void copy_extended_attributes();
    [[nodiscard]] Error failure(const std::string& action, int error_number) const;

    const InputFile& original_;
    std::filesystem::path destination_;
    std::filesystem::path temporary_;
    FileDescriptor descriptor_;
    std::vector<std::byte> buffer_;
};

/// Writes all that a file system has in memory to its disk, and makes it last; @p descriptor is of any file on it.
/// Returns whether that is sure: before Linux 5.8 syncfs(2) does not tell of writes that failed.
[[nodiscard]] bool sync_file_system(int descriptor);

/// Whether somebody may come to write to a named pipe. Who waits for one that nobody writes to waits for ever; a pipe
/// without a name, such as a shell's <(COMMAND), always has its writer.
enum class NamedPipe { refused, awaited };

/// Hands a small file's content to a sink and keeps no copy of it, so that secrets can be read with it. Throws Error
/// (system; limit beyond @p limit bytes; usage for a named pipe). Returns what the file was when it was opened.
struct stat read_small_file(const std::filesystem::path& path, std::size_t limit, const ByteSink& sink,
                            NamedPipe pipe = NamedPipe::refused);

/// A small file's whole content, links followed. Throws Error (limit) beyond @p limit bytes.
[[nodiscard]] std::vector<std::byte> read_small_file(const std::filesystem::path& path, std::size_t limit);

/// Writes a file that must not exist yet, synced, with exactly that mode whatever the umask; never more than 0600
/// before. For folders that come into being whole. Throws Error (system).
void create_file(const std::filesystem::path& path, std::span<const std::byte> bytes, mode_t mode);

/// Makes what was created, renamed or removed in a folder last. Throws Error (system) about @p subject.
void sync_folder(const std::filesystem::path& folder, const std::string& subject);

/// Makes a folder that only its owner may enter, and removes it with all that is in it, unless it was renamed
/// meanwhile.
class UnfinishedFolder {
  public:
    /// Throws Error (system); also if it is there already.
    explicit UnfinishedFolder(std::filesystem::path path);
    UnfinishedFolder(const UnfinishedFolder&) = delete;
    UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
    ~UnfinishedFolder();
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_;
};

/// Hands over every entry of a folder, in no order, and returns what kept it from going on; std::filesystem's own way
/// of doing that throws in the middle.
std::error_code for_each_entry(const std::filesystem::path& folder,
                               const std::function<void(const std::filesystem::directory_entry&)>& handle);

/// Holds a folder's lock (flock(2)) until destroyed: those who change it do so one after the other. Waits for it.
/// Throws Error (system), also when the patience is at its end. Where the file system has no locks, it goes on without.
[[nodiscard]] FileDescriptor lock_folder(const std::filesystem::path& folder,
                                         std::chrono::milliseconds patience = lock_patience);

/// Writes a new file whole, or replaces one, with exactly that mode whatever the umask; synced and renamed like a
/// ReplacementFile.
void write_small_file(const std::filesystem::path& path, std::span<const std::byte> bytes, mode_t mode);

} // namespace ksign
