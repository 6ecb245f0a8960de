#include "reelsense/bundle/version.h"

#include <gtest/gtest.h>

namespace reelsense::bundle {
namespace {

TEST(Version, Order_FollowsSemver) {
  const char* const rising[] = {"0.0.1",
                                "0.1.0",
                                "0.2.0",
                                "0.10.0",
                                "1.0.0-alpha",
                                "1.0.0-alpha.1",
                                "1.0.0-alpha.beta",
                                "1.0.0-beta",
                                "1.0.0-beta.2",
                                "1.0.0-beta.11",
                                "1.0.0-rc.1",
                                "1.0.0",
                                "1.0.1",
                                "2.0.0"};
  for (std::size_t i = 1; i < std::size(rising); ++i) {
    EXPECT_LT(*Version::parse(rising[i - 1]), *Version::parse(rising[i])) << rising[i];
  }
  EXPECT_EQ(*Version::parse("1.0.0+a"), *Version::parse("1.0.0+b"));
}

TEST(Version, OtherText_IsNotAVersion) {
  for (const char* text : {"", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b",
                           "1.2.3+", "1.2.x", "1.2.3 ", "1.2.99999999999999999999", "1..3"}) {
    EXPECT_FALSE(Version::parse(text)) << text;
  }
}

}  // namespace
}  // namespace reelsense::bundle
