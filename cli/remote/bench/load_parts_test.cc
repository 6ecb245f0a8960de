// The parts of bench-server that need no server: histogram, schedule, messages, /proc, report.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/remote/bench/load.h"
#include "cli/remote/bench/messages.h"
#include "cli/remote/bench/process_usage.h"
#include "cli/remote/bench/report.h"
#include "reelsense/v1/flow_classifier.pb.h"

namespace reelsense::cli {
namespace {

TEST(LatencyHistogram, Quantiles_AreWithinTwoPerCentOfTheExactOnes) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> distribution(13, 2.5);
  LatencyHistogram histogram;
  std::vector<std::int64_t> exact;
  for (int i = 0; i < 100'000; ++i) {
    const auto ns = static_cast<std::int64_t>(std::min(distribution(random), 1e11)) + 1000;
    histogram.record(ns);
    exact.push_back(ns);
  }
  std::sort(exact.begin(), exact.end());
  for (const double q : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto at = static_cast<std::size_t>(std::max(0.0, q * static_cast<double>(exact.size()) - 1));
    EXPECT_NEAR(static_cast<double>(histogram.quantile_ns(q)), static_cast<double>(exact[at]),
                0.02 * static_cast<double>(exact[at]))
        << q;
  }
  EXPECT_EQ(histogram.max_ns(), exact.back());
}

TEST(LatencyHistogram, Extremes_FitAndSumsAdd) {
  LatencyHistogram a;
  EXPECT_EQ(a.quantile_ns(0.5), 0);
  a.record(-5);
  a.record(INT64_MAX, 3);
  LatencyHistogram b;
  b.record(1'000'000, 96);
  b.add(a);
  EXPECT_EQ(b.count(), 100U);
  EXPECT_EQ(b.max_ns(), INT64_MAX);
  EXPECT_NEAR(static_cast<double>(b.quantile_ns(0.5)), 1e6, 2e4);
  EXPECT_GE(b.quantile_ns(0.99), 119'000'000'000);
}

TEST(Schedule, Messages_AreDueInTurn) {
  const Schedule schedule(1000, 10, 3);
  EXPECT_EQ(schedule.due(999), 0U);
  EXPECT_EQ(schedule.due(1000), 1U);
  EXPECT_EQ(schedule.due(1049), 5U);  // at 1000, 1010 … 1040
  EXPECT_EQ(schedule.due(0, 1049), 2U);
  EXPECT_EQ(schedule.due(1, 1049), 2U);
  EXPECT_EQ(schedule.due(2, 1049), 1U);
  EXPECT_EQ(schedule.due(2, 1010), 0U);
  EXPECT_EQ(schedule.time(2, 0), 1020);
  EXPECT_EQ(schedule.time(1, 4), 1130);
}

TEST(Recorder, OnlyWhatIsMeasured_Counts) {
  Recorder recorder({.start_ns = 0, .measure_ns = 100, .stop_ns = 200, .give_up_ns = 300});
  recorder.answered(90, 99, 1);    // before
  recorder.answered(90, 110, 2);   // due before: counts for speed, not for latency
  recorder.answered(150, 160, 4);  // both
  recorder.answered(199, 250, 8);  // late: its latency counts
  recorder.answered(200, 260, 16);
  EXPECT_EQ(recorder.answered(), 6U);
  EXPECT_EQ(recorder.latency().count(), 12U);
  EXPECT_EQ(recorder.answered_so_far(), 31U);
  for (int i = 0; i < 1000; ++i) recorder.failed("kind " + std::to_string(i), 1);
  EXPECT_LE(recorder.errors().size(), 33U);
  EXPECT_EQ(recorder.errors().at("others"), 968U);
}

TrafficSample sample() {
  TrafficSample flows(2);
  for (std::size_t f = 0; f < 2; ++f) {
    for (std::size_t w = 0; w < 3 + f; ++w) {
      const auto value = static_cast<float>(10 * f + w) + 0.5F;
      flows[f].push_back({{value, -value, 1e-7F}, {static_cast<std::uint32_t>(w), 300, 0}});
    }
  }
  return flows;
}

TEST(VirtualFlows, Proto_IsARequestOfTheCapturedWindowsWithRisingSeconds) {
  const TrafficSample source = sample();
  const EncodedSample encoded = EncodedSample::of(source, false);
  VirtualFlows flows(encoded, "run-id-8", 5, 3, 1'700'000'000);
  std::map<std::string, std::vector<v1::Window>> by_flow;
  for (std::uint64_t message = 0; message < 7; ++message) {
    std::string bytes;
    flows.append_proto(4, message == 0 ? "some-model" : "", 1000 * (message + 1), bytes);
    v1::ClassifyRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.SerializeAsString(), bytes);  // nothing unknown, nothing twice
    EXPECT_EQ(request.model(), message == 0 ? "some-model" : "");
    EXPECT_EQ(request.request_id(), 1000 * (message + 1));
    ASSERT_EQ(request.windows_size(), 4);
    for (const v1::Window& window : request.windows()) by_flow[window.flow()].push_back(window);
  }
  ASSERT_EQ(by_flow.size(), 3U);
  for (const auto& [name, windows] : by_flow) {
    EXPECT_EQ(name.size(), 16U);
    EXPECT_TRUE(name.starts_with("run-id-8"));
    const auto number = static_cast<std::size_t>(name[8]);
    const auto& captured = source[number % 2];
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const SampleWindow& expected = captured[i % captured.size()];
      EXPECT_EQ(windows[i].second(), 1'700'000'000 + static_cast<std::int64_t>(i));
      EXPECT_TRUE(std::equal(expected.features.begin(), expected.features.end(),
                             windows[i].features().begin(), windows[i].features().end()));
      EXPECT_TRUE(std::equal(expected.bins.begin(), expected.bins.end(), windows[i].bins().begin(),
                             windows[i].bins().end()));
    }
  }
}

TEST(VirtualFlows, Json_IsARequestOfTheSameWindows) {
  const EncodedSample encoded = EncodedSample::of(sample(), true);
  VirtualFlows flows(encoded, std::string("\x00\xff\"\\\n\r\t\x7f", 8), 0, 2, 100);
  std::string body;
  flows.append_json(3, "a \"model\"", body);
  const auto document = nlohmann::json::parse(body);
  EXPECT_EQ(document["model"], "a \"model\"");
  ASSERT_EQ(document["windows"].size(), 3U);
  EXPECT_EQ(document["windows"][0]["flow"], "00ff225c0a0d097f0000000000000000");
  EXPECT_EQ(document["windows"][2]["flow"], document["windows"][0]["flow"]);
  EXPECT_EQ(document["windows"][2]["second"], 101);
  EXPECT_EQ(document["windows"][1]["features"][0].get<float>(), 10.5F);
  EXPECT_EQ(document["windows"][1]["features"][2].get<float>(), 1e-7F);
  EXPECT_EQ(document["windows"][2]["bins"], (std::vector<int>{1, 300, 0}));
}

TEST(ProcessUsage, Stat_IsReadBehindTheName) {
  const auto usage = parse_process_stat(
      "7 (a) b (c) S 1 7 7 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 9 0 100 1000000 25 18446744073709551615",
      100, 4096);
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_s, 2.0);
  EXPECT_EQ(usage->resident_bytes, 25U * 4096U);
  EXPECT_FALSE(parse_process_stat("", 100, 4096));
  EXPECT_FALSE(parse_process_stat("7 (a) S 1 2", 100, 4096));
  EXPECT_FALSE(process_usage(0xfffffffeU));
  EXPECT_GT(process_usage(static_cast<std::uint32_t>(::getpid()))->resident_bytes, 100'000U);
}

TEST(Report, Figures_AreThoseOfTheRun) {
  BenchReport report;
  report.options.server.url = "grpc://a:1";
  report.model = "m@1";
  report.measured_s = 2;
  report.windows = 3000;
  report.responses = 300;
  report.server_cpu_s = 0.5;
  report.errors["UNAVAILABLE"] = 12;
  report.latency.record(2'000'000, 100);
  const auto document = nlohmann::json::parse(report_as_json(report));
  EXPECT_EQ(document["windows_per_s"], 1500.0);
  EXPECT_EQ(document["windows_per_server_cpu_s"], 6000.0);
  EXPECT_EQ(document["windows_per_response"], 10.0);
  EXPECT_EQ(document["failed"]["UNAVAILABLE"], 12);
  EXPECT_NEAR(document["latency_ms"]["p99"].get<double>(), 2.0, 0.04);
  const std::string text = report_as_text(report);
  EXPECT_NE(text.find("windows/s               1,500  (3,000 in 2.0 s)"), std::string::npos) << text;
  EXPECT_NE(text.find("per server CPU-second   6,000"), std::string::npos);
  EXPECT_NE(text.find("12 windows: UNAVAILABLE"), std::string::npos);
}

}  // namespace
}  // namespace reelsense::cli
