#include "server/base/siphash.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

namespace reelsense::server {
namespace {

constexpr std::array<std::uint8_t, 16> kKey = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// The reference's test vector for the 15 bytes 00 … 0e: the first eight are our prefix.
TEST(SipHash128, ReferenceVector_Agrees) {
  std::uint64_t prefix = 0;
  std::string message;
  for (char i = 0; i < 15; ++i) message += i;
  std::memcpy(&prefix, message.data(), 8);
  const auto [first, second] = siphash128(kKey, prefix, std::string_view(message).substr(8));
  EXPECT_EQ(first, 0x11a8b03399e99354ULL);
  EXPECT_EQ(second, 0xd9c3cf970fec087eULL);
}

TEST(SipHash128, LengthsAndPrefixes_AllDiffer) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (std::uint64_t prefix = 0; prefix < 4; ++prefix) {
    for (std::size_t n = 0; n < 40; ++n) seen.insert(siphash128(kKey, prefix, std::string(n, '\0')));
  }
  EXPECT_EQ(seen.size(), 160U);
}

}  // namespace
}  // namespace reelsense::server
