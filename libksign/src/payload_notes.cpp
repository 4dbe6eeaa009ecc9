#include "payload_notes.hpp"

#include <algorithm>
#include <utility>

namespace ksign {

void PayloadNotes::take(std::span<const std::byte> bytes) {
    if (recent_.size() >= window) {
        if (before_recent_) {
            before_recent_->update(older_);
        }
        recent_start_ += older_.size();
        std::swap(recent_, older_);
        recent_.clear();
    }
    recent_.insert(recent_.end(), bytes.begin(), bytes.end());
}

void PayloadNotes::finish() {
    if (!older_.empty()) {
        recent_.insert(recent_.begin(), older_.begin(), older_.end());
        older_.clear();
    }
}

void PayloadNotes::add_cut(std::uint64_t position, std::uint32_t check) {
    if (cuts_.size() == most_cuts) {
        // It is the end that will be cut.
        cuts_.erase(cuts_.begin(), cuts_.begin() + most_cuts / 2);
    }
    cuts_.push_back({position, payload_size(), check});
}

std::span<const std::byte> PayloadNotes::recent(std::uint64_t begin, std::uint64_t end) const {
    return std::span(recent_).subspan(begin - recent_start_, end - begin);
}

std::uint64_t PayloadNotes::xxh64_of_first(std::uint64_t size, std::span<const std::byte> tail) const {
    Xxh64 hash = before_recent_.value_or(Xxh64());
    hash.update(recent(recent_start_, size));
    hash.update(tail);
    return hash.value();
}

std::optional<PayloadNotes::Cut> PayloadNotes::cut_at(std::uint64_t kept) const {
    const auto beyond = std::ranges::upper_bound(cuts_, kept, {}, &CutPoint::payload);
    if (beyond == cuts_.begin()) {
        return std::nullopt;
    }
    const auto end =
        std::ranges::lower_bound(cuts_.begin(), beyond, std::prev(beyond)->payload, {}, &CutPoint::payload);
    if (end == cuts_.begin() || end->payload < recent_start_) {
        return std::nullopt;
    }
    return Cut{*std::prev(end), *end};
}

std::optional<CutPoint> PayloadNotes::last_cut() const {
    return cuts_.empty() ? std::nullopt : std::optional(cuts_.back());
}

} // namespace ksign
