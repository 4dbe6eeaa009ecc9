// A stream handed on to another thread, so that the two ends of it work at the same time.
#pragma once

#include "file.hpp"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace ksign {

/// A file from this size on is worth a second thread for what is done with what is decoded of it.
inline constexpr std::uint64_t worth_a_relay = std::uint64_t{1} << 20U;

/// Calls a sink on a thread of its own with what take() is given, in order. Holds a few chunks at most; take() waits
/// while they are full. Where no thread can be had, it calls the sink at once.
class Relay {
  public:
    /// The sink must outlive this, and is not called any more once finish() has returned.
    explicit Relay(const ByteSink& sink);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    /// Without finish(), what is not handed on yet is dropped.
    ~Relay();

    /// Throws what the sink has thrown meanwhile.
    void take(std::span<const std::byte> bytes);
    /// Waits until the sink has all. Throws what it has thrown.
    void finish();

  private:
    void run();

    const ByteSink& sink_;
    std::array<std::vector<std::byte>, 4> chunks_;
    std::size_t given_ = 0; ///< Chunks, counted from the first.
    std::size_t taken_ = 0;
    bool no_more_ = false;
    std::exception_ptr problem_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::thread thread_; // last: it uses all of the above
};

} // namespace ksign
