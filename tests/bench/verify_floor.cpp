// The least that verifying modules can cost: each file read and hashed once, and one operation with a public key.
// Nothing is looked for, decided or printed. `ksign verify` is measured against it.
//
// verify-floor THREADS CERTIFICATE <LIST   the certificate in DER; the list names a file on each line
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "verify-floor: %s\n", what.c_str());
    std::exit(1);
}

void verify(const std::string& path, EVP_PKEY* key, std::vector<unsigned char>& chunk) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const Digest digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (file < 0 || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) {
        fail(path);
    }
    ssize_t got = 0;
    while ((got = ::read(file, chunk.data(), chunk.size())) > 0) {
        EVP_DigestUpdate(digest.get(), chunk.data(), static_cast<std::size_t>(got));
    }
    ::close(file);
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(digest.get(), static_cast<unsigned char*>(value), &size);
    const KeyContext context(EVP_PKEY_CTX_new(key, nullptr), EVP_PKEY_CTX_free);
    // A number below every modulus: the operation is done whole, and its result is wrong.
    std::vector<unsigned char> signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), 0x11);
    if (EVP_PKEY_verify_init(context.get()) != 1 || EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_verify(context.get(), signature.data(), signature.size(), static_cast<unsigned char*>(value), size) ==
            1) {
        fail("the operation with the key was not done");
    }
}

} // namespace

int main(int count, char** words) {
    if (count != 3) {
        fail("THREADS CERTIFICATE <LIST");
    }
    std::ifstream stream(words[2], std::ios::binary);
    const std::string der(std::istreambuf_iterator<char>(stream), {});
    const auto* position = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        d2i_X509(nullptr, &position, static_cast<long>(der.size())), X509_free);
    if (!certificate) {
        fail(words[2]);
    }
    std::vector<std::string> files;
    for (std::string line; std::getline(std::cin, line);) {
        files.push_back(line);
    }
    EVP_PKEY* key = X509_get0_pubkey(certificate.get());
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> threads;
    for (int number = std::atoi(words[1]); number > 0; --number) {
        threads.emplace_back([&] {
            std::vector<unsigned char> chunk(std::size_t{128} * 1024);
            for (std::size_t index = next++; index < files.size(); index = next++) {
                verify(files[index], key, chunk);
            }
        });
    }
    threads.clear();
    std::printf("%zu files\n", files.size());
    return files.empty() ? 1 : 0;
}
