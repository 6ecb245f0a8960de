#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "reelsense/policy/qos_policy.h"

namespace reelsense {
namespace {

constexpr std::uint64_t kMbitBin = 6'250;  // bytes of a 50 ms bin at 1 Mbit/s
constexpr FlowPolicy::Mark kVideoMark{kDscpVideo, QosReason::kVideo};
constexpr FlowPolicy::Mark kOtherMark{kDscpDefault, QosReason::kNonVideo};
constexpr FlowPolicy::Mark kBulkMark{kDscpLowerEffort, QosReason::kBulk};

Decision labelled(float probability) {
  Decision decision;
  decision.probability = probability;
  decision.label = probability >= 0.5F ? Label::kVideo : Label::kNonVideo;
  decision.confidence = probability >= 0.5F ? probability : 1 - probability;
  decision.uncertain = probability > 0.1F && probability < 0.89F;
  return decision;
}

// One session, second by second.
class Session {
 public:
  explicit Session(const PolicyOptions& options = {}) : policy_(options) {}

  // Bytes at `mbit` in bins first … last of the open second.
  Session& flow(float probability, FlowPolicy::Mark mark, double mbit, std::size_t first = 0,
                std::size_t last = 19) {
    std::array<std::uint32_t, 40> bins{};
    std::uint64_t bytes = 0;
    for (std::size_t i = first; i <= last; ++i) {
      bins[i] = static_cast<std::uint32_t>(mbit * static_cast<double>(kMbitBin));
      bytes += bins[i];
    }
    policy_.add(labelled(probability), bytes / 40, bytes, bins.data(), mark);
    return *this;
  }
  Session& video(double mbit, std::size_t first = 0, std::size_t last = 19) {
    return flow(0.97F, kVideoMark, mbit, first, last);
  }
  Session& download(double mbit) { return flow(0.02F, kBulkMark, mbit); }
  Session& chat() {
    policy_.add(labelled(0.05F), 300, 400, nullptr, kOtherMark);
    return *this;
  }

  Qos end() {
    result_ = policy_.end_second(second_++);
    return result_.qos;
  }
  Qos ends(int n) {
    Qos qos;
    for (int i = 0; i < n; ++i) qos = end();
    return qos;
  }
  [[nodiscard]] const SessionResult& result() const { return result_; }
  SessionPolicy& policy() { return policy_; }

 private:
  SessionPolicy policy_;
  SessionResult result_;
  std::int64_t second_ = 1'700'000'000;
};

void expect_values(const Qos& qos, std::uint32_t depth, std::uint32_t buffer_ms, std::uint32_t kbps) {
  EXPECT_EQ(qos.prefetch_depth, depth);
  EXPECT_EQ(qos.buffer_target_ms, buffer_ms);
  EXPECT_EQ(qos.max_bitrate_kbps, kbps);
}
void expect_reason(const Qos& qos, QosReason reason) {
  EXPECT_EQ(qos.prefetch_reason, reason) << name_of(qos.prefetch_reason);
  EXPECT_EQ(qos.buffer_reason, reason) << name_of(qos.buffer_reason);
  EXPECT_EQ(qos.bitrate_reason, reason) << name_of(qos.bitrate_reason);
}

// A reels player on a good path: a burst of 0.3 s each second or third.
Qos reels(Session& session, int seconds) {
  Qos qos;
  for (int i = 0; i < seconds; ++i) qos = i % 3 == 0 ? session.video(20, 4, 9).end() : session.end();
  return qos;
}
// A reels player that never gets enough of a full path.
Qos starving(Session& session, int seconds, double mbit = 1) {
  Qos qos;
  for (int i = 0; i < seconds; ++i) qos = session.video(mbit).end();
  return qos;
}

TEST(SessionPolicy, NothingKnown_IsDefault) {
  Session session;
  const Qos qos = session.chat().end();
  expect_values(qos, 2, 10'000, 0);
  expect_reason(qos, QosReason::kDefault);
  EXPECT_EQ(qos.throughput_kbps, 0U);
  EXPECT_FALSE(qos.changed);
}

TEST(SessionPolicy, VideoOnAGoodPath_GetsDepthOneClipAtATimeAndNoCap) {
  Session session;
  const Qos first = session.video(20, 4, 9).end();
  expect_values(first, 2, 10'000, 0);
  expect_reason(first, QosReason::kVideo);
  Qos qos;
  for (int i = 0; i < 12; ++i) qos = session.video(20, 4, 9).end();
  expect_values(qos, 3, 10'000, 0);
}

TEST(SessionPolicy, IdleBetweenBursts_KeepsTheDecision) {
  Session session;
  const Qos before = reels(session, 30);
  const Qos idle = session.ends(15);
  expect_values(idle, before.prefetch_depth, before.buffer_target_ms, before.max_bitrate_kbps);
  expect_reason(idle, QosReason::kIdle);
  EXPECT_FALSE(idle.changed);
}

TEST(SessionPolicy, KeepAlivesBetweenBursts_AreIdleToo) {
  Session session;
  reels(session, 30);
  Qos qos;
  for (int i = 0; i < 15; ++i) qos = session.chat().end();
  expect_reason(qos, QosReason::kIdle);
  EXPECT_EQ(qos.prefetch_depth, 3U);
}

TEST(SessionPolicy, LongSilence_EndsInDefaultsAndTheSessionIsOver) {
  Session session;
  starving(session, 10);
  for (int i = 0; i < 19; ++i) EXPECT_NE(session.end().prefetch_reason, QosReason::kDefault);
  const Qos last = session.end();
  EXPECT_TRUE(session.result().over);
  expect_values(last, 2, 10'000, 0);
  expect_reason(last, QosReason::kDefault);
  EXPECT_TRUE(last.changed);
}

TEST(SessionPolicy, VideoThatFillsThePath_IsCongestedAfterFourSeconds) {
  Session session;
  expect_reason(starving(session, 3), QosReason::kVideo);
  const Qos qos = starving(session, 1);
  expect_reason(qos, QosReason::kCongested);
  expect_values(qos, 1, 4'000, 650);
  EXPECT_EQ(qos.throughput_kbps, 1'000U);
  EXPECT_TRUE(qos.changed);
}

TEST(SessionPolicy, CompetingDownload_MakesItTwoSeconds) {
  Session session;
  expect_reason(session.video(1).download(2).end(), QosReason::kVideo);
  const Qos qos = session.video(1).download(2).end();
  expect_reason(qos, QosReason::kCongested);
  EXPECT_EQ(qos.throughput_kbps, 1'000U);  // the video's share, not the link
  EXPECT_EQ(qos.max_bitrate_kbps, 650U);
}

TEST(SessionPolicy, FallingThroughput_CountsTwice) {
  Session session;
  for (int i = 0; i < 3; ++i) {
    session.video(4, 0, 9).end();  // half a second at 4 Mbit/s, then rest
  }
  expect_reason(session.video(0.8).end(), QosReason::kVideo);
  const Qos qos = session.video(0.5).end();
  expect_reason(qos, QosReason::kCongested);
  EXPECT_LT(qos.max_bitrate_kbps, 800U);
}

TEST(SessionPolicy, FastPathDuringADeepPrefetch_IsNotCongested) {
  Session session;
  const Qos qos = starving(session, 30, 20);
  expect_reason(qos, QosReason::kVideo);
  EXPECT_EQ(qos.max_bitrate_kbps, 0U);
  EXPECT_EQ(qos.prefetch_depth, 3U);
}

TEST(SessionPolicy, LiveStreamWithKeyFrames_IsNotCongested) {
  Session session;
  Qos qos;
  for (int i = 0; i < 60; ++i) {
    std::array<std::uint32_t, 40> bins{};
    for (std::size_t b = 0; b < 20; ++b) bins[b] = b == 7 ? 60'000 : 8'000;
    session.policy().add(labelled(0.97F), 4'000, 212'000, bins.data(), kVideoMark);
    qos = session.end();
  }
  expect_reason(qos, QosReason::kVideo);
}

TEST(SessionPolicy, Relief_EndsCongestionAndRestoresStepByStep) {
  Session session;
  starving(session, 10);
  std::vector<std::uint32_t> depths;
  std::vector<std::uint32_t> caps;
  for (int i = 0; i < 60; ++i) {
    const Qos qos = i % 2 == 0 ? session.video(4, 2, 11).end() : session.end();
    depths.push_back(qos.prefetch_depth);
    caps.push_back(qos.max_bitrate_kbps);
  }
  EXPECT_EQ(depths.front(), 1U);
  EXPECT_EQ(depths.back(), 3U);
  EXPECT_EQ(session.result().qos.buffer_target_ms, 10'000U);
  for (std::size_t i = 1; i < depths.size(); ++i) {
    EXPECT_LE(depths[i], depths[i - 1] + 1);
    EXPECT_LE(caps[i], 1 + caps[i - 1] + caps[i - 1] / 2);
  }
  EXPECT_GT(caps.back(), 3'000U);
  EXPECT_LE(caps.back(), 3'800U);  // 0.85 of a little above 4 Mbit/s: half-filled edges
}

TEST(SessionPolicy, CongestionThatComesBack_IsHeldLonger) {
  const auto seconds_until_relief = [](Session& session) {
    int n = 0;
    while (session.video(1, 0, 9).end().prefetch_reason == QosReason::kCongested) ++n;
    return n;
  };
  Session session;
  starving(session, 10);
  const int first = seconds_until_relief(session);
  starving(session, 10);
  const int second = seconds_until_relief(session);
  EXPECT_EQ(first, 5);
  EXPECT_EQ(second, 11);
}

TEST(SessionPolicy, WhileADownloadCompetes_NoSecondIsRelief) {
  Session session;
  for (int i = 0; i < 5; ++i) session.video(1).download(2).end();
  Qos qos;
  for (int i = 0; i < 30; ++i) qos = session.video(1, 0, 9).download(2).end();
  expect_reason(qos, QosReason::kCongested);
}

TEST(SessionPolicy, Cap_IsNeverBelowTheLowestRung) {
  Session session;
  EXPECT_EQ(starving(session, 10, 0.1).max_bitrate_kbps, 300U);
}

TEST(SessionPolicy, SmallChangesOfThroughput_DoNotMoveTheCap) {
  Session session;
  const std::uint32_t cap = starving(session, 10).max_bitrate_kbps;
  for (int i = 0; i < 40; ++i) {
    const Qos qos = session.video(i % 2 == 0 ? 1.05 : 0.97).end();
    EXPECT_EQ(qos.max_bitrate_kbps, cap);
    EXPECT_FALSE(qos.changed);
  }
}

TEST(SessionPolicy, OtherTraffic_TakesOverAfterHolding) {
  Session session;
  reels(session, 30);
  const auto browse = [&] { return session.flow(0.02F, kOtherMark, 4).end(); };
  expect_reason(browse(), QosReason::kHold);
  EXPECT_EQ(session.result().qos.prefetch_depth, 3U);
  Qos qos;
  for (int i = 0; i < 12; ++i) qos = browse();
  expect_reason(qos, QosReason::kNonVideo);
  expect_values(qos, 2, 10'000, 0);
}

TEST(SessionPolicy, DownloadDuringIdleSeconds_DoesNotEndAVideoSession) {
  Session session;
  Qos qos;
  for (int i = 0; i < 60; ++i) {
    if (i % 6 == 0) session.video(1);
    qos = session.download(2).end();
    EXPECT_NE(qos.prefetch_reason, QosReason::kNonVideo) << i;
  }
}

TEST(SessionPolicy, Unsure_IsHeldTenSecondsAndThenDefault) {
  Session session;
  starving(session, 10);
  const auto unsure = [&] { return session.flow(0.6F, kOtherMark, 1).end(); };
  for (int i = 0; i < 10; ++i) {
    const Qos qos = unsure();
    expect_reason(qos, QosReason::kHold);
    EXPECT_EQ(qos.prefetch_depth, 1U);
  }
  const Qos qos = unsure();
  expect_reason(qos, QosReason::kUncertain);
  expect_values(qos, 2, 10'000, 0);
}

TEST(SessionPolicy, UnsureFromTheStart_IsSafe) {
  Session session;
  const Qos qos = session.flow(0.6F, kOtherMark, 1).end();
  expect_values(qos, 2, 10'000, 0);
  expect_reason(qos, QosReason::kUncertain);
}

TEST(SessionPolicy, ThroughputOfDownloadsAlone_IsNotTheVideos) {
  Session session;
  for (int i = 0; i < 10; ++i) session.download(3).end();
  EXPECT_EQ(session.result().qos.throughput_kbps, 0U);
  expect_reason(session.result().qos, QosReason::kNonVideo);
}

TEST(SessionPolicy, WithoutBins_StillDecidesWithoutThroughput) {
  Session session;
  for (int i = 0; i < 10; ++i) {
    session.policy().add(labelled(0.97F), 3'000, 125'000, nullptr, kVideoMark);
    session.end();
  }
  expect_reason(session.result().qos, QosReason::kVideo);
  expect_values(session.result().qos, 3, 10'000, 0);
}

TEST(SessionPolicy, Probability_IsTheHoldRules) {
  Session session;
  SessionScore score;
  for (int i = 0; i < 30; ++i) {
    SessionSecond second;
    if (i % 4 == 0) {
      second.bytes_down = 125'000;
      second.add(0.97F, 125'000);
      session.video(1);
    }
    session.end();
    EXPECT_EQ(session.result().probability, static_cast<float>(score.step(second)));
  }
}

TEST(SessionPolicy, Reset_IsAsNew) {
  PolicyOptions options;
  options.default_prefetch_depth = 4;
  Session used(options);
  starving(used, 20);
  used.policy().reset();
  Session fresh(options);
  for (int i = 0; i < 20; ++i) {
    const Qos a = starving(used, 1);
    const Qos b = starving(fresh, 1);
    EXPECT_EQ(a.prefetch_depth, b.prefetch_depth);
    EXPECT_EQ(a.max_bitrate_kbps, b.max_bitrate_kbps);
    EXPECT_EQ(a.changed, b.changed);
  }
}

// What any caller can send, at any setting: outputs keep their bounds, and a second run gives the same.
class RandomSession : public testing::TestWithParam<unsigned> {
 protected:
  static PolicyOptions random_options(std::mt19937_64& random) {
    PolicyOptions options;
    for (const PolicyKey& key : policy_keys()) {
      if (random() % 3 != 0) continue;
      const double share = static_cast<double>(random() % 1001) / 1000.0;
      const double value = key.low + share * (key.high - key.low);
      options.*(key.member) = key.whole ? static_cast<double>(static_cast<long long>(value)) : value;
    }
    return options;
  }

  static std::vector<SessionResult> run(unsigned seed, const PolicyOptions& options) {
    std::mt19937_64 random(seed);
    SessionPolicy policy(options);
    std::array<FlowPolicy, 3> flows;
    FlowPeers peers;
    std::vector<SessionResult> results;
    for (std::int64_t k = 0; k < 400; ++k) {
      const std::int64_t second = random() % 50 == 0 ? static_cast<std::int64_t>(random()) : k;
      for (FlowPolicy& flow : flows) {
        if (random() % 3 == 0) continue;
        std::array<std::uint32_t, 40> bins{};
        std::uint64_t down = 0;
        for (std::size_t i = 0; i < 20; ++i) {
          bins[i] = random() % 4 == 0 ? 0 : static_cast<std::uint32_t>(random() >> (32 + random() % 32));
          down += bins[i];
        }
        Decision decision = labelled(static_cast<float>(random() % 1001) / 1000.0F);
        if (random() % 100 == 0) decision.probability = std::numeric_limits<float>::quiet_NaN();
        const std::uint64_t up = random() >> (random() % 64);
        const FlowPolicy::Mark mark = flow.step(options, second, decision, up, down, {}, &peers);
        policy.add(decision, up, down, random() % 10 == 0 ? nullptr : bins.data(), mark);
      }
      results.push_back(policy.end_second(second));
    }
    return results;
  }
};

TEST_P(RandomSession, Outputs_StayWithinWhatTheOptionsAllow) {
  std::mt19937_64 random(GetParam() + 1'000);
  const PolicyOptions o = random_options(random);
  const double deepest =
      std::max({o.default_prefetch_depth, o.video_prefetch_depth, o.congested_prefetch_depth});
  const double longest =
      std::max({o.default_buffer_target_ms, o.video_buffer_target_ms, o.congested_buffer_target_ms});
  const double shortest =
      std::min({o.default_buffer_target_ms, o.video_buffer_target_ms, o.congested_buffer_target_ms});
  for (const SessionResult& result : run(GetParam(), o)) {
    EXPECT_GE(result.probability, 0.0F);
    EXPECT_LE(result.probability, 1.0F);
    EXPECT_LE(result.qos.prefetch_depth, deepest);
    EXPECT_GE(result.qos.buffer_target_ms, shortest);
    EXPECT_LE(result.qos.buffer_target_ms, longest);
    if (result.qos.max_bitrate_kbps != 0 && result.qos.max_bitrate_kbps != o.default_max_bitrate_kbps) {
      EXPECT_GE(result.qos.max_bitrate_kbps, o.min_bitrate_kbps);
      EXPECT_LE(result.qos.max_bitrate_kbps, std::max(o.ample_kbps, o.min_bitrate_kbps));
    }
    EXPECT_LE(result.qos.throughput_kbps, 100'000'000U);
    for (const QosReason reason :
         {result.qos.prefetch_reason, result.qos.buffer_reason, result.qos.bitrate_reason}) {
      EXPECT_LT(static_cast<std::size_t>(reason), kQosReasons);
      EXPECT_NE(reason, QosReason::kBulk);  // of flows only
    }
  }
}

TEST_P(RandomSession, SameInput_GivesTheSameBits) {
  std::mt19937_64 random(GetParam() + 1'000);
  const PolicyOptions options = random_options(random);
  const auto first = run(GetParam(), options);
  const auto second = run(GetParam(), options);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].probability, second[i].probability);
    EXPECT_EQ(first[i].qos.prefetch_depth, second[i].qos.prefetch_depth);
    EXPECT_EQ(first[i].qos.buffer_target_ms, second[i].qos.buffer_target_ms);
    EXPECT_EQ(first[i].qos.max_bitrate_kbps, second[i].qos.max_bitrate_kbps);
    EXPECT_EQ(first[i].qos.throughput_kbps, second[i].qos.throughput_kbps);
    EXPECT_EQ(first[i].qos.prefetch_reason, second[i].qos.prefetch_reason);
    EXPECT_EQ(first[i].qos.changed, second[i].qos.changed);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSession, testing::Range(0U, 40U));

}  // namespace
}  // namespace reelsense
