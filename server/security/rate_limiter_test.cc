#include <gtest/gtest.h>

#include "server/security/api_keys.h"

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

}  // namespace
}  // namespace reelsense::server
