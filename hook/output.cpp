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

/// U+0000 to U+001F, U+007F to U+009F: what a terminal obeys. Those beyond ASCII are C2 80 to C2 9F in UTF-8.
bool is_control(std::string_view character) {
    const auto last = static_cast<unsigned char>(character.back());
    return character.size() == 1 ? last < 0x20 || last == 0x7f
                                 : character.size() == 2 && character.front() == '\xc2' && last < 0xa0;
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
            quoted += "\\u00" + hexadecimal(static_cast<unsigned char>(text[length - 1]));
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
