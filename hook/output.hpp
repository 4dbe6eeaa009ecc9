// What printed results are made of: lines that no name can forge, and JSON.
#pragma once

#include <ksign/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ksign::hook {

/// The version of all JSON documents. It changes only when a field is taken away or means something else.
inline constexpr int json_schema = 1;

/// A text that can't break out of its line: control characters, and bytes that are not UTF-8, as \xNN.
[[nodiscard]] std::string one_line(std::string_view text);

/// A text without the PINs (pin-value) of the pkcs11: URIs in it. What is not known for one's end counts to it.
[[nodiscard]] std::string without_pins(std::string_view text);

/// A text as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);

/// Values that are JSON already, as an array.
[[nodiscard]] std::string json_array(const std::vector<std::string>& values);

/// Builds one JSON object.
class JsonObject {
  public:
    JsonObject& text(std::string_view name, std::string_view value) { return raw(name, json_string(value)); }
    JsonObject& number(std::string_view name, std::uint64_t value) { return raw(name, std::to_string(value)); }
    JsonObject& flag(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
    /// A value that is JSON already.
    JsonObject& raw(std::string_view name, const std::string& value);
    [[nodiscard]] std::string done() const { return "{" + body_ + "}"; }

  private:
    std::string body_;
};

/// An error as all JSON documents have it: an object with subject, reason and remedy.
[[nodiscard]] std::string error_object(const Error& error);

} // namespace ksign::hook
