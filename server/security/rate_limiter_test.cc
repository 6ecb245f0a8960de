#include "server/security/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

namespace reelsense::server {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Principal limited(double windows, double requests, std::uint32_t id = 1) {
  Principal made;
  made.id = id;
  made.windows_per_s = windows;
  made.requests_per_s = requests;
  return made;
}

TEST(RateLimiter, WithoutLimits_AdmitsAll) {
  RateLimiter limiter;
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limiter.admit(limited(0, 0), 1'000'000, kSecond));
}

TEST(RateLimiter, Requests_HaveABurstOfOneSecondAndThenTheRate) {
  RateLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limiter.admit(limited(0, 10), 1, kSecond));
  const auto wait = limiter.admit(limited(0, 10), 1, kSecond);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(*wait, 0.1, 1e-9);
  EXPECT_FALSE(limiter.admit(limited(0, 10), 1, kSecond + kSecond / 10));
}

TEST(RateLimiter, RefusedRequest_TakesNothing) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(100, 0), 60, kSecond));
  EXPECT_TRUE(limiter.admit(limited(100, 0), 60, kSecond));
  EXPECT_FALSE(limiter.admit(limited(100, 0), 40, kSecond));
}

TEST(RateLimiter, RequestOverTheBurst_IsAdmittedWhenFullAndPaidForAfterwards) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(100, 0), 250, kSecond));
  const auto wait = limiter.admit(limited(100, 0), 1, kSecond);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(*wait, 1.51, 1e-6);
}

TEST(RateLimiter, Principals_DoNotShare) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(0, 1, 1), 1, kSecond));
  EXPECT_TRUE(limiter.admit(limited(0, 1, 1), 1, kSecond));
  EXPECT_FALSE(limiter.admit(limited(0, 1, 2), 1, kSecond));
}

TEST(RateLimiter, MorePrincipalsThanFit_TheOneUsedLongestAgoStartsAnew) {
  RateLimiter limiter(2);
  EXPECT_FALSE(limiter.admit(limited(0, 1, 1), 1, kSecond));
  EXPECT_FALSE(limiter.admit(limited(0, 1, 2), 1, kSecond));
  EXPECT_TRUE(limiter.admit(limited(0, 1, 1), 1, kSecond));   // 2 is the one used longest ago now
  EXPECT_FALSE(limiter.admit(limited(0, 1, 3), 1, kSecond));  // in its place
  EXPECT_TRUE(limiter.admit(limited(0, 1, 1), 1, kSecond));
  EXPECT_EQ(limiter.evicted(), 1U);
  EXPECT_FALSE(limiter.admit(limited(0, 1, 2), 1, kSecond));
  EXPECT_EQ(limiter.evicted(), 2U);
  EXPECT_EQ(limiter.buckets(), 2U);
}

TEST(RateLimiter, PrincipalWithoutLimits_TakesNoBucket) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(0, 0), 1, kSecond));
  EXPECT_EQ(limiter.buckets(), 0U);
}

TEST(RateLimiter, ToldWait_IsEnoughAndNotMuchMore) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    RateLimiter limiter;
    const Principal principal = limited(std::uniform_real_distribution(0.01, 1e5)(random),
                                        std::uniform_real_distribution(0.01, 1e3)(random));
    std::int64_t now = std::uniform_int_distribution<std::int64_t>(0, INT64_MAX / 4)(random);
    for (int i = 0; i < 50; ++i) {
      const std::size_t windows = std::uniform_int_distribution<std::size_t>(0, 5000)(random);
      const auto wait_s = limiter.admit(principal, windows, now);
      if (!wait_s) continue;
      ASSERT_GT(*wait_s, 0);
      const auto wait_ns = static_cast<std::int64_t>(std::ceil(*wait_s * 1e9));
      // Doubles hold a wait of years to some nanoseconds only.
      const std::int64_t slack_ns = 10 + wait_ns / 1'000'000;
      if (wait_ns > slack_ns * 100) {
        ASSERT_TRUE(limiter.admit(principal, windows, now + wait_ns - slack_ns)) << *wait_s;
      }
      now += wait_ns + 1;
      ASSERT_FALSE(limiter.admit(principal, windows, now)) << *wait_s;
    }
  }
}

TEST(RateLimiter, BothLimits_TheLaterOneCounts) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(10, 2), 10, kSecond));
  const auto windows = limiter.admit(limited(10, 2), 5, kSecond);
  ASSERT_TRUE(windows);
  EXPECT_NEAR(*windows, 0.5, 1e-6);
  EXPECT_FALSE(limiter.admit(limited(10, 2), 0, kSecond));  // no window, so only the requests count
  const auto requests = limiter.admit(limited(10, 2), 0, kSecond);
  ASSERT_TRUE(requests);
  EXPECT_NEAR(*requests, 0.5, 1e-6);
}

TEST(RateLimiter, ClockOfAnotherThreadBehind_TakesNothingBack) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(0, 1), 1, 10 * kSecond));
  EXPECT_TRUE(limiter.admit(limited(0, 1), 1, 9 * kSecond));
  EXPECT_TRUE(limiter.admit(limited(0, 1), 1, 10 * kSecond));
  EXPECT_FALSE(limiter.admit(limited(0, 1), 1, 11 * kSecond));
}

TEST(RateLimiter, LimitChanged_AppliesAtOnce) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(0, 1000), 1, kSecond));
  EXPECT_FALSE(limiter.admit(limited(0, 1), 1, kSecond));
  EXPECT_TRUE(limiter.admit(limited(0, 1), 1, kSecond));
  EXPECT_FALSE(limiter.admit(limited(0, 0), 1, kSecond));
}

TEST(RateLimiter, RateBelowOne_StillAdmitsOneRequest) {
  RateLimiter limiter;
  EXPECT_FALSE(limiter.admit(limited(0, 0.1), 1, kSecond));
  const auto wait = limiter.admit(limited(0, 0.1), 1, kSecond);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(*wait, 10, 1e-6);
}

TEST(RateLimiter, ManyThreads_AdmitNoMoreThanTheBurst) {
  RateLimiter limiter;
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 500; ++n) admitted += limiter.admit(limited(0, 100), 1, kSecond) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted.load(), 100);
}

}  // namespace
}  // namespace reelsense::server
