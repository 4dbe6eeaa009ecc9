// Catches the ksign::Error that an action must throw, so that a test can look at it.
#pragma once

#include "catch.hpp"

#include <ksign/error.hpp>

#include <string>
#include <string_view>

namespace ksign {

// Catch2 prints it when an assertion about a code fails.
inline std::ostream& operator<<(std::ostream& stream, ErrorCode code) {
    static constexpr std::string_view names[] = {"usage",     "system", "not_a_module", "malformed_signature",
                                                 "container", "limit",  "key",          "certificate",
                                                 "no_key",    "kernel", "crypto"};
    return stream << names[static_cast<std::size_t>(code)];
}

} // namespace ksign

namespace ksign::test {

/// Fails the test if the action does not throw a ksign::Error.
template <typename Action> Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    FAIL("no ksign::Error was thrown");
    throw; // not reached
}

inline bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace ksign::test
