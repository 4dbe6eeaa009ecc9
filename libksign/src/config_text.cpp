#include "config_text.hpp"

namespace ksign {
namespace {

constexpr std::string_view prefix = "CONFIG_";

/// Whether a line sets the option or says that it is not set.
bool is_about(std::string_view line, std::string_view name) {
    if (line.starts_with("# ")) {
        line.remove_prefix(2);
        return line.starts_with(prefix) && line.substr(prefix.size()).starts_with(name) &&
               line.substr(prefix.size() + name.size()) == " is not set";
    }
    return line.starts_with(prefix) && line.substr(prefix.size()).starts_with(name) &&
           line.substr(prefix.size() + name.size()).starts_with('=');
}

/// Kconfig's strings escape the quote and the backslash (confdata.c, conf_set_sym_val()).
std::string unquoted(std::string_view text) {
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
        return std::string(text);
    }
    text = text.substr(1, text.size() - 2);
    std::string plain;
    for (std::size_t index = 0; index < text.size(); ++index) {
        if (text[index] == '\\' && index + 1 < text.size()) {
            ++index;
        }
        plain += text[index];
    }
    return plain;
}

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char character : text) {
        if (character == '"' || character == '\\') {
            result += '\\';
        }
        result += character;
    }
    return result + '"';
}

} // namespace

std::optional<ConfigText::Line> ConfigText::find(std::string_view name) const {
    std::optional<Line> found;
    for (std::size_t start = 0; start < text_.size();) {
        const std::size_t end = text_.find('\n', start);
        const std::size_t length = (end == std::string::npos ? text_.size() : end) - start;
        if (is_about(std::string_view(text_).substr(start, length), name)) {
            found = Line{start, length};
        }
        start += length + 1;
    }
    return found;
}

std::optional<std::string> ConfigText::value(std::string_view name) const {
    const auto line = find(name);
    if (!line || text_[line->start] == '#') {
        return std::nullopt;
    }
    const std::size_t skipped = prefix.size() + name.size() + 1;
    return unquoted(std::string_view(text_).substr(line->start + skipped, line->length - skipped));
}

bool ConfigText::replace(std::string_view name, const std::string& line) {
    const auto found = find(name);
    if (!found) {
        if (!text_.empty() && text_.back() != '\n') {
            text_ += '\n';
        }
        text_ += line + '\n';
        return true;
    }
    if (std::string_view(text_).substr(found->start, found->length) == line) {
        return false;
    }
    text_.replace(found->start, found->length, line);
    return true;
}

bool ConfigText::set(std::string_view name, std::string_view value) {
    return replace(name, std::string(prefix).append(name).append("=").append(value));
}

bool ConfigText::set_string(std::string_view name, std::string_view value) {
    return set(name, quoted(value));
}

bool ConfigText::unset(std::string_view name) {
    return find(name) && replace(name, std::string("# ").append(prefix).append(name).append(" is not set"));
}

} // namespace ksign
