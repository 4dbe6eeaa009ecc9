#include "process.hpp"

#include "report.hpp"

#include <ksign/error.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <sstream>

namespace ksign::hook {
namespace {

/// Starts a program; @p prepare runs in it before, and says whether to go on.
pid_t start(const std::vector<std::string>& words, const std::function<bool()>& prepare) {
    std::vector<std::string> copies(words);
    std::vector<char*> pointers;
    pointers.reserve(copies.size() + 1);
    for (std::string& copy : copies) {
        pointers.push_back(copy.data());
    }
    pointers.push_back(nullptr);
    // What is still in a buffer belongs before what the program writes.
    std::cout.flush();
    const pid_t child = ::fork();
    if (child < 0) {
        throw Error::from_errno(words.front(), "start", errno);
    }
    if (child == 0) {
        for (const int number : {SIGPIPE, SIGXFSZ}) { // main() ignores them
            static_cast<void>(::signal(number, SIG_DFL));
        }
        if (prepare()) {
            ::execv(pointers.front(), pointers.data());
            if (errno == ENOEXEC) {
                // A script without a #! line: bash, from which DKMS runs it, reads it itself.
                std::string shell = "bash";
                pointers.insert(pointers.begin(), shell.data());
                ::execv("/bin/bash", pointers.data());
            }
        }
        const bool is_absent = errno == ENOENT;
        print_error(
            Error::from_errno(words.front(), "start", errno,
                              is_absent ? "it, or the program that its first line (#!) names, is not there" : ""));
        ::_exit(is_absent ? 127 : 126); // as shells do
    }
    return child;
}

int wait_for(pid_t child, const std::string& program) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            throw Error::from_errno(program, "wait for it", errno);
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

std::optional<std::filesystem::path> find_program(const std::string& name) {
    const char* const path = std::getenv("PATH");
    // As users have it whose PATH lacks the administrator's folders.
    std::istringstream folders(std::string(path == nullptr ? "" : path) + ":/usr/sbin:/usr/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::filesystem::path file = std::filesystem::path(folder) / name;
        std::error_code ignored;
        if (!folder.empty() && std::filesystem::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0) {
            return file;
        }
    }
    return std::nullopt;
}

int run_program(const std::vector<std::string>& words, const std::filesystem::path& folder) {
    return wait_for(start(words, [&folder] { return ::chdir(folder.c_str()) == 0; }), words.front());
}

int run_program_aside(const std::vector<std::string>& words) {
    return wait_for(start(words, [] { return ::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0; }), words.front());
}

int run_program(const std::vector<std::string>& words, std::string& output) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw Error::from_errno(words.front(), "start", errno);
    }
    const pid_t child = start(words, [&ends] {
        const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        return ::dup2(ends[1], STDOUT_FILENO) >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0;
    });
    ::close(ends[1]);
    std::array<char, 4096> buffer{};
    for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
        got = ::read(ends[0], buffer.data(), buffer.size());
        output.append(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    ::close(ends[0]);
    return wait_for(child, words.front());
}

} // namespace ksign::hook
