#include "server/store/log_rows.h"

#include <algorithm>

#include "server/store/log_schema.h"

namespace reelsense::server {

namespace {

constexpr int kColumns = 10;

std::string insert_sql(std::size_t rows) {
  std::string sql = "INSERT INTO log VALUES";
  for (std::size_t i = 0; i < rows; ++i) sql += i == 0 ? "(?,?,?,?,?,?,?,?,?,?)" : ",(?,?,?,?,?,?,?,?,?,?)";
  return sql;
}

struct Prepared {
  Statement* statement;
  std::string sql;
};

}  // namespace

Result<LogRows> LogRows::open(Database& database) {
  LogRows rows;
  rows.database_ = &database;
  for (Prepared one : {Prepared{&rows.begin_, "BEGIN IMMEDIATE"}, Prepared{&rows.commit_, "COMMIT"},
                       Prepared{&rows.rollback_, "ROLLBACK"}, Prepared{&rows.insert_one_, insert_sql(1)},
                       Prepared{&rows.insert_many_, insert_sql(kRowsPerStatement)},
                       Prepared{&rows.last_span_,
                                "SELECT first_row, last_row, min_ms, max_ms FROM spans "
                                "ORDER BY first_row DESC LIMIT 1"},
                       Prepared{&rows.store_span_, "INSERT OR REPLACE INTO spans VALUES(?,?,?,?)"}}) {
    Result<Statement> statement = database.prepare(one.sql);
    if (!statement) return statement.error();
    *one.statement = std::move(statement.value());
  }
  return rows;
}

Status LogRows::register_models(std::span<const ModelName> models) {
  if (model_ids_.size() >= models.size()) return ok_status();
  Result<Statement> insert =
      database_->prepare("INSERT OR IGNORE INTO models(name, version, tier) VALUES(?,?,?)");
  if (!insert) return insert.error();
  Result<Statement> find = database_->prepare("SELECT id FROM models WHERE name=? AND version=? AND tier=?");
  if (!find) return find.error();
  while (model_ids_.size() < models.size()) {
    const ModelName& model = models[model_ids_.size()];
    Statement& insertion = insert.value();
    insertion.bind(1, std::string_view(model.name)).bind(2, std::string_view(model.version));
    if (Status done = insertion.bind(3, std::string_view(model.tier)).run(); !done) return done.error();
    Statement& search = find.value();
    search.bind(1, std::string_view(model.name)).bind(2, std::string_view(model.version));
    Result<bool> row = search.bind(3, std::string_view(model.tier)).step();
    if (!row) return row.error();
    model_ids_.push_back(row.value() ? search.integer(0) : 0);
    search.reset();
  }
  return ok_status();
}

Status LogRows::append(std::span<const LogEntry> entries) {
  if (entries.empty()) return ok_status();
  if (Status begun = begin_.run(); !begun) return begun.error();
  Status done = insert(entries);
  if (done) done = commit_.run();
  // Some errors end the transaction by themselves.
  if (!done && sqlite3_get_autocommit(database_->handle()) == 0) (void)rollback_.run();
  return done;
}

Status LogRows::insert(std::span<const LogEntry> entries) {
  Result<Span> last = last_span();
  if (!last) return last.error();
  std::int64_t row = last.value().last_row;
  std::size_t i = 0;
  while (i < entries.size()) {
    const bool many = entries.size() - i >= kRowsPerStatement;
    Statement& statement = many ? insert_many_ : insert_one_;
    const std::size_t n = many ? kRowsPerStatement : 1;
    for (std::size_t k = 0; k < n; ++k) bind(statement.handle(), k, entries[i + k], ++row);
    if (Status done = statement.run(); !done) return done.error();
    i += n;
  }
  return store_span(last.value(), entries);
}

void LogRows::bind(sqlite3_stmt* statement, std::size_t place, const LogEntry& entry,
                   std::int64_t row) const noexcept {
  const int first = static_cast<int>(place) * kColumns;
  const std::int64_t flags = (entry.video ? kFlagVideo : 0) | (entry.uncertain ? kFlagUncertain : 0);
  const std::int64_t model = entry.model < model_ids_.size() ? model_ids_[entry.model] : 0;
  sqlite3_bind_int64(statement, first + 1, row);
  sqlite3_bind_int64(statement, first + 2, entry.time_ms);
  sqlite3_bind_int64(statement, first + 3, static_cast<std::int64_t>(entry.flow));  // the same 64 bits
  sqlite3_bind_int64(statement, first + 4, entry.second);
  sqlite3_bind_int64(statement, first + 5, model);
  sqlite3_bind_int64(statement, first + 6, flags);
  sqlite3_bind_int64(statement, first + 7, stored_confidence(entry.confidence));
  sqlite3_bind_int64(statement, first + 8, entry.queue_us);
  sqlite3_bind_int64(statement, first + 9, entry.compute_us);
  sqlite3_bind_int64(statement, first + 10, entry.principal);
}

Result<LogRows::Span> LogRows::last_span() {
  Result<bool> row = last_span_.step();
  if (!row) return row.error();
  Span span;
  if (row.value()) {
    span = {last_span_.integer(0), last_span_.integer(1), last_span_.integer(2), last_span_.integer(3)};
    last_span_.reset();
  }
  return span;
}

Status LogRows::store_span(const Span& last, std::span<const LogEntry> entries) {
  const auto [earliest, latest] =
      std::minmax_element(entries.begin(), entries.end(),
                          [](const LogEntry& a, const LogEntry& b) { return a.time_ms < b.time_ms; });
  const auto n = static_cast<std::int64_t>(entries.size());
  Span span = {last.last_row + 1, last.last_row + n, earliest->time_ms, latest->time_ms};
  const std::int64_t rows =
      last.last_row - last.first_row + 1;  // none if retention took them, or in a new file
  const std::int64_t min_ms = std::min(last.min_ms, span.min_ms);
  const std::int64_t max_ms = std::max(last.max_ms, span.max_ms);
  if (last.first_row > 0 && rows > 0 && rows < kSpanRows && max_ms - min_ms < kSpanMs) {
    span = {last.first_row, span.last_row, min_ms, max_ms};
  }
  return store_span_.bind(1, span.first_row)
      .bind(2, span.last_row)
      .bind(3, span.min_ms)
      .bind(4, span.max_ms)
      .run();
}

}  // namespace reelsense::server
