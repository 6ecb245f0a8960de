#include "server/store/log_reader.h"

#include <limits>

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

class LogReaderTest : public StoreTest {};

TEST_F(LogReaderTest, Filters_LetOnlyWhatTheyNamePass) {
  open();
  const std::uint16_t old = log_->model_index("edge", "1.0.0", "server");
  const std::uint16_t now = log_->model_index("edge", "1.1.0", "server");
  const std::uint16_t ue = log_->model_index("ue", "1.0.0", "ue");
  std::vector<LogEntry> entries = {entry(1, 1, true, 0.9F), entry(2, 2, false, 0.6F),
                                   entry(1, 3, true, 0.55F), entry(3, 4, false, 0.99F)};
  entries[0].model = old;
  entries[1].model = now;
  entries[2].model = ue;
  entries[3].model = ue;
  entries[2].uncertain = true;
  append(entries);
  EXPECT_EQ(seconds({}), (Seconds{4, 3, 2, 1}));
  EXPECT_EQ(seconds({.flow = 1}), (Seconds{3, 1}));
  EXPECT_EQ(seconds({.model = "edge"}), (Seconds{2, 1}));
  EXPECT_EQ(seconds({.model = "edge@1.1.0"}), Seconds{2});
  EXPECT_EQ(seconds({.model = "other"}), Seconds{});
  EXPECT_EQ(seconds({.model = "'; DROP TABLE log; --"}), Seconds{});
  EXPECT_EQ(seconds({.video = true}), (Seconds{3, 1}));
  EXPECT_EQ(seconds({.video = false}), (Seconds{4, 2}));
  EXPECT_EQ(seconds({.uncertain = true}), Seconds{3});
  EXPECT_EQ(seconds({.uncertain = false}), (Seconds{4, 2, 1}));
  EXPECT_EQ(seconds({.max_confidence = 0.6}), (Seconds{3, 2}));
  EXPECT_EQ(seconds({.from_ms = kNow + 2, .to_ms = kNow + 3}), (Seconds{3, 2}));
  EXPECT_EQ(seconds({.flow = 1, .video = true, .max_confidence = 0.6}), Seconds{3});
}

TEST_F(LogReaderTest, Truth_IsJoinedAndSelects) {
  open();
  append({entry(1, 1, true), entry(1, 2, true), entry(1, 3, false), entry(2, 1, false)});
  ASSERT_TRUE(feedback({truth(1, 1, true), truth(1, 2, false), truth(2, 1, true), truth(9, 9, true)}).ok());
  EXPECT_EQ(query({}).rows.size(), 4U);
  EXPECT_EQ(seconds({.with_truth = true}), (Seconds{1, 2, 1}));
  EXPECT_EQ(seconds({.misclassified = true}), (Seconds{1, 2}));
  EXPECT_EQ(seconds({.flow = 1, .misclassified = true}), Seconds{2});
  const LogPage page = query({.flow = 1});
  EXPECT_EQ(page.rows[0].truth_video, std::nullopt);
  EXPECT_EQ(page.rows[1].truth_video, false);
  EXPECT_EQ(page.rows[2].truth_video, true);
}

TEST_F(LogReaderTest, Pages_CoverEverythingOnce) {
  open();
  std::vector<LogEntry> entries;
  for (std::int64_t i = 1; i <= 250; ++i) entries.push_back(entry(static_cast<std::uint64_t>(i % 2), i));
  append(entries);
  LogQuery asked = {.flow = 1, .limit = 50};
  Seconds seen;
  std::size_t pages = 0;
  do {
    const LogPage page = query(asked);
    for (const LogRow& row : page.rows) seen.push_back(row.entry.second);
    asked.before_row = page.next;
    ++pages;
  } while (asked.before_row != 0);
  Seconds expected;
  for (std::int64_t i = 249; i > 0; i -= 2) expected.push_back(i);
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(pages, 3U);
}

TEST_F(LogReaderTest, LastPageThatIsFull_HasNoNext) {
  open();
  append({entry(1, 1), entry(1, 2)});
  EXPECT_EQ(query({.limit = 2}).next, 0);
  EXPECT_NE(query({.limit = 1}).next, 0);
}

TEST_F(LogReaderTest, PageOfALargeLog_LooksAtBoundedRowsAndSaysWhereToGoOn) {
  options_.queue_entries = 2'000'000;
  open();
  std::vector<LogEntry> entries(static_cast<std::size_t>(LogReader::kScanRows) + 500, entry(2, 2));
  entries[0] = entry(1, 1);
  append(entries);
  LogPage page = query({.flow = 1});
  EXPECT_TRUE(page.rows.empty());
  EXPECT_EQ(page.next, 501);
  page = query({.flow = 1, .before_row = page.next});
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows[0].entry.second, 1);
  EXPECT_EQ(page.next, 0);
}

TEST_F(LogReaderTest, QueryOfATime_LooksAtRowsOfThatTimeOnly) {
  open();
  for (std::int64_t minute = 0; minute < 20; ++minute) {
    std::vector<LogEntry> entries(1000, entry(1, minute));
    for (LogEntry& one : entries) one.time_ms = kNow + minute * 60'000;
    append(entries);
  }
  LogReader reader(options_.file);
  Result<LogReader::RowRange> range = reader.rows_between(kNow + 7 * 60'000, kNow + 8 * 60'000);
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range.value().first, 7001);
  EXPECT_EQ(range.value().last, 9000);
  range = reader.rows_between(kNow + 61'000, kNow + 119'000);
  ASSERT_TRUE(range.ok());
  EXPECT_GT(range.value().first, range.value().last);
  EXPECT_EQ(query({.from_ms = kNow + 7 * 60'000, .to_ms = kNow + 7 * 60'000, .limit = 10'000}).rows.size(),
            1000U);
}

TEST_F(LogReaderTest, ClockThatWentBack_HidesNothing) {
  open();
  for (const std::int64_t at : {kNow, kNow + 3'600'000, kNow - 3'600'000, kNow + 1}) {
    LogEntry one = entry(1, at - kNow);
    one.time_ms = at;
    append({one});
  }
  EXPECT_EQ(seconds({.from_ms = kNow, .to_ms = kNow + 1}), (Seconds{1, 0}));
  EXPECT_EQ(seconds({.to_ms = kNow - 1}), Seconds{-3'600'000});
}

TEST_F(LogReaderTest, QueryOutOfRange_IsRefused) {
  open();
  const auto refused = [&](const LogQuery& asked, const std::string& name) {
    const Result<LogPage> page = log_->query(asked);
    ASSERT_FALSE(page.ok());
    EXPECT_EQ(page.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(page.error().message.starts_with(name)) << page.error().message;
  };
  refused({.limit = 0}, "limit: 0");
  refused({.limit = 10'001}, "limit: 10001");
  refused({.from_ms = 2, .to_ms = 1}, "from: 2");
  refused({.max_confidence = -0.1}, "max_confidence");
  refused({.max_confidence = std::numeric_limits<double>::quiet_NaN()}, "max_confidence");
}

TEST_F(LogReaderTest, EmptyLog_AnswersWithNothing) {
  open();
  EXPECT_TRUE(query({}).rows.empty());
  EXPECT_TRUE(query({.before_row = -5}).rows.empty());
  EXPECT_EQ(query({}).next, 0);
}

}  // namespace
}  // namespace reelsense::server
