#include "reelsense/classifier/socket_classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "reelsense/classifier/socket_window.h"

namespace reelsense {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecondNs;
constexpr auto kUp = Direction::kUp;
constexpr auto kDown = Direction::kDown;

struct Row {
  WindowRow row;
  std::vector<float> features;
};

struct Recorder : ClassifierSink {
  void on_windows(std::span<const WindowRow> batch) override {
    for (const WindowRow& row : batch)
      rows.push_back({row, {row.features, row.features + kSocketFeatureCount}});
  }
  void on_flow_end(const FlowSummary& summary) override { flows.push_back(summary); }
  void on_second_end(std::int64_t k) override { seconds.push_back(k - kStart / kSecondNs); }
  [[nodiscard]] std::vector<SocketHandle> handles() const {
    std::vector<SocketHandle> all;
    for (const Row& row : rows) all.push_back(row.row.flow_id);
    return all;
  }

  std::vector<Row> rows;
  std::vector<FlowSummary> flows;
  std::vector<std::int64_t> seconds;
};

SocketClassifier make(Recorder& recorder, std::uint32_t max_flows = 16) {
  ClassifierOptions options;
  options.max_flows = max_flows;
  Result<SocketClassifier> made = SocketClassifier::create(nullptr, recorder, options);
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

TEST(SocketClassifier, Second_ClosesEveryWindowInOrderOfFirstEvents) {
  Recorder seen;
  SocketClassifier sockets = make(seen);
  const SocketHandle a = sockets.open(kStart);
  const SocketHandle b = sockets.open(kStart);
  sockets.add(b, kUp, 300, kStart + 1 * kMs);
  sockets.add(a, kUp, 200, kStart + 2 * kMs);
  sockets.add(b, kDown, 5000, kStart + 999 * kMs);
  sockets.advance(kStart + kSecondNs - 1);
  EXPECT_TRUE(seen.rows.empty());
  sockets.advance(kStart + kSecondNs);
  EXPECT_THAT(seen.handles(), ElementsAre(b, a));
  EXPECT_EQ(seen.rows[0].row.bytes_down, 5000U);
  EXPECT_EQ(seen.rows[0].row.bytes_up, 300U);
  EXPECT_EQ(seen.rows[0].row.packets_down, 1U);
  EXPECT_THAT(seen.seconds, ElementsAre(0));
}

TEST(SocketClassifier, ClosedFlow_IsLabelledAtOnceAndItsHandleIsDead) {
  Recorder seen;
  SocketClassifier sockets = make(seen);
  const SocketHandle a = sockets.open(kStart);
  sockets.add(a, kDown, 100, kStart);
  EXPECT_TRUE(sockets.close(a, kStart + 5 * kMs));
  EXPECT_EQ(seen.rows.size(), 1U);
  ASSERT_EQ(seen.flows.size(), 1U);
  EXPECT_EQ(seen.flows[0].reason, FlowEnd::kFinished);
  EXPECT_FALSE(sockets.close(a, kStart + 5 * kMs));
  EXPECT_FALSE(sockets.add(a, kDown, 1, kStart + 6 * kMs));
  EXPECT_FALSE(sockets.peek(a).has_value());
  const SocketHandle again = sockets.open(kStart + 7 * kMs);  // the same slot
  EXPECT_NE(again, a);
  EXPECT_FALSE(sockets.add(a, kDown, 1, kStart + 8 * kMs));
}

TEST(SocketClassifier, FullTable_EvictsTheFlowThatWasQuietForLongest) {
  Recorder seen;
  SocketClassifier sockets = make(seen, 2);
  const SocketHandle a = sockets.open(kStart);
  const SocketHandle b = sockets.open(kStart);
  sockets.add(a, kDown, 100, kStart + 1);
  const SocketHandle c = sockets.open(kStart + 2);
  ASSERT_EQ(seen.flows.size(), 1U);
  EXPECT_EQ(seen.flows[0].flow_id, b);
  EXPECT_EQ(seen.flows[0].reason, FlowEnd::kEvicted);
  EXPECT_TRUE(sockets.add(a, kDown, 1, kStart + 3));
  EXPECT_TRUE(sockets.add(c, kDown, 1, kStart + 3));
  EXPECT_EQ(sockets.stats().live_flows, 2U);
}

// A connection that closes and another that opens, over and over inside one second, must not overrun the list
// of open windows.
TEST(SocketClassifier, ManyShortFlowsInOneSecond_AreAllLabelled) {
  Recorder seen;
  SocketClassifier sockets = make(seen, 4);
  const SocketHandle keeps = sockets.open(kStart);
  sockets.add(keeps, kDown, 7, kStart);
  for (int i = 0; i < 1000; ++i) {
    const SocketHandle flow = sockets.open(kStart + i);
    sockets.add(flow, kDown, 100, kStart + i);
    EXPECT_TRUE(sockets.close(flow, kStart + i));
  }
  sockets.advance(kStart + kSecondNs);
  EXPECT_EQ(seen.rows.size(), 1001U);
  EXPECT_EQ(seen.rows.back().row.flow_id, keeps);
}

TEST(SocketClassifier, LateEvent_CountsInTheClocksSecond) {
  Recorder seen;
  SocketClassifier sockets = make(seen);
  const SocketHandle a = sockets.open(kStart);
  sockets.add(a, kDown, 100, kStart + 5 * kSecondNs);
  sockets.add(a, kDown, 50, kStart + 2 * kSecondNs);
  EXPECT_EQ(sockets.stats().late, 1U);
  sockets.finish();
  ASSERT_EQ(seen.rows.size(), 1U);
  EXPECT_EQ(seen.rows[0].row.bytes_down, 150U);
}

TEST(SocketClassifier, ClockSetBack_ClosesWindowsAndFlowsBeginAnew) {
  Recorder seen;
  SocketClassifier sockets = make(seen);
  const SocketHandle a = sockets.open(kStart);
  for (int s = 0; s < 10; ++s) sockets.add(a, kDown, 100'000, kStart + s * kSecondNs);
  const std::int64_t earlier = kStart - 3600 * kSecondNs;
  EXPECT_TRUE(sockets.add(a, kDown, 100'000, earlier));
  EXPECT_EQ(sockets.stats().time_steps, 1U);
  sockets.finish();
  ASSERT_EQ(seen.rows.size(), 11U);
  EXPECT_EQ(seen.rows[10].row.second, earlier / kSecondNs);
  EXPECT_EQ(seen.rows[10].features, seen.rows[0].features);  // of a first second
  EXPECT_NE(seen.rows[9].features, seen.rows[0].features);
}

TEST(SocketClassifier, TimesThatCannotBe_AreDroppedAndCounted) {
  Recorder seen;
  SocketClassifier sockets = make(seen);
  const SocketHandle a = sockets.open(kStart);
  EXPECT_TRUE(sockets.add(a, kDown, 100, -1));
  EXPECT_TRUE(sockets.add(a, kDown, 100, INT64_MAX));
  EXPECT_EQ(sockets.stats().dropped[static_cast<std::size_t>(DropReason::kTimeStep)], 2U);
  EXPECT_EQ(sockets.stats().records, 0U);
  sockets.finish();
  EXPECT_TRUE(seen.rows.empty());
}

TEST(SocketClassifier, ModelOfAnotherViewOrBadOptions_AreRefusedByName) {
  Recorder seen;
  ClassifierOptions options;
  options.idle_timeout_ns = 0;
  const Result<SocketClassifier> refused = SocketClassifier::create(nullptr, seen, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("idle_timeout_ns is 0"));
}

// Whatever is interleaved, closed and evicted: each connection's rows are those of the connection alone.
TEST(SocketClassifier, RandomInterleavedFlows_HaveTheRowsOfEachAlone) {
  std::mt19937 random(7);
  struct Alone {
    SocketWindows windows;
    std::vector<std::vector<float>> rows;
    void close() {
      SocketFeatureVector features;
      std::array<std::uint32_t, kBinValues> bins;
      windows.close(features.data(), bins.data());
      rows.emplace_back(features.begin(), features.end());
    }
  };
  const SocketTimeouts timeouts;
  Recorder seen;
  SocketClassifier sockets = make(seen, 40);
  std::map<SocketHandle, Alone> alone;
  std::vector<SocketHandle> live;
  std::int64_t now = kStart;
  for (int i = 0; i < 20'000; ++i) {
    now += static_cast<std::int64_t>(random() % 40) * kMs;
    if (random() % 500 == 0) now += 130 * kSecondNs;  // over the idle timeout
    const auto what = random() % 100;
    if (live.empty() || (what < 3 && live.size() < 40)) {
      live.push_back(sockets.open(now));
    } else if (what < 5) {
      const std::size_t at = random() % live.size();
      EXPECT_TRUE(sockets.close(live[at], now));
      Alone& flow = alone[live[at]];
      if (flow.windows.is_open()) flow.close();
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      const SocketHandle handle = live[random() % live.size()];
      const Direction direction = random() % 3 == 0 ? kUp : kDown;
      const auto bytes = static_cast<std::uint32_t>(1 + random() % 100'000);
      EXPECT_TRUE(sockets.add(handle, direction, bytes, now));
      Alone& flow = alone[handle];
      if (flow.windows.is_open() && flow.windows.second() < now / kSecondNs) flow.close();
      flow.windows.add(timeouts, direction, bytes, now);
    }
  }
  sockets.finish();
  std::map<SocketHandle, std::vector<std::vector<float>>> got;
  for (const Row& row : seen.rows) got[row.row.flow_id].push_back(row.features);
  std::size_t compared = 0;
  for (auto& [handle, flow] : alone) {
    if (flow.windows.is_open()) flow.close();
    ASSERT_EQ(got[handle], flow.rows) << "flow " << handle;
    compared += flow.rows.size();
  }
  EXPECT_EQ(compared, seen.rows.size());
  EXPECT_GT(compared, 1000U);
}

}  // namespace
}  // namespace reelsense
