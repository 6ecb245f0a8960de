#include "server/metrics/log_sink.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "server/engine/fake_model.h"

namespace reelsense::server {
namespace {

using server::testing::FakeClock;
using server::testing::FakeModel;

class LogSinkTest : public ::testing::Test {
 protected:
  LogSinkTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) / ("log_sink_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    LogOptions options;
    options.file = folder_ / "log.sqlite";
    options.retention_days = 100'000;
    log_ = std::move(InferenceLog::open(options, clock_).value());
  }
  ~LogSinkTest() override {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::vector<LogRow> rows() {
    EXPECT_TRUE(log_->flush().ok());
    return log_->query({}).value().rows;
  }

  std::filesystem::path folder_;
  FakeClock clock_;
  std::unique_ptr<InferenceLog> log_;
};

TEST_F(LogSinkTest, Batch_IsLoggedWithWhatWasDecided) {
  LogSink sink(*log_, clock_);
  const FakeModel model("1.2.0", "edge");
  Answer one;
  one.second = 42;
  one.code = AnswerCode::kOk;
  one.decision = {0.45F, 0.55F, Label::kNonVideo, true};
  one.queue_us = 812;
  one.compute_us = 390;
  Answer two = one;
  two.second = 43;
  two.decision = {0.9F, 0.9F, Label::kVideo, false};
  const std::vector<LabelEvent> events = {{{0xfedcba9876543210ULL, 5}, 3, &one}, {{7, 8}, 4, &two}};
  sink.on_batch(model, events, 390'000, 0);
  const std::vector<LogRow> logged = rows();
  ASSERT_EQ(logged.size(), 2U);
  const LogEntry& entry = logged[1].entry;
  EXPECT_EQ(entry.time_ms, clock_.wall_ns() / 1'000'000);
  EXPECT_EQ(entry.flow, 0xfedcba9876543210ULL);
  EXPECT_EQ(entry.second, 42);
  EXPECT_EQ(entry.queue_us, 812U);
  EXPECT_EQ(entry.compute_us, 390U);
  EXPECT_EQ(entry.principal, 3U);
  EXPECT_NEAR(entry.confidence, 0.55F, 1e-4);
  EXPECT_FALSE(entry.video);
  EXPECT_TRUE(entry.uncertain);
  EXPECT_EQ(logged[1].model, "edge");
  EXPECT_EQ(logged[1].version, "1.2.0");
  EXPECT_EQ(logged[1].tier, "server");
  EXPECT_TRUE(logged[0].entry.video);
  EXPECT_EQ(logged[0].entry.flow, 7U);
}

TEST_F(LogSinkTest, WindowsWithoutANewLabel_AreNotLogged) {
  LogSink sink(*log_, clock_);
  std::vector<Answer> answers;
  for (const AnswerCode code : {AnswerCode::kRepeated, AnswerCode::kOutOfOrder, AnswerCode::kInvalid,
                                AnswerCode::kDeadline, AnswerCode::kCancelled, AnswerCode::kInternal}) {
    answers.emplace_back().code = code;
  }
  std::vector<LabelEvent> events;
  for (const Answer& answer : answers) events.push_back({{1, 2}, 0, &answer});
  sink.on_batch(FakeModel(), events, 1, 0);
  EXPECT_TRUE(rows().empty());
  EXPECT_EQ(log_->stats().dropped, 0U);
}

TEST_F(LogSinkTest, ManyModels_AreToldApart) {
  LogSink sink(*log_, clock_);
  Answer answer;
  answer.code = AnswerCode::kOk;
  const LabelEvent event = {{1, 2}, 0, &answer};
  for (int i = 0; i < 300; ++i) sink.on_batch(FakeModel("1.0." + std::to_string(i)), {&event, 1}, 1, 0);
  ASSERT_TRUE(log_->flush().ok());
  const std::vector<LogRow> logged = log_->query({.limit = 1000}).value().rows;
  ASSERT_EQ(logged.size(), 300U);
  for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(logged[i].version, "1.0." + std::to_string(299 - i));
}

}  // namespace
}  // namespace reelsense::server
