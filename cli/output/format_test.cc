#include "cli/output/format.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace reelsense::cli {
namespace {

template <class Put, class... Values>
std::string text_of(Put put, Values... values) {
  char text[64];
  return {text, put(text, values...)};
}

TEST(PutUnsigned, EdgesAndRandom_EqualToString) {
  std::mt19937_64 random(1);
  for (const std::uint64_t v : {0UL, 9UL, 10UL, 99UL, 100UL, 12345UL, ~0UL}) {
    EXPECT_EQ(text_of(put_unsigned, v), std::to_string(v));
  }
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t v = random() >> (random() % 64);
    EXPECT_EQ(text_of(put_unsigned, v), std::to_string(v));
  }
}

TEST(PutSigned, Edges_EqualToString) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t v : {Limits::min(), -1L, 0L, 1L, Limits::max()}) {
    EXPECT_EQ(text_of(put_signed, v), std::to_string(v));
  }
}

TEST(PutRatio4, Values_AreRoundedToFourDecimals) {
  EXPECT_EQ(text_of(put_ratio4, 0.0F), "0.0000");
  EXPECT_EQ(text_of(put_ratio4, 1.0F), "1.0000");
  EXPECT_EQ(text_of(put_ratio4, 0.5F), "0.5000");
  EXPECT_EQ(text_of(put_ratio4, 0.97314F), "0.9731");
  EXPECT_EQ(text_of(put_ratio4, 0.99999F), "1.0000");
  EXPECT_EQ(text_of(put_ratio4, 0.00021F), "0.0002");
  EXPECT_EQ(text_of(put_ratio4, std::numeric_limits<float>::quiet_NaN()), "0.0000");
}

TEST(PutFloat, EveryText_ReadsBackAsTheSameFloat) {
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    float value;
    const std::uint32_t bits = static_cast<std::uint32_t>(random());
    std::memcpy(&value, &bits, sizeof value);
    const std::string text = text_of(put_float, value);
    ASSERT_LE(text.size(), kMaxFloatText) << text;
    if (value != value) continue;
    EXPECT_EQ(std::strtof(text.c_str(), nullptr), value) << text;
  }
}

TEST(PutTime, Nanoseconds_BecomeSecondsWithMicroseconds) {
  EXPECT_EQ(text_of(put_time_us, std::int64_t{1'700'000'000'000'001'999}), "1700000000.000001");
  EXPECT_EQ(text_of(put_time_us, std::int64_t{0}), "0.000000");
}

Address address(const std::string& text) {
  Address bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes[10] = bytes[11] = 0xff;
  EXPECT_EQ(inet_pton(AF_INET, text.c_str(), bytes.data() + 12), 1) << text;
  return bytes;
}

TEST(PutAddress, Texts_ComeBack) {
  for (const char* text :
       {"0.0.0.0", "255.255.255.255", "10.0.20.199", "::", "::1", "1::", "fe80::1", "2001:db8::1",
        "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "2001:db8::1:0:0:1", "1:2:3:4:5:6:7:8", "ff02::1:ff00:1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0:0:1::"}) {
    EXPECT_EQ(address_text(address(text)), text);
  }
}

TEST(PutAddress, RandomIpv6_EqualsInetNtop) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    Address bytes{};
    bytes[0] = 0x20;  // keeps clear of the mapped and compatible forms, which inet_ntop prints with dots
    for (std::size_t b = 1; b < 16; ++b)
      bytes[b] = random() % 3 == 0 ? static_cast<std::uint8_t>(random()) : 0;
    char expected[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, bytes.data(), expected, sizeof expected);
    EXPECT_EQ(address_text(bytes), expected);
  }
}

TEST(Fields, SpecialCharacters_AreQuoted) {
  EXPECT_EQ(csv_field("reelsense-ue@0.1.0"), "reelsense-ue@0.1.0");
  EXPECT_EQ(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
  EXPECT_EQ(json_string("a\"\n"), "\"a\\\"\\n\"");
}

TEST(ForPeople, Numbers_AreShort) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1'000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'949), "1.0 MB");
  EXPECT_EQ(bytes_text(123'456'789), "123 MB");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(grouped(123), "123");
}

}  // namespace
}  // namespace reelsense::cli
