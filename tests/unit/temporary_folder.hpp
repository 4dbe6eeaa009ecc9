// A folder for one test, gone with it; and files in it read and written whole.
#pragma once

#include "bytes.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace ksign::test {

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "ksign-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("can't make a folder for the test");
        }
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }
    /// How many entries it has, hidden ones too: what a test compares to see that nothing was left behind.
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
    }

  private:
    std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, ByteView bytes) {
    std::ofstream stream(path, std::ios::binary | std::ios::trunc);
    stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush()) {
        throw std::runtime_error("can't write " + path.string());
    }
}

inline void write_file(const std::filesystem::path& path, std::string_view text) {
    write_file(path, bytes_of(text));
}

/// A file as a private key's is to be: for its owner alone.
inline void write_key_file(const std::filesystem::path& path, ByteView bytes) {
    write_file(path, bytes);
    std::filesystem::permissions(path, std::filesystem::perms(0600));
}

inline Bytes read_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
        throw std::runtime_error("can't read " + path.string());
    }
    return bytes_of(std::string(std::istreambuf_iterator<char>(stream), {}));
}

inline struct stat status_of(const std::filesystem::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        throw std::runtime_error("can't stat " + path.string());
    }
    return status;
}

/// Whether a file was neither replaced nor written between the two.
inline bool is_untouched(const struct stat& before, const struct stat& after) {
    return before.st_ino == after.st_ino && before.st_size == after.st_size &&
           before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
           before.st_ctim.tv_sec == after.st_ctim.tv_sec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec;
}

} // namespace ksign::test
