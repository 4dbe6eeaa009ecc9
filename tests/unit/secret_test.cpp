#include <ksign/secret.hpp>

#include "catch.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

#include <array>
#include <type_traits>

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a pin file's first line is the passphrase", "[secret]") {
    const TemporaryFolder folder;
    const auto read = [&folder](std::string_view content) {
        write_file(folder / "pin", content);
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
