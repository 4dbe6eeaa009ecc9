#include "assignments.hpp"

#include "file.hpp"

#include <ksign/error.hpp>

#include <cstddef>
#include <sstream>
#include <vector>

namespace ksign {

std::optional<std::string> assigned_in(const std::string& text, const std::string& name) {
    std::optional<std::string> value;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t start = line.find_first_not_of(" \t");
        if (start != std::string::npos && line.compare(start, name.size() + 1, name + '=') == 0) {
            value = line.substr(start + name.size() + 1);
            std::erase_if(*value, [](char letter) { return letter == '"' || letter == '\''; });
        }
    }
    return value;
}

std::optional<std::string> assigned(const std::filesystem::path& file, const std::string& name) {
    constexpr std::size_t largest = std::size_t{1} << 20U;
    try {
        const std::vector<std::byte> bytes = read_small_file(file, largest);
        return assigned_in({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name);
    } catch (const Error&) {
        return std::nullopt;
    }
}

} // namespace ksign
