#include <gtest/gtest.h>

#include <array>
#include <random>
#include <utility>

#include "reelsense/policy/qos_policy.h"

namespace reelsense {
namespace {

Decision labelled(float probability) {
  Decision decision;
  decision.probability = probability;
  decision.label = probability >= 0.5F ? Label::kVideo : Label::kNonVideo;
  decision.confidence = probability >= 0.5F ? probability : 1 - probability;
  decision.uncertain = probability > 0.1F && probability < 0.89F;
  return decision;
}

// One flow under one policy, second by second.
class Flow {
 public:
  explicit Flow(PolicyOptions options = {}) : options_(options) {}

  FlowPolicy::Mark step(float probability, std::uint64_t down = 200'000, std::uint64_t up = 5'000) {
    return policy_.step(options_, second_++, labelled(probability), up, down);
  }
  FlowPolicy::Mark step(float probability, const FlowRequests& requests) {
    return policy_.step(options_, second_++, labelled(probability), 5'000, 200'000, requests);
  }
  FlowPolicy::Mark steps(int n, float probability, std::uint64_t down = 200'000, std::uint64_t up = 5'000) {
    FlowPolicy::Mark mark;
    for (int i = 0; i < n; ++i) mark = step(probability, down, up);
    return mark;
  }
  FlowPolicy::Mark steps(int n, float probability, const FlowRequests& requests) {
    FlowPolicy::Mark mark;
    for (int i = 0; i < n; ++i) mark = step(probability, requests);
    return mark;
  }
  void pause(std::int64_t seconds) { second_ += seconds; }

 private:
  PolicyOptions options_;
  FlowPolicy policy_;
  std::int64_t second_ = 1'700'000'000;
};

void expect(FlowPolicy::Mark mark, std::uint8_t dscp, QosReason reason) {
  EXPECT_EQ(mark.dscp, dscp);
  EXPECT_EQ(mark.reason, reason) << name_of(mark.reason);
}

TEST(FlowPolicy, NewFlowWithFewBytes_IsDefault) {
  Flow flow;
  expect(flow.step(0.99F, 500, 500), kDscpDefault, QosReason::kDefault);
}

TEST(FlowPolicy, OneSureVideoWindow_GetsAf31AtOnce) {
  Flow flow;
  expect(flow.step(0.95F), kDscpVideo, QosReason::kVideo);
}

TEST(FlowPolicy, FirstWindow_SaysNothingAgainstVideo) {
  Flow flow;
  expect(flow.step(0.02F), kDscpDefault, QosReason::kUncertain);
  expect(flow.step(0.95F), kDscpVideo, QosReason::kVideo);
  Flow other;
  other.step(0.02F);
  expect(other.step(0.02F), kDscpDefault, QosReason::kNonVideo);
}

// 1.6 bits each: no window is sure, two of them are.
TEST(FlowPolicy, UnsureWindowsThatLeanTheSameWay_AddUp) {
  Flow flow;
  expect(flow.step(0.75F), kDscpDefault, QosReason::kUncertain);
  expect(flow.step(0.75F), kDscpVideo, QosReason::kVideo);
}

TEST(FlowPolicy, UnsureWindowsThatDisagree_DoNot) {
  Flow flow;
  for (int i = 0; i < 50; ++i) {
    expect(flow.step(i % 2 == 0 ? 0.7F : 0.3F), kDscpDefault, QosReason::kUncertain);
  }
}

TEST(FlowPolicy, OneVideoWindowInADownload_DoesNotMoveIt) {
  Flow flow;
  flow.steps(5, 0.02F);
  expect(flow.step(0.97F), kDscpDefault, QosReason::kHold);
  expect(flow.step(0.02F), kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPolicy, VideoThroughTwoOtherWindows_KeepsAf31) {
  Flow flow;
  flow.steps(3, 0.97F);
  expect(flow.steps(2, 0.02F), kDscpVideo, QosReason::kHold);
  expect(flow.steps(3, 0.97F), kDscpVideo, QosReason::kVideo);
  expect(flow.steps(2, 0.02F), kDscpVideo, QosReason::kHold);
  expect(flow.step(0.02F), kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPolicy, LongEvidenceAgainstVideo_TakesLongerToOverturn) {
  Flow flow;
  flow.steps(20, 0.3F);
  int windows = 1;
  while (flow.step(0.8F).dscp != kDscpVideo) ++windows;
  EXPECT_EQ(windows, 3);  // 6 bits at 2 each
}

TEST(FlowPolicy, SilenceAndTrickle_KeepTheMark) {
  Flow flow;
  flow.steps(2, 0.97F);
  flow.pause(30);
  expect(flow.step(0.3F, 400, 100), kDscpVideo, QosReason::kIdle);
  expect(flow.step(0.02F, 400, 100), kDscpVideo, QosReason::kIdle);
}

TEST(FlowPolicy, WindowsThatHardlyLean_AreHeldAndThenDefault) {
  Flow flow;
  flow.steps(2, 0.97F);
  expect(flow.steps(10, 0.52F), kDscpVideo, QosReason::kVideo);
  expect(flow.step(0.52F), kDscpDefault, QosReason::kUncertain);
  expect(flow.step(0.97F), kDscpVideo, QosReason::kVideo);
  expect(flow.steps(10, 0.48F), kDscpVideo, QosReason::kHold);
  expect(flow.step(0.48F), kDscpDefault, QosReason::kUncertain);
}

constexpr float k1Megabyte = 20;  // log2 bytes
constexpr float k4Megabytes = 22;
constexpr float k16Megabytes = 24;
constexpr FlowRequests kTransfer = {9, k4Megabytes, 0};

TEST(FlowPolicy, MuchWithoutARequest_NeverGetsAf31) {
  Flow flow;
  for (int i = 0; i < 100; ++i) {
    expect(flow.step(0.97F, kTransfer), kDscpDefault, QosReason::kUncertain);
  }
}

TEST(FlowPolicy, LittleOrShortlyWithoutARequest_IsNoTransfer) {
  Flow starved;
  expect(starved.step(0.97F, {20, k1Megabyte, 0}), kDscpVideo, QosReason::kVideo);
  Flow quick;
  expect(quick.step(0.97F, {8, k4Megabytes, k4Megabytes}), kDscpVideo, QosReason::kVideo);
}

TEST(FlowPolicy, VideoThatTurnsOutToTransfer_IsHeldAndThenDefault) {
  Flow flow;
  flow.steps(3, 0.97F);
  expect(flow.step(0.97F, kTransfer), kDscpVideo, QosReason::kHold);
  expect(flow.steps(9, 0.97F, kTransfer), kDscpVideo, QosReason::kHold);
  expect(flow.step(0.97F, kTransfer), kDscpDefault, QosReason::kUncertain);
  expect(flow.step(0.97F, {0, 0, k4Megabytes}), kDscpVideo, QosReason::kVideo);  // it asked again
}

// What looks like a request may be flow control, which a download sends every few megabytes.
TEST(FlowPolicy, LargeChunks_AreATransferWhateverTheirAge) {
  Flow open;
  expect(open.step(0.97F, {1, k16Megabytes, 0}), kDscpDefault, QosReason::kUncertain);
  Flow closed;
  expect(closed.step(0.97F, {1, k1Megabyte, k16Megabytes}), kDscpDefault, QosReason::kUncertain);
}

TEST(FlowPolicy, TransferThatLeansAgainstVideo_CountsAsEver) {
  Flow flow;
  expect(flow.steps(15, 0.02F, kTransfer), kDscpDefault, QosReason::kNonVideo);
  expect(flow.step(0.02F, kTransfer), kDscpLowerEffort, QosReason::kBulk);
}

// Two flows on one path, second by second.
class Path {
 public:
  explicit Path(PolicyOptions options = {}) : options_(options) {}

  // Marks of both after n seconds with these probabilities.
  std::array<FlowPolicy::Mark, 2> steps(int n, std::array<float, 2> probabilities,
                                        std::uint64_t down = 100'000, const FlowRequests& requests = {}) {
    std::array<FlowPolicy::Mark, 2> marks;
    for (int i = 0; i < n; ++i, ++second_) {
      for (std::size_t f = 0; f < 2; ++f) {
        const Decision decision = labelled(probabilities[f]);
        marks[f] = flows_[f].step(options_, second_, decision, 5'000, down, requests, &peers_);
      }
    }
    return marks;
  }
  void pause(std::int64_t seconds) { second_ += seconds; }

 private:
  PolicyOptions options_;
  FlowPeers peers_;
  std::array<FlowPolicy, 2> flows_;
  std::int64_t second_ = 1'700'000'000;
};

// −0.26 and −3.5 bits, their mean is −1.9: from its second second the first flow's windows count as 1.6.
TEST(FlowPeers, FlowThatStandsOutOnANarrowPath_GetsAf31) {
  Path path;
  expect(path.steps(2, {0.455F, 0.08F})[0], kDscpDefault, QosReason::kUncertain);
  const auto later = path.steps(1, {0.455F, 0.08F});
  expect(later[0], kDscpVideo, QosReason::kVideo);
  expect(later[1], kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPeers, WidePath_ChangesNothing) {
  Path path;
  expect(path.steps(100, {0.455F, 0.08F}, 400'000)[0], kDscpDefault, QosReason::kUncertain);  // 6.4 Mbit/s
}

TEST(FlowPeers, FlowsThatLeanTheSameWay_DoNotLiftEachOther) {
  Path path;
  for (const FlowPolicy::Mark mark : path.steps(100, {0.3F, 0.3F})) {
    EXPECT_EQ(mark.dscp, kDscpDefault);
  }
}

TEST(FlowPeers, FlowThatLooksNothingLikeVideo_IsNotLifted) {
  Path path;
  expect(path.steps(4, {0.19F, 0.001F})[0], kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPeers, FlowThatDoesNotAsk_IsNotLifted) {
  const FlowRequests eight_seconds_ago{8, k1Megabyte, 0}, longer_ago{8.1F, k1Megabyte, 0};
  Path asking, silent;
  expect(asking.steps(3, {0.455F, 0.08F}, 100'000, eight_seconds_ago)[0], kDscpVideo, QosReason::kVideo);
  expect(silent.steps(3, {0.455F, 0.08F}, 100'000, longer_ago)[0], kDscpDefault, QosReason::kUncertain);
}

TEST(FlowPeers, FlowAlone_IsNotItsOwnPeer) {
  Path path;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(path.steps(1, {0.455F, 0.08F})[0].dscp, kDscpDefault);
    path.pause(1);  // what was seen two seconds ago says nothing
  }
  FlowPolicy flow;
  FlowPeers peers;
  const PolicyOptions options;
  for (std::int64_t k = 0; k < 50; ++k) {
    EXPECT_EQ(flow.step(options, k, labelled(0.455F), 5'000, 100'000, {}, &peers).dscp, kDscpDefault);
  }
}

TEST(FlowPeers, SettingOfZero_SwitchesItOff) {
  PolicyOptions options;
  options.flow_peer_bits = 0;
  Path path(options);
  expect(path.steps(100, {0.455F, 0.08F})[0], kDscpDefault, QosReason::kUncertain);
}

TEST(FlowPeers, ClockThatGoesBack_BeginsAnew) {
  const PolicyOptions options;
  FlowPeers peers;
  FlowPolicy flow;
  flow.step(options, 10, labelled(0.25F), 5'000, 100'000, {}, &peers);
  EXPECT_EQ(peers.before(options, 11).flows, 1U);
  EXPECT_NEAR(peers.before(options, 11).bits, -1.585, 1e-3);
  EXPECT_EQ(peers.before(options, 10).flows, 0U);
  EXPECT_EQ(peers.before(options, 12).flows, 0U);
  flow.step(options, 5, labelled(0.5F), 5'000, 100'000, {}, &peers);
  EXPECT_EQ(peers.before(options, 11).flows, 0U);
  EXPECT_EQ(peers.before(options, 6).bits, 0.0);
  EXPECT_EQ(peers.before(options, 6).flows, 1U);
}

TEST(RequestsOf, EachView_ReadsItsOwnFeatures) {
  constexpr std::pair<const char*, float> kFeatures[] = {
      {"request_age_s", 1}, {"open_chunk_log2", 2}, {"chunk_size_log2", 3}};
  for (const View view : kAllViews) {
    std::array<float, kMaxFeatureCount> row{};
    for (const auto& [name, value] : kFeatures) {
      if (const auto at = view_schema(view).find(name)) row[*at] = value;
    }
    const FlowRequests requests = requests_of(view, row.data());
    const float known = view == View::kRecord ? 0 : 1;
    EXPECT_EQ(requests.age_s, known) << view_schema(view).name;
    EXPECT_EQ(requests.open_chunk_log2, 2 * known) << view_schema(view).name;
    EXPECT_EQ(requests.chunk_log2, 3 * known) << view_schema(view).name;
  }
}

TEST(FlowPolicy, Bulk_IsHeldAndThenDefault) {
  Flow flow;
  flow.steps(20, 0.02F);
  expect(flow.steps(10, 0.52F), kDscpLowerEffort, QosReason::kHold);
  expect(flow.step(0.52F), kDscpDefault, QosReason::kUncertain);
}

TEST(FlowPolicy, LongDownload_IsBulk) {
  Flow flow;
  flow.step(0.02F);  // a first window says nothing against video
  expect(flow.steps(14, 0.02F), kDscpDefault, QosReason::kNonVideo);
  expect(flow.step(0.02F), kDscpLowerEffort, QosReason::kBulk);
}

TEST(FlowPolicy, LongUpload_IsBulk) {
  Flow flow;
  expect(flow.steps(16, 0.02F, 5'000, 200'000), kDscpLowerEffort, QosReason::kBulk);
}

// A wrong mark of lower effort costs a video its picture: only sure windows count, whatever the evidence.
TEST(FlowPolicy, LongTransferThatIsNotSurelyOther_IsNeverBulk) {
  Flow flow;
  expect(flow.steps(300, 0.2F), kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPolicy, Call_IsNeverBulk) {
  Flow flow;
  flow.step(0.02F, 150'000, 90'000);
  for (int i = 0; i < 600; ++i) expect(flow.step(0.02F, 150'000, 90'000), kDscpDefault, QosReason::kNonVideo);
}

TEST(FlowPolicy, SlowTransfer_IsNotBulk) {
  Flow flow;
  expect(flow.steps(100, 0.02F, 15'000, 500), kDscpDefault, QosReason::kNonVideo);  // 124 kbit/s
}

TEST(FlowPolicy, AudioWithPauses_IsNotBulk) {
  Flow flow;
  flow.step(0.02F, 300'000, 6'000);
  for (int i = 0; i < 60; ++i) {
    expect(flow.step(0.02F, 300'000, 6'000), kDscpDefault, QosReason::kNonVideo);
    flow.pause(9);
  }
}

TEST(FlowPolicy, BulkThatStandsBack_StaysBulk) {
  Flow flow;
  flow.steps(20, 0.02F);
  expect(flow.steps(25, 0.02F, 2'000, 100), kDscpLowerEffort, QosReason::kIdle);
  flow.pause(3);
  expect(flow.step(0.02F), kDscpLowerEffort, QosReason::kBulk);
}

TEST(FlowPolicy, BulkThatEnded_IsBulkNoMore) {
  Flow flow;
  flow.steps(20, 0.02F);
  flow.pause(40);
  expect(flow.step(0.02F), kDscpDefault, QosReason::kNonVideo);
  Flow trickle;
  trickle.steps(20, 0.02F);
  trickle.pause(40);
  expect(trickle.step(0.02F, 400, 100), kDscpDefault, QosReason::kIdle);
}

TEST(FlowPolicy, BulkThatTurnsOutToBeVideo_GetsAf31) {
  Flow flow;
  flow.steps(20, 0.02F);
  expect(flow.steps(4, 0.95F), kDscpVideo, QosReason::kVideo);
}

TEST(FlowPolicy, LowerEffortSwitchedOff_OnlyTheReasonSaysBulk) {
  PolicyOptions options;
  options.bulk_lower_effort = 0;
  Flow flow(options);
  expect(flow.steps(16, 0.02F), kDscpDefault, QosReason::kBulk);
}

// NQB is 45 (RFC 9956); no flow may ever get it, nor anything but the three code points.
TEST(FlowPolicy, AnyInput_GivesOneOfThreeCodePointsAndNeverNqb) {
  std::mt19937_64 random(7);
  for (int flow = 0; flow < 200; ++flow) {
    FlowPolicy policy;
    PolicyOptions options;
    for (const PolicyKey& key : policy_keys()) {
      if (random() % 4 == 0) options.*(key.member) = random() % 2 == 0 ? key.low : key.high;
    }
    for (int i = 0; i < 200; ++i) {
      Decision decision = labelled(static_cast<float>(random() % 1001) / 1000.0F);
      if (random() % 8 == 0) decision.uncertain = !decision.uncertain;
      const std::uint64_t up = random() >> (random() % 64);
      const std::uint64_t down = random() >> (random() % 64);
      const auto feature = [&random] { return static_cast<float>(random() % 40); };
      const FlowRequests requests{feature(), feature(), feature()};
      const FlowPolicy::Mark mark =
          policy.step(options, static_cast<std::int64_t>(random()), decision, up, down, requests);
      EXPECT_TRUE(mark.dscp == kDscpDefault || mark.dscp == kDscpVideo || mark.dscp == kDscpLowerEffort);
      EXPECT_NE(mark.dscp, 45);
      EXPECT_LT(static_cast<std::size_t>(mark.reason), kQosReasons);
      EXPECT_NE(mark.reason, QosReason::kCongested);
    }
  }
}

TEST(QosReason, EveryReason_HasItsName) {
  const char* const names[] = {"default",   "video", "congested", "non-video",
                               "uncertain", "hold",  "idle",      "bulk"};
  for (std::size_t i = 0; i < kQosReasons; ++i) EXPECT_STREQ(name_of(static_cast<QosReason>(i)), names[i]);
  EXPECT_STREQ(name_of(static_cast<QosReason>(200)), "unknown");
}

}  // namespace
}  // namespace reelsense
