#include "module.hpp"

#include "cms.hpp"
#include "relay.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace ksign {
namespace {

// One signature takes at most a few KiB. A stack of signatures can take more: then the module is read once more, and so
// much more of its end is kept in memory.
constexpr std::size_t first_held_back = std::size_t{64} * 1024;
constexpr std::size_t held_back_growth = 8;
constexpr std::size_t most_held_back = std::size_t{64} * 1024 * 1024;

// A kernel checks one, and a few kilobytes can hold a million.
constexpr std::size_t most_described = 100;

/// Decodes a file into a reader, which digests at the same time where that pays.
LoadObstacle read_through(const InputFile& file, const Codec& codec, std::uint64_t max_payload, PayloadNotes* notes,
                          ModuleReader& reader) {
    const ByteSink take = [&reader](std::span<const std::byte> bytes) { reader.take(bytes); };
    if (codec.kind == ContainerKind::plain) {
        return read_payload(file, codec, max_payload, take);
    }
    if (file.size() < worth_a_relay) {
        return read_payload(file, codec, max_payload, take, notes);
    }
    Relay relay(take);
    const ByteSink hand_on = [&relay](std::span<const std::byte> bytes) { relay.take(bytes); };
    LoadObstacle obstacle = read_payload(file, codec, max_payload, hand_on, notes);
    relay.finish();
    return obstacle;
}

} // namespace

Examination examine(const InputFile& file, HashAlgorithm hash, std::uint64_t max_payload) {
    const Codec& codec = detect_codec(file);
    std::size_t held_back = 0;
    while (held_back < most_held_back) {
        held_back = std::clamp(held_back * held_back_growth, first_held_back, most_held_back);
        ModuleReader reader(hash, held_back, file.path().string());
        PayloadNotes notes;
        LoadObstacle obstacle = read_through(file, codec, max_payload, &notes, reader);
        if (auto payload = reader.finish()) {
            return {codec, std::move(obstacle), std::move(*payload), std::move(notes)};
        }
    }
    throw Error(ErrorCode::malformed_signature, file.path().string(),
                "has more than " + std::to_string(most_held_back) + " bytes of signatures",
                "rebuild or reinstall the module");
}

ModuleDescription describe_module(const std::filesystem::path& module, std::uint64_t max_payload) {
    const InputFile file = InputFile::open(module);
    const Examination found = examine(file, HashAlgorithm::sha256, max_payload);
    ModuleDescription description;
    description.container = found.codec.kind;
    description.load_obstacle = found.obstacle.reason;
    description.file_size = file.size();
    description.payload_size = found.payload.size;
    const std::span signatures(found.payload.signatures);
    const std::size_t described = std::min(signatures.size(), most_described);
    description.more_signatures = signatures.size() - described;
    for (const auto& signature : signatures.first(described)) {
        try {
            description.signatures.push_back(describe_signature(signature, module.string()));
        } catch (const Error& error) {
            SignatureDescription unknown;
            unknown.problem = error.reason();
            unknown.size = signature.size();
            description.signatures.push_back(std::move(unknown));
        }
    }
    return description;
}

} // namespace ksign
