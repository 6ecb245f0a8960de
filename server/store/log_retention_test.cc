#include "server/store/log_retention.h"

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

constexpr std::int64_t kDay = 86'400'000;

class LogRetentionTest : public StoreTest {
 protected:
  std::int64_t file_bytes() {
    return sql_number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
  }
  std::int64_t rows() { return sql_number("SELECT count(*) FROM log"); }
  // Retention works in steps between two looks at the queue.
  void settle() {
    std::uint64_t before = 0;
    do {
      before = log_->stats().deleted;
      ASSERT_TRUE(log_->flush().ok());
    } while (log_->stats().deleted != before);
  }
};

TEST_F(LogRetentionTest, RowsOverTheAge_Go) {
  options_.retention_days = 2;
  open();
  for (int day = 0; day < 4; ++day) {
    clock_.wall_ms = kNow + day * kDay;
    std::vector<LogEntry> entries(20'000, entry(1, day));
    for (LogEntry& one : entries) one.time_ms = clock_.wall_ms;
    append(entries);
    ASSERT_TRUE(feedback({truth(1, day, false)}).ok());
  }
  settle();
  EXPECT_EQ(rows(), 60'000);
  EXPECT_EQ(sql_number("SELECT min(second) FROM log"), 1);
  EXPECT_EQ(sql_number("SELECT min(second) FROM feedback"), 1);
  clock_.wall_ms = kNow + 10 * kDay;
  settle();
  EXPECT_EQ(rows(), 0);
  EXPECT_EQ(sql_number("SELECT count(*) FROM feedback"), 0);
  EXPECT_EQ(log_->stats().deleted, 80'000U);
}

TEST_F(LogRetentionTest, ManySmallSpans_GoTogether) {
  options_.retention_days = 1;
  open();
  for (int minute = 0; minute < 50; ++minute) {
    LogEntry one = entry(1, minute);
    one.time_ms = kNow + minute * 60'000;
    append({one});
  }
  EXPECT_EQ(sql_number("SELECT count(*) FROM spans"), 50);
  clock_.wall_ms = kNow + kDay + 40 * 60'000;
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(sql_number("SELECT min(second) FROM log"), 40);
  EXPECT_EQ(sql_number("SELECT count(*) FROM spans"), 10);
}

TEST_F(LogRetentionTest, EmptiedLog_NeverUsesARowTwice) {
  options_.retention_days = 1;
  open();
  append(std::vector<LogEntry>(100, entry(1, 1)));
  clock_.wall_ms += 2 * kDay;
  settle();
  EXPECT_EQ(rows(), 0);
  open();
  LogEntry one = entry(1, 2);
  one.time_ms = clock_.wall_ms;
  append({one});
  const LogPage page = query({});
  ASSERT_EQ(page.rows.size(), 1U);
  EXPECT_EQ(page.rows[0].row, 101);
  EXPECT_EQ(sql_number("SELECT count(*) FROM spans"), 1);
}

TEST_F(LogRetentionTest, FileOverItsSize_LosesItsOldestRowsAndStaysWithin) {
  options_.max_bytes = 4 << 20;
  open();
  std::int64_t second = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<LogEntry> entries;
    for (int k = 0; k < 20'000; ++k)
      entries.push_back(entry(0x9e3779b97f4a7c15ULL * static_cast<unsigned>(k), ++second));
    append(entries);
    ASSERT_LE(file_bytes(), 4 << 20);
  }
  EXPECT_EQ(sql_number("SELECT max(second) FROM log"), second);
  const std::int64_t left = rows();
  EXPECT_EQ(sql_number("SELECT min(second) FROM log"), second - left + 1);
  EXPECT_EQ(log_->stats().deleted, static_cast<std::uint64_t>(second - left));
  EXPECT_GT(left, 60'000);  // most of the file is in use
  EXPECT_EQ(query({}).rows.size(), 100U);
  EXPECT_EQ(sql_text("PRAGMA integrity_check"), "ok");
}

TEST_F(LogRetentionTest, LoweredSize_GivesSpaceBack) {
  open();
  for (int i = 0; i < 10; ++i) append(std::vector<LogEntry>(20'000, entry(0x9e3779b97f4a7c15ULL, i)));
  const std::int64_t before = file_bytes();
  options_.max_bytes = 2 << 20;
  open();
  for (int i = 0; i < 10; ++i) append({entry(1, 100 + i)});
  EXPECT_GT(before, 6 << 20);
  EXPECT_LE(file_bytes(), 2 << 20);
  EXPECT_EQ(sql_number("SELECT max(second) FROM log"), 109);
}

TEST_F(LogRetentionTest, SizeTooSmallForAnything_StillServes) {
  options_.max_bytes = 1;
  open();
  append(std::vector<LogEntry>(100, entry(1, 1)));
  EXPECT_LE(rows(), 1);
  EXPECT_TRUE(log_->query({}).ok());
}

}  // namespace
}  // namespace reelsense::server
