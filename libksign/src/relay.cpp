#include "relay.hpp"

#include <system_error>

namespace ksign {

Relay::Relay(const ByteSink& sink) : sink_(sink) {
    try {
        thread_ = std::thread(&Relay::run, this);
    } catch (const std::system_error&) {
        // A limit on threads is no reason not to do the work.
    }
}

Relay::~Relay() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            no_more_ = true;
            taken_ = given_;
        }
        changed_.notify_all();
        thread_.join();
    }
}

void Relay::take(std::span<const std::byte> bytes) {
    if (!thread_.joinable()) {
        sink_(bytes);
        return;
    }
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return given_ - taken_ < chunks_.size() || problem_; });
        if (problem_) {
            std::rethrow_exception(problem_);
        }
    }
    // The thread does not touch this one before it is given.
    chunks_.at(given_ % chunks_.size()).assign(bytes.begin(), bytes.end());
    {
        const std::lock_guard lock(mutex_);
        ++given_;
    }
    changed_.notify_all();
}

void Relay::finish() {
    if (!thread_.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        no_more_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (problem_) {
        std::rethrow_exception(problem_);
    }
}

void Relay::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return taken_ < given_ || no_more_; });
        if (taken_ == given_) {
            return;
        }
        const std::vector<std::byte>& chunk = chunks_.at(taken_ % chunks_.size());
        lock.unlock();
        try {
            sink_(chunk);
        } catch (...) {
            lock.lock();
            problem_ = std::current_exception();
            changed_.notify_all();
            return;
        }
        lock.lock();
        // The destructor may have dropped the rest meanwhile.
        if (taken_ != given_) {
            ++taken_;
        }
        changed_.notify_all();
    }
}

} // namespace ksign
