#include "server/grpc/classify_convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/grpc/test_models.h"

namespace reelsense::server {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kS = 1'000'000'000;

class ClassifyConvert : public testing::Test {
 protected:
  grpc::Status fill(const v1::ClassifyRequest& request, const char* model = "reelsense-edge") {
    job_.clear();
    return fill_job(request, test_model(model), limits_, {engine_, 7}, job_, windows_);
  }
  // What is wrong with the request.
  std::string refusal(const v1::ClassifyRequest& request, const char* model = "reelsense-edge") {
    const grpc::Status status = fill(request, model);
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT);
    return status.error_message();
  }

  SystemClock clock_;
  Engine engine_{{}, clock_, {}};
  Config::Limits limits_;
  Job job_;
  std::size_t windows_ = 0;
  std::shared_ptr<const ServedModel> edge_ = test_model("reelsense-edge");
};

TEST_F(ClassifyConvert, Windows_BecomeRowsOfFeaturesAndBins) {
  v1::ClassifyRequest request;
  add_window(request, *edge_, "a", 10, 1);
  add_window(request, *edge_, "b", 11, 2);
  ASSERT_TRUE(fill(request).ok());
  EXPECT_EQ(windows_, 2U);
  ASSERT_EQ(job_.answers.size(), 2U);
  ASSERT_EQ(job_.flows.size(), 2U);
  EXPECT_EQ(job_.flows[1].id, engine_.flow_id(7, "b"));
  EXPECT_EQ(job_.answers[1].second, 11);
  EXPECT_EQ(job_.answers[1].flow, 1U);
  EXPECT_EQ(job_.principal, 7U);
  std::vector<float> rows = test_row(*edge_, 1);
  const std::vector<float> second = test_row(*edge_, 2);
  rows.insert(rows.end(), second.begin(), second.end());
  EXPECT_EQ(job_.rows, rows);
}

TEST_F(ClassifyConvert, WindowsOfOneFlowInARow_ShareAnEntryUntilItsEnd) {
  v1::ClassifyRequest request;
  for (int i = 0; i < 4; ++i) add_window(request, *edge_, "a", 10 + i, 1);
  request.mutable_windows(1)->set_end(true);
  ASSERT_TRUE(fill(request).ok());
  ASSERT_EQ(job_.flows.size(), 2U);
  EXPECT_TRUE(job_.flows[0].end);
  EXPECT_FALSE(job_.flows[1].end);
  EXPECT_EQ(job_.answers[1].flow, 0U);
  EXPECT_EQ(job_.answers[2].flow, 1U);
}

TEST_F(ClassifyConvert, BinsForADeviceModel_AreIgnored) {
  const auto ue = test_model("reelsense-ue");
  v1::ClassifyRequest request;
  add_window(request, *edge_, "a", 10, 1);
  ASSERT_TRUE(fill(request, "reelsense-ue").ok());
  EXPECT_EQ(job_.rows.size(), ue->features());
}

TEST_F(ClassifyConvert, Packets_AreCountedByTheSecondsTheyTouch) {
  v1::ClassifyRequest request;
  v1::FlowPackets& flow = *request.add_flows();
  flow.set_flow("p");
  flow.set_until_ns(5 * kS);
  flow.set_end(true);
  for (const std::int64_t time_ns : {kS, kS + 5, 3 * kS}) {
    v1::Packet& packet = *flow.add_packets();
    packet.set_time_ns(time_ns);
    packet.set_size(1500);
    packet.set_direction(v1::DIRECTION_DOWN);
  }
  ASSERT_TRUE(fill(request).ok());
  EXPECT_EQ(windows_, 2U);
  ASSERT_EQ(job_.flows.size(), 1U);
  EXPECT_EQ(job_.flows[0].packets, 3U);
  EXPECT_EQ(job_.flows[0].until_ns, 5 * kS);
  EXPECT_TRUE(job_.flows[0].end);
  EXPECT_EQ(job_.packets[2].time_ns, 3 * kS);
  EXPECT_EQ(job_.packets[2].direction, Direction::kDown);
}

TEST_F(ClassifyConvert, WrongWindows_AreNamedWithWhatWasExpected) {
  const auto wrong = [&](auto change) {
    v1::ClassifyRequest request;
    add_window(request, *edge_, "a", 10, 1);
    add_window(request, *edge_, "b", 10, 1);
    change(*request.mutable_windows(1));
    return refusal(request);
  };
  EXPECT_THAT(wrong([](v1::Window& w) { w.clear_flow(); }), HasSubstr("windows[1].flow: empty"));
  EXPECT_THAT(wrong([](v1::Window& w) { w.set_flow(std::string(1 << 20, 'x')); }),
              HasSubstr("windows[1].flow: 1048576 bytes, expected 1 to 256"));
  EXPECT_THAT(wrong([](v1::Window& w) { w.set_second(-1); }),
              HasSubstr("windows[1].second: -1, expected 0 to"));
  EXPECT_THAT(wrong([](v1::Window& w) { w.set_second(INT64_MAX); }), HasSubstr("windows[1].second"));
  EXPECT_THAT(wrong([](v1::Window& w) { w.add_features(1); }),
              HasSubstr("windows[1].features: 49 values, expected 48 (view \"packet\" of reelsense-edge@"));
  EXPECT_THAT(wrong([](v1::Window& w) { w.clear_bins(); }),
              HasSubstr("windows[1].bins: 0 values, expected 40"));
}

TEST_F(ClassifyConvert, WrongPackets_AreNamedWithWhatWasExpected) {
  const auto wrong = [&](auto change) {
    v1::ClassifyRequest request;
    v1::FlowPackets& flow = *request.add_flows();
    flow.set_flow("p");
    v1::Packet& packet = *flow.add_packets();
    packet.set_time_ns(kS);
    packet.set_direction(v1::DIRECTION_UP);
    change(flow);
    return refusal(request);
  };
  EXPECT_THAT(wrong([](v1::FlowPackets& f) { f.clear_flow(); }), HasSubstr("flows[0].flow: empty"));
  EXPECT_THAT(wrong([](v1::FlowPackets& f) { f.set_until_ns(-1); }), HasSubstr("flows[0].until_ns: -1"));
  EXPECT_THAT(wrong([](v1::FlowPackets& f) { f.mutable_packets(0)->set_time_ns(-5); }),
              HasSubstr("flows[0].packets[0].time_ns: -5"));
  EXPECT_THAT(wrong([](v1::FlowPackets& f) { f.mutable_packets(0)->clear_direction(); }),
              HasSubstr("flows[0].packets[0].direction: 0, expected DIRECTION_UP or DIRECTION_DOWN"));
}

TEST_F(ClassifyConvert, PacketsForAModelOfAnotherView_AreRefused) {
  v1::ClassifyRequest request;
  request.add_flows()->set_flow("p");
  EXPECT_THAT(refusal(request, "reelsense-ue-record"), HasSubstr("packets need a model of view \"packet\""));
}

TEST_F(ClassifyConvert, OverTheLimits_IsRefused) {
  limits_.windows_per_request = 2;
  limits_.packets_per_request = 3;
  v1::ClassifyRequest windows;
  for (int i = 0; i < 3; ++i) add_window(windows, *edge_, "a", i, 1);
  EXPECT_THAT(refusal(windows), HasSubstr("3 in one request, at most 2"));
  v1::ClassifyRequest packets;
  v1::FlowPackets& flow = *packets.add_flows();
  flow.set_flow("p");
  for (int i = 0; i < 3; ++i) {
    v1::Packet& packet = *flow.add_packets();
    packet.set_time_ns(i * kS);
    packet.set_direction(v1::DIRECTION_UP);
  }
  EXPECT_THAT(refusal(packets), HasSubstr("packets of 3 seconds in one request, at most 2"));
  *flow.add_packets() = flow.packets(0);
  EXPECT_THAT(refusal(packets), HasSubstr("4 packets in one request, at most 3"));
}

TEST_F(ClassifyConvert, Labels_CarryFlowSecondDecisionAndRequest) {
  v1::ClassifyRequest request;
  request.set_request_id(99);
  add_window(request, *edge_, "a", 10, 1);
  request.add_flows()->set_flow("p");
  request.mutable_flows(0)->set_end(true);
  ASSERT_TRUE(fill(request).ok());
  job_.add_window(1, 12);
  job_.answers[0].code = AnswerCode::kRepeated;
  job_.answers[0].decision = {0.8F, 0.8F, Label::kVideo, true};
  job_.answers[1].code = AnswerCode::kOutOfOrder;
  v1::WindowLabel window;
  write_label(request, job_, 0, window);
  EXPECT_EQ(window.flow(), "a");
  EXPECT_EQ(window.second(), 10);
  EXPECT_EQ(window.label(), v1::LABEL_VIDEO);
  EXPECT_FLOAT_EQ(window.confidence(), 0.8F);
  EXPECT_TRUE(window.uncertain());
  EXPECT_TRUE(window.repeated_window());
  EXPECT_EQ(window.error(), v1::WINDOW_ERROR_NONE);
  EXPECT_EQ(window.request_id(), 99U);
  v1::WindowLabel packets;
  write_label(request, job_, 1, packets);
  EXPECT_EQ(packets.flow(), "p");
  EXPECT_EQ(packets.second(), 12);
  EXPECT_EQ(packets.label(), v1::LABEL_UNSPECIFIED);
  EXPECT_EQ(packets.error(), v1::WINDOW_ERROR_OUT_OF_ORDER);
}

}  // namespace
}  // namespace reelsense::server
