// What a module file is, and who signed it.
#pragma once

#include <ksign/container.hpp>
#include <ksign/export.hpp>
#include <ksign/signature.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ksign {

/// What a module file is.
struct ModuleDescription {
    ContainerKind container{};
    std::string
        load_obstacle; ///< Why a kernel or kmod would not read the container ("xz with CRC64, …"); usually empty.
    std::uint64_t file_size = 0;                  ///< Bytes.
    std::uint64_t payload_size = 0;               ///< Bytes of the ELF file in it, no signature.
    std::vector<SignatureDescription> signatures; ///< The last one, which the kernel checks, first; a hundred at most.
    std::uint64_t more_signatures = 0;            ///< How many there are below these.
};

/// Reads what a module is and who signed it. Needs no key. Throws Error.
[[nodiscard]] KSIGN_EXPORT ModuleDescription describe_module(const std::filesystem::path& module,
                                                             std::uint64_t max_payload = usual_max_payload);

} // namespace ksign
