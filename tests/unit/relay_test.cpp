#include "relay.hpp"

#include "bytes.hpp"
#include "catch.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

using namespace ksign;
using namespace ksign::test;

TEST_CASE("a relay hands on all bytes, in order, by another thread", "[relay]") {
    const Bytes all = random_bytes(1000000);
    Bytes got;
    std::thread::id thread;
    const ByteSink sink = [&](ByteView bytes) {
        got.insert(got.end(), bytes.begin(), bytes.end());
        thread = std::this_thread::get_id();
    };
    Relay relay(sink);
    for (ByteView rest = all; !rest.empty();) {
        const std::size_t size = std::min<std::size_t>(rest.size(), 1 + rest.size() % 70000);
        relay.take(rest.first(size));
        rest = rest.subspan(size);
    }
    relay.finish();
    CHECK(got == all);
    CHECK(thread != std::this_thread::get_id());
}

TEST_CASE("a relay without a byte", "[relay]") {
    bool called = false;
    const ByteSink sink = [&called](ByteView) { called = true; };
    Relay relay(sink);
    relay.finish();
    CHECK_FALSE(called);
}

TEST_CASE("a relay gives what its sink throws to the one who writes", "[relay]") {
    const ByteSink sink = [](ByteView) { throw std::runtime_error("full"); };
    Relay relay(sink);
    const Bytes chunk(10);
    const auto write_much = [&] {
        for (int number = 0; number < 1000; ++number) {
            relay.take(chunk);
        }
        relay.finish();
    };
    CHECK_THROWS_WITH(write_much(), "full");
}

TEST_CASE("a relay's sink that throws at the last chunk is heard", "[relay]") {
    const ByteSink sink = [](ByteView) { throw std::runtime_error("full"); };
    Relay relay(sink);
    relay.take(Bytes(10));
    CHECK_THROWS_WITH(relay.finish(), "full");
}

TEST_CASE("a relay that is given up drops what waits, and ends", "[relay]") {
    std::atomic<int> calls = 0;
    const ByteSink sink = [&calls](ByteView) {
        ++calls;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    {
        Relay relay(sink);
        for (int number = 0; number < 4; ++number) {
            relay.take(Bytes(10));
        }
    }
    CHECK(calls < 4);
}
