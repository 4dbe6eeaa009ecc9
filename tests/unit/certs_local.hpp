// A certs-local folder for one test, and key folders in it that cost no new key.
#pragma once

#include "key_sample.hpp"
#include "temporary_folder.hpp"

#include <ksign/key_folder.hpp>
#include <ksign/key_refresh.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ksign::test {

/// A umask that holds until destroyed.
class Umask {
  public:
    explicit Umask(mode_t mask) : before_(::umask(mask)) {}
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;
    ~Umask() { ::umask(before_); }

  private:
    mode_t before_;
};

inline mode_t mode_of(const std::filesystem::path& path) {
    return status_of(path).st_mode & 07777U;
}

/// Dates a file back.
inline void make_older(const std::filesystem::path& file, std::chrono::seconds age) {
    const timespec time{::time(nullptr) - age.count(), 0};
    const std::array<timespec, 2> times{time, time};
    if (::utimensat(AT_FDCWD, file.c_str(), times.data(), 0) != 0) {
        throw std::runtime_error("can't date back " + file.string());
    }
}

/// The names in a folder, hidden ones too, sorted.
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

class CertsLocal {
  public:
    CertsLocal() { std::filesystem::create_directory(path()); }

    [[nodiscard]] std::filesystem::path path() const { return folder_ / "certs-local"; }
    [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const { return path() / name; }
    /// Where certs-local is: place for what lies beside it.
    [[nodiscard]] const TemporaryFolder& beside() const noexcept { return folder_; }

    /// Puts a whole key folder there, with the files that Arch-SKM writes.
    std::filesystem::path put(const std::string& stamp, const KeySample& sample = ec_sample("P-256"),
                              std::string_view hash = "sha256") const {
        const std::filesystem::path folder = path() / stamp;
        std::filesystem::create_directory(folder);
        const Bytes key = key_pem(sample.key.get());
        write_file(folder / "signing_prv.pem", key);
        write_file(folder / "signing_key.pem", joined({key, certificate_pem(sample.certificate.get())}));
        write_file(folder / "signing_crt.crt", certificate_der(sample.certificate.get()));
        write_file(folder / "khash", std::string(hash) + "\n");
        write_file(folder / "ktype", "ec\n");
        return folder;
    }
    void lead_current_to(const std::filesystem::path& target) const {
        std::filesystem::remove(path() / "current");
        std::filesystem::create_symlink(target, path() / "current");
    }
    /// As put(), and leads `current` to it.
    std::filesystem::path put_current(const std::string& stamp, const KeySample& sample = ec_sample("P-256")) const {
        lead_current_to(stamp);
        return put(stamp, sample);
    }
    /// What is in it beside `current`: key folders, and whatever was left behind.
    [[nodiscard]] std::vector<std::string> folders() const {
        std::vector<std::string> names = names_in(path());
        std::erase(names, "current");
        return names;
    }
    /// For the kind of key that is made fastest, which put() has, too.
    [[nodiscard]] RefreshRequest request() const {
        RefreshRequest request;
        request.certs_local = path();
        request.kind = KeyKind::p_256;
        request.hash = HashAlgorithm::sha256;
        return request;
    }
    [[nodiscard]] RefreshRequest request_always() const {
        RefreshRequest wanted = request();
        wanted.period.length.reset();
        return wanted;
    }

  private:
    TemporaryFolder folder_;
};

} // namespace ksign::test
