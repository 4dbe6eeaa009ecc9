// Reading a module file through: container, payload, signatures.
#pragma once

#include "container.hpp"
#include "module_signature.hpp"

#include <ksign/module.hpp>

namespace ksign {

struct Examination {
    const Codec& codec;
    LoadObstacle obstacle;
    ModulePayload payload;
    PayloadNotes notes; ///< Of a container that is compressed: for write_kept_and_tail().
};

/// Streams a module once: its payload's digest, its size, its signatures. Memory is bounded by the windows of the
/// container and its notes, and by the signatures' size. Throws Error.
[[nodiscard]] Examination examine(const InputFile& file, HashAlgorithm hash, std::uint64_t max_payload);

} // namespace ksign
