#include <ksign/running_kernel.hpp>

#include "file.hpp"
#include "firmware.hpp"
#include "kernel_certificate.hpp"

#include <ksign/error.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t largest_proc_file = std::size_t{16} << 20U;
constexpr unsigned taint_unsigned_module = 13; // include/linux/panic.h

/// A small file of /proc or /sys; nothing if it can't be read, as without privileges or on other machines.
std::optional<std::string> read_text(const std::filesystem::path& file) {
    try {
        const std::vector<std::byte> bytes = read_small_file(file, largest_proc_file);
        std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        while (!text.empty() && text.back() == '\n') {
            text.pop_back();
        }
        return text;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::optional<Lockdown> lockdown_of(const std::filesystem::path& root) {
    // "none [integrity] confidentiality" (security/lockdown/lockdown.c)
    const auto text = read_text(root / "sys/kernel/security/lockdown");
    if (!text) {
        return std::nullopt;
    }
    if (text->find("[integrity]") != std::string::npos) {
        return Lockdown::integrity;
    }
    return text->find("[confidentiality]") != std::string::npos ? Lockdown::confidentiality : Lockdown::none;
}

std::vector<LoadedModule> loaded_modules(const std::filesystem::path& root) {
    std::vector<LoadedModule> modules;
    std::istringstream lines(read_text(root / "proc/modules").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        LoadedModule module{line.substr(0, line.find(' ')), {}};
        module.taints = read_text(root / "sys/module" / module.name / "taint").value_or("");
        modules.push_back(std::move(module));
    }
    return modules;
}

bool is_about_signatures(std::string_view line) {
    return std::ranges::any_of(
        std::array{"module verification failed", " is rejected", "unsigned module loading is restricted", "Lockdown: "},
        [line](std::string_view part) { return line.find(part) != std::string_view::npos; });
}

/// /dev/kmsg gives one record at a read: "priority,sequence,time,flags;text".
std::vector<std::string> read_log(const std::filesystem::path& file) {
    std::vector<std::string> found;
    const FileDescriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 16384> buffer{}; // a record has at most 8 KiB
    std::size_t total = 0;
    while (descriptor.is_open() && total < largest_proc_file) {
        const ssize_t got = ::read(descriptor.number(), buffer.data(), buffer.size());
        if (got < 0 && (errno == EINTR || errno == EPIPE)) {
            continue; // EPIPE: overwritten meanwhile; it goes on with the oldest that is left
        }
        if (got <= 0) {
            break;
        }
        total += static_cast<std::size_t>(got);
        std::istringstream lines(std::string(buffer.data(), static_cast<std::size_t>(got)));
        for (std::string line; std::getline(lines, line);) {
            const std::size_t start = line.find(';');
            if (start != std::string::npos && is_about_signatures(line)) {
                found.push_back(line.substr(start + 1));
            }
        }
    }
    return found;
}

class FirmwareReader {
  public:
    FirmwareReader(TrustedKeys& keys, const KernelFacts& kernel, const std::filesystem::path& root)
        : keys_(keys), kernel_(kernel), firmware_(root) {}

    /// load_uefi_certs().
    void read() {
        if (!firmware_.is_there()) {
            return;
        }
        try {
            read_lists();
        } catch (const Error& error) {
            note(error);
        }
    }

  private:
    void read_lists() {
        if (!firmware_.variable("MokIgnoreDB", shim_guid)) {
            read_list("db", database_guid, "UEFI's db",
                      [this](const KernelCertificate& certificate, const std::string& origin) {
                          keys_.add({certificate, Keyring::platform, origin});
                      });
        }
        read_revoked("dbx", database_guid, "UEFI's dbx");
        std::string why(why_not_secure(firmware_.secure_boot()));
        if (why.empty() && !takes_machine_owner_keys(kernel_)) {
            why = "CONFIG_IMA_ARCH_POLICY is not set";
        }
        if (!why.empty()) {
            if (firmware_.variable("MokListRT", shim_guid)) {
                keys_.notes.push_back(why + ": the kernel does not look at machine owner keys");
            }
            return;
        }
        read_revoked("MokListXRT", shim_guid, "MokListX");
        read_list("MokListRT", shim_guid, "machine owner key (MokList)",
                  [this](const KernelCertificate& certificate, const std::string& origin) {
                      keys_.add({certificate, machine_owner_keyring(kernel_.config, firmware_, certificate), origin});
                  });
    }

    void read_list(const std::string& name, const char* guid, const std::string& origin,
                   const std::function<void(const KernelCertificate&, const std::string&)>& add) {
        with_signatures(name, guid, origin, [&](const Guid& type, Bytes data) {
            if (type == x509_guid) {
                add(KernelCertificate::parse(data, origin), origin);
            }
        });
    }

    /// get_handler_for_dbx().
    void read_revoked(const std::string& name, const char* guid, const std::string& origin) {
        with_signatures(name, guid, origin, [&](const Guid& type, Bytes data) {
            if (type == x509_guid) {
                keys_.add({KernelCertificate::parse(data, origin), Keyring::revoked, origin});
            } else if (type == x509_sha256_guid) {
                // uefi_blacklist_x509_tbs() takes the time of revocation that follows the hash for a part of it.
                keys_.revoked_hashes.emplace_back(data.begin(), data.end());
            }
        });
    }

    void with_signatures(const std::string& name, const char* guid, const std::string& origin,
                         const std::function<void(const Guid&, Bytes)>& handle) {
        try {
            const auto content = firmware_.variable(name, guid);
            const bool whole = !content || for_each_signature(*content, [&](const Guid& type, Bytes data) {
                try {
                    handle(type, data);
                } catch (const Error& error) {
                    keys_.notes.emplace_back(error.what());
                }
            });
            if (!whole) {
                keys_.notes.push_back(origin + " can't be parsed to its end");
            }
        } catch (const Error& error) {
            note(error);
        }
    }

    /// What this user may not read is said apart: another may.
    void note(const Error& error) {
        if (error.is_denied()) {
            keys_.unread.emplace_back(error.what());
        }
        keys_.notes.push_back(error.with_remedy());
    }

    TrustedKeys& keys_;
    const KernelFacts& kernel_;
    Firmware firmware_;
};

} // namespace

std::optional<RunningKernel> read_running_kernel(const std::filesystem::path& root) {
    const auto release = read_text(root / "proc/sys/kernel/osrelease");
    if (!release) {
        return std::nullopt;
    }
    RunningKernel kernel;
    kernel.release = *release;
    kernel.banner = read_text(root / "proc/version").value_or("");
    kernel.lockdown = lockdown_of(root);
    if (const auto enforced = read_text(root / "sys/module/module/parameters/sig_enforce")) {
        kernel.enforced = *enforced == "Y";
    }
    kernel.modules = loaded_modules(root);
    const std::string tainted = read_text(root / "proc/sys/kernel/tainted").value_or("0");
    kernel.tainted_by_unsigned = (std::strtoull(tainted.c_str(), nullptr, 10) >> taint_unsigned_module & 1U) != 0;
    kernel.log = read_log(root / "dev/kmsg");
    return kernel;
}

void add_firmware_keys(TrustedKeys& keys, const KernelFacts& kernel, const std::filesystem::path& root) {
    FirmwareReader(keys, kernel, root).read();
}

void compare_with_loaded_keys(TrustedKeys& keys, const std::filesystem::path& root) {
    // "…: NAME: IDENTIFIER: X509.rsa …" of the type asymmetric (x509_key_preparse() makes the description).
    std::set<std::string> loaded;
    std::istringstream lines(read_text(root / "proc/keys").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        const std::size_t end = line.find(": X509.");
        const std::size_t start = line.rfind(": ", end == std::string::npos ? end : end - 1);
        if (line.find(" asymmetri ") != std::string::npos && end != std::string::npos && start != std::string::npos) {
            loaded.insert(line.substr(start + 2, end - start - 2));
        }
    }
    if (loaded.empty()) {
        return; // this user may not see them
    }
    for (const TrustEntry& entry : keys.entries) {
        const auto& parts = entry.certificate.parts();
        const std::string identifier =
            entry.certificate.key_id().empty() ? lower_hex(parts.serial) : lower_hex(parts.key_id);
        if (entry.keyring != Keyring::revoked && !loaded.contains(identifier)) {
            keys.notes.push_back(entry.certificate.name() + " (" + entry.origin +
                                 ") is not among the keys that the running kernel holds (/proc/keys)");
        }
    }
}

} // namespace ksign
