#include "reelsense/classifier/classifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace reelsense {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kStart = 1'700'000'000 * kSecondNs;

struct Recorder : ClassifierSink {
  void on_windows(std::span<const WindowRow> batch) override {
    rows.insert(rows.end(), batch.begin(), batch.end());
  }
  void on_flow_end(const FlowSummary& summary) override { flows.push_back(summary); }
  void on_second_end(std::int64_t k) override { seconds.push_back(k); }
  [[nodiscard]] std::vector<std::uint16_t> client_ports() const {
    std::vector<std::uint16_t> ports;
    for (const WindowRow& row : rows) ports.push_back(row.flow.client_port);
    return ports;
  }
  [[nodiscard]] std::vector<FlowEnd> ends() const {
    std::vector<FlowEnd> reasons;
    for (const FlowSummary& flow : flows) reasons.push_back(flow.reason);
    return reasons;
  }

  std::vector<WindowRow> rows;
  std::vector<FlowSummary> flows;
  std::vector<std::int64_t> seconds;
};

// Packets of client 10.0.0.1:port with server 1.1.1.1:443; times are after kStart.
ParsedPacket packet(std::int64_t after_ns, std::uint16_t port, bool down = false, std::uint32_t bytes = 100,
                    std::uint8_t protocol = kProtocolUdp, std::uint8_t tcp_flags = 0) {
  const Address client = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
  const Address server = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 1, 1, 1};
  ParsedPacket p;
  p.time_ns = kStart + after_ns;
  p.source = down ? server : client;
  p.destination = down ? client : server;
  p.source_port = down ? std::uint16_t{443} : port;
  p.destination_port = down ? port : std::uint16_t{443};
  p.ip_version = 4;
  p.protocol = protocol;
  p.tcp_flags = tcp_flags;
  p.wire_bytes = bytes;
  p.header_bytes = protocol == kProtocolTcp ? 40 : 28;
  return p;
}

Classifier make(Recorder& recorder, std::uint32_t max_flows = 1024) {
  ClassifierOptions options;
  options.max_flows = max_flows;
  return std::move(Classifier::create(nullptr, recorder, options)).value();
}

void add(Classifier& classifier, const ParsedPacket& p) {
  classifier.add({&p, 1});
}

TEST(ClassifierTest, Options_OutOfRange_AreNamed) {
  Recorder recorder;
  ClassifierOptions options;
  options.max_flows = 0;
  const auto result = Classifier::create(nullptr, recorder, options);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, ::testing::HasSubstr("max_flows is 0"));
}

TEST(ClassifierTest, StatePerFlow_StaysWithin512Bytes) {
  EXPECT_LE(Classifier::bytes_per_flow(), 512U);
}

TEST(ClassifierTest, SecondBoundary_IsHalfOpen) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(kSecondNs - 1, 5000));
  add(classifier, packet(kSecondNs, 5000, true));
  classifier.finish();
  ASSERT_EQ(recorder.rows.size(), 2U);
  EXPECT_EQ(recorder.rows[0].second, kStart / kSecondNs);
  EXPECT_EQ(recorder.rows[0].packets_up, 1U);
  EXPECT_EQ(recorder.rows[0].packets_down, 0U);
  EXPECT_EQ(recorder.rows[1].second, kStart / kSecondNs + 1);
  EXPECT_EQ(recorder.rows[1].packets_down, 1U);
  EXPECT_THAT(recorder.seconds, ElementsAre(kStart / kSecondNs, kStart / kSecondNs + 1));
}

TEST(ClassifierTest, BatchSize_DoesNotChangeRows) {
  std::vector<ParsedPacket> packets;
  for (int i = 0; i < 3000; ++i) {
    packets.push_back(packet(i * 7 * kMs, static_cast<std::uint16_t>(5000 + i * i % 97), i % 3 != 0,
                             static_cast<std::uint32_t>(60 + i * 31 % 1400)));
  }
  const auto run = [&packets](std::size_t batch) {
    Recorder recorder;
    Classifier classifier = make(recorder);
    const std::span<const ParsedPacket> all(packets);
    for (std::size_t i = 0; i < all.size(); i += batch)
      classifier.add(all.subspan(i, std::min(batch, all.size() - i)));
    classifier.finish();
    std::vector<std::pair<std::uint64_t, std::uint64_t>> shape;
    for (const WindowRow& row : recorder.rows)
      shape.emplace_back(row.flow_id, row.bytes_up * 1'000'000 + row.bytes_down);
    return shape;
  };
  const auto one = run(1);
  EXPECT_EQ(one, run(33));
  EXPECT_EQ(one, run(3000));
  EXPECT_GT(one.size(), 1000U);
}

TEST(ClassifierTest, SuperPacket_CountsAsThePacketsItStandsFor) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(0, 5000, true, 40 + 3 * 1460 + 100, kProtocolTcp));
  classifier.finish();
  ASSERT_EQ(recorder.rows.size(), 1U);
  EXPECT_EQ(recorder.rows[0].packets_down, 4U);
  EXPECT_EQ(recorder.rows[0].bytes_down, 3 * 1500U + 140U);
  EXPECT_EQ(classifier.stats().super_packets, 1U);
  EXPECT_EQ(classifier.stats().packets, 4U);
  EXPECT_EQ(classifier.stats().records, 1U);
}

TEST(ClassifierTest, LatePacket_StaysInTheOpenSecond) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(900 * kMs, 5000));
  add(classifier, packet(1100 * kMs, 5000));
  add(classifier, packet(950 * kMs, 5000));  // its window is closed: counts at the open one's start
  classifier.finish();
  ASSERT_EQ(recorder.rows.size(), 2U);
  EXPECT_EQ(recorder.rows[1].packets_up, 2U);
  EXPECT_EQ(classifier.stats().late, 1U);
}

TEST(ClassifierTest, AbsurdTimestamp_CostsOnePacket) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(0, 5000));
  add(classifier, packet(4000 * kSecondNs, 5000));
  add(classifier, packet(1 * kMs, 5000));
  classifier.finish();
  ASSERT_EQ(recorder.rows.size(), 1U);
  EXPECT_EQ(recorder.rows[0].packets_up, 2U);
  EXPECT_EQ(classifier.stats().dropped[static_cast<std::size_t>(DropReason::kTimeStep)], 1U);
  EXPECT_EQ(classifier.stats().time_steps, 0U);
}

TEST(ClassifierTest, ClockSetBack_EndsFlowsAndLosesNothing) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  for (int i = 0; i < 5; ++i) add(classifier, packet(5000 * kSecondNs + i, 5000));
  for (int i = 0; i < 20; ++i) add(classifier, packet(i, 5000));
  EXPECT_EQ(classifier.held_packets(), 0U);
  classifier.finish();
  EXPECT_EQ(classifier.stats().records, 25U);
  EXPECT_EQ(classifier.stats().time_steps, 1U);
  EXPECT_THAT(recorder.ends(), ElementsAre(FlowEnd::kTimeStep, FlowEnd::kEnd));
}

TEST(ClassifierTest, StepHeldAtTheEnd_IsProcessed) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(0, 5000));
  add(classifier, packet(5000 * kSecondNs, 5000));
  EXPECT_EQ(classifier.held_packets(), 1U);
  classifier.finish();
  EXPECT_EQ(recorder.rows.size(), 2U);
  EXPECT_EQ(classifier.stats().records, 2U);
}

TEST(ClassifierTest, FullTable_EvictsFinishedThenIdle) {
  Recorder recorder;
  Classifier classifier = make(recorder, 3);
  add(classifier, packet(0, 5000));
  add(classifier, packet(1, 5001, false, 60, kProtocolTcp));
  add(classifier, packet(2, 5002));
  add(classifier, packet(3, 5001, true, 60, kProtocolTcp, kTcpRst));
  add(classifier, packet(4, 5003));  // takes the finished flow's place
  add(classifier, packet(5, 5004));  // takes that of 5000, whose window opened first
  classifier.finish();
  EXPECT_THAT(recorder.client_ports(), ElementsAre(5001, 5000, 5002, 5003, 5004));
  EXPECT_EQ(classifier.stats().ended[static_cast<std::size_t>(FlowEnd::kEvicted)], 2U);
  EXPECT_EQ(classifier.stats().records, 6U);
  EXPECT_EQ(classifier.stats().peak_flows, 3U);
}

TEST(ClassifierTest, SynOnAFinishedFlow_OpensANewOne) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(0, 5000, false, 60, kProtocolTcp, kTcpSyn));
  add(classifier, packet(1, 5000, false, 60, kProtocolTcp, kTcpFin | kTcpAck));
  add(classifier, packet(2, 5000, false, 60, kProtocolTcp, kTcpSyn));  // not finished: one FIN only
  add(classifier, packet(3, 5000, true, 60, kProtocolTcp, kTcpFin | kTcpAck));
  add(classifier, packet(4, 5000, false, 60, kProtocolTcp, kTcpAck));
  add(classifier, packet(5, 5000, false, 60, kProtocolTcp, kTcpSyn));
  classifier.finish();
  EXPECT_THAT(recorder.ends(), ElementsAre(FlowEnd::kReopened, FlowEnd::kEnd));
  ASSERT_EQ(recorder.rows.size(), 2U);
  EXPECT_EQ(recorder.rows[0].packets_up, 4U);
  EXPECT_NE(recorder.rows[0].flow_id, recorder.rows[1].flow_id);
}

TEST(ClassifierTest, Timeouts_EndFlowsAtASecondsStart) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(0, 5000));
  add(classifier, packet(1, 5001, false, 60, kProtocolTcp, kTcpRst));
  for (int s = 1; s <= 125; ++s) add(classifier, packet(s * kSecondNs, 6000));
  EXPECT_THAT(recorder.ends(), ElementsAre(FlowEnd::kFinished, FlowEnd::kIdle));
  EXPECT_EQ(classifier.stats().live_flows, 1U);
  classifier.finish();
  EXPECT_EQ(recorder.flows.back().windows, 125U);
  EXPECT_EQ(recorder.flows.back().idle_windows, 0U);
}

TEST(ClassifierTest, ActiveTimeout_SplitsAnEndlessFlow) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  for (int i = 0; i <= 40; ++i) add(classifier, packet(i * 100 * kSecondNs, 5000));
  classifier.finish();
  EXPECT_THAT(recorder.ends(), ElementsAre(FlowEnd::kActive, FlowEnd::kEnd));
  EXPECT_EQ(recorder.flows[0].windows, 36U);
  EXPECT_EQ(recorder.flows[0].idle_windows, 3501U - 36U);
}

TEST(ClassifierTest, Advance_ClosesSecondsWithoutPackets) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  classifier.advance(kStart);
  add(classifier, packet(0, 5000));
  classifier.advance(kStart + kSecondNs - 1);
  EXPECT_TRUE(recorder.rows.empty());
  classifier.advance(kStart + kSecondNs);
  EXPECT_EQ(recorder.rows.size(), 1U);
  classifier.advance(kStart + 121 * kSecondNs);
  EXPECT_THAT(recorder.ends(), ElementsAre(FlowEnd::kIdle));
}

TEST(ClassifierTest, LaterFragmentWithoutAFirst_IsADropReason) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  ParsedPacket orphan = packet(0, 5000);
  orphan.later_fragment = true;
  add(classifier, orphan);
  EXPECT_EQ(classifier.stats().dropped[static_cast<std::size_t>(DropReason::kFragmentUnknown)], 1U);
  EXPECT_EQ(classifier.stats().records, 0U);
}

TEST(ClassifierTest, BatchOfOrphanFragments_DoesNotHideWhatFollows) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  std::vector<ParsedPacket> packets(40, packet(0, 5000));
  for (ParsedPacket& p : packets) p.later_fragment = true;
  for (int i = 0; i < 40; ++i) packets.push_back(packet(i, 5000));
  classifier.add(packets);
  EXPECT_EQ(classifier.stats().dropped[static_cast<std::size_t>(DropReason::kFragmentUnknown)], 40U);
  EXPECT_EQ(classifier.stats().records, 40U);
}

TEST(ClassifierTest, AfterFinish_ItMayBeUsedAgain) {
  Recorder recorder;
  Classifier classifier = make(recorder);
  add(classifier, packet(5000 * kSecondNs, 5000));
  classifier.finish();
  add(classifier, packet(0, 5000));
  classifier.finish();
  EXPECT_EQ(recorder.rows.size(), 2U);
  EXPECT_EQ(classifier.stats().time_steps, 0U);
}

}  // namespace
}  // namespace reelsense
