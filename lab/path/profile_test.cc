#include "profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "random.h"
#include "report.h"

namespace reelsense::path {
namespace {

using ::testing::HasSubstr;

constexpr const char* kSide = R"({"rate": {"mbit": 2}, "delay_ms": 20, "queue": {"bytes": 50000}})";

std::string with_down(const std::string& down) {
  return R"({"down": )" + down + R"(, "up": )" + kSide + "}";
}
std::string error_of(const std::string& text) {
  const auto profile = parse_profile(text, "x.json");
  return profile.ok() ? "no error" : profile.error().message;
}

TEST(Profile_Parse, EveryKey_IsRead) {
  const auto parsed = parse_profile(
      R"({"name": "n", "description": "d",
          "down": {"rate": {"trace_mbit": [1, 0, 5], "interval_s": 0.5}, "delay_ms": 20.5,
                   "jitter": {"ms": 2, "correlation": 0.5, "reorder": true},
                   "loss": {"gilbert_elliott": {"p": 0.1, "r": 0.3, "loss_good": 0.01, "loss_bad": 0.5}},
                   "queue": {"bytes": 50000, "packets": 40}, "policer": {"mbit": 3, "burst_bytes": 9000}},
          "up": {"rate": {"opportunities_ms": [0, 4, 4, 10]}, "delay_ms": 5, "queue": {"packets": 10},
                 "loss": {"probability": 0.25}},
          "outages": [{"at_s": 1, "for_s": 2, "repeat_s": 5, "queue": "flush"}],
          "handovers": [{"at_s": 3, "gap_s": 0.1, "delay_step_ms": -4, "rate_factor": 0.5}]})",
      "x.json");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const Profile& profile = parsed.value();
  EXPECT_EQ(profile.name, "n");
  EXPECT_EQ(profile.down.rate.mbit, (std::vector<double>{1, 0, 5}));
  EXPECT_EQ(profile.down.rate.period_ns(), 1'500'000'000);
  EXPECT_EQ(profile.down.delay_ns, 20'500'000);
  EXPECT_EQ(profile.down.jitter.deviation_ns, 2'000'000);
  EXPECT_TRUE(profile.down.jitter.reorder);
  EXPECT_EQ(profile.down.loss.bad, 0.5);
  EXPECT_EQ(profile.down.queue.packets, 40U);
  EXPECT_EQ(profile.down.policer.burst_bytes, 9000U);
  EXPECT_EQ(profile.up.rate.opportunities_ns,
            (std::vector<std::int64_t>{0, 4'000'000, 4'000'000, 10'000'000}));
  EXPECT_EQ(profile.up.loss.good, 0.25);
  EXPECT_TRUE(profile.outages.at(0).flush);
  EXPECT_EQ(profile.handovers.at(0).delay_step_ns, -4'000'000);
  EXPECT_EQ(profile.handovers.at(0).rate_factor, 0.5);
}

TEST(Profile_Parse, Mistake_NamesFileKeyAndExpectation) {
  const struct {
    std::string text;
    std::string expected;
  } cases[] = {
      {"{", "x.json: expected JSON"},
      {"[1]", "x.json: expected an object, got a list of 1"},
      {R"({"up": 1})", "x.json: down: expected an object, got nothing"},
      {R"({"quue": 1})", "x.json: quue: unknown key; expected one of name, description, down"},
      {with_down(R"({"rate": {"mbit": -1}, "delay_ms": 1})"),
       "x.json: down.rate.mbit: expected a number of Mbit/s from 0.001 to 100000, got -1"},
      {with_down(R"({"rate": {"mbit": "2"}, "delay_ms": 1})"), R"(Mbit/s from 0.001 to 100000, got "2")"},
      {with_down(R"({"rate": {"mbit": 1, "trace_mbit": [1]}, "delay_ms": 1})"),
       "down.rate: expected \"unlimited\""},
      {with_down(R"({"rate": "fast", "delay_ms": 1})"), R"(down.rate: expected an object, got "fast")"},
      {with_down(R"({"rate": {"trace_mbit": []}, "delay_ms": 1})"),
       "down.rate.trace_mbit: expected a list of 1 to"},
      {with_down(R"({"rate": {"trace_mbit": [0, 0]}, "delay_ms": 1})"), "expected a rate above 0"},
      {with_down(R"({"rate": {"trace_mbit": [1, -2]}, "delay_ms": 1})"),
       "down.rate.trace_mbit[1]: expected a number"},
      {with_down(R"({"rate": {"opportunities_ms": [5, 4]}, "delay_ms": 1})"),
       "expected times that never go back"},
      {with_down(R"({"rate": {"opportunities_ms": [0]}, "delay_ms": 1})"), "expected a last time above 0"},
      {with_down(R"({"rate": {"mbit": 2}, "delay_ms": 1})"), "down.queue: expected bytes, packets or both"},
      {with_down(R"({"rate": {"mbit": 2}, "queue": {"bytes": 9000}})"),
       "down.delay_ms: expected a number of ms"},
      {with_down(R"({"rate": "unlimited", "delay_ms": 1, "queue": {"bytes": 1500.5}})"),
       "down.queue.bytes: expected a whole"},
      {with_down(R"({"rate": "unlimited", "delay_ms": 1, "loss": {"probability": 1.5}})"),
       "from 0 to 1, got 1.5"},
      {with_down(R"({"rate": "unlimited", "delay_ms": 1, "loss": {}})"),
       "down.loss: expected exactly one of"},
      {with_down(R"({"rate": "unlimited", "delay_ms": 1, "jitter": {"ms": 1, "reorder": 1}})"),
       "expected true or false"},
      {R"({"outages": [{"at_s": 1, "for_s": 5, "repeat_s": 5}]})", "outages[0].repeat_s: expected more than"},
      {R"({"outages": [{"at_s": 1, "for_s": 5, "queue": "lose"}]})",
       R"(outages[0].queue: expected "keep" or "flush")"},
  };
  for (const auto& each : cases) EXPECT_THAT(error_of(each.text), HasSubstr(each.expected)) << each.text;
}

TEST(Profile_Load, NoSuchFile_SaysSo) {
  const auto profile = load_profile("/nowhere/x.json");
  ASSERT_FALSE(profile.ok());
  EXPECT_EQ(profile.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(profile.error().message, HasSubstr("/nowhere/x.json"));
}

// Cut, changed and deeply nested texts: an error or a profile, never a crash (the sanitizers watch).
TEST(Profile_Parse, DamagedText_IsAnErrorOrAProfile) {
  const std::string whole = with_down(
      R"({"rate": {"trace_mbit": [1, 2e3, 0]}, "delay_ms": 1, "loss": {"probability": 0.5}, "queue": {"packets": 3}})");
  Random random(3);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_NE(error_of(whole.substr(0, cut)), "no error");
  constexpr std::string_view kBytes = "{}[]\",:0123456789eE.-nulltruefalse\x00\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (int change = 0; change < 3; ++change) {
      text[random.next() % text.size()] = kBytes[random.next() % kBytes.size()];
    }
    (void)error_of(text);
  }
  (void)error_of(R"({"down": {"rate": )" + std::string(200'000, '[') + std::string(200'000, ']') + "}}");
}

TEST(Profile_Describe, TraceAndPolicer_GiveTheFiguresOfASession) {
  const auto parsed = parse_profile(
      with_down(R"({"rate": {"trace_mbit": [2, 8]}, "delay_ms": 30, "loss": {"probability": 0.01},
                    "queue": {"bytes": 30000}, "policer": {"mbit": 3, "burst_bytes": 9000}})"),
      "x");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const auto figures = describe(parsed.value());
  EXPECT_EQ(figures["rate_mbit"], 3);
  EXPECT_EQ(figures["rtt_ms"], 50);
  EXPECT_EQ(figures["loss_pct"], 1);
  EXPECT_EQ(figures["policed"], true);
  EXPECT_EQ(figures["outage"], false);
  EXPECT_EQ(figures["down"]["rate_mbit"]["mean"], 5);
  EXPECT_EQ(figures["down"]["rate_mbit"]["min"], 2);
  EXPECT_EQ(figures["down"]["rate_mbit"]["max"], 8);
}

TEST(Profile_Describe, Opportunities_AreCountedBySecond) {
  RateProfile rate;
  rate.opportunities_ns = {0, 500'000'000, 1'500'000'000,
                           2'000'000'000};  // two, one; the last begins a third
  EXPECT_DOUBLE_EQ(rate.mean_mbit(), 4 * 1500 * 8 / 2e6);
  EXPECT_DOUBLE_EQ(rate.max_mbit(), 0.024);
  EXPECT_DOUBLE_EQ(rate.min_mbit(), 0.012);
}

TEST(Profile_Committed, EachFile_IsValidSmallAndNamedAsItsFile) {
  const std::filesystem::path folder = REELSENSE_SOURCE_DIR "/lab/profiles";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    ++count;
    const auto profile = load_profile(entry.path().string());
    ASSERT_TRUE(profile.ok()) << profile.error().message;
    EXPECT_EQ(profile.value().name, entry.path().stem().string());
    EXPECT_LT(entry.file_size(), 10'000U) << entry.path();
  }
  EXPECT_GE(count, 24);
}

}  // namespace
}  // namespace reelsense::path
