#include "server/store/inference_log.h"

#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "server/store/store_testing.h"

namespace reelsense::server {
namespace {

class InferenceLogTest : public StoreTest {};

TEST_F(InferenceLogTest, Entry_ComesBackWithEveryField) {
  open();
  LogEntry in;
  in.time_ms = kNow + 17;
  in.flow = 0xf123456789abcdefULL;  // negative as SQLite's integer
  in.second = 1'760'000'000;
  in.queue_us = 4'000'000'000U;
  in.compute_us = 612;
  in.principal = 3;
  in.confidence = 0.8765F;
  in.model = log_->model_index("edge", "1.2.0", "server");
  in.video = true;
  in.uncertain = true;
  append({in});
  const LogPage page = query({});
  ASSERT_EQ(page.rows.size(), 1U);
  const LogRow& row = page.rows[0];
  EXPECT_EQ(row.entry.time_ms, in.time_ms);
  EXPECT_EQ(row.entry.flow, in.flow);
  EXPECT_EQ(row.entry.second, in.second);
  EXPECT_EQ(row.entry.queue_us, in.queue_us);
  EXPECT_EQ(row.entry.compute_us, in.compute_us);
  EXPECT_EQ(row.entry.principal, in.principal);
  EXPECT_NEAR(row.entry.confidence, in.confidence, 5e-5);
  EXPECT_EQ(row.entry.model, in.model);
  EXPECT_TRUE(row.entry.video);
  EXPECT_TRUE(row.entry.uncertain);
  EXPECT_EQ(row.model, "edge");
  EXPECT_EQ(row.version, "1.2.0");
  EXPECT_EQ(row.tier, "server");
  EXPECT_EQ(row.truth_video, std::nullopt);
  EXPECT_EQ(page.next, 0);
}

TEST_F(InferenceLogTest, ConfidenceOfAnyFloat_IsStoredWithinItsRange) {
  open();
  append({entry(1, 1, true, 1.5F), entry(1, 2, true, -1.0F),
          entry(1, 3, true, std::numeric_limits<float>::quiet_NaN()), entry(1, 4, true, 1.0F)});
  std::vector<float> confidences;
  for (const LogRow& row : query({}).rows) confidences.push_back(row.entry.confidence);
  EXPECT_EQ(confidences, (std::vector<float>{1.0F, 0.0F, 0.0F, 1.0F}));
}

TEST_F(InferenceLogTest, BatchesOfEveryLength_AreStoredInOrder) {
  open();
  std::int64_t second = 0;
  for (const int length : {1, 31, 32, 33, 64, 100}) {
    std::vector<LogEntry> entries;
    for (int i = 0; i < length; ++i) entries.push_back(entry(7, ++second));
    append(entries);
  }
  const LogPage page = query({.limit = 1000});
  ASSERT_EQ(page.rows.size(), static_cast<std::size_t>(second));
  for (const LogRow& row : page.rows) EXPECT_EQ(row.entry.second, second--);
  EXPECT_EQ(log_->stats().written, 261U);
  EXPECT_EQ(log_->stats().dropped, 0U);
}

TEST_F(InferenceLogTest, Reopened_GoesOnWhereItWas) {
  open();
  LogEntry one = entry(1, 1);
  one.model = log_->model_index("edge", "1.0.0", "server");
  append({one});
  open();
  LogEntry two = entry(1, 2);
  EXPECT_EQ(log_->model_index("ue", "2.0.0", "ue"), 0);  // indices are of this process only
  two.model = 0;
  append({two});
  const LogPage page = query({});
  ASSERT_EQ(page.rows.size(), 2U);
  EXPECT_EQ(page.rows[0].model, "ue");
  EXPECT_EQ(page.rows[1].model, "edge");
  EXPECT_GT(page.rows[0].row, page.rows[1].row);
}

TEST_F(InferenceLogTest, Destroyed_WritesWhatIsQueued) {
  options_.flush_ms = 3'600'000;
  open();
  ASSERT_EQ(log_->append(std::vector<LogEntry>(100, entry(1, 1))), 100U);
  log_.reset();
  EXPECT_EQ(sql_number("SELECT count(*) FROM log"), 100);
}

TEST_F(InferenceLogTest, FullQueue_DropsAndCountsWhatDoesNotFit) {
  options_.queue_entries = 1000;
  options_.flush_ms = 3'600'000;
  open();
  // More than fits at once, whatever the writer takes meanwhile.
  EXPECT_EQ(log_->append(std::vector<LogEntry>(1500, entry(1, 1))), 1000U);
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(log_->stats().dropped, 500U);
  EXPECT_EQ(log_->stats().written, 1000U);
  EXPECT_EQ(log_->stats().queued, 0U);
  append({entry(1, 2)});
  EXPECT_EQ(log_->stats().written, 1001U);
}

TEST_F(InferenceLogTest, QuarterFullQueue_IsWrittenWithoutWaiting) {
  options_.queue_entries = 400;
  options_.flush_ms = 3'600'000;
  open();
  ASSERT_EQ(log_->append(std::vector<LogEntry>(100, entry(1, 1))), 100U);
  while (log_->stats().written < 100) std::this_thread::yield();  // else it would take an hour
  EXPECT_EQ(log_->stats().queued, 0U);
}

TEST_F(InferenceLogTest, AppendFromManyThreads_StoresEveryEntryOnce) {
  open();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        LogEntry one = entry(t, i);
        one.model = log_->model_index("m" + std::to_string(i % 5), "1.0.0", "ue");
        EXPECT_EQ(log_->append({&one, 1}), 1U);
        if (i % 50 == 0) {
          EXPECT_TRUE(log_->query({}).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(sql_number("SELECT count(DISTINCT flow * 1000 + second) FROM log"), 800);
  EXPECT_EQ(sql_number("SELECT count(*) FROM log AS l JOIN models AS m ON m.id = l.model "
                       "WHERE m.name = 'm' || (l.second % 5)"),
            800);
}

TEST_F(InferenceLogTest, FileRemovedWhileOpen_IsMadeAnew) {
  open();
  LogEntry one = entry(1, 1);
  one.model = log_->model_index("edge", "1.0.0", "server");
  append({one});
  ASSERT_EQ(query({}).rows.size(), 1U);  // the reader is open
  std::filesystem::remove(options_.file);
  one.second = 2;
  append({one});
  EXPECT_TRUE(feedback({truth(1, 2, false)}).ok());
  EXPECT_EQ(seconds({}), Seconds{2});
  EXPECT_EQ(query({}).rows[0].model, "edge");
  EXPECT_EQ(sql_number("SELECT count(*) FROM misclassified"), 1);
}

TEST_F(InferenceLogTest, TwoServersOnOneFile_DoNotMixUpRowsOrModels) {
  open();
  Result<std::unique_ptr<InferenceLog>> opened = InferenceLog::open(options_, clock_);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const std::unique_ptr<InferenceLog> other = std::move(opened.value());
  for (int i = 0; i < 20; ++i) {
    LogEntry mine = entry(1, i);
    LogEntry theirs = entry(2, i);
    mine.model = log_->model_index("mine", "1.0.0", "ue");
    theirs.model = other->model_index("theirs", "1.0.0", "ue");
    append({mine, mine});
    other->append({&theirs, 1});
    ASSERT_TRUE(other->flush().ok());
  }
  EXPECT_EQ(query({.model = "mine"}).rows.size(), 40U);
  const LogPage theirs = query({.model = "theirs"});
  ASSERT_EQ(theirs.rows.size(), 20U);
  for (const LogRow& row : theirs.rows) EXPECT_EQ(row.entry.flow, 2U);
}

TEST_F(InferenceLogTest, DecisionsView_ReadsAsPeopleDo) {
  open();
  LogEntry one = entry(0x8000000000000001ULL, 5, false, 0.75F);
  one.time_ms = 1'760'000'000'123;
  one.uncertain = true;
  one.model = log_->model_index("edge", "1.2.0", "server");
  append({one});
  ASSERT_TRUE(feedback({truth(one.flow, 5, true)}).ok());
  EXPECT_EQ(sql_text("SELECT time || ' ' || flow || ' ' || second || ' ' || model || ' ' || version || ' ' "
                     "|| tier || ' ' "
                     "|| label || ' ' || confidence || ' ' || uncertain || ' ' || truth FROM decisions"),
            "2025-10-09T08:53:20.123Z 8000000000000001 5 edge 1.2.0 server non-video 0.75 1 video");
  EXPECT_EQ(
      sql_text(
          "SELECT flow || ' ' || second || ' ' || model || ' ' || label || ' ' || confidence || ' ' || truth "
          "FROM misclassified"),
      "8000000000000001 5 edge@1.2.0 non-video 0.75 video");
}

std::string reference_page() {
  std::ifstream file(std::string(REELSENSE_SOURCE_DIR) + "/docs/reference/inference-log.md");
  std::ostringstream page;
  page << file.rdbuf();
  return page.str();
}

TEST_F(InferenceLogTest, ReferencePage_ItsExamplesRun) {
  open();
  LogEntry one = entry(1, 5, false, 0.75F);
  one.time_ms = clock_.wall_ms = SystemClock().wall_ns() / 1'000'000;
  one.model = log_->model_index("edge", "1.2.0", "server");
  append({one});
  ASSERT_TRUE(feedback({truth(1, 5, true)}).ok());
  const std::string page = reference_page();
  const std::string begin = "```sql\n";
  int examples = 0;
  for (std::size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) {
    const std::string sql =
        page.substr(at + begin.size(), page.find("```", at + begin.size()) - at - begin.size());
    EXPECT_EQ(sql_number("SELECT count(*) FROM (" + sql.substr(0, sql.rfind(';')) + ")"), 1) << sql;
    ++examples;
  }
  EXPECT_EQ(examples, 3);
}

TEST_F(InferenceLogTest, ReferencePage_NamesEveryColumn) {
  open();
  const std::string page = reference_page();
  Result<Database> database = Database::open(options_.file, SQLITE_OPEN_READONLY);
  ASSERT_TRUE(database.ok());
  Result<Statement> columns = database.value().prepare(
      "SELECT s.name, t.name FROM sqlite_schema AS s JOIN pragma_table_info(s.name) AS t WHERE s.type IN "
      "('table', "
      "'view')");
  ASSERT_TRUE(columns.ok());
  int n = 0;
  for (; columns.value().step().value(); ++n) {
    EXPECT_NE(page.find("`" + columns.value().text(0) + "`"), std::string::npos) << columns.value().text(0);
    EXPECT_NE(page.find("`" + columns.value().text(1) + "`"), std::string::npos) << columns.value().text(1);
  }
  EXPECT_GE(n, 40);
}

class InferenceLogOpenTest : public StoreTest {
 protected:
  void refuses(ErrorCode code, const std::vector<std::string>& names) {
    Result<std::unique_ptr<InferenceLog>> opened = InferenceLog::open(options_, clock_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, code);
    for (const std::string& name : names) {
      EXPECT_NE(opened.error().message.find(name), std::string::npos) << opened.error().message;
    }
  }
  void sql(const std::string& statements) {
    Result<Database> database = Database::open(options_.file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE(database.ok());
    const Status done = database.value().exec(statements);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
};

TEST_F(InferenceLogOpenTest, NotAFile_IsRefused) {
  for (const char* name : {"", ":memory:", "file:x?mode=memory"}) {
    options_.file = name;
    refuses(ErrorCode::kInvalidArgument, {"is not the name of a file"});
  }
}

TEST_F(InferenceLogOpenTest, FolderThatIsNotThere_IsNamed) {
  options_.file = folder_ / "missing" / "log.sqlite";
  refuses(ErrorCode::kIo, {options_.file.string(), "unable to open"});
}

TEST_F(InferenceLogOpenTest, FileThatIsNotSqlite_IsNamedAndLeftAlone) {
  const std::string text(10'000, 'x');
  std::ofstream(options_.file) << text;
  refuses(ErrorCode::kCorrupt, {options_.file.string(), "is not an SQLite file"});
  EXPECT_EQ(std::filesystem::file_size(options_.file), text.size());
}

TEST_F(InferenceLogOpenTest, AnotherDatabase_IsRefused) {
  sql("CREATE TABLE accounts(id INTEGER)");
  refuses(ErrorCode::kCorrupt, {options_.file.string(), "not an inference log"});
  EXPECT_EQ(sql_text("PRAGMA journal_mode"), "delete");
}

TEST_F(InferenceLogOpenTest, AnotherLayout_IsRefusedWithBothVersions) {
  open();
  log_.reset();
  sql("PRAGMA user_version=7");
  refuses(ErrorCode::kCorrupt, {options_.file.string(), "version 7", "version 2"});
}

TEST_F(InferenceLogOpenTest, DamagedFile_IsRefusedOrReportsItsDamage) {
  open();
  append(std::vector<LogEntry>(5000, entry(1, 1)));
  log_.reset();
  std::fstream file(options_.file, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2 * 8192);  // behind the first pages
  file << std::string(20 * 8192, '\x5a');
  file.close();
  Result<std::unique_ptr<InferenceLog>> opened = InferenceLog::open(options_, clock_);
  if (!opened.ok()) {
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << opened.error().message;
    return;
  }
  const LogEntry one = entry(1, 2);
  opened.value()->append({&one, 1});
  const Status flushed = opened.value()->flush();
  const Result<LogPage> page = opened.value()->query({.limit = 10'000});
  EXPECT_TRUE(!flushed.ok() || !page.ok());
}

}  // namespace
}  // namespace reelsense::server
