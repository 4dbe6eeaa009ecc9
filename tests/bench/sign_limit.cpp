// The least that signing modules durably can cost: each file read and hashed once, one operation with the private key,
// the file written anew with a tail, synced in groups, renamed, and the folders synced. Nothing is parsed, checked or
// printed, and the tail is no signature that a kernel would take. `ksign sign` is measured against it.
//
// sign-limit THREADS KEY <LIST   the key in PEM; the list names a file on each line
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

// As many as ksign has.
constexpr std::size_t group_size = 32;
// A CMS with issuer and serial number, its trailer and its marker are about this much larger than the signature.
constexpr std::size_t around_signature = 400;

[[noreturn]] void fail(const std::string& what) {
    std::perror(("sign-limit: " + what).c_str());
    std::exit(1);
}

std::string temporary(const std::string& path) {
    return path + ".new";
}

/// Gives the descriptor of the file written.
int write_signed(const std::string& path, EVP_PKEY* key, std::vector<unsigned char>& chunk) {
    const int input = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (input < 0 || ::fstat(input, &status) != 0) {
        fail(path);
    }
    const int output = ::open(temporary(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode);
    const Digest digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (output < 0 || EVP_DigestInit_ex(digest.get(), EVP_sha512(), nullptr) != 1) {
        fail(temporary(path));
    }
    ssize_t got = 0;
    while ((got = ::read(input, chunk.data(), chunk.size())) > 0) {
        EVP_DigestUpdate(digest.get(), chunk.data(), static_cast<std::size_t>(got));
        if (::write(output, chunk.data(), static_cast<std::size_t>(got)) != got) {
            fail(temporary(path));
        }
    }
    ::close(input);
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned size = 0;
    EVP_DigestFinal_ex(digest.get(), value.data(), &size);
    const KeyContext context(EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free);
    std::vector<unsigned char> tail(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t length = tail.size();
    if (EVP_PKEY_sign_init(context.get()) != 1 || EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha512()) != 1 ||
        EVP_PKEY_sign(context.get(), tail.data(), &length, value.data(), size) != 1) {
        fail("the operation with the key was not done");
    }
    tail.resize(length + around_signature);
    if (::write(output, tail.data(), tail.size()) != static_cast<ssize_t>(tail.size())) {
        fail(temporary(path));
    }
    return output;
}

struct Group {
    std::vector<std::string> paths;
    std::vector<int> files;

    void commit() {
        if (files.empty()) {
            return;
        }
        if ((files.size() == 1 ? ::fsync(files.front()) : ::syncfs(files.front())) != 0) {
            fail("sync");
        }
        std::set<std::string> folders;
        for (std::size_t index = 0; index < files.size(); ++index) {
            if (::rename(temporary(paths[index]).c_str(), paths[index].c_str()) != 0) {
                fail(paths[index]);
            }
            ::close(files[index]);
            folders.insert(paths[index].substr(0, paths[index].rfind('/')));
        }
        for (const std::string& path : folders) {
            const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (folder < 0 || ::fsync(folder) != 0) {
                fail(path);
            }
            ::close(folder);
        }
        paths.clear();
        files.clear();
    }
};

} // namespace

int main(int count, char** words) {
    if (count != 3) {
        fail("THREADS KEY <LIST");
    }
    const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(words[2], "re"), std::fclose);
    EVP_PKEY* const key = file ? PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr) : nullptr;
    if (key == nullptr) {
        fail(words[2]);
    }
    std::vector<std::string> paths;
    for (std::string line; std::getline(std::cin, line);) {
        paths.push_back(line);
    }
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (int thread = std::atoi(words[1]); thread > 0; --thread) {
        threads.emplace_back([&] {
            constexpr std::size_t chunk_size = 128 << 10;
            std::vector<unsigned char> chunk(chunk_size);
            for (std::size_t begin = 0; (begin = next.fetch_add(group_size)) < paths.size();) {
                Group group;
                for (std::size_t index = begin; index < std::min(paths.size(), begin + group_size); ++index) {
                    group.files.push_back(write_signed(paths[index], key, chunk));
                    group.paths.push_back(paths[index]);
                }
                group.commit();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EVP_PKEY_free(key);
    return 0;
}
