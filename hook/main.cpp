// The executable: finds the role or command, runs it, and catches what it throws. Nothing else is done here.
#include "commands.hpp"
#include "options.hpp"
#include "report.hpp"

#include <ksign/error.hpp>
#include <ksign/secret.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

namespace ksign::hook {
namespace {

struct Command {
    std::string_view name;
    std::string_view summary;
    int (*run)(const Arguments&);
};

constexpr std::array commands{
    Command{"sign", "sign modules", run_sign},
    Command{"show", "show what modules carry", run_show},
    Command{"verify", "say what a kernel would answer to modules", run_verify},
    Command{"audit", "say whether a kernel is ready for module.sig_enforce=1", run_audit},
    Command{"strip", "take signatures off", run_strip},
    Command{"keys generate", "make a signing key for a kernel to be built", run_keys_generate},
    Command{"keys refresh", "the same, if the current key is too old or does not suit", run_keys_refresh},
    Command{"keys install", "put the key into a kernel package's build folder", run_keys_install},
    Command{"keys show", "show the key of each installed kernel", run_keys_show},
    Command{"keys enroll", "have a machine owner key enrolled, and say whether it is", run_keys_enroll},
    Command{"config check", "check a kernel's .config for what signed modules need", run_config_check},
    Command{"config update", "have a kernel's .config trust the current key", run_config_update},
    Command{"dkms enable", "have DKMS call ksign", run_dkms_enable},
    Command{"dkms disable", "have DKMS call ksign no more", run_dkms_disable},
    Command{"dkms status", "show how DKMS's modules come to be signed", run_dkms_status},
    Command{"post-build", "for DKMS: POST_BUILD", run_post_build},
    Command{"sign-file", "for DKMS: sign_file, in place of the kernel's scripts/sign-file", run_sign_file},
    Command{"sign-tool", "for DKMS 2.8.1 to 3.0.3: sign_tool", run_sign_tool},
    Command{"genkeys", "Arch-SKM's genkeys.py", run_genkeys},
    Command{"install-certs", "Arch-SKM's install-certs.py", run_install_certs},
    Command{"sign_module", "Arch-SKM's sign_module.py", run_sign_module},
};

/// A command, and how many words its name took.
struct FoundCommand {
    const Command* command = nullptr;
    std::size_t words = 0;
};

FoundCommand find_command(const Arguments& words) {
    for (const Command& command : commands) {
        const std::size_t count = command.name.find(' ') == std::string_view::npos ? 1 : 2;
        if (words.size() >= count && command.name == (count == 1 ? words[0] : words[0] + ' ' + words[1])) {
            return {&command, count};
        }
    }
    return {};
}

/// Whether a word begins the names of commands: "keys", "config".
bool is_group(std::string_view word) {
    return std::any_of(commands.begin(), commands.end(), [word](const Command& command) {
        return command.name.starts_with(word) && command.name.substr(word.size()).starts_with(' ');
    });
}

/// The commands whose names begin with @p group, or all.
void print_commands(std::ostream& stream, std::string_view group) {
    constexpr std::size_t column = 16;
    stream << "Commands:\n";
    for (const Command& command : commands) {
        if (command.name.starts_with(group)) {
            stream << "  " << command.name << std::string(column - command.name.size(), ' ') << command.summary << '\n';
        }
    }
    stream << "\n`ksign COMMAND --help` tells more.";
}

void print_help(std::ostream& stream) {
    stream << "Usage: ksign COMMAND [OPTIONS] ...\n\nSigns Linux kernel modules, compressed ones too.\n\n";
    print_commands(stream, "");
    stream << " `ksign --version` prints the version.\n"
              "\nExamples:\n"
              "  ksign sign -k \"$(uname -r)\"     sign what DKMS installed for the running kernel\n"
              "  ksign show nvidia.ko.zst        who signed it?\n";
}

void print_group_help(std::ostream& stream, const std::string& group) {
    stream << "Usage: ksign " << group << " COMMAND [OPTIONS] ...\n\n";
    print_commands(stream, group + ' ');
    stream << '\n';
}

bool asks_for_help(const std::string& word) {
    return word == "--help" || word == "-h" || word == "help";
}

/// Runs what the words after the executable's own name ask for.
int run(const Arguments& words) {
    if (words.empty()) {
        print_help(std::cerr);
        return exit_usage;
    }
    if (words.front() == "help" && words.size() > 1) {
        Arguments asked(words.begin() + 1, words.end());
        asked.emplace_back("--help");
        return run(asked);
    }
    if (asks_for_help(words.front())) {
        print_help(std::cout);
        return exit_done;
    }
    if (words.front() == "--version") {
        std::cout << "ksign " KSIGN_VERSION "\n";
        return exit_done;
    }
    const FoundCommand found = find_command(words);
    if (found.command != nullptr) {
        return found.command->run({words.begin() + static_cast<std::ptrdiff_t>(found.words), words.end()});
    }
    if (is_group(words.front())) {
        if (words.size() > 1 && asks_for_help(words[1])) {
            print_group_help(std::cout, words.front());
            return exit_done;
        }
        throw UsageError(words.size() > 1 ? "there is no command '" + words[0] + ' ' + words[1] + "'"
                                          : "'" + words[0] + "' needs a word that says what to do");
    }
    throw UsageError("there is no command '" + words.front() + "'");
}

/// What to put between "ksign" and "--help".
std::string help_prefix(const Arguments& words) {
    const FoundCommand found = find_command(words);
    if (found.command != nullptr) {
        return std::string(found.command->name) + ' ';
    }
    return !words.empty() && is_group(words.front()) ? words.front() + ' ' : std::string();
}

int run_reporting(const Arguments& words) {
    try {
        const int code = run(words);
        std::cout.flush();
        if (!std::cout) {
            print_note("the results could not be written to standard output");
            return exit_failed;
        }
        return code;
    } catch (const UsageError& error) {
        print_note(error.what());
        std::cerr << "  hint: `ksign " << help_prefix(words) << "--help` shows how it is used\n";
        return exit_usage;
    } catch (const Error& error) {
        print_error(error);
    } catch (const std::bad_alloc&) {
        print_note("out of memory");
    } catch (const std::exception& error) {
        print_note(std::string("unexpected failure: ") + error.what());
    }
    return exit_failed;
}

/// Set once, before anything else runs.
std::filesystem::path& own_path() {
    static std::filesystem::path path;
    return path;
}

/// The command that an executable's own name stands for, by a link to it: "sign-file", "genkeys.py".
std::optional<std::string> command_of_name(const std::filesystem::path& path) {
    const std::string name = path.extension() == ".py" ? path.stem().string() : path.filename().string();
    return find_command({name}).command != nullptr ? std::optional(name) : std::nullopt;
}

/// Everybody may read a process's arguments, and a pkcs11: URI among them can hold a PIN.
void hide_pins(int count, char** words) {
    constexpr std::string_view name = "pin-value=";
    for (int index = 0; index < count; ++index) {
        const std::string_view word(words[index]);
        for (std::size_t at = word.find(name); at != std::string_view::npos; at = word.find(name, at)) {
            at += name.size();
            const std::size_t end = std::min(word.find_first_of(";&?", at), word.size());
            std::fill(words[index] + at, words[index] + end, 'x');
        }
    }
}

/// A new file gets the lowest number that is free: were a standard stream's, what is printed would end up in a module.
/// Opened for the other direction, its number is taken, and a result that can't be written is still an error.
bool occupy_standard_streams() {
    constexpr std::array streams{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}; // open(2) gives the lowest that is free
    return std::ranges::all_of(streams, [](int number) {
        const int direction = number == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        return ::fcntl(number, F_GETFD) >= 0 || errno != EBADF || ::open("/dev/null", direction) == number;
    });
}

} // namespace

const std::filesystem::path& called_as() {
    return own_path();
}

} // namespace ksign::hook

int main(int count, char** words) {
    if (!ksign::hook::occupy_standard_streams()) {
        // Where it is not stderr itself that is closed.
        ksign::hook::print_error(ksign::Error::from_errno("/dev/null",
                                                          "open in place of a standard stream that is closed", errno,
                                                          "start ksign with standard input, output and error open"));
        return ksign::hook::exit_failed;
    }
    // Keys and passphrases must not end up in a core dump, nor be read by a debugger of the same user.
    ::prctl(PR_SET_DUMPABLE, 0);
    // A token's server that ends must be an error that is told (p11-kit writes to its socket without MSG_NOSIGNAL).
    std::signal(SIGPIPE, SIG_IGN); // NOLINT(cert-err33-c)
    // A file that would be larger than RLIMIT_FSIZE fails with EFBIG, by itself.
    std::signal(SIGXFSZ, SIG_IGN); // NOLINT(cert-err33-c)
    // It can't be too late here.
    static_cast<void>(ksign::wipe_freed_memory());

    ksign::hook::Arguments arguments(words + (count > 0 ? 1 : 0), words + count);
    ksign::hook::hide_pins(count, words);
    ksign::hook::own_path() = count > 0 ? words[0] : "ksign";
    if (auto command = ksign::hook::command_of_name(ksign::hook::own_path())) {
        arguments.insert(arguments.begin(), std::move(*command));
    }
    return ksign::hook::run_reporting(arguments);
}
