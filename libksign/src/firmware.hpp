// UEFI's variables as Linux shows them: whose keys the firmware and shim hand to the kernel.
#pragma once

#include <ksign/kernel_config.hpp>
#include <ksign/trust.hpp>

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

using Guid = std::array<unsigned char, 16>;

// Types of signatures, as they lie in memory (include/linux/efi.h).
inline constexpr Guid x509_guid{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
inline constexpr Guid x509_sha256_guid{0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40,
                                       0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed};

// Whose a variable is: what ends its file's name.
inline constexpr const char* shim_guid = "-605dab50-e046-4300-abb6-3dd810dd8b23"; ///< EFI_SHIM_LOCK_GUID
inline constexpr const char* database_guid =
    "-d719b2cb-3d3a-4596-a3bc-dad00e67656f"; ///< EFI_IMAGE_SECURITY_DATABASE_GUID
inline constexpr const char* global_guid = "-8be4df61-93ca-11d2-aa0d-00e098032b8c"; ///< EFI_GLOBAL_VARIABLE_GUID

/// Secure Boot as the kernel sees it: machine owner keys are looked at only where it is on.
enum class SecureBoot {
    on,
    off,
    setup_mode,    ///< The firmware takes any key, and checks nothing.
    not_validated, ///< The user has switched shim's checks off.
};

/// "Secure Boot is off", and how it is in the other cases; empty where it is on.
[[nodiscard]] std::string_view why_not_secure(SecureBoot state) noexcept;

/// The variables in ROOT/sys/firmware/efi.
class Firmware {
  public:
    explicit Firmware(const std::filesystem::path& root);

    /// A variable's content; nothing if there is none. Throws Error (system, limit).
    [[nodiscard]] std::optional<std::vector<std::byte>> variable(const std::string& name, const char* guid) const;
    /// Whether the machine was started by UEFI firmware.
    [[nodiscard]] bool is_there() const;
    /// efi_get_secureboot_mode() (include/linux/efi.h) and efi_get_secureboot() (libstub/secureboot.c). Throws Error.
    [[nodiscard]] SecureBoot secure_boot() const;

  private:
    [[nodiscard]] bool is_one(const std::string& name, const char* guid) const;
    [[nodiscard]] bool shim_validates() const;

    std::filesystem::path variables_;
    std::filesystem::path mok_;
};

/// parse_efi_signature_list() (security/integrity/platform_certs/efi_parser.c): lists, each of one type, of entries of
/// one size. False if the bytes are no such lists.
[[nodiscard]] bool for_each_signature(std::span<const std::byte> bytes,
                                      const std::function<void(const Guid&, std::span<const std::byte>)>& handle);

/// Where the kernel puts a machine owner key: get_handler_for_mok(), add_to_machine_keyring(), restrict_link_by_ca().
/// Without a configuration it is taken to have the machine keyring, with no restriction.
[[nodiscard]] Keyring machine_owner_keyring(const std::optional<KernelConfig>& config, const Firmware& firmware,
                                            const KernelCertificate& certificate);

} // namespace ksign
