#include <ksign/key_refresh.hpp>

#include "catch.hpp"
#include "certs_local.hpp"
#include "expect_error.hpp"
#include "file.hpp"

#include <ksign/signer.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

using namespace ksign;
using namespace ksign::test;
using namespace std::chrono_literals;

namespace {

std::string current_target(const CertsLocal& store) {
    return std::filesystem::read_symlink(store / "current").string();
}

/// YYYYmmdd-HHMM, and perhaps a number.
bool is_stamp(const std::string& name) {
    const std::string digits = "0123456789";
    return name.size() >= 13 && name.find_first_not_of(digits) == 8 && name[8] == '-' &&
           (name.size() == 13 || (name[13] == '-' && name.find_first_not_of(digits, 14) == std::string::npos));
}

/// A key folder that modules can be signed with, as Arch-SKM and ksign read it, and nothing else in it.
void expect_whole(const std::filesystem::path& folder) {
    CHECK(names_in(folder) ==
          std::vector<std::string>{"khash", "ktype", "signing_crt.crt", "signing_key.pem", "signing_prv.pem"});
    const Signer by_both = Signer::load({(folder / "signing_key.pem").string(), folder / "signing_key.pem", {}});
    const Signer apart = Signer::load({(folder / "signing_prv.pem").string(), folder / "signing_crt.crt", {}});
    CHECK(by_both.serial() == apart.serial());
}

/// Whose certificate is dated in the future.
KeySample future_sample(long seconds) {
    KeySample sample = make_sample(ec_sample("P-256").key);
    X509_gmtime_adj(X509_getm_notBefore(sample.certificate.get()), seconds);
    openssl_expect(X509_sign(sample.certificate.get(), sample.key.get(), EVP_sha256()));
    return sample;
}

/// How many wait for a file's lock, by the kernel's own list; nothing if there is no list.
std::optional<int> waiting_for(const std::filesystem::path& path) {
    std::ifstream locks("/proc/locks");
    if (!locks) {
        return std::nullopt;
    }
    const std::string inode = ":" + std::to_string(status_of(path).st_ino) + " ";
    int count = 0;
    for (std::string line; std::getline(locks, line);) {
        count += line.find(" -> ") != std::string::npos && line.find(inode) != std::string::npos ? 1 : 0;
    }
    return count;
}

struct ManyRuns {
    int made = 0;
    int failed = 0;
    std::set<std::string> serials; ///< Of the keys that they hand back as current.
};

/// So many runs that all start before the first can do anything.
ManyRuns run_at_once(const RefreshRequest& request, int count) {
    std::vector<RefreshResult> results(static_cast<std::size_t>(count));
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    {
        const FileDescriptor lock = lock_folder(request.certs_local);
        for (RefreshResult& result : results) {
            threads.emplace_back([&request, &result, &failed] {
                try {
                    result = refresh_keys(request);
                } catch (const std::exception&) {
                    ++failed;
                }
            });
        }
        const auto patience = std::chrono::steady_clock::now() + 2s;
        while (waiting_for(request.certs_local).value_or(0) < count && std::chrono::steady_clock::now() < patience) {
            std::this_thread::sleep_for(5ms);
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    ManyRuns runs;
    runs.failed = failed;
    for (const RefreshResult& result : results) {
        runs.made += result.made ? 1 : 0;
        runs.serials.insert(result.current.serial);
    }
    return runs;
}

/// Works as somebody without rights for as long as it lives; has no effect unless root runs the test.
class Unprivileged {
  public:
    explicit Unprivileged(const std::filesystem::path& owned) : was_root_(::geteuid() == 0) {
        constexpr uid_t nobody = 65534;
        if (was_root_) {
            for (auto path = owned; path != std::filesystem::temp_directory_path() && path.has_relative_path();
                 path = path.parent_path()) {
                ready_ = ready_ && ::chown(path.c_str(), nobody, static_cast<gid_t>(-1)) == 0;
            }
            ready_ = ready_ && ::seteuid(nobody) == 0;
        }
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
    ~Unprivileged() {
        if (was_root_ && ::seteuid(0) != 0) {
            std::abort();
        }
    }
    [[nodiscard]] bool ready() const noexcept { return ready_; }

  private:
    bool was_root_;
    bool ready_ = true;
};

} // namespace

TEST_CASE("a period is a number and a unit", "[key_refresh]") {
    const auto length_of = [](std::string_view text) {
        const auto period = parse_refresh_period(text);
        return period ? period->length : std::nullopt;
    };
    CHECK(length_of("7d") == 168h);
    CHECK(length_of("24h") == 24h);
    CHECK(length_of("30days") == 720h);
    CHECK(length_of("2 weeks") == 336h);
    CHECK(length_of("1week") == 168h);
    CHECK(length_of("1w") == 168h);
    CHECK(length_of("1  day") == 24h);
    CHECK(length_of("90s") == 90s);
    CHECK(length_of("90 sec") == 90s);
    CHECK(length_of("90secs") == 90s);
    CHECK(length_of("1second") == 1s);
    CHECK(length_of("90seconds") == 90s);
    CHECK(length_of("5m") == 5min);
    CHECK(length_of("5min") == 5min);
    CHECK(length_of("5mins") == 5min);
    CHECK(length_of("5 minutes") == 5min);
    CHECK(length_of("2hr") == 2h);
    CHECK(length_of("2hrs") == 2h);
    CHECK(length_of("2hours") == 2h);
    CHECK(length_of("007d") == 168h);
    CHECK(length_of("0d") == 0s);
    CHECK(length_of("36525d") == 24h * 36525); // a century
}

TEST_CASE("a period may be none at all", "[key_refresh]") {
    const auto period = parse_refresh_period("always");
    REQUIRE(period);
    CHECK_FALSE(period->length);
    CHECK(usual_refresh_period.length == parse_refresh_period("7d")->length);
}

TEST_CASE("what is no period is refused", "[key_refresh]") {
    for (const std::string_view text : {"",
                                        " ",
                                        "7",
                                        "d",
                                        "-1d",
                                        "+7d",
                                        "7x",
                                        "99999999999999w",
                                        "99999999999999999999999d",
                                        "36526d",
                                        "7 d s",
                                        "7dd",
                                        "7d ",
                                        " 7d",
                                        "7ss",
                                        "7ms",
                                        "7.5d",
                                        "7,d",
                                        "7\td",
                                        "7 dayss",
                                        "0x7d",
                                        "ALWAYS",
                                        "always ",
                                        "never",
                                        "weekly",
                                        "7days7",
                                        "7da",
                                        "9223372036854775807s"}) {
        INFO("'" << text << "'");
        CHECK_FALSE(parse_refresh_period(text));
    }
}

TEST_CASE("the first run makes a key", "[key_refresh]") {
    const CertsLocal store;
    RefreshRequest request = store.request();
    request.certificate.common_name = "First of all";
    const RefreshResult result = refresh_keys(request);
    CHECK(result.made);
    CHECK(result.reason == "there was no key");
    CHECK(result.pruned.empty());
    const auto folders = store.folders();
    REQUIRE(folders.size() == 1);
    CHECK(is_stamp(folders.front()));
    CHECK(current_target(store) == folders.front()); // relative: the folder may be moved
    CHECK(result.current.path == store / folders.front());
    CHECK(result.current.kind == KeyKind::p_256);
    CHECK(result.current.hash == HashAlgorithm::sha256);
    CHECK(result.current.signer == "First of all");
    CHECK(result.current.has_private_key);
    expect_whole(result.current.path);
}

TEST_CASE("the folder for keys is made with those above it", "[key_refresh]") {
    const TemporaryFolder folder;
    RefreshRequest request;
    request.certs_local = folder / "a/b/certs-local";
    CHECK(refresh_keys(request).made);
    CHECK(std::filesystem::is_symlink(folder / "a/b/certs-local/current"));
}

TEST_CASE("the files are what Arch-SKM reads", "[key_refresh]") {
    const CertsLocal store;
    RefreshRequest request = store.request();
    request.kind = KeyKind::p_384;
    request.hash = HashAlgorithm::sha512;
    const auto folder = refresh_keys(request).current.path;
    CHECK(text_of(read_file(folder / "khash")) == "sha512\n");
    CHECK(text_of(read_file(folder / "ktype")) == "ec\n");
    const std::string both = text_of(read_file(folder / "signing_key.pem"));
    const std::string key = text_of(read_file(folder / "signing_prv.pem"));
    CHECK(key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    CHECK(both.starts_with(key)); // the key, then the certificate
    CHECK(std::string_view(both).substr(key.size()).starts_with("-----BEGIN CERTIFICATE-----\n"));
    CHECK(both.ends_with("-----END CERTIFICATE-----\n"));
    CHECK(read_file(folder / "signing_crt.crt").front() == std::byte{0x30});
}

TEST_CASE("a second run leaves everything as it is", "[key_refresh]") {
    const CertsLocal store;
    const RefreshResult first = refresh_keys(store.request());
    const struct stat key = status_of(first.current.path / "signing_key.pem");
    const struct stat link = status_of(store / "current");
    const struct stat folder = status_of(store.path());
    const RefreshResult second = refresh_keys(store.request());
    CHECK_FALSE(second.made);
    CHECK((second.reason == "due in 6 days" || second.reason == "due in 7 days"));
    CHECK(second.current.path == first.current.path);
    CHECK(second.current.serial == first.current.serial);
    CHECK(is_untouched(key, status_of(first.current.path / "signing_key.pem")));
    CHECK(is_untouched(link, status_of(store / "current")));
    CHECK(is_untouched(folder, status_of(store.path())));
}

TEST_CASE("a key is renewed when it is too old", "[key_refresh]") {
    const CertsLocal store;
    const auto old = store.put_current("20260101-1200");
    make_older(old / "signing_key.pem", 8 * 24h);
    RefreshRequest request = store.request();
    request.period = *parse_refresh_period("9d");
    CHECK_FALSE(refresh_keys(request).made);
    request.period = *parse_refresh_period("8d");
    const RefreshResult result = refresh_keys(request);
    CHECK(result.made);
    CHECK(result.reason == "the key was made 8 days ago");
    CHECK(result.current.path != old);
    CHECK(current_target(store) == result.current.path.filename());
    CHECK(store.folders().size() == 2); // the old one stays
    CHECK_FALSE(refresh_keys(request).made);
}

TEST_CASE("the age of a key reads well", "[key_refresh]") {
    const CertsLocal store;
    const auto old = store.put_current("20260101-1200");
    const auto reason_at = [&](std::chrono::seconds age) {
        make_older(old / "signing_key.pem", age);
        store.lead_current_to("20260101-1200");
        RefreshRequest request = store.request();
        request.period.length = 1s;
        return refresh_keys(request).reason;
    };
    CHECK(reason_at(24h + 1min) == "the key was made 1 day ago");
    CHECK(reason_at(23h + 1min) == "the key was made 23 hours ago");
    CHECK(reason_at(100 * 24h) == "the key was made 100 days ago");
}

TEST_CASE("a key is renewed whenever that is asked for", "[key_refresh]") {
    const CertsLocal store;
    const RefreshResult first = refresh_keys(store.request_always());
    const RefreshResult second = refresh_keys(store.request_always());
    CHECK(second.made);
    CHECK(second.reason == "asked for");
    CHECK(second.current.serial != first.current.serial);
    CHECK(current_target(store) == second.current.path.filename());
}

TEST_CASE("key folders of the same minute are told apart", "[key_refresh]") {
    const CertsLocal store;
    std::vector<std::string> names;
    for (int round = 0; round < 4; ++round) {
        names.push_back(refresh_keys(store.request_always()).current.path.filename());
        CHECK(is_stamp(names.back()));
        expect_whole(store / names.back());
    }
    CHECK(std::is_sorted(names.begin(), names.end())); // by name as by age
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
    CHECK(store.folders() == names);
}

TEST_CASE("a key dated in the future is renewed", "[key_refresh]") {
    const CertsLocal store;
    const auto folder = store.put_current("20260101-1200", future_sample(7200 + 60));
    make_older(folder / "signing_key.pem", -2h - 1min);
    make_older(folder / "signing_crt.crt", -2h - 1min);
    const RefreshResult result = refresh_keys(store.request());
    CHECK(result.made);
    CHECK(mentions(result.reason, "2 hours in the future"));
    CHECK(mentions(result.reason, "clock"));
}

TEST_CASE("a key that another process made this very moment is not from the future", "[key_refresh]") {
    const CertsLocal store;
    const auto folder = store.put_current("20260101-1200", future_sample(20));
    make_older(folder / "signing_key.pem", -20s);
    make_older(folder / "signing_crt.crt", -20s);
    CHECK_FALSE(refresh_keys(store.request()).made);
}

TEST_CASE("another kind of key or hash makes a new key", "[key_refresh]") {
    const CertsLocal store;
    const auto old = store.put_current("20260101-1200");
    RefreshRequest request = store.request();
    SECTION("kind") {
        request.kind = KeyKind::p_384;
        CHECK(refresh_keys(request).reason == "the key was p-256, and p-384 is wanted");
    }
    SECTION("hash") {
        request.hash = HashAlgorithm::sha512;
        CHECK(refresh_keys(request).reason == "the key's hash was sha256, and sha512 is wanted");
    }
    SECTION("a hash that nobody wrote down") {
        std::filesystem::remove(old / "khash");
        CHECK(refresh_keys(request).reason == "the key's hash was unknown, and sha256 is wanted");
    }
    CHECK(current_target(store) != "20260101-1200");
    const RefreshResult next = refresh_keys(request);
    CHECK_FALSE(next.made);
    CHECK(next.current.kind == request.kind);
    CHECK(next.current.hash == request.hash);
}

TEST_CASE("a key folder that is not whole is replaced", "[key_refresh]") {
    const CertsLocal store;
    const auto old = store.put_current("20260101-1200");
    std::string reason;
    SECTION("no private key") {
        std::filesystem::remove(old / "signing_prv.pem");
        reason = "has no private key";
    }
    SECTION("no key with certificate") {
        std::filesystem::remove(old / "signing_key.pem");
        reason = "has no private key";
    }
    SECTION("no certificate") {
        std::filesystem::remove(old / "signing_crt.crt");
        reason = "is not whole";
    }
    SECTION("a broken certificate") {
        write_file(old / "signing_crt.crt", "x");
        reason = "is not whole";
    }
    SECTION("a link that leads nowhere") {
        store.lead_current_to("20250101-1200");
        reason = "is not whole";
    }
    SECTION("a link to a file") {
        write_file(store / "file", "x");
        store.lead_current_to("file");
        reason = "is not whole";
    }
    const RefreshResult result = refresh_keys(store.request());
    CHECK(result.made);
    CHECK(mentions(result.reason, reason));
    CHECK(std::filesystem::is_directory(old)); // whatever it holds, it is not ours to remove
    expect_whole(result.current.path);
    CHECK(current_target(store) == result.current.path.filename());
}

TEST_CASE("a current that is no link is left alone, and no key is made", "[key_refresh]") {
    const CertsLocal store;
    std::filesystem::create_directory(store / "current");
    write_file(store / "current/precious", "x");
    const Error error = error_of([&] { refresh_keys(store.request_always()); });
    CHECK(error.code() == ErrorCode::key);
    CHECK(error.subject() == (store / "current").string());
    CHECK(names_in(store.path()) == std::vector<std::string>{"current"});
    CHECK(std::filesystem::exists(store / "current/precious"));
}

TEST_CASE("a current that leads to itself is left alone, and no key is made", "[key_refresh]") {
    const CertsLocal store;
    store.lead_current_to("current");
    CHECK(error_of([&] { refresh_keys(store.request()); }).code() == ErrorCode::system);
    CHECK(names_in(store.path()) == std::vector<std::string>{"current"});
}

TEST_CASE("private keys are for their owner alone, whatever the umask", "[key_refresh]") {
    const CertsLocal store;
    const Umask umask(GENERATE(mode_t{0}, mode_t{022}, mode_t{077}));
    const auto folder = refresh_keys(store.request()).current.path;
    CHECK(mode_of(folder) == 0700);
    CHECK(mode_of(folder / "signing_key.pem") == 0600);
    CHECK(mode_of(folder / "signing_prv.pem") == 0600);
    CHECK(mode_of(folder / "signing_crt.crt") == 0644);
    CHECK(mode_of(folder / "khash") == 0644);
    CHECK(mode_of(folder / "ktype") == 0644);
}

TEST_CASE("what a killed run left is removed", "[key_refresh]") {
    const CertsLocal store;
    std::filesystem::create_directory(store / ".new.ksign");
    write_file(store / ".new.ksign/signing_prv.pem", "half of a key");
    std::filesystem::create_symlink("20260101-1200", store / ".current.ksign");
    CHECK(refresh_keys(store.request()).made);
    CHECK(store.folders().size() == 1);
    CHECK(is_stamp(store.folders().front()));
}

TEST_CASE("a leftover that is a link is removed, not followed", "[key_refresh]") {
    const CertsLocal store;
    std::filesystem::create_directory(store.beside() / "precious");
    write_file(store.beside() / "precious/file", "x");
    std::filesystem::create_directory_symlink(store.beside() / "precious", store / ".new.ksign");
    CHECK(refresh_keys(store.request()).made);
    CHECK(names_in(store.beside() / "precious") == std::vector<std::string>{"file"});
    CHECK_FALSE(std::filesystem::is_symlink(store / ".new.ksign"));
}

TEST_CASE("a run that fails leaves nothing, and the key that was", "[key_refresh]") {
    const CertsLocal store;
    store.put_current("20260101-1200");
    RefreshRequest request = store.request_always();
    SECTION("a profile that is not there") {
        request.certificate.profile = "/nonexistent/x509.genkey";
        CHECK(error_of([&] { refresh_keys(request); }).code() == ErrorCode::certificate);
    }
    SECTION("a name that is too long") {
        request.certificate.common_name = std::string(100, 'x');
        CHECK(error_of([&] { refresh_keys(request); }).code() == ErrorCode::usage);
    }
    SECTION("days that no certificate lasts") {
        request.certificate.days = 0;
        CHECK(error_of([&] { refresh_keys(request); }).code() == ErrorCode::usage);
    }
    CHECK(store.folders() == std::vector<std::string>{"20260101-1200"});
    CHECK(current_target(store) == "20260101-1200");
}

TEST_CASE("a folder for keys that can't be made is told", "[key_refresh]") {
    const TemporaryFolder folder;
    write_file(folder / "file", "x");
    RefreshRequest request;
    request.certs_local = folder / GENERATE("file", "file/certs-local");
    CHECK(error_of([&] { refresh_keys(request); }).code() == ErrorCode::system);
    CHECK(read_file(folder / "file") == bytes_of("x"));
}

TEST_CASE("a folder for keys that can't be written to is told", "[key_refresh]") {
    const CertsLocal store;
    ::chmod(store.path().c_str(), 0500);
    const Unprivileged unprivileged(store.path());
    if (!unprivileged.ready()) {
        WARN("this test can't become somebody else here");
        return;
    }
    const Error error = error_of([&] { refresh_keys(store.request()); });
    CHECK(error.code() == ErrorCode::system);
    CHECK(mentions(error.subject(), store.path().string()));
    CHECK(mentions(error.reason(), "Permission denied"));
    CHECK(names_in(store.path()).empty());
}

TEST_CASE("many first runs at once make one key", "[key_refresh]") {
    const CertsLocal store;
    const ManyRuns runs = run_at_once(store.request(), 20);
    CHECK(runs.failed == 0);
    CHECK(runs.made == 1);
    CHECK(runs.serials.size() == 1);
    CHECK(store.folders().size() == 1);
    expect_whole(store / store.folders().front());
}

TEST_CASE("many that ask for a new key at once get one, the same", "[key_refresh]") {
    const CertsLocal store;
    store.put_current("20260101-1200");
    const ManyRuns runs = run_at_once(store.request_always(), 20);
    CHECK(runs.failed == 0);
    CHECK(runs.made == 1);
    CHECK(runs.serials.size() == 1);
    CHECK(store.folders().size() == 2);
    CHECK(current_target(store) != "20260101-1200");
}

TEST_CASE("current leads to a whole key folder at every moment", "[key_refresh]") {
    const CertsLocal store;
    store.put_current("20260101-1200");
    std::atomic<bool> done = false;
    int looks = 0;
    int failures = 0;
    std::thread reader([&] {
        while (!done || looks == 0) {
            try {
                const auto folder = current_key_folder(store.path());
                failures += folder && read_key_folder(*folder).has_private_key ? 0 : 1;
            } catch (const std::exception&) {
                ++failures;
            }
            ++looks;
        }
    });
    for (int round = 0; round < 5; ++round) {
        refresh_keys(store.request_always());
    }
    done = true;
    reader.join();
    CHECK(failures == 0);
}

TEST_CASE("old key folders are removed, the current one and some stay", "[key_refresh]") {
    const CertsLocal store;
    for (const char* stamp : {"20260101-1200", "20260101-1200-02", "20260102-1200", "20260103-1200"}) {
        store.put(stamp);
    }
    RefreshRequest request = store.request();
    SECTION("the newest stay with the current one") {
        store.lead_current_to("20260103-1200");
        request.keep = 2;
        const RefreshResult result = refresh_keys(request);
        CHECK_FALSE(result.made);
        CHECK(result.pruned == std::vector<std::filesystem::path>{store / "20260101-1200-02", store / "20260101-1200"});
        CHECK(store.folders() == std::vector<std::string>{"20260102-1200", "20260103-1200"});
    }
    SECTION("the current one counts wherever it stands") {
        store.lead_current_to("20260101-1200");
        request.keep = 2;
        refresh_keys(request);
        CHECK(store.folders() == std::vector<std::string>{"20260101-1200", "20260103-1200"});
    }
    SECTION("one is the current one alone, and so is none") {
        store.lead_current_to("20260102-1200");
        request.keep = GENERATE(std::size_t{0}, std::size_t{1});
        CHECK(refresh_keys(request).pruned.size() == 3);
        CHECK(store.folders() == std::vector<std::string>{"20260102-1200"});
    }
    SECTION("a new one counts, too") {
        store.lead_current_to("20260103-1200");
        request = store.request_always();
        request.keep = 2;
        const RefreshResult result = refresh_keys(request);
        CHECK(result.made);
        CHECK(store.folders() == std::vector<std::string>{"20260103-1200", result.current.path.filename()});
    }
    SECTION("more than there are") {
        store.lead_current_to("20260103-1200");
        request.keep = 100;
        CHECK(refresh_keys(request).pruned.empty());
        CHECK(store.folders().size() == 4);
    }
    SECTION("all, if nothing is said") {
        store.lead_current_to("20260103-1200");
        CHECK(refresh_keys(request).pruned.empty());
        CHECK(store.folders().size() == 4);
    }
}

TEST_CASE("only key folders are removed", "[key_refresh]") {
    const CertsLocal store;
    store.put_current("20260103-1200");
    store.put("20260101-1200");
    store.put("dkms");
    store.put("20260101");
    store.put("20260101-1200.bak");
    store.put("20260101-12000");
    write_file(store / "20260101-1300", "a file");
    std::filesystem::create_directory(store.beside() / "elsewhere");
    std::filesystem::create_directory_symlink(store.beside() / "elsewhere", store / "20260101-1400");
    RefreshRequest request = store.request();
    request.keep = 1;
    CHECK(refresh_keys(request).pruned == std::vector<std::filesystem::path>{store / "20260101-1200"});
    CHECK(store.folders().size() == 7);
    CHECK(std::filesystem::is_directory(store.beside() / "elsewhere"));
}

TEST_CASE("a key folder with others' certificates stays until the current one has them", "[key_refresh]") {
    const CertsLocal store;
    const auto bundled = store.put("20260101-1200");
    store.put("20260102-1200");
    const auto current = store.put_current("20260103-1200");
    write_file(bundled / "trusted_keys-0011223344556677.pem", "certificates");
    RefreshRequest request = store.request();
    request.keep = 1;
    CHECK(refresh_keys(request).pruned == std::vector<std::filesystem::path>{store / "20260102-1200"});
    CHECK(store.folders() == std::vector<std::string>{"20260101-1200", "20260103-1200"});
    write_file(current / "trusted_keys-8899aabbccddeeff.pem", "certificates");
    CHECK(refresh_keys(request).pruned == std::vector<std::filesystem::path>{bundled});
    CHECK(store.folders() == std::vector<std::string>{"20260103-1200"});
}

TEST_CASE("the current key folder stays, however current names it", "[key_refresh]") {
    // Once: prune() knows the current folder by the last part of current's path, which is empty after a slash, and
    // another name where current leads to a link. Then it removes the key in use.
    const CertsLocal store;
    store.put("20260101-1200");
    RefreshRequest request = store.request();
    request.keep = 1;
    SECTION("with a slash") {
        store.lead_current_to("20260101-1200/");
    }
    SECTION("by another link") {
        std::filesystem::create_directory_symlink("20260101-1200", store / "newest");
        store.lead_current_to("newest");
    }
    CHECK(refresh_keys(request).pruned.empty());
    CHECK(std::filesystem::exists(store / "20260101-1200/signing_key.pem"));
}
