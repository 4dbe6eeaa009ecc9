// The options of a command, as data; Boost.Program_options stays behind parse_arguments(): its headers are as long as
// the rest of what a command includes taken five times.
#pragma once

#include "commands.hpp"

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace ksign::hook {

/// The arguments make no sense. main() prints it with a pointer to --help and exits 2.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What --help says of a command.
struct CommandHelp {
    const char* usage;    ///< Without "ksign".
    const char* text;     ///< What it does, in a few lines.
    const char* examples; ///< Lines to copy.
};

/// What a command takes, in the order of its --help. A name is "long" or "long,s".
class Options {
  public:
    struct Option {
        std::string name; ///< As given, the short one with it.
        std::string word; ///< What stands for its value; empty for a flag.
        std::string help;
        std::optional<std::string> usual; ///< Its value where it is not given.
        bool repeats = false;
    };

    explicit Options(std::string caption) : caption_(std::move(caption)) {}
    Options& flag(std::string name, std::string help) { return add({std::move(name), {}, std::move(help), {}}); }
    Options& value(std::string name, std::string word, std::string help) {
        return add({std::move(name), std::move(word), std::move(help), {}});
    }
    /// One that always has a value.
    Options& value_or(std::string name, std::string word, std::string usual, std::string help) {
        return add({std::move(name), std::move(word), std::move(help), std::move(usual)});
    }
    /// One that may be given several times.
    Options& values(std::string name, std::string word, std::string help) {
        return add({std::move(name), std::move(word), std::move(help), {}, true});
    }
    [[nodiscard]] const std::string& caption() const noexcept { return caption_; }
    [[nodiscard]] const std::vector<Option>& all() const noexcept { return options_; }

  private:
    Options& add(Option option) {
        options_.push_back(std::move(option));
        return *this;
    }

    std::string caption_;
    std::vector<Option> options_;
};

/// What the arguments say, by long names.
class Values {
  public:
    /// Whether an option was given, or has a usual value.
    [[nodiscard]] bool contains(const std::string& name) const { return given_.contains(name); }
    /// The values that it was given; none where it was not, and for a flag.
    [[nodiscard]] std::vector<std::string> all(const std::string& name) const {
        const auto found = given_.find(name);
        return found == given_.end() ? std::vector<std::string>() : found->second;
    }
    void set(const std::string& name, std::vector<std::string> values) { given_[name] = std::move(values); }

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> given_;
};

/// Parses options and positional words. Returns nothing if help was asked for, and was printed.
/// Throws UsageError.
[[nodiscard]] std::optional<Values> parse_arguments(const Arguments& arguments, const Options& options,
                                                    const CommandHelp& help);

/// The positional words.
[[nodiscard]] std::vector<std::string> positional(const Values& values);

/// An option's value, or nothing if it was not given.
[[nodiscard]] std::optional<std::string> value_of(const Values& values, const char* name);

} // namespace ksign::hook
