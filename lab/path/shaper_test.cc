// The shaper under a fake clock: every time is what the test says.
#include "shaper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace reelsense::path {
namespace {

constexpr std::int64_t kMs = kNsPerMs;
constexpr std::int64_t kSecond = kNsPerSecond;
constexpr std::uint32_t kFull = 1500;

DirectionProfile unlimited(std::int64_t delay_ns = 0) {
  DirectionProfile profile;
  profile.delay_ns = delay_ns;
  return profile;
}

DirectionProfile limited(double mbit, std::uint64_t queue_bytes = 1'000'000'000) {
  DirectionProfile profile;
  profile.rate.mbit = {mbit};
  profile.queue.bytes = queue_bytes;
  return profile;
}

// A shaper, and what it gave back.
class Path {
 public:
  explicit Path(const DirectionProfile& profile, const Timeline& timeline = {}, std::uint64_t seed = 1)
      : shaper(profile, timeline, seed, 0) {}

  void arrive(std::int64_t now_ns, std::uint32_t bytes = kFull, Treatment treatment = Treatment::kNormal) {
    shaper.arrive(now_ns, {next_slot++, bytes, treatment, 0}, outcome);
  }
  // `mbit` of full frames in [from, to), and the releases meanwhile.
  void offer(double mbit, std::int64_t from_ns, std::int64_t to_ns) {
    const double gap_ns = 8e3 * kFull / mbit;
    for (double at = static_cast<double>(from_ns); at < static_cast<double>(to_ns); at += gap_ns) {
      arrive(static_cast<std::int64_t>(at));
    }
  }
  void advance(std::int64_t now_ns) { shaper.advance(now_ns, 0, outcome); }

  [[nodiscard]] std::uint64_t released_bytes(std::int64_t from_ns, std::int64_t to_ns) const {
    std::uint64_t bytes = 0;
    for (const Frame& frame : outcome.released) {
      if (frame.release_ns > from_ns && frame.release_ns <= to_ns) bytes += frame.bytes;
    }
    return bytes;
  }
  [[nodiscard]] double mbit(std::int64_t from_ns, std::int64_t to_ns) const {
    return static_cast<double>(released_bytes(from_ns, to_ns)) * 8e3 / static_cast<double>(to_ns - from_ns);
  }
  [[nodiscard]] std::uint64_t dropped(Dropped reason) const {
    return shaper.counters().dropped_by(reason).packets;
  }
  [[nodiscard]] std::vector<std::uint32_t> slots() const {
    std::vector<std::uint32_t> slots;
    for (const Frame& frame : outcome.released) slots.push_back(frame.slot);
    return slots;
  }

  Shaper shaper;
  Outcome outcome;
  std::uint32_t next_slot = 0;
};

TEST(Shaper_Constant, Saturated_DeliversTheRate) {
  for (const double rate : {0.25, 1.0, 7.3, 50.0}) {
    Path path(limited(rate, 15'000));
    path.offer(2 * rate, 0, 20 * kSecond);
    path.advance(20 * kSecond);
    EXPECT_NEAR(path.mbit(kSecond, 20 * kSecond), rate, 0.003 * rate);
  }
}

TEST(Shaper_Constant, LateCaller_GetsTheSameReleaseTimes) {
  Path often(limited(3, 60'000));
  Path once(limited(3, 60'000));
  for (std::int64_t at = 0; at < 2 * kSecond; at += 3 * kMs) {
    often.arrive(at);
    once.arrive(at);
    often.advance(at + kMs);
  }
  often.advance(10 * kSecond);
  once.advance(10 * kSecond);
  ASSERT_EQ(often.outcome.released.size(), once.outcome.released.size());
  for (std::size_t i = 0; i < often.outcome.released.size(); ++i) {
    EXPECT_EQ(often.outcome.released[i].release_ns, once.outcome.released[i].release_ns);
  }
}

TEST(Shaper_Trace, PerSecond_LoopsAfterItsEnd) {
  DirectionProfile profile = limited(1, 30'000);
  profile.rate.mbit = {4, 0, 2};
  Path path(profile);
  path.offer(12, 0, 6 * kSecond);
  path.advance(6 * kSecond);
  const double expected[] = {4, 0, 2, 4, 0, 2};
  for (int second = 0; second < 6; ++second) {
    EXPECT_NEAR(path.mbit(second * kSecond, (second + 1) * kSecond), expected[second], 0.03) << second;
  }
}

TEST(Shaper_Opportunities, Saturated_DeliverOneFrameEachAndLoop) {
  DirectionProfile profile = limited(1, 30'000);
  profile.rate.mbit.clear();
  profile.rate.opportunities_ns = {0, 5 * kMs, 5 * kMs, 60 * kMs, 100 * kMs};
  Path path(profile);
  path.offer(12, 1, kSecond);
  path.advance(kSecond);
  // The one at 0 comes too early; a round's end and the next one's beginning are the same moment.
  EXPECT_EQ(path.released_bytes(0, 100 * kMs), (4U + 1U) * kFull);
  EXPECT_EQ(path.released_bytes(0, kSecond), 50U * kFull);
  EXPECT_EQ(path.outcome.released[0].release_ns, 5 * kMs);
  EXPECT_EQ(path.outcome.released[1].release_ns, 5 * kMs);
  EXPECT_EQ(path.outcome.released[2].release_ns, 60 * kMs);
}

TEST(Shaper_Opportunities, SmallPackets_ShareOneThatTheyWaitedFor) {
  DirectionProfile profile = limited(1);
  profile.rate.mbit.clear();
  profile.rate.opportunities_ns = {10 * kMs, 20 * kMs};
  Path path(profile);
  for (int i = 0; i < 4; ++i) path.arrive(kMs, 600);  // 1500 bytes: two and a half of them
  path.advance(kSecond);
  std::vector<std::int64_t> times;
  for (const Frame& frame : path.outcome.released) times.push_back(frame.release_ns / kMs);
  EXPECT_THAT(times, ::testing::ElementsAre(10, 10, 20, 20));
}

TEST(Shaper_Queue, Overload_StaysWithinItsBytes) {
  Path path(limited(2, 20'000));
  path.offer(20, 0, 5 * kSecond);
  EXPECT_LE(path.shaper.counters().queue_high_bytes, 20'000U);
  EXPECT_GE(path.shaper.counters().queue_high_bytes, 20'000U - kFull);
  EXPECT_GT(path.dropped(Dropped::kQueue), 0U);
}

TEST(Shaper_Queue, Overload_StaysWithinItsPackets) {
  DirectionProfile profile = limited(2);
  profile.queue.packets = 7;
  Path path(profile);
  for (int i = 0; i < 20; ++i) path.arrive(0);
  EXPECT_EQ(path.shaper.queued_packets(), 7U);  // and one on the link
  EXPECT_EQ(path.dropped(Dropped::kQueue), 12U);
}

TEST(Shaper_Queue, EveryFrame_ComesBackOnce) {
  DirectionProfile profile = limited(2, 20'000);
  profile.loss.good = 0.1;
  profile.jitter = {5 * kMs, 0, true};
  Path path(profile, Timeline({{kSecond, kSecond, 3 * kSecond, true}}, {}));
  path.offer(3, 0, 10 * kSecond);
  path.advance(100 * kSecond);
  std::vector<std::uint32_t> slots = path.slots();
  for (const Frame& frame : path.outcome.dropped) slots.push_back(frame.slot);
  std::ranges::sort(slots);
  std::vector<std::uint32_t> all(path.next_slot);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(slots, all);
}

TEST(Shaper_Delay, NothingElse_IsExact) {
  Path path(unlimited(25 * kMs));
  path.arrive(3 * kMs);
  EXPECT_EQ(path.shaper.next_event_ns(), 28 * kMs);
  path.advance(28 * kMs - 1);
  EXPECT_TRUE(path.outcome.released.empty());
  path.advance(28 * kMs);
  ASSERT_EQ(path.outcome.released.size(), 1U);
  EXPECT_EQ(path.outcome.released[0].release_ns, 28 * kMs);
  EXPECT_EQ(path.shaper.next_event_ns(), kNever);
}

TEST(Shaper_Jitter, WithoutReorder_KeepsTheOrder) {
  DirectionProfile profile = unlimited(20 * kMs);
  profile.jitter = {5 * kMs, 0, false};
  Path path(profile);
  path.offer(12, 0, 5 * kSecond);
  path.advance(10 * kSecond);
  const auto slots = path.slots();
  EXPECT_TRUE(std::ranges::is_sorted(slots));
  EXPECT_TRUE(std::ranges::is_sorted(path.outcome.released, {}, &Frame::release_ns));
}

TEST(Shaper_Jitter, WithReorder_HasItsDeviation) {
  DirectionProfile profile = unlimited(50 * kMs);
  profile.jitter = {5 * kMs, 0.5, true};
  Path path(profile);
  constexpr int kPackets = 20'000;
  for (int i = 0; i < kPackets; ++i) path.arrive(i * kMs);
  path.advance(kPackets * kMs + kSecond);
  EXPECT_FALSE(std::ranges::is_sorted(path.slots()));
  double sum = 0;
  double squares = 0;
  for (const Frame& frame : path.outcome.released) {
    const double extra_ms = static_cast<double>(frame.release_ns - frame.slot * kMs - 50 * kMs) / kMs;
    EXPECT_LE(std::abs(extra_ms), 15.001);
    sum += extra_ms;
    squares += extra_ms * extra_ms;
  }
  EXPECT_NEAR(sum / kPackets, 0, 0.25);  // correlated: the mean's own deviation is 0.06
  EXPECT_NEAR(std::sqrt(squares / kPackets), 5, 0.2);
}

TEST(Shaper_Loss, Random_IsInsideItsConfidenceInterval) {
  for (const double probability : {0.01, 0.1}) {
    DirectionProfile profile = unlimited();
    profile.loss.good = probability;
    Path path(profile, {}, 99);
    constexpr int kPackets = 50'000;
    for (int i = 0; i < kPackets; ++i) path.arrive(i * kMs);
    path.advance(kPackets * kMs);
    const double sigma = std::sqrt(kPackets * probability * (1 - probability));
    EXPECT_NEAR(static_cast<double>(path.dropped(Dropped::kLoss)), kPackets * probability, 3.3 * sigma);
  }
}

TEST(Shaper_Loss, GilbertElliott_HasItsMeanAndItsBursts) {
  DirectionProfile profile = unlimited();
  profile.loss = {0.01, 0.25, 0, 1};
  EXPECT_NEAR(profile.loss.mean(), 0.01 / 0.26, 1e-12);
  Path path(profile, {}, 7);
  constexpr std::uint32_t kPackets = 200'000;
  for (std::uint32_t i = 0; i < kPackets; ++i) path.arrive(i * kMs);
  path.advance(kPackets * kMs);
  std::vector<bool> lost(kPackets, false);
  for (const Frame& frame : path.outcome.dropped) lost[frame.slot] = true;
  double bursts = 0;
  for (std::size_t i = 1; i < lost.size(); ++i) bursts += lost[i] && !lost[i - 1] ? 1 : 0;
  const auto losses = static_cast<double>(path.dropped(Dropped::kLoss));
  EXPECT_NEAR(losses / kPackets, profile.loss.mean(), 0.1 * profile.loss.mean());
  EXPECT_NEAR(losses / bursts, 4, 0.3);  // 1 / r
}

TEST(Shaper_Loss, SameSeed_LosesTheSame) {
  DirectionProfile profile = unlimited();
  profile.loss.good = 0.3;
  Path first(profile, {}, 5);
  Path second(profile, {}, 5);
  Path third(profile, {}, 6);
  for (Path* path : {&first, &second, &third}) {
    for (int i = 0; i < 1000; ++i) path->arrive(i * kMs);
    path->advance(2 * kSecond);
  }
  EXPECT_EQ(first.slots(), second.slots());
  EXPECT_NE(first.slots(), third.slots());
}

TEST(Shaper_Policer, Overload_DropsAtOnceAndDelaysNothing) {
  DirectionProfile profile = limited(50, 1'000'000);
  profile.policer = {2, 30'000};
  Path path(profile);
  path.offer(10, 0, 10 * kSecond);
  path.advance(20 * kSecond);
  EXPECT_NEAR(path.mbit(kSecond, 10 * kSecond), 2, 0.02);
  EXPECT_EQ(path.dropped(Dropped::kQueue), 0U);
  EXPECT_GT(path.dropped(Dropped::kPolicer), 0U);
  EXPECT_LE(path.shaper.counters().queue_high_packets, 1U);
  EXPECT_NEAR(static_cast<double>(path.released_bytes(-1, 20 * kMs)), 25'000,
              6'000);  // the burst, at full speed
}

TEST(Shaper_Policer, ShapedInstead_DelaysAndDropsLittle) {
  Path path(limited(2, 2'000'000));
  path.offer(10, 0, kSecond);
  path.advance(20 * kSecond);
  EXPECT_EQ(path.dropped(Dropped::kQueue), 0U);
  EXPECT_NEAR(static_cast<double>(path.outcome.released.back().release_ns), 5e9,
              0.05e9);  // 10 Mbit at 2 Mbit/s
}

TEST(Shaper_Outage, QueueKept_ResumesWithWhatWaited) {
  Path path(limited(2, 30'000), Timeline({{kSecond, 2 * kSecond, 0, false}}, {}));
  path.offer(3, 0, 4 * kSecond);
  path.advance(4 * kSecond);
  EXPECT_EQ(path.released_bytes(kSecond, 3 * kSecond), 0U);
  EXPECT_EQ(path.dropped(Dropped::kOutage), 0U);
  EXPECT_NEAR(path.mbit(3 * kSecond, 4 * kSecond), 2, 0.03);
}

TEST(Shaper_Outage, QueueFlushed_LosesWhatWaitedAndCame) {
  Path path(limited(2, 30'000), Timeline({{kSecond, 2 * kSecond, 10 * kSecond, true}}, {}));
  path.offer(3, 0, 2 * kSecond);
  EXPECT_EQ(path.shaper.queued_packets(), 0U);
  EXPECT_NEAR(static_cast<double>(path.dropped(Dropped::kOutage)), 20 + 250,
              2);  // the queue, and 3 Mbit/s of 1 s
  path.arrive(3 * kSecond);
  path.advance(4 * kSecond);
  EXPECT_EQ(path.outcome.released.back().release_ns, 3 * kSecond + 6 * kMs);
  path.arrive(11 * kSecond + kMs);  // the second round
  EXPECT_NEAR(static_cast<double>(path.dropped(Dropped::kOutage)), 20 + 251, 2);
}

TEST(Shaper_Handover, AfterTheGap_DelayAndRateAreTheOtherCells) {
  DirectionProfile profile = limited(4, 30'000);
  profile.delay_ns = 20 * kMs;
  const Handover handover{2 * kSecond, 100 * kMs, 0, 30 * kMs, 0.5};
  Path path(profile, Timeline({}, {handover}));
  path.offer(8, 0, 5 * kSecond);
  path.advance(5 * kSecond);
  EXPECT_NEAR(path.mbit(kSecond, 2 * kSecond), 4, 0.03);
  EXPECT_EQ(path.released_bytes(2 * kSecond + 21 * kMs, 2 * kSecond + 150 * kMs), 0U);
  EXPECT_NEAR(path.mbit(3 * kSecond, 4 * kSecond), 2, 0.03);
}

TEST(Shaper_Priority, FullQueue_PriorityPassesAndTheLinkStaysFull) {
  Path path(limited(2, 60'000));
  path.offer(4, 0, 2 * kSecond);
  path.arrive(2 * kSecond, 200, Treatment::kPriority);
  const std::uint32_t slot = path.next_slot - 1;
  path.offer(4, 2 * kSecond + 1, 3 * kSecond);
  path.advance(3 * kSecond);
  const auto found = std::ranges::find(path.outcome.released, slot, &Frame::slot);
  ASSERT_NE(found, path.outcome.released.end());
  EXPECT_LE(found->release_ns, 2 * kSecond + 7 * kMs);  // one full frame on the link, then it
  EXPECT_NEAR(path.mbit(kSecond, 3 * kSecond), 2, 0.02);
  EXPECT_EQ(path.shaper.counters().prioritised.packets, 1U);
}

TEST(Shaper_Exempt, EverythingElseLost_PassesAtOnce) {
  DirectionProfile profile = limited(0.25, 1500);
  profile.loss.good = 1;
  Path path(profile, Timeline({{0, kSecond, 0, true}}, {}));
  path.arrive(kMs, 46, Treatment::kExempt);
  ASSERT_EQ(path.outcome.released.size(), 1U);
  EXPECT_EQ(path.outcome.released[0].release_ns, kMs);
}

TEST(Shaper_Change, WhileFramesWait_TheyLeaveAtTheNewRate) {
  Path path(limited(1, 1'000'000));
  for (int i = 0; i < 101; ++i) path.arrive(0);
  path.shaper.change(limited(12, 15'000), {}, kMs, kMs, path.outcome);
  path.advance(kSecond);
  EXPECT_EQ(path.outcome.released.size(), 101U);
  EXPECT_EQ(path.outcome.released.back().release_ns, kMs + 101 * kMs);  // 1 ms each
}

TEST(Shaper_NextEvent, LinkBusy_IsNoLaterThanTheRelease) {
  DirectionProfile profile = limited(1, 30'000);
  profile.delay_ns = 10 * kMs;
  Path path(profile);
  path.arrive(0);
  EXPECT_EQ(path.shaper.next_event_ns(), 22 * kMs);
  profile.jitter = {5 * kMs, 0, true};
  Path jittery(profile);
  jittery.arrive(0);
  EXPECT_EQ(jittery.shaper.next_event_ns(), 12 * kMs);  // the delay may be 0
}

}  // namespace
}  // namespace reelsense::path
