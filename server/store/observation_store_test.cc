#include "server/store/observation_store.h"

#include <algorithm>

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr std::int64_t kToday = kNow / kMsPerDay;
constexpr std::size_t kWidth = 3;

class ObservationStoreTest : public StoreTest {
 protected:
  // A batch whose first code of each row is its number, counted from `first`.
  static ObservationBatch batch(std::uint8_t id, std::size_t n, std::int16_t first = 0) {
    ObservationBatch out;
    out.id.fill(id);
    out.model = "ue@1.0.0";
    out.view = "packet";
    out.schema_hash = std::string(64, 'a');
    out.sdk = "0.4.0";
    out.epsilon = 1.5;
    out.width = kWidth;
    for (std::size_t i = 0; i < n; ++i) {
      Observation& one = out.observations.emplace_back();
      one.video = i % 2 == 0;
      one.uncertain = i % 3 == 0;
      one.confidence = 0.75F;
      if (i % 4 != 0) one.truth_video = i % 4 == 1;
      out.values.insert(out.values.end(),
                        {static_cast<std::int16_t>(first + static_cast<std::int16_t>(i)), -7, 32'767});
    }
    return out;
  }
  Result<ObservationsStored> store(ObservationBatch batch) {
    Result<ObservationsStored> answer = Error{ErrorCode::kIo, "never answered"};
    log_->observations(std::move(batch),
                       [&](Result<ObservationsStored> result) { answer = std::move(result); });
    (void)log_->flush();
    return answer;
  }
  void expect_stored(ObservationBatch batch, std::size_t n, bool repeated = false) {
    const Result<ObservationsStored> answer = store(std::move(batch));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer.value().observations, n);
    EXPECT_EQ(answer.value().repeated, repeated);
  }
  static ObservationQuery everything() {
    ObservationQuery query;
    query.view = "packet";
    query.schema_hash = std::string(64, 'a');
    return query;
  }
  ObservationPage read(const ObservationQuery& query) {
    Result<ObservationPage> page = log_->query_observations(query);
    EXPECT_TRUE(page.ok()) << page.error().message;
    return page.ok() ? std::move(page.value()) : ObservationPage{};
  }
  // The rows' numbers, sorted.
  std::vector<int> numbers(const ObservationQuery& query) {
    std::vector<int> out;
    for (const ObservationRow& row : read(query).rows) out.push_back(row.values.at(0));
    std::sort(out.begin(), out.end());
    return out;
  }
};

TEST_F(ObservationStoreTest, Stored_ComeBackAsTheyWere) {
  open();
  expect_stored(batch(1, 8), 8);
  const ObservationPage page = read(everything());
  ASSERT_EQ(page.rows.size(), 8U);
  EXPECT_FALSE(page.more);
  const ObservationBatch sent = batch(1, 8);
  for (const ObservationRow& row : page.rows) {
    const auto i = static_cast<std::size_t>(row.values.at(0));
    EXPECT_EQ(row.day, kToday);
    EXPECT_EQ(row.model, "ue@1.0.0");
    EXPECT_EQ(row.sdk, "0.4.0");
    EXPECT_EQ(row.epsilon, 1.5);
    EXPECT_EQ(row.observation.video, sent.observations[i].video);
    EXPECT_EQ(row.observation.uncertain, sent.observations[i].uncertain);
    EXPECT_EQ(row.observation.confidence, 0.75F);
    EXPECT_EQ(row.observation.truth_video, sent.observations[i].truth_video);
    EXPECT_EQ(row.values, (std::vector<std::int16_t>{static_cast<std::int16_t>(i), -7, 32'767}));
  }
  EXPECT_EQ(log_->stats().observations, 8U);
  EXPECT_EQ(sql_text("SELECT day || ' ' || view || ' ' || label || ' ' || truth || ' ' || hex(features) "
                     "FROM observed WHERE substr(hex(features), 1, 4) = '0100'"),
            "2025-10-09 packet non-video video 0100F9FFFF7F");
}

TEST_F(ObservationStoreTest, SameBatchAgain_IsAnsweredAlikeAndStoredOnce) {
  open();
  expect_stored(batch(1, 5), 5);
  expect_stored(batch(1, 5), 5, true);
  expect_stored(batch(1, 9), 5, true);  // what the device may forget is what was stored then
  expect_stored(batch(2, 5, 100), 5);
  open();  // also after a restart
  expect_stored(batch(1, 5), 5, true);
  EXPECT_EQ(numbers(everything()), (std::vector<int>{0, 1, 2, 3, 4, 100, 101, 102, 103, 104}));
  EXPECT_EQ(log_->stats().observations, 0U);
}

TEST_F(ObservationStoreTest, SameBatchTwiceAtOnce_IsStoredOnce) {
  open();
  std::vector<ObservationsStored> answers;
  for (int i = 0; i < 2; ++i) {
    log_->observations(batch(1, 5), [&](const Result<ObservationsStored>& result) {
      ASSERT_TRUE(result.ok()) << result.error().message;
      answers.push_back(result.value());
    });
  }
  ASSERT_TRUE(log_->flush().ok());
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].observations + answers[1].observations, 10U);
  EXPECT_NE(answers[0].repeated, answers[1].repeated);
  EXPECT_EQ(read(everything()).rows.size(), 5U);
}

TEST_F(ObservationStoreTest, NoObservations_AreAcknowledgedAndNotRemembered) {
  open();
  expect_stored(batch(1, 0), 0);
  expect_stored(batch(1, 2), 2);
}

// Who reads the file cannot tell which windows came together.
TEST_F(ObservationStoreTest, RowsOfADay_LieInRandomOrder) {
  open();
  for (std::uint8_t i = 0; i < 20; ++i) expect_stored(batch(i, 10, static_cast<std::int16_t>(10 * i)), 10);
  int neighbours = 0;
  const ObservationPage page = read([] {
    ObservationQuery query = everything();
    query.limit = 200;
    return query;
  }());
  ASSERT_EQ(page.rows.size(), 200U);
  for (std::size_t i = 1; i < page.rows.size(); ++i) {
    EXPECT_GT(page.rows[i].id, page.rows[i - 1].id);
    neighbours += page.rows[i].values[0] / 10 == page.rows[i - 1].values[0] / 10 ? 1 : 0;
  }
  // 9 of 199 if chance alone decides, 180 if those of a batch lay together.
  EXPECT_LT(neighbours, 40);
  EXPECT_EQ(sql_number("SELECT count(*) FROM pragma_table_info('observations') "
                       "WHERE name IN ('batch', 'principal', 'time_ms', 'address')"),
            0);
}

TEST_F(ObservationStoreTest, Queries_ChooseRows) {
  open();
  expect_stored(batch(1, 8), 8);
  ObservationBatch other = batch(2, 1, 50);
  other.model = "ue@2.0.0";
  expect_stored(other, 1);
  ObservationBatch foreign = batch(3, 1, 60);
  foreign.schema_hash = std::string(64, 'b');
  expect_stored(foreign, 1);
  clock_.wall_ms += kMsPerDay;
  expect_stored(batch(4, 1, 70), 1);
  const auto with = [&](auto change) {
    ObservationQuery query = everything();
    change(query);
    return numbers(query);
  };
  using Numbers = std::vector<int>;
  EXPECT_EQ(with([](auto& q) { q.model = "ue@2.0.0"; }), Numbers{50});
  EXPECT_EQ(with([](auto& q) { q.model = "ue"; }).size(), 10U);
  EXPECT_EQ(with([](auto& q) { q.model = "u"; }), Numbers{});
  EXPECT_EQ(with([](auto& q) { q.video = false; }), (Numbers{1, 3, 5, 7}));
  EXPECT_EQ(with([](auto& q) { q.uncertain = true; }), (Numbers{0, 3, 6, 50, 70}));
  EXPECT_EQ(with([](auto& q) { q.with_truth = false; }), (Numbers{0, 4, 50, 70}));
  EXPECT_EQ(with([](auto& q) { q.truth_video = true; }), (Numbers{1, 5}));
  EXPECT_EQ(with([](auto& q) { q.truth_video = false; }), (Numbers{2, 3, 6, 7}));
  EXPECT_EQ(with([](auto& q) { q.first_day = kToday + 1; }), Numbers{70});
  EXPECT_EQ(with([](auto& q) { q.last_day = kToday; }).size(), 9U);
  EXPECT_EQ(with([](auto& q) { q.schema_hash = std::string(64, 'b'); }), Numbers{60});
  EXPECT_EQ(with([](auto& q) { q.view = "socket"; }), Numbers{});
  ObservationQuery wrong = everything();
  wrong.first_day = 2;
  wrong.last_day = 1;
  EXPECT_FALSE(log_->query_observations(wrong).ok());
  wrong = everything();
  wrong.limit = 0;
  EXPECT_FALSE(log_->query_observations(wrong).ok());
}

TEST_F(ObservationStoreTest, Pages_FollowOneAnother) {
  open();
  expect_stored(batch(1, 10), 10);
  clock_.wall_ms += kMsPerDay;
  expect_stored(batch(2, 10, 10), 10);
  std::vector<int> seen;
  ObservationQuery query = everything();
  query.limit = 3;
  query.uncertain = false;  // pages of what is asked for, not of what is looked at
  int pages = 0;
  for (bool more = true; more; ++pages) {
    ASSERT_LT(pages, 10);
    const ObservationPage page = read(query);
    EXPECT_LE(page.rows.size(), 3U);
    for (const ObservationRow& row : page.rows) seen.push_back(row.values[0]);
    query.after_day = page.next_day;
    query.after_id = page.next_id;
    more = page.more;
  }
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), [](int a, int b) { return a / 10 < b / 10; }));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 4, 5, 7, 8, 11, 12, 14, 15, 17, 18}));
}

TEST_F(ObservationStoreTest, Age_TakesDaysThatEndedBeforeIt) {
  options_.retention_days = 2;
  open();
  for (int day = 0; day < 4; ++day) {
    expect_stored(batch(static_cast<std::uint8_t>(day), 3, static_cast<std::int16_t>(10 * day)), 3);
    clock_.wall_ms += kMsPerDay;
  }
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(numbers(everything()), (std::vector<int>{20, 21, 22, 30, 31, 32}));
  EXPECT_EQ(log_->stats().observations_deleted, 6U);
  // Its id is forgotten with it, that of a kept one is not.
  expect_stored(batch(3, 3), 3, true);
  expect_stored(batch(0, 3, 40), 3);
  EXPECT_EQ(sql_number("SELECT sum(observations) FROM observation_days"), 9);
  EXPECT_EQ(sql_number("SELECT sum(batches) FROM observation_days"), 3);
}

TEST_F(ObservationStoreTest, MoreThanTheirShareOfTheFile_TakesTheOldest) {
  options_.max_bytes = 16 << 20;
  open();
  const auto most =
      static_cast<std::int64_t>(options_.max_bytes / 4) / ObservationStore::kBytesPerObservation;
  std::int64_t sent = 0;
  for (std::uint8_t i = 0; sent < 2 * most; ++i) {
    expect_stored(batch(i, 1000, static_cast<std::int16_t>(i)), 1000);
    sent += 1000;
    clock_.wall_ms += kMsPerDay / 24;
  }
  const std::int64_t kept = sql_number("SELECT count(*) FROM observations");
  EXPECT_LE(kept, most);
  EXPECT_GT(kept, most - 3000);
  EXPECT_EQ(sql_number("SELECT sum(observations) FROM observation_days"), kept);
  EXPECT_EQ(log_->stats().observations_deleted, static_cast<std::uint64_t>(sent - kept));
  // The second day began after fifteen hours.
  EXPECT_EQ(sql_number("SELECT count(*) FROM observations WHERE day > " + std::to_string(kToday)),
            sent - 16'000);
}

TEST_F(ObservationStoreTest, RowsThatSomebodyDeleted_DoNotHoldItUp) {
  options_.retention_days = 1;
  open();
  expect_stored(batch(1, 5), 5);
  EXPECT_EQ(sql_number("DELETE FROM observations"), 0);
  clock_.wall_ms += 10 * kMsPerDay;
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(sql_number("SELECT count(*) FROM observation_days"), 0);
  expect_stored(batch(1, 2), 2);
}

TEST_F(ObservationStoreTest, FileOfTheFirstLayout_IsBroughtUpToDate) {
  open();
  append({entry(1, 1)});
  log_.reset();
  {
    Result<Database> database = Database::open(options_.file, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(database.ok());
    const Status done = database.value().exec(
        "DROP VIEW observed; DROP TABLE observations; DROP TABLE observation_days; "
        "DROP TABLE observation_batches; DROP TABLE observation_schemas; PRAGMA user_version=1");
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  open();
  EXPECT_EQ(sql_number("PRAGMA user_version"), 2);
  EXPECT_EQ(seconds({}), Seconds{1});
  expect_stored(batch(1, 2), 2);
  EXPECT_EQ(read(everything()).rows.size(), 2U);
}

TEST_F(ObservationStoreTest, TooMuchWaiting_IsRefusedAtOnce) {
  open();
  Result<ObservationsStored> answer = ObservationsStored{};
  log_->observations(batch(1, 20'000),
                     [&](Result<ObservationsStored> result) { answer = std::move(result); });
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kLimit);
  expect_stored(batch(1, 2), 2);
}

}  // namespace
}  // namespace reelsense::server
