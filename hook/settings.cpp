#include "settings.hpp"

#include <ksign/error.hpp>
#include <ksign/kernel.hpp>
#include <ksign/text_file.hpp>

#include <boost/program_options.hpp>

#include <cctype>
#include <charconv>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

namespace ksign::hook {
namespace {

namespace po = boost::program_options;

constexpr const char* settings_remedy = "ksign.conf(5) lists what may stand there";
constexpr const char* unreadable_remedy =
    "have it readable, or name another with --config; with --config /dev/null the defaults hold";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& name, const std::string& value,
                         const std::string& expected) {
    throw Error(ErrorCode::usage, file.string(), name + " = " + value + ": expected " + expected, settings_remedy);
}

/// A value without the quotes around it; an empty one is none.
std::optional<std::string> text_of(const po::variables_map& values, const std::string& name) {
    if (!values.contains(name)) {
        return std::nullopt;
    }
    std::string text = values[name].as<std::string>();
    // Whoever writes shell every day writes quotes.
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
        text = text.substr(1, text.size() - 2);
    }
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

int level_of(const std::filesystem::path& file, const po::variables_map& values, const std::string& name,
             ContainerKind kind, int usual) {
    const auto text = text_of(values, name);
    if (!text) {
        return usual;
    }
    const LevelRange range = container_levels(kind);
    const char* const last = text->data() + text->size();
    int level = -1;
    const auto [end, problem] = std::from_chars(text->data(), last, level);
    if (problem != std::errc() || end != last || level < range.lowest || level > range.highest) {
        refuse(file, name, *text, std::to_string(range.lowest) + " to " + std::to_string(range.highest));
    }
    return level;
}

po::options_description known_settings() {
    po::options_description known;
    for (const char* name : {"key", "certificate", "pin-file", "insecure-keys", "hash", "missing-key", "max-size",
                             "level-gzip", "level-xz", "level-zstd"}) {
        known.add_options()(name, po::value<std::string>());
    }
    return known;
}

std::string read_file(const std::filesystem::path& file) {
    constexpr std::size_t largest_settings = std::size_t{1} << 20U;
    try {
        return read_text_file(file, largest_settings);
    } catch (const Error& error) {
        throw Error(error.code(), error.subject(), error.reason(), unreadable_remedy);
    }
}

po::variables_map parse_file(const std::filesystem::path& file) {
    std::istringstream stream(read_file(file));
    po::variables_map values;
    try {
        po::store(po::parse_config_file(stream, known_settings()), values);
    } catch (const po::error& error) {
        throw Error(ErrorCode::usage, file.string(), error.what(), settings_remedy);
    }
    return values;
}

} // namespace

Settings read_settings(const std::filesystem::path& file) {
    const po::variables_map values = parse_file(file);
    Settings settings;
    settings.source = file;
    settings.key = text_of(values, "key");
    settings.certificate = text_of(values, "certificate");
    settings.pin_file = text_of(values, "pin-file");
    if (const auto answer = text_of(values, "insecure-keys")) {
        if (*answer != "no" && *answer != "yes") {
            refuse(file, "insecure-keys", *answer, "no or yes");
        }
        settings.insecure_keys = *answer == "yes";
    }
    if (const auto name = text_of(values, "hash")) {
        settings.hash = parse_hash(*name);
        if (!settings.hash) {
            refuse(file, "hash", *name, "a hash such as sha512");
        }
    }
    if (const auto policy = text_of(values, "missing-key")) {
        if (*policy != "skip" && *policy != "fail") {
            refuse(file, "missing-key", *policy, "skip or fail");
        }
        settings.missing_key = *policy == "fail" ? MissingKey::fail : MissingKey::skip;
    }
    if (const auto size = text_of(values, "max-size")) {
        const auto bytes = parse_size(*size);
        if (!bytes) {
            refuse(file, "max-size", *size, "a size such as 500M or 2G");
        }
        settings.files.max_payload = *bytes;
    }
    CompressionLevels& levels = settings.files.levels;
    levels.gzip = level_of(file, values, "level-gzip", ContainerKind::gzip, levels.gzip);
    levels.xz = level_of(file, values, "level-xz", ContainerKind::xz, levels.xz);
    levels.zstd = level_of(file, values, "level-zstd", ContainerKind::zstd, levels.zstd);
    return settings;
}

Settings read_usual_settings(const std::filesystem::path& root) {
    const std::filesystem::path usual(KSIGN_SYSCONFDIR "/ksign/ksign.conf");
    const std::filesystem::path file = resolve_in_root(root, root / usual.relative_path());
    std::error_code why;
    const bool is_there = std::filesystem::status(file, why).type() != std::filesystem::file_type::not_found;
    if (is_there && !why) {
        return read_settings(file);
    }
    // What can't be seen may be there, and say something else than the defaults.
    if (why != std::errc::no_such_file_or_directory) {
        throw Error::from_errno(file.string(), "look for it", why.value(), unreadable_remedy);
    }
    Settings defaults;
    defaults.source = file;
    return defaults;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc()) {
        return std::nullopt;
    }
    std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    unsigned shift = 0;
    if (!unit.empty()) {
        const std::size_t power =
            std::string_view("KMGT").find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit.front()))));
        if (power != std::string_view::npos) {
            shift = 10U * (static_cast<unsigned>(power) + 1U);
            unit.remove_prefix(1);
            if (unit.starts_with('i')) {
                unit.remove_prefix(1);
            }
        }
    }
    if ((!unit.empty() && unit != "B") || number == 0 || number > std::numeric_limits<std::uint64_t>::max() >> shift) {
        return std::nullopt;
    }
    return number << shift;
}

} // namespace ksign::hook
