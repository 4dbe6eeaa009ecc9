#include <ksign/sign.hpp>

#include "parallel.hpp"
#include "prepared_module.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace ksign {
namespace {

// So many share one sync of the file system. Each has two descriptors open until then, of 1024 that a process may have.
constexpr std::size_t largest_group = 32;
constexpr std::size_t most_open = 256;

/// Modules that are committed together: all written, synced once, renamed, their folders synced. Each is the old file
/// or the new one, whole, at any moment, as if it were committed alone.
class CommitGroup {
  public:
    void add(std::unique_ptr<PreparedModule> module, SignedModule& result) {
        if (module->output) {
            try {
                module->output->finish_writing();
            } catch (const Error& error) {
                result.error = error;
                return;
            }
            members_.push_back({std::move(module), &result});
        } else {
            result.result = std::move(module->result);
        }
    }

    /// Afterwards no lock is held.
    void commit() {
        sync_files();
        for (Member& member : members_) {
            on_error(member, [&member] { member.module->output->put_in_place(); });
        }
        sync_folders();
        for (Member& member : members_) {
            if (!member.result->error) {
                member.result->result = std::move(member.module->result);
            }
        }
        members_.clear();
    }

  private:
    struct Member {
        std::unique_ptr<PreparedModule> module;
        SignedModule* result;
    };

    template <typename Work> static void on_error(Member& member, const Work& work) {
        if (member.result->error) {
            return;
        }
        try {
            work();
        } catch (const Error& error) {
            member.result->error = error;
        }
    }

    [[nodiscard]] bool on_one_file_system() const {
        std::set<dev_t> devices;
        for (const Member& member : members_) {
            struct stat status {};
            devices.insert(::fstat(member.module->output->descriptor(), &status) == 0 ? status.st_dev : 0);
        }
        return devices.size() == 1 && !devices.contains(0);
    }

    void sync_files() {
        if (members_.size() > 1 && on_one_file_system() &&
            sync_file_system(members_.front().module->output->descriptor())) {
            return;
        }
        for (Member& member : members_) {
            on_error(member, [&member] { member.module->output->sync(); });
        }
    }

    void sync_folders() {
        // A folder's failure is told once by the system, and counts for all of its modules.
        std::map<std::filesystem::path, std::optional<Error>> synced;
        for (Member& member : members_) {
            on_error(member, [&] {
                const auto [folder, is_new] = synced.try_emplace(member.module->output->folder());
                if (is_new) {
                    try {
                        sync_folder(folder->first, member.module->file.path().string());
                    } catch (const Error& error) {
                        folder->second = error;
                    }
                }
                if (folder->second) {
                    throw Error(*folder->second);
                }
            });
        }
    }

    std::vector<Member> members_;
};

/// Signs the modules one after the other, and commits them together.
std::vector<SignedModule> sign_group(std::span<const std::filesystem::path> modules, const Signer& signer,
                                     const SignOptions& options, const std::function<bool()>& stop) {
    std::vector<SignedModule> results(modules.size());
    CommitGroup group;
    for (std::size_t index = 0; index < modules.size() && !stop(); ++index) {
        try {
            auto file = InputFile::try_open_locked(modules[index]);
            if (!file) {
                // Who holds it may wait for one that is held here, and may be this very group.
                group.commit();
                file = InputFile::open_locked_unless(stop, modules[index]);
            }
            if (!file) {
                break;
            }
            group.add(std::make_unique<PreparedModule>(std::move(*file), signer, options), results[index]);
        } catch (const Error& error) {
            results[index].error = error;
        }
    }
    group.commit();
    return results;
}

} // namespace

void sign_all(const std::vector<std::filesystem::path>& modules, const Signer& signer, const SignOptions& options,
              const BatchOptions& batch, const std::function<void(std::size_t, const SignedModule&)>& done) {
    const unsigned threads = std::min<unsigned>(
        most_open, batch.threads != 0 ? batch.threads : std::max(1U, std::thread::hardware_concurrency()));
    // Small enough that every thread gets some, whatever the modules' sizes.
    constexpr std::size_t groups_for_each_thread = 4;
    const std::size_t size = std::clamp<std::size_t>(
        std::min(modules.size() / (threads * groups_for_each_thread), most_open / threads), 1, largest_group);
    const std::function<bool()> stop = batch.stop ? batch.stop : [] { return false; };
    for_each_in_order<std::vector<SignedModule>>((modules.size() + size - 1) / size, threads,
                                                 [&](std::size_t group) {
                                                     const auto rest = std::span(modules).subspan(group * size);
                                                     return sign_group(rest.first(std::min(size, rest.size())), signer,
                                                                       options, stop);
                                                 },
                                                 [&](std::size_t group, const std::vector<SignedModule>& results) {
                                                     for (std::size_t index = 0; index < results.size(); ++index) {
                                                         done(group * size + index, results[index]);
                                                     }
                                                 });
}

} // namespace ksign
