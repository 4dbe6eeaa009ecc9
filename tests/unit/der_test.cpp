#include "der.hpp"

#include "bytes.hpp"
#include "catch.hpp"

using namespace ksign;
using namespace ksign::test;

TEST_CASE("elements are read one after the other", "[der]") {
    const Bytes bytes = bytes_from({0x02, 0x01, 0x05, 0x30, 0x03, 0x02, 0x01, 0x07});
    DerReader reader(bytes);
    CHECK(reader.next_is(der_integer));
    CHECK_FALSE(reader.next(der_sequence));
    const auto number = reader.next(der_integer);
    REQUIRE(number);
    CHECK(number->content.size() == 1);
    CHECK(number->whole.size() == 3);
    const auto sequence = reader.next();
    REQUIRE(sequence);
    CHECK(sequence->tag == der_sequence);
    CHECK(DerReader(sequence->content).next(der_integer));
    CHECK(reader.at_end());
    CHECK_FALSE(reader.next());
}

TEST_CASE("lengths of one and two bytes, and BER's indefinite one, are read", "[der]") {
    const Bytes content = random_bytes(300);
    const Bytes two = joined({bytes_from({0x04, 0x82, 0x01, 0x2c}), content});
    const auto element = DerReader(two).next(der_octet_string);
    REQUIRE(element);
    CHECK((Bytes(element->content.begin(), element->content.end()) == content));

    const Bytes one = joined({bytes_from({0x04, 0x81, 0x90}), random_bytes(0x90)});
    REQUIRE(DerReader(one).next());
    CHECK(DerReader(one).next()->content.size() == 0x90);

    const Bytes indefinite = bytes_from({0x30, 0x80, 0x02, 0x01, 0x05, 0x30, 0x80, 0x00, 0x00, 0x00, 0x00, 0x55});
    const auto open = DerReader(indefinite).next(der_sequence);
    REQUIRE(open);
    CHECK(open->content.size() == 7);
    CHECK(open->whole.size() == 11);
}

TEST_CASE("what the kernel's decoder does not take is nothing", "[der]") {
    for (const Bytes& bytes :
         {bytes_from({}), bytes_from({0x30}), bytes_from({0x30, 0x05, 0x01}), bytes_from({0x30, 0x82, 0x01}),
          bytes_from({0x30, 0x83, 0x00, 0x00, 0x00}),  // a length of three bytes
          bytes_from({0x1f, 0x81, 0x01, 0x00}),        // a tag of several bytes
          bytes_from({0x04, 0x80, 0x00, 0x00}),        // indefinite, and primitive
          bytes_from({0x30, 0x80, 0x02, 0x01, 0x05})}) // no end
    {
        CHECK_FALSE(DerReader(bytes).next());
    }
    // Deeper than its stack.
    Bytes deep;
    for (int level = 0; level < 1000; ++level) {
        deep = joined({deep, bytes_from({0x30, 0x80})});
    }
    CHECK_FALSE(DerReader(deep).next());
}
