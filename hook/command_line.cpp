#include "command_line.hpp"

#include <boost/program_options.hpp>

#include <iostream>

namespace ksign::hook {
namespace {

namespace po = boost::program_options;

constexpr const char* positional_name = "PATH";

/// As Boost has it.
po::options_description described(const Options& options) {
    po::options_description described(options.caption());
    for (const Options::Option& option : options.all()) {
        const char* const name = option.name.c_str();
        const char* const help = option.help.c_str();
        if (option.word.empty()) {
            described.add_options()(name, help);
        } else if (option.repeats) {
            described.add_options()(name, po::value<std::vector<std::string>>()->value_name(option.word), help);
        } else {
            auto* const value = po::value<std::string>()->value_name(option.word);
            if (option.usual) {
                value->default_value(*option.usual);
            }
            described.add_options()(name, value, help);
        }
    }
    return described;
}

/// What stands in a variable: a flag has no value.
std::vector<std::string> texts_of(const po::variable_value& value) {
    if (const auto* const several = boost::any_cast<std::vector<std::string>>(&value.value())) {
        return *several;
    }
    if (const auto* const text = boost::any_cast<std::string>(&value.value())) {
        return {*text};
    }
    return {};
}

} // namespace

std::optional<Values> parse_arguments(const Arguments& arguments, const Options& options, const CommandHelp& help) {
    const po::options_description listed = described(options);
    po::options_description all;
    all.add(listed);
    all.add_options()("help,h", "this text")(positional_name, po::value<std::vector<std::string>>());
    po::positional_options_description words;
    words.add(positional_name, -1);
    po::variables_map variables;
    try {
        // No guessing: an abbreviation that is unique today may not be so tomorrow.
        const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(arguments).options(all).positional(words).style(style).run(), variables);
        po::notify(variables);
    } catch (const po::error& error) {
        throw UsageError(error.what());
    }
    if (variables.contains("help")) {
        std::cout << "Usage: ksign " << help.usage << "\n\n" << help.text << '\n';
        if (!options.all().empty()) {
            std::cout << '\n' << listed;
        }
        std::cout << "\nExamples:\n" << help.examples;
        return std::nullopt;
    }
    Values values;
    for (const auto& [name, value] : variables) {
        values.set(name, texts_of(value));
    }
    return values;
}

std::vector<std::string> positional(const Values& values) {
    return values.all(positional_name);
}

std::optional<std::string> value_of(const Values& values, const char* name) {
    auto given = values.all(name);
    return given.empty() ? std::nullopt : std::optional(std::move(given.front()));
}

} // namespace ksign::hook
