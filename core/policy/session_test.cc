#include "reelsense/policy/session.h"

#include <gtest/gtest.h>

namespace reelsense {
namespace {

SessionSecond traffic(float probability, std::uint64_t bytes_down) {
  SessionSecond second;
  second.bytes_down = bytes_down;
  second.add(probability, bytes_down);
  return second;
}

TEST(SessionSecond, Probability_IsWeightedByDownBytes) {
  SessionSecond second;
  second.add(1.0F, 999'999);
  second.add(0.0F, 0);
  EXPECT_GT(second.probability(), 0.99999);
  EXPECT_LT(second.probability(), 1.0);
}

TEST(SessionScore, Video_ShowsAtOnce) {
  SessionScore score;
  EXPECT_NEAR(score.step(traffic(0.1F, 100'000)), 0.1, 1e-6);
  EXPECT_NEAR(score.step(traffic(0.9F, 100'000)), 0.9, 1e-6);
}

TEST(SessionScore, OtherTraffic_TakesOverWithHalfLifeOf5s) {
  SessionScore score;
  score.step(traffic(1.0F, 100'000));
  double held = 0;
  for (int i = 0; i < 5; ++i) held = score.step(traffic(0.0F, 100'000));
  EXPECT_NEAR(held, 0.5, 1e-9);
}

TEST(SessionScore, Silence_FadesTowardsNotKnownAndKeepsTheLabel) {
  SessionScore video;
  SessionScore other;
  video.step(traffic(0.9F, 100'000));
  other.step(traffic(0.1F, 100'000));
  double v = 0;
  double o = 0;
  for (int i = 0; i < 10; ++i) {
    v = video.step({});
    o = other.step({});
  }
  EXPECT_NEAR(v, 0.7, 1e-6);
  EXPECT_NEAR(o, 0.3, 1e-6);
}

TEST(SessionScore, Trickle_DoesNotOutvoteHeldVideo) {
  SessionScore score;
  score.step(traffic(0.95F, 1'000'000));
  double held = 0;
  for (int i = 0; i < 15; ++i) held = score.step(traffic(0.01F, 300));
  EXPECT_GT(held, 0.5);
}

TEST(SessionScore, TwentySecondsWithoutActiveSecond_HoldsNothing) {
  SessionScore score;
  score.step(traffic(0.95F, 1'000'000));
  double held = 0;
  for (std::int64_t i = 0; i <= kSessionHoldSeconds; ++i) held = score.step(traffic(0.01F, 300));
  EXPECT_NEAR(held, 0.01, 1e-6);
}

TEST(SessionScore, TwentyIdleSeconds_EndTheSession) {
  SessionScore score;
  score.step(traffic(0.9F, 1));
  for (std::int64_t i = 0; i < kSessionHoldSeconds; ++i) {
    EXPECT_FALSE(score.is_over());
    score.step({});
  }
  EXPECT_TRUE(score.is_over());
}

}  // namespace
}  // namespace reelsense
