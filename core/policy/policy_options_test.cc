#include "reelsense/policy/policy_options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

namespace reelsense {
namespace {

TEST(PolicyKeys, EverySetting_IsNamedOnceWithARangeAroundItsDefault) {
  std::set<std::string> names;
  const PolicyOptions standard;
  for (const PolicyKey& key : policy_keys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_LE(key.low, key.standard) << key.name;
    EXPECT_LE(key.standard, key.high) << key.name;
    EXPECT_EQ(standard.*(key.member), key.standard) << key.name;
    EXPECT_NE(std::string(key.help), "") << key.name;
    EXPECT_TRUE(!key.whole || std::floor(key.standard) == key.standard) << key.name;
  }
}

TEST(PolicyKeys, Defaults_DoNotContradictEachOther) {
  EXPECT_TRUE(check_policy(PolicyOptions{}).ok());
}

TEST(SetPolicy, Bounds_AreTakenAndWhatLiesBeyondIsNot) {
  for (const PolicyKey& key : policy_keys()) {
    PolicyOptions options;
    for (const double good : {key.low, key.high}) {
      ASSERT_TRUE(set_policy(options, key.name, good).ok()) << key.name;
      EXPECT_EQ(get_policy(options, key.name).value(), good) << key.name;
    }
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double bad : {key.low - 1, key.high + 1, std::nan(""), infinity, -infinity}) {
      const Status set = set_policy(options, key.name, bad);
      ASSERT_FALSE(set.ok()) << key.name << " " << bad;
      EXPECT_EQ(set.error().code, ErrorCode::kInvalidArgument);
      EXPECT_NE(set.error().message.find(key.name), std::string::npos) << set.error().message;
      EXPECT_EQ(get_policy(options, key.name).value(), key.high) << key.name;  // as it was
    }
  }
}

TEST(SetPolicy, FractionOfACount_IsRefused) {
  PolicyOptions options;
  const Status set = set_policy(options, "video_prefetch_depth", 2.5);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().message, "video_prefetch_depth: 2.5; expected a whole number from 0 to 20 (clips)");
}

TEST(SetPolicy, OutOfRange_MessageNamesSettingValueAndRange) {
  PolicyOptions options;
  EXPECT_EQ(set_policy(options, "video_share", -0.25).error().message,
            "video_share: -0.25; expected a number from 0.1 to 1 (1)");
  EXPECT_EQ(set_policy(options, "video_share", std::nan("")).error().message,
            "video_share: not a number; expected a number from 0.1 to 1 (1)");
}

TEST(SetPolicy, UnknownName_NamesTheNearest) {
  PolicyOptions options;
  const Status set = set_policy(options, "video_prefetch_deph", 2);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(set.error().message,
            "video_prefetch_deph: no setting of the QoS policy; the nearest is video_prefetch_depth");
  EXPECT_EQ(get_policy(options, "ample_kbp").error().message,
            "ample_kbp: no setting of the QoS policy; the nearest is ample_kbps");
}

TEST(SetPolicy, VeryLongName_IsRefusedShortly) {
  PolicyOptions options;
  EXPECT_LT(set_policy(options, std::string(100'000, 'x'), 1).error().message.size(), 200U);
}

TEST(CheckPolicy, Contradiction_NamesBothSettings) {
  PolicyOptions options;
  ASSERT_TRUE(set_policy(options, "busy_bins", 19).ok());
  const Status sound = check_policy(options);
  ASSERT_FALSE(sound.ok());
  EXPECT_EQ(sound.error().message, "busy_bins is 19, but may not be above full_bins, which is 18");
}

}  // namespace
}  // namespace reelsense
