#include <ksign/key_refresh.hpp>

#include "file.hpp"
#include "key_generation.hpp"

#include <ksign/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace ksign {
namespace {

using Clock = std::chrono::system_clock;

// Fixed names: whoever works here holds the folder's lock, so what is found under them is from a killed process.
constexpr const char* unfinished_folder = ".new.ksign";
constexpr const char* unfinished_link = ".current.ksign";

struct Unit {
    std::string_view name;
    std::chrono::seconds length;
};

constexpr std::array units{
    Unit{"s", std::chrono::seconds{1}},      Unit{"sec", std::chrono::seconds{1}},
    Unit{"second", std::chrono::seconds{1}}, Unit{"m", std::chrono::minutes{1}},
    Unit{"min", std::chrono::minutes{1}},    Unit{"minute", std::chrono::minutes{1}},
    Unit{"h", std::chrono::hours{1}},        Unit{"hr", std::chrono::hours{1}},
    Unit{"hour", std::chrono::hours{1}},     Unit{"d", std::chrono::hours{24}},
    Unit{"day", std::chrono::hours{24}},     Unit{"w", std::chrono::hours{168}},
    Unit{"week", std::chrono::hours{168}},
};

std::optional<std::chrono::seconds> unit_length(std::string_view name) {
    for (const Unit& unit : units) {
        // "s" itself has no plural.
        if (name == unit.name || (unit.name.size() > 1 && name.size() == unit.name.size() + 1 &&
                                  name.starts_with(unit.name) && name.ends_with('s'))) {
            return unit.length;
        }
    }
    return std::nullopt;
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

/// "3 days", "5 hours": the largest unit of which there is at least one.
std::string duration_text(std::chrono::seconds length) {
    for (const auto& [name, seconds] :
         std::array<std::pair<const char*, long>, 3>{{{"day", 86400}, {"hour", 3600}, {"minute", 60}}}) {
        if (const long count = length.count() / seconds; count > 0) {
            return std::to_string(count) + ' ' + name + (count == 1 ? "" : "s");
        }
    }
    return std::to_string(length.count()) + (length.count() == 1 ? " second" : " seconds");
}

/// The current key folder if it is whole; @p problem says why not.
std::optional<KeyFolder> read_current(const std::filesystem::path& certs_local, std::string& problem) {
    const auto folder = current_key_folder(certs_local);
    if (!folder) {
        problem = "there was no key";
        return std::nullopt;
    }
    try {
        KeyFolder current = read_key_folder(*folder);
        if (current.has_private_key) {
            return current;
        }
        problem = "the current key folder has no private key";
    } catch (const Error& error) {
        problem = std::string("the current key folder is not whole (") + error.what() + ")";
    }
    return std::nullopt;
}

/// Why a new key is due; nothing if it is not. The reason for that, too, is in @p reason.
bool is_due(const KeyFolder& current, const RefreshRequest& request, Clock::time_point started, std::string& reason) {
    if (current.kind != request.kind) {
        reason = "the key was " + std::string(key_kind_name(current.kind)) + ", and " +
                 std::string(key_kind_name(request.kind)) + " is wanted";
        return true;
    }
    if (current.hash != request.hash) {
        reason = "the key's hash was " + (current.hash ? std::string(hash_name(*current.hash)) : "unknown") + ", and " +
                 std::string(hash_name(request.hash)) + " is wanted";
        return true;
    }
    if (!request.period.length || request.period.length->count() == 0) {
        reason = "asked for";
        return true;
    }
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(started - current.made);
    // A certificate's time has whole seconds, and another process may just have made it.
    constexpr std::chrono::seconds tolerance{60};
    if (age < -tolerance) {
        reason = "the key is dated " + duration_text(-age) + " in the future: was the clock set back?";
        return true;
    }
    const auto left = *request.period.length - age;
    reason = left.count() <= 0 ? "the key was made " + duration_text(std::max(age, std::chrono::seconds{0})) + " ago"
                               : "due in " + duration_text(left);
    return left.count() <= 0;
}

void remove_leftovers(const std::filesystem::path& certs_local) {
    for (const char* name : {unfinished_folder, unfinished_link}) {
        std::error_code why;
        std::filesystem::remove_all(certs_local / name, why);
        if (why) {
            throw Error::from_errno((certs_local / name).string(), "remove what a killed run left", why.value());
        }
    }
}

/// certs-local itself: one that was made for nothing goes again.
class StoreFolder {
  public:
    explicit StoreFolder(const std::filesystem::path& path) : path_(path) {
        std::error_code why;
        made_ = std::filesystem::create_directories(path, why);
        if (why) {
            throw Error::from_errno(path.string(), "make the folder", why.value());
        }
    }
    StoreFolder(const StoreFolder&) = delete;
    StoreFolder& operator=(const StoreFolder&) = delete;
    ~StoreFolder() {
        if (made_) {
            ::rmdir(path_.c_str()); // fails where there is a key in it
        }
    }

  private:
    const std::filesystem::path& path_;
    bool made_ = false;
};

void write_key_files(const std::filesystem::path& folder, const RefreshRequest& request) {
    const KeyHandle key = make_private_key(request.kind);
    const CertificateHandle certificate = make_certificate(key.get(), request.hash, request.certificate);
    const Secret pem = private_key_pem(key.get());
    Secret both(pem.view());
    const auto certificate_text = certificate_pem(certificate.get());
    both.append({reinterpret_cast<const char*>(certificate_text.data()), certificate_text.size()});
    constexpr mode_t secret_mode = 0600;
    constexpr mode_t public_mode = 0644;
    create_file(folder / key_file::private_key, bytes_of(pem.view()), secret_mode);
    create_file(folder / key_file::key_and_certificate, bytes_of(both.view()), secret_mode);
    create_file(folder / key_file::certificate, certificate_der(certificate.get()), public_mode);
    create_file(folder / key_file::hash, bytes_of(std::string(hash_name(request.hash)) + '\n'), public_mode);
    create_file(folder / key_file::family, bytes_of(std::string(key_kind_family(request.kind)) + '\n'), public_mode);
    sync_folder(folder, folder.string());
}

/// Gives a finished folder its name by the time, YYYYmmdd-HHMM; a second one of the same minute gets "-02".
std::filesystem::path give_stamp(const std::filesystem::path& unfinished, const std::filesystem::path& certs_local) {
    const std::time_t now = Clock::to_time_t(Clock::now());
    std::tm fields{};
    ::localtime_r(&now, &fields);
    std::array<char, 32> stamp{};
    static_cast<void>(std::strftime(stamp.data(), stamp.size(), "%Y%m%d-%H%M", &fields));
    constexpr int most_in_a_minute = 10000;
    for (int count = 1; count < most_in_a_minute; ++count) {
        std::array<char, 16> suffix{};
        if (count > 1) {
            static_cast<void>(std::snprintf(suffix.data(), suffix.size(), "-%02d", count));
        }
        std::filesystem::path folder = certs_local / (std::string(stamp.data()) + suffix.data());
        if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, folder.c_str(), RENAME_NOREPLACE) == 0) {
            return folder;
        }
        // EINVAL: a file system without RENAME_NOREPLACE. The lock is held, and rename(2) never replaces a folder that
        // is not empty.
        if (errno == EINVAL && ::access(folder.c_str(), F_OK) != 0 &&
            ::rename(unfinished.c_str(), folder.c_str()) == 0) {
            return folder;
        }
        if (errno != EEXIST && errno != EINVAL && errno != ENOENT && errno != ENOTEMPTY) {
            throw Error::from_errno(folder.string(), "name the new key folder", errno);
        }
    }
    throw Error(ErrorCode::system, certs_local.string(), "has too many key folders of this minute");
}

void lead_current_to(const std::filesystem::path& folder, const std::filesystem::path& certs_local) {
    const std::filesystem::path link = certs_local / unfinished_link;
    const std::filesystem::path current = certs_local / current_link;
    if (::symlink(folder.filename().c_str(), link.c_str()) != 0) {
        throw Error::from_errno(current.string(), "make the link", errno);
    }
    if (::rename(link.c_str(), current.c_str()) != 0) {
        const int error_number = errno;
        ::unlink(link.c_str());
        throw Error::from_errno(current.string(), "replace the link", error_number);
    }
    sync_folder(certs_local, current.string());
}

KeyFolder make_key_folder(const RefreshRequest& request) {
    const UnfinishedFolder unfinished(request.certs_local / unfinished_folder);
    write_key_files(unfinished.path(), request);
    // Whole, or not at all: what can't be read back is not made current.
    static_cast<void>(read_key_folder(unfinished.path()));
    const std::filesystem::path folder = give_stamp(unfinished.path(), request.certs_local);
    sync_folder(request.certs_local, folder.string());
    lead_current_to(folder, request.certs_local);
    return read_key_folder(folder);
}

bool is_stamp(std::string_view name) {
    constexpr std::size_t date = 8;
    constexpr std::size_t stamp = 13; // YYYYmmdd-HHMM
    if (name.size() < stamp || name[date] != '-' || (name.size() > stamp && name[stamp] != '-')) {
        return false;
    }
    return std::all_of(name.begin(), name.end(),
                       [](char character) { return character == '-' || (character >= '0' && character <= '9'); });
}

bool holds_bundle(const std::filesystem::path& folder) {
    std::error_code ignored;
    return std::any_of(std::filesystem::directory_iterator(folder, ignored), std::filesystem::directory_iterator(),
                       [](const std::filesystem::directory_entry& entry) {
                           return entry.path().filename().string().starts_with(key_file::bundle_prefix);
                       });
}

/// Removes the oldest key folders. Never the current one, and none with a bundle of certificates as long as the current
/// one has none: a configuration may still name it, and it holds certificates that nothing else has.
std::vector<std::filesystem::path> prune(const RefreshRequest& request, const std::filesystem::path& current) {
    std::vector<std::filesystem::path> old;
    std::error_code why;
    const bool bundled = holds_bundle(current);
    for (std::filesystem::directory_iterator entry(request.certs_local, why), end; !why && entry != end;
         entry.increment(why)) {
        const std::filesystem::path& path = entry->path();
        std::error_code doubt; // then it stays
        const bool is_key_folder = is_stamp(path.filename().string()) && entry->is_directory(doubt) && !doubt &&
                                   !entry->is_symlink(doubt) && !doubt;
        if (is_key_folder && !std::filesystem::equivalent(path, current, doubt) && !doubt &&
            (bundled || !holds_bundle(path))) {
            old.push_back(path);
        }
    }
    if (why) {
        throw Error::from_errno(request.certs_local.string(), "look for old key folders", why.value());
    }
    std::sort(old.begin(), old.end(), std::greater<>());
    const std::size_t kept = *request.keep == 0 ? 0 : *request.keep - 1;
    old.erase(old.begin(), old.begin() + static_cast<std::ptrdiff_t>(std::min(kept, old.size())));
    for (const std::filesystem::path& folder : old) {
        std::filesystem::remove_all(folder, why);
        if (why) {
            throw Error::from_errno(folder.string(), "remove the old key folder", why.value());
        }
    }
    return old;
}

} // namespace

std::optional<RefreshPeriod> parse_refresh_period(std::string_view text) {
    if (text == "always") {
        return RefreshPeriod{std::nullopt};
    }
    long count = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (problem != std::errc() || text.starts_with('-')) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    while (text.starts_with(' ')) {
        text.remove_prefix(1);
    }
    const auto unit = unit_length(text);
    // A century is longer than any kernel lasts, and far from overflow.
    constexpr std::chrono::seconds longest = std::chrono::hours{24} * 36525;
    if (!unit || count > longest.count() || count * unit->count() > longest.count()) {
        return std::nullopt;
    }
    return RefreshPeriod{std::chrono::seconds{count * unit->count()}};
}

RefreshResult refresh_keys(const RefreshRequest& request) {
    const Clock::time_point started = Clock::now();
    const StoreFolder store(request.certs_local);
    const auto before = current_key_folder(request.certs_local);
    const FileDescriptor lock = lock_folder(request.certs_local);
    RefreshResult result;
    std::optional<KeyFolder> current = read_current(request.certs_local, result.reason);
    if (current) {
        RefreshRequest wanted = request;
        // Another run made this one while we waited for the lock: it is as new as what we would make.
        if (request.period.length.value_or(std::chrono::seconds{0}).count() == 0 && before != current->path) {
            wanted.period = usual_refresh_period;
        }
        result.made = is_due(*current, wanted, started, result.reason);
    } else {
        result.made = true;
    }
    if (result.made) {
        remove_leftovers(request.certs_local);
        current = make_key_folder(request);
    }
    if (request.keep) {
        result.pruned = prune(request, current->path);
    }
    result.current = std::move(*current);
    return result;
}

} // namespace ksign
