#include "xxh64.hpp"

#include "bytes.hpp"
#include "catch.hpp"
#include "compressed_sample.hpp"
#include "little_endian.hpp"

using namespace ksign;
using namespace ksign::test;

namespace {

std::uint64_t xxh64(ByteView bytes) {
    Xxh64 hash;
    hash.update(bytes);
    return hash.value();
}

} // namespace

TEST_CASE("XXH64 is what its specification says", "[xxh64]") {
    CHECK(xxh64({}) == 0xEF46DB3751D8E999U);
    CHECK(xxh64(bytes_of("abc")) == 0x44BC2CF5AD770999U);
}

TEST_CASE("XXH64 is what libzstd puts at the end of a frame", "[xxh64]") {
    for (std::size_t size = 0; size < 200; ++size) {
        const Bytes payload = random_bytes(size);
        const Bytes frame = make_zstd(payload);
        CHECK((xxh64(payload) & 0xffffffffU) == from_little_endian(ByteView(frame).last(4)));
    }
}

TEST_CASE("XXH64 does not depend on how its bytes come", "[xxh64]") {
    const Bytes bytes = random_bytes(1000);
    for (const std::size_t step : {1U, 7U, 31U, 32U, 33U, 999U}) {
        Xxh64 hash;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            hash.update(ByteView(bytes).subspan(at, std::min(step, bytes.size() - at)));
        }
        CHECK(hash.value() == xxh64(bytes));
    }
}
