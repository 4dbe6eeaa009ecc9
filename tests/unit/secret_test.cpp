#include <ksign/secret.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <type_traits>

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a pin file's first line is the passphrase", "[secret]") {
    const TemporaryFolder folder;
    const auto read = [&folder](std::string_view content) {
        write_key_file(folder / "pin", bytes_of(content));
        return std::string(Secret::from_file(folder / "pin").view());
    };
    CHECK(read("1234") == "1234");
    CHECK(read("1234\n") == "1234");
    CHECK(read("1234\r\n") == "1234");
    CHECK(read("1234\nmore\n") == "1234");
    CHECK(read(" with spaces \n") == " with spaces ");
    CHECK(read("").empty());
    CHECK(read("\n1234").empty());
    CHECK(read(std::string(4096, 'x')) == std::string(4096, 'x'));
}

TEST_CASE("a pin file that can't be one is told", "[secret]") {
    const TemporaryFolder folder;
    write_file(folder / "pin", std::string(4097, 'x'));
    CHECK(error_of([&] { static_cast<void>(Secret::from_file(folder / "pin")); }).code() == ErrorCode::limit);
    CHECK(error_of([&] { static_cast<void>(Secret::from_file(folder / "missing")); }).code() == ErrorCode::system);
    CHECK(error_of([&] { static_cast<void>(Secret::from_file(folder.path())); }).code() == ErrorCode::system);
}

TEST_CASE("a pin file that others can get at is refused, and a pipe is not", "[secret]") {
    const TemporaryFolder folder;
    const std::filesystem::path file = folder / "pin";
    write_file(file, "1234\n");
    const auto set = [&file](unsigned mode) { std::filesystem::permissions(file, std::filesystem::perms(mode)); };
    for (const unsigned mode : {0400U, 0600U, 0640U}) {
        set(mode);
        CHECK(Secret::from_file(file).view() == "1234");
    }
    for (const unsigned mode : {0644U, 0660U, 0602U}) {
        set(mode);
        const Error error = error_of([&] { static_cast<void>(Secret::from_file(file)); });
        CHECK(error.code() == ErrorCode::key);
        CHECK(error.subject() == file);
        CHECK(error.remedy().starts_with("chmod "));
        CHECK(Secret::from_file(file, InsecureFile::allowed).view() == "1234");
    }
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    REQUIRE(::fchmod(ends[0], 0666) == 0);
    REQUIRE(::write(ends[1], "1234\n", 5) == 5);
    ::close(ends[1]);
    CHECK(Secret::from_file("/proc/self/fd/" + std::to_string(ends[0])).view() == "1234");
    ::close(ends[0]);
}

TEST_CASE("memory is wiped", "[secret]") {
    std::array<char, 5> text{'h', 'e', 'l', 'l', 'o'};
    wipe_memory(text.data(), text.size());
    CHECK(text == std::array<char, 5>{});
}

TEST_CASE("secrets are put together", "[secret]") {
    Secret secret("12");
    secret.append("34");
    secret.append({});
    CHECK(secret.view() == "1234");
    CHECK(Secret().view().empty());
}
