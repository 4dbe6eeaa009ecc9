#include <ksign/secret.hpp>

#include "file.hpp"
#include "private_file.hpp"

#include <openssl/crypto.h>

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace ksign {
namespace {

void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
    return std::malloc(size); // NOLINT(cppcoreguidelines-no-malloc): OpenSSL's allocator is to be in C's terms
}

void release(void* memory, const char* /*file*/, int /*line*/) {
    if (memory != nullptr) {
        ::explicit_bzero(memory, ::malloc_usable_size(memory));
        std::free(memory); // NOLINT(cppcoreguidelines-no-malloc)
    }
}

/// realloc(3) would leave the old bytes behind where it moves them.
void* reallocate(void* memory, std::size_t size, const char* file, int line) {
    void* larger = allocate(size, file, line);
    if (memory != nullptr && larger != nullptr) {
        std::memcpy(larger, memory, std::min(size, ::malloc_usable_size(memory)));
        release(memory, file, line);
    }
    return larger;
}

} // namespace

bool wipe_freed_memory() noexcept {
    return CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
}

void wipe_memory(void* memory, std::size_t size) noexcept {
    OPENSSL_cleanse(memory, size);
}

Secret Secret::from_file(const std::filesystem::path& path, InsecureFile insecure) {
    constexpr std::size_t largest_pin_file = 4096;
    Secret secret;
    bool line_ended = false;
    const auto take = [&](std::span<const std::byte> bytes) {
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::size_t end = text.find_first_of("\r\n");
        if (!line_ended) {
            secret.append(text.substr(0, end));
        }
        line_ended = line_ended || end != std::string_view::npos;
    };
    const struct stat status = read_small_file(path, largest_pin_file, take, NamedPipe::awaited);
    // A pipe: `--pin-file <(pass show kernel)`.
    if (insecure == InsecureFile::refused && S_ISREG(status.st_mode)) {
        expect_private_file(path.string(), status);
    }
    return secret;
}

} // namespace ksign
