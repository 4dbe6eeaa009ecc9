#include "catch.hpp"
#include "expect_error.hpp"

#include <cerrno>
#include <stdexcept>

using namespace ksign;

TEST_CASE("an error reads subject, then reason", "[error]") {
    const Error error(ErrorCode::key, "/etc/key.pem", "read: no", "give another");
    CHECK(std::string(error.what()) == "/etc/key.pem: read: no");
    CHECK(error.code() == ErrorCode::key);
    CHECK(error.subject() == "/etc/key.pem");
    CHECK(error.reason() == "read: no");
    CHECK(error.remedy() == "give another");
}

TEST_CASE("an error without a subject is its reason alone", "[error]") {
    const Error error(ErrorCode::crypto, "", "no random numbers");
    CHECK(std::string(error.what()) == "no random numbers");
    CHECK(error.remedy().empty());
}

TEST_CASE("an error of a system call says what errno means", "[error]") {
    const Error error = Error::from_errno("/a.ko", "open", ENOENT, "look again");
    CHECK(std::string(error.what()) == "/a.ko: open: No such file or directory");
    CHECK(error.code() == ErrorCode::system);
    CHECK(error.reason() == "open: No such file or directory");
    CHECK(error.remedy() == "look again");
}

TEST_CASE("an error says whether another user might do it, and what to do in the same line", "[error]") {
    const Error denied = Error::from_errno("/a.ko", "open", EACCES);
    CHECK(denied.is_denied());
    CHECK(denied.with_remedy() == "/a.ko: open: Permission denied");
    CHECK(denied.or_remedy(run_as_root).with_remedy() == "/a.ko: open: Permission denied; run it as root");
    CHECK(denied.or_remedy(run_as_root).is_denied());
    CHECK(denied.or_remedy("first").or_remedy("second").remedy() == "first");
    CHECK_FALSE(Error::from_errno("/a.ko", "open", ENOENT).is_denied());
    CHECK_FALSE(Error(ErrorCode::system, "a", "b").is_denied());
}

TEST_CASE("an error is caught as std::exception, and a copy says the same", "[error]") {
    try {
        throw Error(ErrorCode::limit, "a", "b");
    } catch (const std::exception& caught) {
        CHECK(std::string(caught.what()) == "a: b");
    }
    const Error error(ErrorCode::limit, "a", "b", "c");
    const Error copy = error; // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(std::string(copy.what()) == "a: b");
    CHECK(copy.remedy() == "c");
}
