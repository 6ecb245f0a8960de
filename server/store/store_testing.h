// What the store's tests share: a folder that goes away, a clock that stands still, SQL on the side.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/store/inference_log.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

inline constexpr std::int64_t kNow = 1'760'000'000'000;  // ms

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t steady_ns() const noexcept override { return wall_ms.load() * 1'000'000; }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override { return wall_ms.load() * 1'000'000; }
  std::atomic<std::int64_t> wall_ms{kNow};
};

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "reelsense-store-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.file = folder_ / "log.sqlite";
  }
  ~StoreTest() override {
    log_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  void open() {
    log_.reset();
    Result<std::unique_ptr<InferenceLog>> opened = InferenceLog::open(options_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    log_ = std::move(opened.value());
  }
  void append(const std::vector<LogEntry>& entries) {
    ASSERT_EQ(log_->append(entries), entries.size());
    const Status flushed = log_->flush();
    ASSERT_TRUE(flushed.ok()) << flushed.error().message;
  }
  // Waits for the answer.
  Status feedback(std::vector<FeedbackEntry> entries) {
    Status answer = Error{ErrorCode::kIo, "never answered"};
    log_->feedback(std::move(entries), [&](Status status) { answer = std::move(status); });
    (void)log_->flush();
    return answer;
  }
  LogPage query(const LogQuery& query) {
    Result<LogPage> page = log_->query(query);
    EXPECT_TRUE(page.ok()) << page.error().message;
    return page.ok() ? page.value() : LogPage{};
  }
  std::vector<std::int64_t> seconds(const LogQuery& asked) {
    std::vector<std::int64_t> out;
    for (const LogRow& row : query(asked).rows) out.push_back(row.entry.second);
    return out;
  }
  // Of another connection, as an operator would ask.
  std::int64_t sql_number(const std::string& sql) {
    Result<Database> database = Database::open(options_.file, SQLITE_OPEN_READWRITE);
    EXPECT_TRUE(database.ok());
    Result<std::int64_t> number = database.value().number(sql);
    EXPECT_TRUE(number.ok()) << number.error().message;
    return number.ok() ? number.value() : -1;
  }
  std::string sql_text(const std::string& sql) {
    Result<Database> database = Database::open(options_.file, SQLITE_OPEN_READWRITE);
    EXPECT_TRUE(database.ok());
    Result<std::string> text = database.value().text(sql);
    EXPECT_TRUE(text.ok()) << text.error().message;
    return text.ok() ? text.value() : "";
  }

  static LogEntry entry(std::uint64_t flow, std::int64_t second, bool video = true, float confidence = 0.9F) {
    LogEntry out;
    out.time_ms = kNow + second;
    out.flow = flow;
    out.second = second;
    out.confidence = confidence;
    out.video = video;
    return out;
  }
  static FeedbackEntry truth(std::uint64_t flow, std::int64_t second, bool video) {
    FeedbackEntry out;
    out.flow = flow;
    out.second = second;
    out.truth_video = video;
    return out;
  }

  std::filesystem::path folder_;
  LogOptions options_;
  FakeClock clock_;
  std::unique_ptr<InferenceLog> log_;
};

using Seconds = std::vector<std::int64_t>;

}  // namespace reelsense::server
