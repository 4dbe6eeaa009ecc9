// A container taken through what signing does with it: decoded with notes, spliced, put together.
#pragma once

#include "bytes.hpp"
#include "container.hpp"

#include <optional>

namespace ksign::test {

struct NotedContainer {
    InputFile file;
    PayloadNotes notes;
    Bytes payload;
    LoadObstacle obstacle;
};

/// Throws Error if it does not decode.
inline NotedContainer read_noted(const Codec& codec, ByteView container, std::uint64_t max_payload = 1U << 30U) {
    NotedContainer noted{InputFile::of_bytes(container, "a.ko"), {}, {}, {}};
    noted.obstacle = read_payload(
        noted.file, codec, max_payload,
        [&noted](ByteView bytes) { noted.payload.insert(noted.payload.end(), bytes.begin(), bytes.end()); },
        &noted.notes);
    return noted;
}

/// The bytes that a splice makes.
inline Bytes put_together(const InputFile& file, const Splice& splice) {
    Bytes whole;
    for (const SplicePart& part : splice.parts) {
        if (part.begin == part.end) {
            whole.insert(whole.end(), part.bytes.begin(), part.bytes.end());
            continue;
        }
        Bytes old(part.end - part.begin);
        if (file.read_at(part.begin, old) != old.size()) {
            throw std::logic_error("a splice keeps bytes that the file does not have");
        }
        whole.insert(whole.end(), old.begin(), old.end());
    }
    if (whole.size() != splice.size()) {
        throw std::logic_error("a splice is not of the size that it says");
    }
    return whole;
}

/// How much of a spliced container was copied.
inline std::uint64_t copied_size(const Splice& splice) {
    std::uint64_t copied = 0;
    for (const SplicePart& part : splice.parts) {
        copied += part.end - part.begin;
    }
    return copied;
}

} // namespace ksign::test
