// Many pieces of work on several threads, their results in order.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ksign {

/// Does work(0) to work(count - 1) on threads, and calls done(index, result) on this one, in order.
/// The first exception of either ends all, and is thrown here.
template <typename Result, typename Work, typename Done>
void for_each_in_order(std::size_t count, unsigned threads, const Work& work, const Done& done) {
    struct Slot {
        std::optional<Result> result;
        std::exception_ptr problem;
    };
    std::vector<Slot> slots(count);
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<std::size_t> next{0};
    std::size_t awaited = 0; // under the mutex
    const auto run = [&](const std::stop_token& stop) {
        for (std::size_t index = next++; index < count && !stop.stop_requested(); index = next++) {
            Slot slot;
            try {
                slot.result = work(index);
            } catch (...) {
                slot.problem = std::current_exception();
            }
            const std::lock_guard lock(mutex);
            slots[index] = std::move(slot);
            if (index == awaited) { // else the one who waits would wake for nothing
                changed.notify_one();
            }
        }
    };
    if (threads == 0) {
        threads = std::max(1U, std::thread::hardware_concurrency());
    }
    std::vector<std::jthread> workers; // last: joined before what they use is gone
    for (std::size_t number = 0; number < std::min<std::size_t>(threads, count); ++number) {
        try {
            workers.emplace_back(run);
        } catch (const std::system_error&) {
            // A limit on threads: those that there are do the work, or this one.
            if (workers.empty()) {
                run(std::stop_token());
            }
            break;
        }
    }
    for (std::size_t index = 0; index < count; ++index) {
        Slot slot;
        {
            std::unique_lock lock(mutex);
            awaited = index;
            changed.wait(lock, [&] { return slots[index].result || slots[index].problem; });
            slot = std::exchange(slots[index], Slot());
        }
        if (slot.problem) {
            std::rethrow_exception(slot.problem);
        }
        done(index, *slot.result);
    }
}

} // namespace ksign
