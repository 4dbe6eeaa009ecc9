#include "firmware.hpp"

#include "file.hpp"
#include "kernel_certificate.hpp"
#include "little_endian.hpp"

#include <ksign/error.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace ksign {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::size_t largest_variable = std::size_t{16} << 20U;
constexpr std::byte non_volatile{1}; // EFI_VARIABLE_NON_VOLATILE

bool file_exists(const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
}

std::vector<std::byte> read(const std::filesystem::path& file, std::size_t skip) {
    std::vector<std::byte> bytes = read_small_file(file, largest_variable);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(skip, bytes.size())));
    return bytes;
}

} // namespace

Firmware::Firmware(const std::filesystem::path& root)
    : variables_(root / "sys/firmware/efi/efivars"), mok_(root / "sys/firmware/efi/mok-variables") {}

std::optional<std::vector<std::byte>> Firmware::variable(const std::string& name, const char* guid) const {
    // shim's table of MOK variables comes first (load_moklist_certs()).
    constexpr std::size_t attributes = 4; // efivarfs puts them before the content
    const std::filesystem::path copy = variables_ / (name + guid);
    if (guid == shim_guid && file_exists(mok_ / name)) {
        try {
            return read(mok_ / name, 0);
        } catch (const Error& error) {
            // For root alone (drivers/firmware/efi/mokvar-table.c). Everyone may read what the firmware keeps of it.
            if (!error.is_denied() || !file_exists(copy)) {
                throw;
            }
        }
    }
    return file_exists(copy) ? std::optional(read(copy, attributes)) : std::nullopt;
}

bool Firmware::is_there() const {
    return file_exists(variables_);
}

bool Firmware::is_one(const std::string& name, const char* guid) const {
    const auto value = variable(name, guid);
    return value && !value->empty() && value->front() == std::byte{1};
}

bool Firmware::shim_validates() const {
    const std::string name = "MokSBStateRT";
    if (!is_one(name, shim_guid)) {
        return true;
    }
    // "If it fails, or is non-volatile": shim's own lasts until the next boot only, and anyone may write the other
    // kind.
    const std::filesystem::path file = variables_ / (name + shim_guid);
    const std::vector<std::byte> attributes = file_exists(file) ? read(file, 0) : std::vector<std::byte>();
    return !attributes.empty() && (attributes.front() & non_volatile) == non_volatile;
}

SecureBoot Firmware::secure_boot() const {
    if (!is_one("SecureBoot", global_guid)) {
        return SecureBoot::off;
    }
    if (is_one("SetupMode", global_guid)) {
        return SecureBoot::setup_mode;
    }
    return shim_validates() ? SecureBoot::on : SecureBoot::not_validated;
}

std::string_view why_not_secure(SecureBoot state) noexcept {
    switch (state) {
    case SecureBoot::on:
        break;
    case SecureBoot::off:
        return "Secure Boot is off";
    case SecureBoot::setup_mode:
        return "the firmware is in setup mode, which is as if Secure Boot were off";
    case SecureBoot::not_validated:
        return "shim's validation is off, which is as if Secure Boot were";
    }
    return {};
}

bool for_each_signature(Bytes bytes, const std::function<void(const Guid&, Bytes)>& handle) {
    constexpr std::size_t list_header = 28; // type, size of the list, of a further header, of each entry
    constexpr std::size_t owner = 16;
    while (!bytes.empty()) {
        if (bytes.size() < list_header) {
            return false;
        }
        Guid type{};
        std::memcpy(type.data(), bytes.data(), type.size());
        const auto number = [bytes](std::size_t at) {
            return static_cast<std::size_t>(from_little_endian(bytes.subspan(at, 4)));
        };
        const std::size_t size = number(16);
        const std::size_t header = number(20);
        const std::size_t entry = number(24);
        if (size < list_header || size > bytes.size() || header > size - list_header || entry <= owner) {
            return false;
        }
        Bytes entries = bytes.subspan(list_header + header, size - list_header - header);
        if (entries.size() < entry) {
            return false;
        }
        for (; entries.size() >= entry; entries = entries.subspan(entry)) {
            handle(type, entries.subspan(owner, entry - owner));
        }
        if (!entries.empty()) {
            return false;
        }
        bytes = bytes.subspan(size);
    }
    return true;
}

Keyring machine_owner_keyring(const std::optional<KernelConfig>& config, const Firmware& firmware,
                              const KernelCertificate& certificate) {
    const auto is_set = [&config](std::string_view option) { return config && config->enabled(option); };
    if ((config && !is_set("INTEGRITY_MACHINE_KEYRING")) || !firmware.variable("MokListTrustedRT", shim_guid)) {
        return Keyring::platform;
    }
    const auto& parts = certificate.parts();
    const bool is_barred = (is_set("INTEGRITY_CA_MACHINE_KEYRING") && !(parts.is_ca && parts.signs_certificates)) ||
                           (is_set("INTEGRITY_CA_MACHINE_KEYRING_MAX") && parts.signs_data);
    return is_barred ? Keyring::platform : Keyring::machine;
}

} // namespace ksign
