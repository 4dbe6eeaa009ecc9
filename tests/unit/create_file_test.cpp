// Files and folders that come into being whole: the part of the room file that makes key folders.
#include "file.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a new file has its content and exactly its mode", "[file]") {
    const TemporaryFolder folder;
    const Umask umask(GENERATE(mode_t{0}, mode_t{022}, mode_t{077}));
    for (const mode_t mode : {0600U, 0644U, 0400U, 0444U}) {
        const auto path = folder / ("file" + std::to_string(mode));
        create_file(path, bytes_of("content"), mode);
        CHECK(mode_of(path) == mode);
        CHECK(read_file(path) == bytes_of("content"));
    }
}

TEST_CASE("a new file may be empty or large", "[file]") {
    const TemporaryFolder folder;
    create_file(folder / "empty", {}, 0600);
    CHECK(read_file(folder / "empty").empty());
    const Bytes content = random_bytes(3 * chunk_size + 1);
    create_file(folder / "large", content, 0600);
    CHECK((read_file(folder / "large") == content));
}

TEST_CASE("a new file takes no other's place", "[file]") {
    const TemporaryFolder folder;
    const auto expect_refused = [&](const std::filesystem::path& path) {
        const Error error = error_of([&] { create_file(path, bytes_of("new"), 0600); });
        CHECK(error.code() == ErrorCode::system);
        CHECK(error.subject() == path.string());
        CHECK(mentions(error.reason(), "create: "));
    };
    write_file(folder / "file", "old");
    expect_refused(folder / "file");
    CHECK(read_file(folder / "file") == bytes_of("old"));
    std::filesystem::create_symlink("target", folder / "link"); // leads nowhere, and is not followed
    expect_refused(folder / "link");
    CHECK_FALSE(std::filesystem::exists(folder / "target"));
    expect_refused(folder / "missing/file");
    expect_refused(folder / "file/below");
    expect_refused(folder.path());
}

TEST_CASE("a folder is synced, and what can't be is told by its subject", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "file", "x");
    CHECK_NOTHROW(sync_folder(folder.path(), "subject"));
    CHECK_NOTHROW(sync_folder(".", "subject"));
    for (const auto& path : {folder / "missing", folder / "file"}) {
        const Error error = error_of([&] { sync_folder(path, "subject"); });
        CHECK(error.code() == ErrorCode::system);
        CHECK(error.subject() == "subject");
        CHECK(mentions(error.reason(), "open its folder to sync it: "));
    }
}

TEST_CASE("a folder that can't be locked is told", "[file]") {
    const TemporaryFolder folder;
    write_file(folder / "file", "x");
    for (const auto& path : {folder / "missing", folder / "file"}) {
        const Error error = error_of([&] { static_cast<void>(lock_folder(path)); });
        CHECK(error.code() == ErrorCode::system);
        CHECK(error.subject() == path.string());
    }
}

TEST_CASE("a folder's lock is held until it is destroyed", "[file]") {
    const TemporaryFolder folder;
    std::optional<FileDescriptor> first = lock_folder(folder.path());
    std::atomic<bool> second_has_it = false;
    std::thread second([&] {
        const FileDescriptor lock = lock_folder(folder.path());
        second_has_it = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const bool too_early = second_has_it;
    first.reset();
    second.join();
    CHECK_FALSE(too_early);
    CHECK(second_has_it);
}

TEST_CASE("those who lock a folder go one after the other", "[file]") {
    const TemporaryFolder folder;
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::vector<std::thread> threads;
    for (int number = 0; number < 8; ++number) {
        threads.emplace_back([&] {
            for (int round = 0; round < 20; ++round) {
                const FileDescriptor lock = lock_folder(folder.path());
                most = std::max<int>(most, ++inside);
                std::this_thread::yield();
                --inside;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(most == 1);
    CHECK(folder.entries() == 0);
}
