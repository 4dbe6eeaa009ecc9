#include "file.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

using namespace ksign;
using namespace ksign::test;

namespace {

bool is_root() {
    return ::geteuid() == 0;
}

/// Whether the attribute could be set: not every file system has every kind.
bool set_attribute(const std::filesystem::path& path, const char* name, ByteView value) {
    return ::setxattr(path.c_str(), name, value.data(), value.size(), 0) == 0;
}

std::optional<Bytes> attribute(const std::filesystem::path& path, const char* name) {
    Bytes value(65536);
    const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
    if (size < 0) {
        return std::nullopt;
    }
    value.resize(static_cast<std::size_t>(size));
    return value;
}

/// linux/posix_acl_xattr.h: version 2, then (tag, permissions, id) each. The owner rw, user 1234 rw, group r, mask rw,
/// others none.
Bytes sample_acl() {
    Bytes acl = bytes_from({2, 0, 0, 0});
    const auto entry = [&acl](unsigned tag, unsigned permissions, std::uint32_t id) {
        for (const std::uint32_t part : {tag | permissions << 16U, id}) {
            for (unsigned shift = 0; shift < 32; shift += 8) {
                acl.push_back(static_cast<std::byte>(part >> shift & 0xffU));
            }
        }
    };
    entry(0x01, 6, 0xffffffff);
    entry(0x02, 6, 1234);
    entry(0x04, 4, 0xffffffff);
    entry(0x10, 6, 0xffffffff);
    entry(0x20, 0, 0xffffffff);
    return acl;
}

/// Replaces a file's content as signing does.
void replace(const std::filesystem::path& path, ByteView content) {
    const InputFile file = InputFile::open_locked(path);
    ReplacementFile output(file);
    output.write(content);
    output.commit();
}

ErrorCode open_failure(const std::filesystem::path& path, std::string_view reason) {
    const Error error = error_of([&path] { static_cast<void>(InputFile::open(path)); });
    CHECK(mentions(error.reason(), reason));
    CHECK(error.subject() == path.string());
    return error.code();
}

Bytes content_of_source(const ByteSource& source) {
    Bytes content;
    Bytes chunk(1000);
    while (const std::size_t got = source(chunk)) {
        content.insert(content.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(got));
    }
    return content;
}

} // namespace

TEST_CASE("only regular files are opened", "[file]") {
    const TemporaryFolder folder;
    CHECK(open_failure(folder.path(), "is a folder") == ErrorCode::usage);
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK(open_failure(folder / "fifo", "not a regular file") == ErrorCode::usage); // and does not hang
    CHECK(open_failure("/dev/null", "not a regular file") == ErrorCode::usage);
    CHECK(open_failure(folder / "missing", "No such file") == ErrorCode::system);
    std::filesystem::create_symlink("missing", folder / "dangling");
    CHECK(open_failure(folder / "dangling", "No such file") == ErrorCode::system);
    std::filesystem::create_symlink("loop", folder / "loop");
    CHECK(open_failure(folder / "loop", "levels of symbolic links") == ErrorCode::system);
    write_file(folder / "file", "x");
    CHECK(open_failure(folder / "file/below", "Not a directory") == ErrorCode::system);
    std::filesystem::create_symlink(folder.path(), folder / "to-folder");
    CHECK(open_failure(folder / "to-folder", "is a folder") == ErrorCode::usage);
}

TEST_CASE("a file is read from any position", "[file]") {
    const TemporaryFolder folder;
    const Bytes content = random_bytes(10000);
    write_file(folder / "file", content);
    const InputFile file = InputFile::open(folder / "file");
    CHECK(file.size() == 10000);
    CHECK((content_of_source(file.source()) == content));
    CHECK((content_of_source(file.source(9000)) == Bytes(content.begin() + 9000, content.end())));
    CHECK(content_of_source(file.source(10000)).empty());
    Bytes some(100);
    CHECK(file.read_at(50, some) == 100);
    CHECK((some == Bytes(content.begin() + 50, content.begin() + 150)));
    CHECK(file.read_at(9990, some) == 10);
    CHECK(file.read_at(20000, some) == 0);
}

TEST_CASE("a file opened by a link knows both paths", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "target", "x");
    std::filesystem::create_symlink("target", folder / "link");
    std::filesystem::create_symlink("link", folder / "link-to-link");
    const InputFile file = InputFile::open(folder / "link-to-link");
    CHECK(file.path() == folder / "link-to-link");
    CHECK(file.real_path() == std::filesystem::canonical(folder / "target"));
}

TEST_CASE("a replaced file has the new content and a new modification time", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const struct timespec long_ago[] = {{1000, 0}, {1000, 0}};
    ::utimensat(AT_FDCWD, (folder / "a.ko").c_str(), long_ago, 0);
    const Bytes content = random_bytes(500000);
    replace(folder / "a.ko", content);
    CHECK((read_file(folder / "a.ko") == content));
    CHECK(status_of(folder / "a.ko").st_mtim.tv_sec > 1000);
    CHECK(folder.entries() == 1);
}

TEST_CASE("a replacement is written in pieces of any size", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const Bytes content = random_bytes(3 * chunk_size + 17);
    for (const std::size_t step : {std::size_t{1000}, chunk_size - 1, chunk_size, chunk_size + 1, content.size()}) {
        INFO("pieces of " << step);
        const InputFile file = InputFile::open_locked(folder / "a.ko");
        ReplacementFile output(file);
        for (std::size_t at = 0; at < content.size(); at += step) {
            output.write(ByteView(content).subspan(at, std::min(step, content.size() - at)));
        }
        CHECK((content_of_source(output.read_back()) == content));
        output.commit();
        CHECK((read_file(folder / "a.ko") == content));
    }
}

TEST_CASE("a replacement takes the start of the old file and then a tail", "[file]") {
    const TemporaryFolder folder;
    const Bytes old = random_bytes(400000);
    const Bytes tail = random_bytes(700, 2);
    for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, std::size_t{399999}, old.size()}) {
        write_file(folder / "a.ko", old);
        const InputFile file = InputFile::open_locked(folder / "a.ko");
        ReplacementFile output(file);
        output.copy_from(file, 0, kept);
        output.write(tail);
        output.commit();
        CHECK((read_file(folder / "a.ko") == joined({prefix_of(old, kept), tail})));
    }
    const InputFile file = InputFile::open_locked(folder / "a.ko");
    ReplacementFile output(file);
    CHECK(mentions(error_of([&] { output.copy_from(file, 0, file.size() + 1); }).reason(), "shorter"));
}

TEST_CASE("a replaced file keeps its mode", "[file]") {
    const TemporaryFolder folder;
    for (const mode_t mode : {0644U, 0600U, 0400U, 0755U, 04755U, 0666U, 0U}) {
        if (!is_root() && (mode & 0400U) == 0) {
            continue;
        }
        INFO("mode " << std::oct << mode);
        write_file(folder / "a.ko", "old");
        ::chmod((folder / "a.ko").c_str(), mode);
        replace(folder / "a.ko", bytes_of("new"));
        CHECK((status_of(folder / "a.ko").st_mode & 07777U) == mode);
        std::filesystem::remove(folder / "a.ko");
    }
}

TEST_CASE("a replaced file keeps its owner", "[file]") {
    if (!is_root()) {
        WARN("not tested: only root can give a file away");
        return;
    }
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    REQUIRE(::chown((folder / "a.ko").c_str(), 12, 34) == 0);
    ::chmod((folder / "a.ko").c_str(), 06755);
    replace(folder / "a.ko", bytes_of("new"));
    CHECK(status_of(folder / "a.ko").st_uid == 12);
    CHECK(status_of(folder / "a.ko").st_gid == 34);
    CHECK((status_of(folder / "a.ko").st_mode & 07777U) == 06755); // chown would have cleared the set-id bits
}

TEST_CASE("a replaced file keeps its extended attributes", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const Bytes large = random_bytes(2000);
    if (!set_attribute(folder / "a.ko", "user.note", bytes_of("keep me"))) {
        WARN("not tested: this file system has no user attributes");
        return;
    }
    REQUIRE(set_attribute(folder / "a.ko", "user.empty", {}));
    REQUIRE(set_attribute(folder / "a.ko", "user.large", large));
    replace(folder / "a.ko", bytes_of("new"));
    CHECK(attribute(folder / "a.ko", "user.note") == bytes_of("keep me"));
    CHECK(attribute(folder / "a.ko", "user.empty") == Bytes{});
    CHECK((attribute(folder / "a.ko", "user.large") == large));
}

TEST_CASE("a replaced file drops what IMA and EVM say of the old content", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const Bytes hash = joined({bytes_from({4, 4}), random_bytes(32)});
    if (!set_attribute(folder / "a.ko", "security.ima", hash)) {
        WARN("not tested: security.ima can't be set here");
        return;
    }
    set_attribute(folder / "a.ko", "user.note", bytes_of("keep me"));
    replace(folder / "a.ko", bytes_of("new"));
    CHECK_FALSE(attribute(folder / "a.ko", "security.ima"));
    CHECK(attribute(folder / "a.ko", "user.note") == bytes_of("keep me"));
}

TEST_CASE("a replaced file keeps its ACL", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    ::chmod((folder / "a.ko").c_str(), 0640);
    if (!set_attribute(folder / "a.ko", "system.posix_acl_access", sample_acl())) {
        WARN("not tested: this file system has no ACLs");
        return;
    }
    const mode_t mode = status_of(folder / "a.ko").st_mode;
    replace(folder / "a.ko", bytes_of("new"));
    CHECK(attribute(folder / "a.ko", "system.posix_acl_access") == sample_acl());
    CHECK(status_of(folder / "a.ko").st_mode == mode);
}

TEST_CASE("a replaced file gets no ACL that it did not have", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    ::chmod((folder / "a.ko").c_str(), 0640);
    // New files in the folder are given this one.
    if (!set_attribute(folder.path(), "system.posix_acl_default", sample_acl())) {
        WARN("not tested: this file system has no ACLs");
        return;
    }
    replace(folder / "a.ko", bytes_of("new"));
    CHECK_FALSE(attribute(folder / "a.ko", "system.posix_acl_access"));
    CHECK((status_of(folder / "a.ko").st_mode & 07777U) == 0640);
}

TEST_CASE("a file with several names is not replaced", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    std::filesystem::create_hard_link(folder / "a.ko", folder / "b.ko");
    const Error error = error_of([&] { replace(folder / "a.ko", bytes_of("new")); });
    CHECK(error.code() == ErrorCode::usage);
    CHECK(mentions(error.reason(), "2 names (hard links)"));
    CHECK_FALSE(error.remedy().empty());
    CHECK(read_file(folder / "a.ko") == bytes_of("old"));
    CHECK(folder.entries() == 2);
}

TEST_CASE("a link stays, and its target is replaced", "[file]") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "below");
    write_file(folder / "below/target.ko", "old");
    std::filesystem::create_symlink("below/target.ko", folder / "link.ko");
    replace(folder / "link.ko", bytes_of("new"));
    CHECK(std::filesystem::read_symlink(folder / "link.ko") == "below/target.ko");
    CHECK(read_file(folder / "below/target.ko") == bytes_of("new"));
    CHECK(std::filesystem::is_regular_file(std::filesystem::symlink_status(folder / "below/target.ko")));
    CHECK(folder.entries() == 2);
}

TEST_CASE("what a killed process left is removed", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    write_file(folder / ".a.ko.ksign", "half of a mod");
    replace(folder / "a.ko", bytes_of("new"));
    CHECK(read_file(folder / "a.ko") == bytes_of("new"));
    CHECK(folder.entries() == 1);
}

TEST_CASE("what another process is writing is left to it", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const InputFile original = InputFile::open(folder / "a.ko");
    ReplacementFile first(original);
    first.write(bytes_of("new"));
    const auto write_as_well = [&] { const ReplacementFile second(original); };
    const Error error = error_of(write_as_well);
    CHECK(mentions(error.what(), "is being written by another process"));
    CHECK(mentions(error.remedy(), "run ksign again"));
    first.commit();
    CHECK(read_file(folder / "a.ko") == bytes_of("new"));
    CHECK(folder.entries() == 1);
}

TEST_CASE("only the file that was written is put in place", "[file]") {
    // Where there are no locks, another process may have taken the temporary file for a leftover.
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    {
        const InputFile original = InputFile::open(folder / "a.ko");
        ReplacementFile replacement(original);
        replacement.write(bytes_of("new"));
        std::filesystem::remove(folder / ".a.ko.ksign");
        write_file(folder / ".a.ko.ksign", "half");
        const Error error = error_of([&] { replacement.commit(); });
        CHECK(mentions(error.what(), "is being written by another process"));
    }
    CHECK(read_file(folder / "a.ko") == bytes_of("old"));
    CHECK(read_file(folder / ".a.ko.ksign") == bytes_of("half"));
}

TEST_CASE("a link under the temporary name is not followed", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    write_file(folder / "precious", "precious");
    std::filesystem::create_symlink("precious", folder / ".a.ko.ksign");
    replace(folder / "a.ko", bytes_of("new"));
    CHECK(read_file(folder / "precious") == bytes_of("precious"));
    CHECK(read_file(folder / "a.ko") == bytes_of("new"));
}

TEST_CASE("a replacement that is not committed leaves nothing", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const struct stat before = status_of(folder / "a.ko");
    {
        const InputFile file = InputFile::open_locked(folder / "a.ko");
        ReplacementFile output(file);
        output.write(random_bytes(300000));
        CHECK(folder.entries() == 2);
    }
    CHECK(folder.entries() == 1);
    CHECK(is_untouched(before, status_of(folder / "a.ko")));
    CHECK(read_file(folder / "a.ko") == bytes_of("old"));
}

TEST_CASE("while it is written, nobody else may read a replacement", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    ::chmod((folder / "a.ko").c_str(), 0644);
    const InputFile file = InputFile::open_locked(folder / "a.ko");
    const ReplacementFile output(file);
    CHECK((status_of(folder / ".a.ko.ksign").st_mode & 07777U) == 0600);
}

TEST_CASE("a replacement goes to another place with the attributes of the original", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    ::chmod((folder / "a.ko").c_str(), 0604);
    const auto write_to = [&](const std::filesystem::path& destination) {
        const InputFile file = InputFile::open(folder / "a.ko");
        ReplacementFile output(file, destination);
        output.write(bytes_of("new"));
        output.commit();
    };
    write_to(folder / "b.ko");
    CHECK(read_file(folder / "b.ko") == bytes_of("new"));
    CHECK((status_of(folder / "b.ko").st_mode & 07777U) == 0604);
    CHECK(read_file(folder / "a.ko") == bytes_of("old"));

    write_file(folder / "exists.ko", "something");
    write_to(folder / "exists.ko");
    CHECK(read_file(folder / "exists.ko") == bytes_of("new"));

    std::filesystem::create_symlink("exists.ko", folder / "link.ko");
    write_file(folder / "exists.ko", "something");
    write_to(folder / "link.ko");
    CHECK(std::filesystem::is_symlink(folder / "link.ko"));
    CHECK(read_file(folder / "exists.ko") == bytes_of("new"));

    CHECK(error_of([&] { write_to(folder.path()); }).code() == ErrorCode::usage);
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    std::filesystem::create_symlink("fifo", folder / "to-fifo");
    for (const char* name : {"fifo", "to-fifo"}) {
        CHECK(mentions(error_of([&] { write_to(folder / name); }).reason(), "is not a regular file"));
    }
    CHECK(std::filesystem::is_fifo(folder / "to-fifo"));
    const Error missing = error_of([&] { write_to(folder / "missing/b.ko"); });
    CHECK(missing.code() == ErrorCode::system);
    CHECK(missing.subject() == (folder / "missing/b.ko").string());
    CHECK(mentions(missing.reason(), "No such file"));
}

TEST_CASE("a module with several names may be written to another place", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    std::filesystem::create_hard_link(folder / "a.ko", folder / "b.ko");
    const InputFile file = InputFile::open(folder / "a.ko");
    ReplacementFile output(file, folder / "c.ko");
    output.write(bytes_of("new"));
    output.commit();
    CHECK(read_file(folder / "c.ko") == bytes_of("new"));
}

TEST_CASE("a file that did not change is taken for that", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const InputFile file = InputFile::open(folder / "a.ko");
    CHECK_NOTHROW(file.expect_unchanged());
    static_cast<void>(read_file(folder / "a.ko"));
    CHECK_NOTHROW(file.expect_unchanged());
}

TEST_CASE("a file that changes meanwhile is noticed", "[file]") {
    const TemporaryFolder folder;
    const std::filesystem::path path = folder / "a.ko";
    const auto expect_noticed_after = [&](auto&& change) {
        write_file(path, "old content");
        const InputFile file = InputFile::open(path);
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // the clock of mtime ticks every few milliseconds
        change();
        const Error error = error_of([&] { file.expect_unchanged(); });
        CHECK(error.code() == ErrorCode::system);
        CHECK(mentions(error.reason(), "was changed by another process meanwhile"));
    };
    SECTION("given another mode") {
        expect_noticed_after([&] { ::chmod(path.c_str(), 0604); });
    }
    SECTION("given another name") {
        expect_noticed_after([&] { std::filesystem::create_hard_link(path, folder / "b.ko"); });
    }
    SECTION("written, same size") {
        expect_noticed_after([&] {
            std::fstream stream(path, std::ios::in | std::ios::out);
            stream << "OLD";
        });
    }
    SECTION("appended to") {
        expect_noticed_after([&] { std::ofstream(path, std::ios::app) << "x"; });
    }
    SECTION("truncated") {
        expect_noticed_after([&] { std::filesystem::resize_file(path, 3); });
    }
    SECTION("another file renamed over it") {
        expect_noticed_after([&] {
            write_file(folder / "other", "old content");
            std::filesystem::rename(folder / "other", path);
        });
    }
    SECTION("removed") {
        expect_noticed_after([&] { std::filesystem::remove(path); });
    }
    SECTION("renamed") {
        expect_noticed_after([&] { std::filesystem::rename(path, folder / "b.ko"); });
    }
}

TEST_CASE("two that lock a file go one after the other, the second seeing the first's result", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    std::optional<InputFile> first = InputFile::open_locked(folder / "a.ko");
    std::atomic<bool> second_has_it = false;
    std::string seen;
    std::thread second([&] {
        const InputFile file = InputFile::open_locked(folder / "a.ko");
        second_has_it = true;
        Bytes content(file.size());
        static_cast<void>(file.read_at(0, content));
        seen = text_of(content);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    const bool too_early = second_has_it;
    {
        ReplacementFile output(*first);
        output.write(bytes_of("new, and longer"));
        output.commit();
    }
    first.reset();
    second.join();
    CHECK_FALSE(too_early);
    CHECK(seen == "new, and longer");
}

TEST_CASE("many that add to one file lose nothing", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "");
    std::vector<std::thread> threads;
    constexpr int rounds = 10;
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&folder] {
            for (int round = 0; round < rounds; ++round) {
                const InputFile file = InputFile::open_locked(folder / "a.ko");
                ReplacementFile output(file);
                output.copy_from(file, 0, file.size());
                output.write(bytes_of("x"));
                output.commit();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(read_file(folder / "a.ko").size() == 4 * rounds);
    CHECK(folder.entries() == 1);
}

TEST_CASE("small files are read whole, and only small ones", "[file]") {
    const TemporaryFolder folder;
    const Bytes content = random_bytes(10000);
    write_file(folder / "file", content);
    CHECK((read_small_file(folder / "file", 10000) == content));
    const Error error = error_of([&] { static_cast<void>(read_small_file(folder / "file", 9999)); });
    CHECK(error.code() == ErrorCode::limit);
    CHECK(mentions(error.reason(), "9999 bytes"));
    write_file(folder / "empty", "");
    CHECK(read_small_file(folder / "empty", 10).empty());
    CHECK(error_of([&] { static_cast<void>(read_small_file(folder / "missing", 10)); }).code() == ErrorCode::system);
    CHECK(error_of([&] { static_cast<void>(read_small_file(folder.path(), 10)); }).code() == ErrorCode::system);
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(error_of([&] { static_cast<void>(read_small_file(folder / "pipe", 10)); }).code() == ErrorCode::usage);
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    std::thread writer([end = ends[1]] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50)); // it is waited for
        CHECK(::write(end, "text", 4) == 4);
        ::close(end);
    });
    CHECK(text_of(read_small_file("/proc/self/fd/" + std::to_string(ends[0]), 10)) == "text");
    writer.join();
    ::close(ends[0]);
}

TEST_CASE("small files are written with their mode, whatever the umask", "[file]") {
    const TemporaryFolder folder;
    const Umask umask(GENERATE(mode_t{0}, mode_t{022}, mode_t{077}));
    write_small_file(folder / "certificate", bytes_of("public"), 0644);
    CHECK((status_of(folder / "certificate").st_mode & 07777U) == 0644);
    std::filesystem::remove(folder / "certificate");
    write_small_file(folder / "key", bytes_of("secret"), 0600);
    CHECK(read_file(folder / "key") == bytes_of("secret"));
    CHECK((status_of(folder / "key").st_mode & 07777U) == 0600);
    write_file(folder / ".key.ksign", "left behind");
    write_small_file(folder / "key", bytes_of("other"), 0400);
    CHECK(read_file(folder / "key") == bytes_of("other"));
    CHECK((status_of(folder / "key").st_mode & 07777U) == 0400);
    CHECK(folder.entries() == 1);
    CHECK(error_of([&] { write_small_file(folder / "missing/key", {}, 0600); }).code() == ErrorCode::system);
    CHECK(error_of([&] { write_small_file(folder.path(), {}, 0600); }).code() == ErrorCode::system);
}

TEST_CASE("a descriptor is closed once, by its last owner", "[file]") {
    const auto is_open = [](int number) { return ::fcntl(number, F_GETFD) >= 0; };
    FileDescriptor first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = first.number();
    REQUIRE(first.is_open());
    FileDescriptor second(std::move(first));
    CHECK_FALSE(first.is_open()); // NOLINT(bugprone-use-after-move)
    CHECK(is_open(number));
    FileDescriptor third;
    third = std::move(second);
    CHECK(third.number() == number);
    CHECK(third.close() == 0);
    CHECK_FALSE(is_open(number));
    CHECK(third.close() == 0);
    {
        const FileDescriptor scoped(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        CHECK(scoped.number() == number);
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("a lock that nobody lets go of is not waited for without end", "[file]") {
    constexpr std::chrono::milliseconds patience(50);
    const TemporaryFolder folder;
    write_file(folder / "a.ko", "old");
    const InputFile file = InputFile::open_locked(folder / "a.ko");
    const Error error = error_of([&] { static_cast<void>(InputFile::open_locked(folder / "a.ko", patience)); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(mentions(error.reason(), "is locked by another process"));
    CHECK(mentions(error.remedy(), "fuser -v " + (folder / "a.ko").string()));
    CHECK_FALSE(InputFile::try_open_locked(folder / "a.ko"));
    int asked = 0;
    CHECK_FALSE(InputFile::open_locked_unless([&asked] { return ++asked > 3; }, folder / "a.ko"));

    const FileDescriptor held = lock_folder(folder.path());
    CHECK(mentions(error_of([&] { static_cast<void>(lock_folder(folder.path(), patience)); }).reason(), "is locked"));
}
