// What of a key and its passphrase is left in this process's memory when they are gone. An executable of its own: no
// other test's keys are in it, and it sets OpenSSL's allocator as the executable does.
#include "catch.hpp"
#include "certificate.hpp"
#include "kernel_certificate.hpp"
#include "key_sample.hpp"
#include "private_key.hpp"
#include "temporary_folder.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

using namespace ksign;
using namespace ksign::test;

namespace {

// Before main(), where nothing has used OpenSSL yet.
const bool freed_memory_is_wiped = wipe_freed_memory();

constexpr char mask = '\x55';
constexpr std::size_t window = 20; ///< Of a secret, so many bytes in a row are looked for.

std::string masked(std::string_view text) {
    std::string result(text);
    std::ranges::for_each(result, [](char& character) { character = static_cast<char>(character ^ mask); });
    return result;
}

Secret unmasked(std::string_view text) {
    Secret secret;
    for (const char character : text) {
        const auto plain = static_cast<char>(character ^ mask);
        secret.append({&plain, 1});
    }
    return secret;
}

/// Whether the bytes hold a window of the secret, which this process has masked only.
bool holds(std::string_view bytes, std::string_view secret) {
    for (std::size_t start = 0; start + window <= secret.size(); start += window) {
        const std::string_view part = secret.substr(start, window);
        const auto same = [](char plain, char hidden) { return static_cast<char>(plain ^ mask) == hidden; };
        if (std::search(bytes.begin(), bytes.end(), part.begin(), part.end(), same) != bytes.end()) {
            return true;
        }
    }
    return false;
}

/// Looks through all memory that this process can write to. Returns where the secret is; empty: nowhere.
std::string place_in_memory(std::string_view secret) {
    std::ifstream maps("/proc/self/maps");
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    REQUIRE(memory >= 0);
    std::string place;
    for (std::string line; place.empty() && std::getline(maps, line);) {
        unsigned long start = 0;
        unsigned long end = 0;
        char writable = 0;
        // Not what the sanitizers reserve, terabytes of shadow.
        // NOLINTNEXTLINE(cert-err34-c): the kernel writes no number that does not fit
        if (std::sscanf(line.c_str(), "%lx-%lx r%c", &start, &end, &writable) != 3 || writable != 'w' ||
            end - start > (512UL << 20U)) {
            continue;
        }
        std::string bytes(end - start, '\0');
        const ssize_t got = ::pread(memory, bytes.data(), bytes.size(), static_cast<off_t>(start));
        if (got > 0 && holds({bytes.data(), static_cast<std::size_t>(got)}, secret)) {
            place = line;
        }
    }
    ::close(memory);
    return place;
}

/// Makes a key file in another process, so that this one has never seen it. Gives that process's answer, masked.
std::string made_elsewhere(const std::function<std::string()>& make) {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string answer = masked(make());
        ::_exit(::write(ends[1], answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()) ? 0 : 1);
    }
    ::close(ends[1]);
    std::string answer(4096, '\0');
    const ssize_t got = ::read(ends[0], answer.data(), answer.size());
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    REQUIRE(got > 0);
    answer.resize(static_cast<std::size_t>(got));
    return answer;
}

/// The base64 of a PEM text, without line ends: each line is 64 characters, and a window may not span two.
std::string body_of(const Bytes& pem) {
    const std::string text = text_of(pem);
    std::string body;
    for (std::size_t at = text.find('\n') + 1; text.compare(at, 5, "-----") != 0; at = text.find('\n', at) + 1) {
        const std::string line = text.substr(at, text.find('\n', at) - at);
        body += line.substr(0, line.size() / window * window);
    }
    return body;
}

} // namespace

TEST_CASE("what is in memory is found", "[secrets]") {
    REQUIRE(freed_memory_is_wiped);
    const std::string secret = made_elsewhere([] { return body_of(key_pem(make_ec_key("P-384").get())); });
    CHECK(place_in_memory(secret).empty());
    {
        const Secret plain = unmasked(secret);
        CHECK_FALSE(place_in_memory(secret).empty());
    }
    CHECK(place_in_memory(secret).empty());
}

TEST_CASE("a key's text is wiped from memory once it is read, and the key with its last owner", "[secrets]") {
    const TemporaryFolder folder;
    const auto path = folder / "key.pem";
    for (const bool rsa : {false, true}) {
        const std::string secret = made_elsewhere([&] {
            const KeyPointer key = rsa ? make_rsa_key() : make_ec_key("P-384");
            write_key_file(path, key_pem(key.get()));
            return body_of(key_pem(key.get()));
        });
        KeyHandle key = read_private_key(path.string(), {});
        const std::string place = place_in_memory(secret);
        INFO(place);
        CHECK(place.empty());
    }
}

TEST_CASE("a key that stands beside a certificate is wiped from memory with it", "[secrets]") {
    const TemporaryFolder folder;
    const auto path = folder / "both.pem";
    const std::string secret = made_elsewhere([&] {
        const KeyPointer key = make_rsa_key();
        write_key_file(path, joined({key_pem(key.get()), certificate_pem(make_certificate(key.get()).get())}));
        return body_of(key_pem(key.get()));
    });
    REQUIRE(read_certificate(path));
    CHECK(place_in_memory(secret).empty());
    REQUIRE(KernelCertificate::load(path).size() == 1);
    CHECK(place_in_memory(secret).empty());
}

TEST_CASE("an encrypted key's passphrase and text are wiped from memory", "[secrets]") {
    const TemporaryFolder folder;
    const auto path = folder / "key.pem";
    for (const bool traditional : {false, true}) {
        const std::string secret = made_elsewhere([&] {
            const KeyPointer key = make_ec_key("P-384");
            const std::string passphrase = body_of(key_pem(make_ec_key("P-256").get())).substr(20, 40);
            write_key_file(path,
                           traditional ? traditional_key_pem(key.get(), passphrase) : key_pem(key.get(), passphrase));
            // The text of the key as it is without the passphrase, too.
            return passphrase + body_of(key_pem(key.get()));
        });
        const std::string_view passphrase = std::string_view(secret).substr(0, 40);
        REQUIRE(read_private_key(path.string(), [&](const std::string&) { return unmasked(passphrase); }));
        const std::string place = place_in_memory(secret);
        INFO(place);
        CHECK(place.empty());
    }
}
