#include "server/store/log_schema.h"

#include <algorithm>
#include <cmath>

namespace reelsense::server {

namespace {

// `log` has no index but its row number, which rises with time: inserting is appending. `spans` says which
// rows are of which time, one line for a few thousand rows. `row` is never used twice.
constexpr const char* kLogTables = R"sql(
CREATE TABLE models(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, tier TEXT NOT NULL,
  UNIQUE(name, version, tier));
CREATE TABLE log(
  row INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, flow INTEGER NOT NULL, second INTEGER NOT NULL,
  model INTEGER NOT NULL, flags INTEGER NOT NULL, confidence INTEGER NOT NULL, queue_us INTEGER NOT NULL,
  compute_us INTEGER NOT NULL, principal INTEGER NOT NULL);
CREATE TABLE spans(
  first_row INTEGER PRIMARY KEY, last_row INTEGER NOT NULL, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL);
CREATE TABLE feedback(
  flow INTEGER NOT NULL, second INTEGER NOT NULL, truth INTEGER NOT NULL, time_ms INTEGER NOT NULL, model TEXT,
  label INTEGER, confidence INTEGER, PRIMARY KEY(flow, second)) WITHOUT ROWID;
CREATE INDEX feedback_time ON feedback(time_ms);
CREATE VIEW decisions AS
  SELECT l.row AS row, strftime('%Y-%m-%dT%H:%M:%fZ', l.time_ms / 1000.0, 'unixepoch') AS time,
    printf('%016x', l.flow) AS flow, l.second AS second, m.name AS model, m.version AS version, m.tier AS tier,
    iif(l.flags & 1, 'video', 'non-video') AS label, l.confidence / 10000.0 AS confidence,
    (l.flags & 2) / 2 AS uncertain, l.queue_us AS queue_us, l.compute_us AS compute_us,
    CASE f.truth WHEN 1 THEN 'video' WHEN 0 THEN 'non-video' END AS truth
  FROM log AS l LEFT JOIN models AS m ON m.id = l.model
    LEFT JOIN feedback AS f ON f.flow = l.flow AND f.second = l.second;
CREATE VIEW misclassified AS
  SELECT strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS time, printf('%016x', flow) AS flow,
    second, model, iif(label, 'video', 'non-video') AS label, confidence / 10000.0 AS confidence,
    iif(truth, 'video', 'non-video') AS truth
  FROM feedback WHERE label <> truth;
)sql";

// Layout 2. A row of `observations` names neither its batch nor its sender, and its id is random: those that
// came together do not lie together.
constexpr const char* kObservationTables = R"sql(
CREATE TABLE observation_schemas(
  id INTEGER PRIMARY KEY, view TEXT NOT NULL, schema_hash TEXT NOT NULL, UNIQUE(view, schema_hash));
CREATE TABLE observation_batches(
  batch BLOB PRIMARY KEY, day INTEGER NOT NULL, observations INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX observation_batches_day ON observation_batches(day);
CREATE TABLE observation_days(
  day INTEGER PRIMARY KEY, observations INTEGER NOT NULL, batches INTEGER NOT NULL);
CREATE TABLE observations(
  day INTEGER NOT NULL, id INTEGER NOT NULL, schema INTEGER NOT NULL, model TEXT NOT NULL, sdk TEXT NOT NULL,
  epsilon REAL NOT NULL, flags INTEGER NOT NULL, confidence INTEGER NOT NULL, truth INTEGER,
  features BLOB NOT NULL, PRIMARY KEY(day, id)) WITHOUT ROWID;
CREATE VIEW observed AS
  SELECT date(o.day * 86400, 'unixepoch') AS day, s.view AS view, s.schema_hash AS schema_hash,
    o.model AS model, o.sdk AS sdk, o.epsilon AS epsilon,
    iif(o.flags & 1, 'video', 'non-video') AS label, o.confidence / 10000.0 AS confidence,
    (o.flags & 2) / 2 AS uncertain,
    CASE o.truth WHEN 1 THEN 'video' WHEN 0 THEN 'non-video' END AS truth, o.features AS features
  FROM observations AS o JOIN observation_schemas AS s ON s.id = o.schema;
)sql";

// The layout's version, if it is from `least` to the present one.
Result<std::int64_t> layout_of(Database& database, const std::string& name, std::int64_t least) {
  Result<std::int64_t> application = database.number("PRAGMA application_id");
  if (!application) return application.error();
  if (application.value() != kLogApplicationId) {
    return Error{ErrorCode::kCorrupt, name + ": is an SQLite file but not an inference log"};
  }
  Result<std::int64_t> layout = database.number("PRAGMA user_version");
  if (!layout || (layout.value() >= least && layout.value() <= kLogLayout)) return layout;
  return Error{ErrorCode::kCorrupt, name + ": its layout is version " + std::to_string(layout.value()) +
                                        ", this server reads and writes version " +
                                        std::to_string(kLogLayout)};
}

// 8 KiB pages and automatic checkpoints of 8 MB cost least CPU a row; deleted rows need not be overwritten.
constexpr const char* kSettings =
    "PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-8192; PRAGMA "
    "wal_autocheckpoint=1000; "
    "PRAGMA journal_size_limit=16777216; PRAGMA temp_store=MEMORY";

// What a file of `layout` lacks; 0: it is new.
Status complete_layout(Database& database, std::int64_t layout) {
  if (layout == kLogLayout) return ok_status();
  return database.exec("BEGIN IMMEDIATE; " + std::string(layout < 1 ? kLogTables : "") + kObservationTables +
                       "PRAGMA application_id=" + std::to_string(kLogApplicationId) +
                       "; PRAGMA user_version=" + std::to_string(kLogLayout) + "; COMMIT");
}

}  // namespace

std::int64_t stored_confidence(float confidence) noexcept {
  // False for NaN, too.
  return confidence > 0 ? std::lround(std::min(static_cast<double>(confidence), 1.0) * kConfidenceOne) : 0;
}

Result<Database> open_log_for_writing(const std::filesystem::path& file) {
  Result<Database> opened =
      Database::open(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX);
  if (!opened) return opened.error();
  Database& database = opened.value();
  sqlite3_busy_timeout(database.handle(), 2000);
  // Before anything is read or written: these only take effect while the file is new.
  if (Status set = database.exec("PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL"); !set)
    return set.error();
  Result<std::int64_t> tables = database.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (sqlite3_db_readonly(database.handle(), "main") == 1) {
    return Error{ErrorCode::kIo, file.string() + ": may be read but not written"};
  }
  Result<std::int64_t> layout =
      tables.value() == 0 ? Result<std::int64_t>(0) : layout_of(database, file.string(), 1);
  if (!layout) return layout.error();
  Result<std::string> mode = database.text("PRAGMA journal_mode=WAL");
  if (!mode) return mode.error();
  if (mode.value() != "wal") {
    return Error{ErrorCode::kIo,
                 file.string() + ": this file system cannot hold a write-ahead log (SQLite stays in mode \"" +
                     mode.value() + "\")"};
  }
  if (Status made = complete_layout(database, layout.value()); !made) return made.error();
  if (Status set = database.exec(kSettings); !set) return set.error();
  return opened;
}

Result<Database> open_log_for_reading(const std::filesystem::path& file) {
  Result<Database> opened = Database::open(file, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX);
  if (!opened) return opened.error();
  Database& database = opened.value();
  sqlite3_busy_timeout(database.handle(), 2000);
  if (Status set = database.exec("PRAGMA cache_size=-4096"); !set) return set.error();
  Result<std::int64_t> layout = layout_of(database, file.string(), kLogLayout);
  if (!layout) return layout.error();
  return opened;
}

}  // namespace reelsense::server
