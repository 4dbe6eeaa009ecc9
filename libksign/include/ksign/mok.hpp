// Machine owner keys: whether one is enrolled, and what a kernel makes of it.
#pragma once

#include <ksign/export.hpp>
#include <ksign/kernel_config.hpp>
#include <ksign/trust.hpp>
#include <ksign/verdict.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ksign {

/// How a certificate stands with the firmware.
enum class MokState {
    no_firmware, ///< The machine was not started by UEFI firmware: it has no machine owner keys.
    enrolled,    ///< In MokList.
    in_db,       ///< In the firmware's own db, beside those of the machine's makers.
    requested,   ///< To be confirmed in MokManager at the next boot (MokNew).
    revoked,     ///< In dbx or MokListX.
    unknown,     ///< A variable can't be read; the notes say why.
    absent,
};

/// "enrolled", "in db", "requested", "revoked", "not enrolled", "unknown", "no firmware".
[[nodiscard]] KSIGN_EXPORT std::string_view mok_state_name(MokState state) noexcept;

/// What there is to know of a certificate as a machine owner key.
struct MokSurvey {
    MokState state{};
    bool secure_boot = false;
    Keyring keyring = Keyring::platform; ///< Where the kernel puts it, once it is enrolled.
    std::string keyring_reason;          ///< Why there.
    /// What keeps the kernel from loading modules by it even once it is enrolled, and what to do. Empty: they load.
    std::vector<VerifyObstacle> obstacles;
    std::vector<std::string> notes; ///< What could not be read; for people.
};

/// Reads a certificate: DER, PEM (a key may stand beside it), or a `pkcs11:` URI. Throws Error (system, certificate).
[[nodiscard]] KSIGN_EXPORT KernelCertificate load_mok_certificate(const std::string& source);

/// Compares a certificate with the variables in ROOT/sys/firmware/efi and with what a kernel takes.
/// @param kernel  its configuration and banner; without them it is taken to be mainline that has everything
[[nodiscard]] KSIGN_EXPORT MokSurvey survey_mok(const KernelCertificate& certificate, const KernelFacts& kernel,
                                                const std::filesystem::path& root = "/");

/// Whether a file holds a certificate in DER, and nothing else: what mokutil takes. Throws Error (system).
[[nodiscard]] KSIGN_EXPORT bool is_mok_file(const std::filesystem::path& file);

/// Writes a certificate in DER, whole, unless the file holds just that. Returns whether it wrote.
/// Throws Error (system, certificate), the latter where the file holds something else.
[[nodiscard]] KSIGN_EXPORT bool write_mok_certificate(const KernelCertificate& certificate,
                                                      const std::filesystem::path& file);

} // namespace ksign
