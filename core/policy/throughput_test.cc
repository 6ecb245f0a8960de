#include "reelsense/policy/throughput.h"

#include <gtest/gtest.h>

#include <cmath>

namespace reelsense {
namespace {

constexpr PolicyBins kNothing{};
constexpr std::uint64_t kMbitBin = 6'250;  // bytes of a 50 ms bin at 1 Mbit/s

PolicyBins filled(std::size_t first, std::size_t last, std::uint64_t bytes) {
  PolicyBins bins{};
  for (std::size_t i = first; i <= last; ++i) bins[i] = bytes;
  return bins;
}

BusyRun full_second(double mbit) {
  return busy_run(filled(0, 19, static_cast<std::uint64_t>(mbit * kMbitBin)), kNothing);
}

TEST(BusyRun, EmptySecond_HasNone) {
  EXPECT_EQ(busy_run(kNothing, kNothing).bins, 0U);
  EXPECT_EQ(busy_run(kNothing, filled(0, 19, 1'000)).bins, 0U);
}

TEST(BusyRun, FullSecond_IsItsRate) {
  const BusyRun run = full_second(3);
  EXPECT_EQ(run.bins, 20U);
  EXPECT_DOUBLE_EQ(run.kbps, 3'000);
  EXPECT_DOUBLE_EQ(run.peak, 1);
}

// A burst of 8 bins at 4 Mbit/s, its first and last bin half full, is 4 Mbit/s and not 1.4 over the second.
TEST(BusyRun, Burst_IsItsOwnRateAndNotTheSeconds) {
  PolicyBins bins = filled(5, 12, 4 * kMbitBin);
  bins[5] = bins[12] = 2 * kMbitBin;
  const BusyRun run = busy_run(bins, kNothing);
  EXPECT_EQ(run.bins, 8U);
  EXPECT_NEAR(run.kbps, 4'000, 1e-9);
}

TEST(BusyRun, TwoBursts_TheLongerCounts) {
  PolicyBins bins = filled(0, 3, kMbitBin);
  for (std::size_t i = 8; i <= 15; ++i) bins[i] = 2 * kMbitBin;
  EXPECT_EQ(busy_run(bins, kNothing).bins, 8U);
}

TEST(BusyRun, OneEmptyBin_DoesNotEndARunTwoDo) {
  PolicyBins bins = filled(0, 19, kMbitBin);
  bins[9] = 0;
  EXPECT_EQ(busy_run(bins, kNothing).bins, 20U);
  bins[10] = 0;
  EXPECT_EQ(busy_run(bins, kNothing).bins, 9U);
}

// Video that waits behind a download's packets is waiting, not silent.
TEST(BusyRun, GapFilledByOtherTraffic_IsPartOfTheRun) {
  PolicyBins bins = filled(0, 19, kMbitBin);
  for (std::size_t i = 8; i <= 11; ++i) bins[i] = 0;
  EXPECT_EQ(busy_run(bins, kNothing).bins, 8U);
  const BusyRun run = busy_run(bins, filled(0, 19, 2 * kMbitBin));
  EXPECT_EQ(run.bins, 20U);
  EXPECT_DOUBLE_EQ(run.kbps, 800);  // its own bytes alone
}

TEST(BusyRun, LongGap_EndsTheRunWhateverFillsIt) {
  PolicyBins bins = filled(0, 19, kMbitBin);
  for (std::size_t i = 8; i <= 12; ++i) bins[i] = 0;
  EXPECT_EQ(busy_run(bins, filled(0, 19, kMbitBin)).bins, 8U);
}

TEST(BusyRun, LiveStreamWithBigKeyFrames_IsNotFlat) {
  PolicyBins bins = filled(0, 19, 2'000);
  bins[4] = 30'000;
  EXPECT_GT(busy_run(bins, kNothing).peak, 5);
}

TEST(ThroughputEstimate, New_KnowsNothing) {
  EXPECT_EQ(ThroughputEstimate().kbps(), 0);
}

TEST(ThroughputEstimate, SteadyPath_IsItsRate) {
  ThroughputEstimate estimate;
  for (int i = 0; i < 10; ++i) estimate.add({}, full_second(2));
  EXPECT_NEAR(estimate.kbps(), 2'000, 0.01);
}

TEST(ThroughputEstimate, ShortBurst_IsNoSampleButMayRaise) {
  ThroughputEstimate estimate;
  const BusyRun fast = busy_run(filled(3, 6, 10 * kMbitBin), kNothing);
  estimate.add({}, fast);
  EXPECT_EQ(estimate.kbps(), 0);
  for (int i = 0; i < 5; ++i) estimate.add({}, full_second(1));
  estimate.add({}, busy_run(filled(3, 6, kMbitBin / 2), kNothing));
  EXPECT_NEAR(estimate.kbps(), 1'000, 0.01);
  estimate.add({}, fast);
  EXPECT_GT(estimate.kbps(), 1'100);
  EXPECT_LT(estimate.kbps(), 1'300);  // one fast burst is not the path
}

// Harmonic mean of 4, 4, 4, 4, 1 is 2.5; the mean before was 3 times too high, of which half of once counts.
TEST(ThroughputEstimate, Drop_WeighsMoreThanAnArithmeticMeanAndIsDiscounted) {
  ThroughputEstimate estimate;
  for (int i = 0; i < 5; ++i) estimate.add({}, full_second(4));
  const double ratio = estimate.add({}, full_second(1));
  EXPECT_NEAR(ratio, 0.25, 1e-6);
  EXPECT_NEAR(estimate.kbps(), 2'500 / 1.5, 0.01);
}

TEST(ThroughputEstimate, Rise_IsNotDiscounted) {
  ThroughputEstimate estimate;
  for (int i = 0; i < 5; ++i) estimate.add({}, full_second(1));
  for (int i = 0; i < 5; ++i) estimate.add({}, full_second(4));
  EXPECT_NEAR(estimate.kbps(), 4'000, 0.01);
}

TEST(ThroughputEstimate, HugeAndTinyRates_StayFinite) {
  ThroughputEstimate estimate;
  PolicyBins huge{};
  huge.fill(~std::uint64_t{0} / 64);
  PolicyBins tiny{};
  tiny.fill(1);
  for (int i = 0; i < 20; ++i) {
    estimate.add({}, busy_run(i % 2 == 0 ? huge : tiny, kNothing));
    EXPECT_TRUE(std::isfinite(estimate.kbps()));
    EXPECT_GT(estimate.kbps(), 0);
    EXPECT_LE(estimate.kbps(), 1e8);
  }
}

}  // namespace
}  // namespace reelsense
