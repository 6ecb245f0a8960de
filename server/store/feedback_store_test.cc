#include "server/store/feedback_store.h"

#include <algorithm>

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

class FeedbackStoreTest : public StoreTest {
 protected:
  std::string stored(std::uint64_t flow, std::int64_t second) {
    return sql_text(
        "SELECT truth || ' ' || coalesce(label, '-') || ' ' || coalesce(confidence, '-') || ' ' || "
        "coalesce(model, '-') FROM feedback WHERE flow = " +
        std::to_string(flow) + " AND second = " + std::to_string(second));
  }
};

TEST_F(FeedbackStoreTest, LabelOfTheCaller_IsStored) {
  open();
  FeedbackEntry one = truth(1, 2, true);
  one.label_video = false;
  one.confidence = 0.8F;
  one.model = "edge@1.0.0";
  ASSERT_TRUE(feedback({one}).ok());
  EXPECT_EQ(stored(1, 2), "1 0 8000 edge@1.0.0");
  EXPECT_EQ(sql_number("SELECT time_ms FROM feedback"), kNow);
  EXPECT_EQ(log_->stats().feedback, 1U);
}

TEST_F(FeedbackStoreTest, LabelNotGiven_IsLookedUpInTheLog) {
  open();
  LogEntry one = entry(1, 2, true, 0.7F);
  one.model = log_->model_index("edge", "1.0.0", "server");
  // Not flushed: what was appended before is stored before.
  ASSERT_EQ(log_->append({&one, 1}), 1U);
  ASSERT_TRUE(feedback({truth(1, 2, false), truth(1, 3, false)}).ok());
  EXPECT_EQ(stored(1, 2), "0 1 7000 edge@1.0.0");
  EXPECT_EQ(stored(1, 3), "0 - - -");
  EXPECT_EQ(sql_number("SELECT count(*) FROM misclassified"), 1);
}

TEST_F(FeedbackStoreTest, LaterTruth_ReplacesTheEarlierAndKeepsTheLabel) {
  open();
  FeedbackEntry one = truth(1, 2, true);
  one.label_video = true;
  one.confidence = 0.8F;
  one.model = "edge@1.0.0";
  ASSERT_TRUE(feedback({one}).ok());
  EXPECT_EQ(sql_number("SELECT count(*) FROM misclassified"), 0);
  clock_.wall_ms += 5;
  ASSERT_TRUE(feedback({truth(1, 2, false)}).ok());
  EXPECT_EQ(stored(1, 2), "0 1 8000 edge@1.0.0");
  EXPECT_EQ(sql_number("SELECT time_ms FROM feedback"), kNow + 5);
  EXPECT_EQ(sql_number("SELECT count(*) FROM misclassified"), 1);
}

// Ten minutes of traffic, more than is looked at, a truth for its beginning: found by its time.
TEST_F(FeedbackStoreTest, OldWindow_IsFoundByItsSecond) {
  options_.queue_entries = 1'000'000;
  open();
  constexpr std::int64_t kFirst = kNow / 1000;
  std::vector<LogEntry> entries;
  for (std::int64_t second = kFirst; second < kFirst + 600; ++second) {
    for (std::uint64_t flow = 0; flow < 1000; ++flow) {
      LogEntry one = entry(flow, second, true, 0.7F);
      one.time_ms = (second + 1) * 1000;
      entries.push_back(one);
    }
  }
  append(entries);
  ASSERT_GT(static_cast<std::int64_t>(entries.size()), 2 * FeedbackStore::kLookupRows);
  ASSERT_TRUE(feedback({truth(3, kFirst + 5, false), truth(4, kFirst + 5, false),
                        truth(5, kFirst + 60, false), truth(6, kFirst + 599, false)})
                  .ok());
  EXPECT_EQ(sql_number("SELECT count(*) FROM misclassified"), 4);
  // One whose second is not a time of this log is not found, but stored.
  ASSERT_TRUE(feedback({truth(3, 5, false), truth(3, INT64_MAX, false), truth(3, INT64_MIN, false)}).ok());
  EXPECT_EQ(sql_number("SELECT count(*) FROM feedback WHERE label IS NULL"), 3);
}

TEST_F(FeedbackStoreTest, NoEntries_AreAcknowledged) {
  open();
  EXPECT_TRUE(feedback({}).ok());
}

TEST_F(FeedbackStoreTest, MoreThanItsShareOfTheFile_IsRefusedAndTheRestStays) {
  options_.max_bytes = 1 << 20;
  open();
  const std::size_t most = options_.max_bytes / 2 / FeedbackStore::kBytesPerEntry;
  std::vector<FeedbackEntry> entries;
  for (std::size_t i = 0; i < most; ++i) entries.push_back(truth(i * 0x9e3779b97f4a7c15ULL, 1, true));
  ASSERT_TRUE(feedback(entries).ok());
  const Status refused = feedback({truth(1, 2, true)});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
  EXPECT_NE(refused.error().message.find("is full"), std::string::npos) << refused.error().message;
  EXPECT_EQ(sql_number("SELECT count(*) FROM feedback"), static_cast<std::int64_t>(most));
  // It fits into what it may take, and the log still has room.
  append(std::vector<LogEntry>(20'000, entry(1, 1)));
  EXPECT_LE(sql_number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
            static_cast<std::int64_t>(options_.max_bytes));
  EXPECT_GT(sql_number("SELECT count(*) FROM log"), 0);
  // Time goes by: there is room again.
  clock_.wall_ms += 31LL * 86'400'000;
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_TRUE(feedback({truth(1, 2, true)}).ok());
}

TEST_F(FeedbackStoreTest, TooMuchWaiting_IsRefusedAtOnce) {
  open();
  const std::vector<FeedbackEntry> many(70'000, truth(1, 1, true));
  Status answer = ok_status();
  log_->feedback(many, [&](Status status) { answer = std::move(status); });
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kLimit);
  EXPECT_TRUE(feedback({truth(1, 1, true)}).ok());
}

}  // namespace
}  // namespace reelsense::server
