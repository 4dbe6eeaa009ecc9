#include "output.hpp"

#include <algorithm>

namespace ksign::hook {
namespace {

std::string hexadecimal(unsigned byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    return {digits[byte >> 4U & 0xfU], digits[byte & 0xfU]};
}

/// The length of the UTF-8 sequence that a text starts with; 0 if it starts with none (RFC 3629).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [text](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || length > text.size()) {
        return 0;
    }
    for (std::size_t index = 1; index < length; ++index) {
        if ((byte(index) & 0xc0U) != 0x80U) {
            return 0;
        }
    }
    const bool overlong_or_surrogate =
        length > 2 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                       (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f));
    return overlong_or_surrogate ? 0 : length;
}

/// The code point of one whole character in UTF-8.
unsigned code_point(std::string_view character) {
    const auto first = static_cast<unsigned char>(character.front());
    // Its own bits are those after the ones that tell the length.
    unsigned value = character.size() == 1 ? first : first & (0x7fU >> character.size());
    for (const char byte : character.substr(1)) {
        value = value << 6U | (static_cast<unsigned char>(byte) & 0x3fU);
    }
    return value;
}

/// What a terminal obeys and does not show: control characters, separators of lines, and what turns the direction of
/// text, by which a name can look like another (Unicode's Bidi_Control).
bool is_control(std::string_view character) {
    const unsigned code = code_point(character);
    const auto between = [code](unsigned lowest, unsigned highest) { return lowest <= code && code <= highest; };
    return code < 0x20 || between(0x7f, 0x9f) || code == 0x61c || between(0x200e, 0x200f) || between(0x2028, 0x202e) ||
           between(0x2066, 0x2069);
}

} // namespace

std::string one_line(std::string_view text) {
    std::string safe;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0 || is_control(character)) {
            for (const char byte : character) {
                safe += "\\x" + hexadecimal(static_cast<unsigned char>(byte));
            }
        } else {
            safe += character;
        }
        text.remove_prefix(character.size());
    }
    return safe;
}

std::string without_pins(std::string_view text) {
    constexpr std::string_view name = "pin-value=";
    std::string safe;
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name)) {
        safe.append(text.substr(0, at + name.size())) += "xxx";
        text.remove_prefix(at + name.size());
        // The next attribute, the quotes around a word, or the ": " after what a message is about.
        const std::size_t end = text.find_first_of(";&?'\"\n");
        text.remove_prefix(std::min({end, text.find(": "), text.size()}));
    }
    return safe.append(text);
}

std::string json_string(std::string_view text) {
    std::string quoted = "\"";
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const char character = text.front();
        if (length == 0) {
            quoted += "\\ufffd";
        } else if (character == '"' || character == '\\') {
            quoted += {'\\', character};
        } else if (is_control(text.substr(0, length))) {
            const unsigned code = code_point(text.substr(0, length));
            quoted += "\\u" + hexadecimal(code >> 8U) + hexadecimal(code);
        } else {
            quoted += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return quoted + "\"";
}

JsonObject& JsonObject::raw(std::string_view name, const std::string& value) {
    body_ += (body_.empty() ? "" : ", ") + json_string(name) + ": " + value;
    return *this;
}

std::string error_object(const Error& error) {
    return JsonObject()
        .text("subject", without_pins(error.subject()))
        .text("reason", without_pins(error.reason()))
        .text("remedy", without_pins(error.remedy()))
        .done();
}

std::string json_array(const std::vector<std::string>& values) {
    std::string body;
    for (const std::string& value : values) {
        body += (body.empty() ? "" : ", ") + value;
    }
    return "[" + body + "]";
}

} // namespace ksign::hook
