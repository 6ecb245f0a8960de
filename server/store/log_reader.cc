#include "server/store/log_reader.h"

#include <algorithm>
#include <cmath>

#include "server/store/log_schema.h"
#include "server/store/observation_reader.h"

namespace reelsense::server {

namespace {

Status check(const LogQuery& query) {
  if (query.limit == 0 || query.limit > LogReader::kMostRows) {
    return Error{ErrorCode::kInvalidArgument, "limit: " + std::to_string(query.limit) + ", expected 1 to " +
                                                  std::to_string(LogReader::kMostRows)};
  }
  if (query.from_ms > query.to_ms) {
    return Error{ErrorCode::kInvalidArgument, "from: " + std::to_string(query.from_ms) +
                                                  " ms is after to: " + std::to_string(query.to_ms) + " ms"};
  }
  if (query.max_confidence && !(*query.max_confidence >= 0 && *query.max_confidence <= 1)) {
    return Error{ErrorCode::kInvalidArgument,
                 "max_confidence: " + std::to_string(*query.max_confidence) + ", expected 0 to 1"};
  }
  return ok_status();
}

// Named parameters, so that each condition stands for itself. The order of a CROSS JOIN is kept: rows first,
// then the truth of each.
std::string sql_of(const LogQuery& query) {
  const bool inner = query.with_truth || query.misclassified;
  std::string sql =
      "SELECT l.row, l.time_ms, l.flow, l.second, l.flags, l.confidence, l.queue_us, l.compute_us, "
      "l.principal, "
      "m.name, m.version, m.tier, f.truth FROM log AS l ";
  sql += inner ? "CROSS JOIN feedback AS f ON f.flow = l.flow AND f.second = l.second "
               : "LEFT JOIN feedback AS f ON f.flow = l.flow AND f.second = l.second ";
  sql +=
      "LEFT JOIN models AS m ON m.id = l.model WHERE l.row BETWEEN :first AND :last "
      "AND l.time_ms BETWEEN :from AND :to";
  if (query.flow) sql += " AND l.flow = :flow";
  if (!query.model.empty()) {
    sql += query.model.find('@') == std::string::npos
               ? " AND l.model IN (SELECT id FROM models WHERE name = :model)"
               : " AND l.model IN (SELECT id FROM models WHERE name || '@' || version = :model)";
  }
  if (query.video) sql += " AND (l.flags & 1) = :video";
  if (query.uncertain) sql += " AND (l.flags & 2) = :uncertain";
  if (query.max_confidence) sql += " AND l.confidence <= :confidence";
  if (query.misclassified) sql += " AND f.truth <> (l.flags & 1)";
  return sql + " ORDER BY l.row DESC LIMIT :limit";
}

void bind_all(Statement& statement, const LogQuery& query, const LogReader::RowRange& range) {
  const auto at = [&](const char* name) { return sqlite3_bind_parameter_index(statement.handle(), name); };
  statement.bind(at(":first"), range.first).bind(at(":last"), range.last);
  statement.bind(at(":from"), query.from_ms).bind(at(":to"), query.to_ms);
  if (query.flow) statement.bind(at(":flow"), static_cast<std::int64_t>(*query.flow));
  if (!query.model.empty()) statement.bind(at(":model"), std::string_view(query.model));
  if (query.video) statement.bind(at(":video"), static_cast<std::int64_t>(*query.video ? kFlagVideo : 0));
  if (query.uncertain) {
    statement.bind(at(":uncertain"), static_cast<std::int64_t>(*query.uncertain ? kFlagUncertain : 0));
  }
  if (query.max_confidence)
    statement.bind(at(":confidence"), std::llround(*query.max_confidence * kConfidenceOne));
  statement.bind(at(":limit"),
                 static_cast<std::int64_t>(query.limit) + 1);  // one more: is there a next page?
}

LogRow row_of(const Statement& statement) {
  LogRow row;
  row.row = statement.integer(0);
  LogEntry& entry = row.entry;
  entry.time_ms = statement.integer(1);
  entry.flow = static_cast<std::uint64_t>(statement.integer(2));
  entry.second = statement.integer(3);
  entry.video = (statement.integer(4) & kFlagVideo) != 0;
  entry.uncertain = (statement.integer(4) & kFlagUncertain) != 0;
  entry.confidence = static_cast<float>(static_cast<double>(statement.integer(5)) / kConfidenceOne);
  entry.queue_us = static_cast<std::uint32_t>(statement.integer(6));
  entry.compute_us = static_cast<std::uint32_t>(statement.integer(7));
  entry.principal = static_cast<std::uint32_t>(statement.integer(8));
  row.model = statement.text(9);
  row.version = statement.text(10);
  row.tier = statement.text(11);
  if (!statement.is_null(12)) row.truth_video = statement.integer(12) != 0;
  return row;
}

}  // namespace

Result<LogPage> LogReader::query(const LogQuery& query) {
  if (Status checked = check(query); !checked) return checked.error();
  if (Status opened = open(); !opened) return opened.error();
  // One transaction: what spans say holds for the rows.
  if (Status begun = database_.exec("BEGIN"); !begun) return begun.error();
  Result<LogPage> page = read(query);
  (void)database_.exec("ROLLBACK");
  return page;
}

Result<ObservationPage> LogReader::query(const ObservationQuery& query) {
  if (Status opened = open(); !opened) return opened.error();
  return read_observations(database_, query);
}

void LogReader::close() noexcept {
  database_.close();
}

Status LogReader::open() {
  if (database_.is_open()) return ok_status();
  Result<Database> opened = open_log_for_reading(file_);
  if (!opened) return opened.error();
  database_ = std::move(opened.value());
  return ok_status();
}

Result<LogReader::RowRange> LogReader::rows_between(std::int64_t from_ms, std::int64_t to_ms) {
  if (Status opened = open(); !opened) return opened.error();
  Result<Statement> find =
      database_.prepare("SELECT min(first_row), max(last_row) FROM spans WHERE max_ms >= ? AND min_ms <= ?");
  if (!find) return find.error();
  Statement& statement = find.value();
  Result<bool> row = statement.bind(1, from_ms).bind(2, to_ms).step();
  if (!row) return row.error();
  if (!row.value() || statement.is_null(0)) return RowRange{};
  return RowRange{statement.integer(0), statement.integer(1)};
}

Result<LogPage> LogReader::read(const LogQuery& query) {
  Result<RowRange> between = rows_between(query.from_ms, query.to_ms);
  if (!between) return between.error();
  RowRange range = between.value();
  if (query.before_row <= range.last) range.last = query.before_row - 1;
  if (range.first > range.last) return LogPage{};
  const bool cut = range.last - range.first >= kScanRows;
  if (cut) range.first = range.last - kScanRows + 1;
  return read_rows(query, range, cut);
}

Result<LogPage> LogReader::read_rows(const LogQuery& query, const RowRange& range, bool cut) {
  Result<Statement> prepared = database_.prepare(sql_of(query));
  if (!prepared) return prepared.error();
  Statement& statement = prepared.value();
  bind_all(statement, query, range);
  LogPage page;
  for (;;) {
    Result<bool> row = statement.step();
    if (!row) return row.error();
    if (!row.value()) break;
    if (page.rows.size() == query.limit) {
      page.next = page.rows.back().row;
      return page;
    }
    page.rows.push_back(row_of(statement));
  }
  if (cut) page.next = range.first;
  return page;
}

}  // namespace reelsense::server
