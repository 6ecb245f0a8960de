#include "server/store/observation_reader.h"

#include <cstring>
#include <string>
#include <utility>

#include "server/store/log_schema.h"

namespace reelsense::server {

namespace {

Status check(const ObservationQuery& query) {
  if (query.limit == 0 || query.limit > kMostObservationRows) {
    return Error{ErrorCode::kInvalidArgument, "limit: " + std::to_string(query.limit) + ", expected 1 to " +
                                                  std::to_string(kMostObservationRows)};
  }
  if (query.first_day > query.last_day) {
    return Error{ErrorCode::kInvalidArgument, "from: that day is after to"};
  }
  return ok_status();
}

// In the order of the primary key from a place on, so nothing before it is looked at.
constexpr std::string_view kSelect =
    "SELECT day, id, schema, model, sdk, epsilon, flags, confidence, truth, features FROM observations "
    "WHERE (day, id) > (?, ?) AND day BETWEEN ? AND ? ORDER BY day, id";

Observation observation_of(const Statement& row) {
  Observation one;
  one.video = (row.integer(6) & kFlagVideo) != 0;
  one.uncertain = (row.integer(6) & kFlagUncertain) != 0;
  one.confidence = static_cast<float>(static_cast<double>(row.integer(7)) / kConfidenceOne);
  if (!row.is_null(8)) one.truth_video = row.integer(8) != 0;
  return one;
}

// What the query asks for beside days and features.
bool is_asked_for(const ObservationQuery& query, std::string_view model, const Observation& one) {
  if (!query.model.empty() && query.model != model && query.model != model.substr(0, model.find('@'))) {
    return false;
  }
  if (query.video && *query.video != one.video) return false;
  if (query.uncertain && *query.uncertain != one.uncertain) return false;
  if (query.with_truth && *query.with_truth != one.truth_video.has_value()) return false;
  return !query.truth_video || one.truth_video == query.truth_video;
}

void add_row(const Statement& statement, std::string model, const Observation& one, ObservationPage& page) {
  ObservationRow& row = page.rows.emplace_back();
  row.day = statement.integer(0);
  row.id = statement.integer(1);
  row.model = std::move(model);
  row.sdk = statement.text(4);
  row.epsilon = statement.real(5);
  row.observation = one;
  const std::string_view bytes = statement.blob(9);
  row.values.resize(bytes.size() / sizeof(std::int16_t));
  std::memcpy(row.values.data(), bytes.data(), row.values.size() * sizeof(std::int16_t));
}

Result<std::int64_t> schema_of(Database& database, const ObservationQuery& query) {
  Result<Statement> find =
      database.prepare("SELECT id FROM observation_schemas WHERE view = ? AND schema_hash = ?");
  if (!find) return find.error();
  Statement& statement = find.value();
  return statement.bind(1, std::string_view(query.view))
      .bind(2, std::string_view(query.schema_hash))
      .number();
}

}  // namespace

Result<ObservationPage> read_observations(Database& database, const ObservationQuery& query) {
  if (Status checked = check(query); !checked) return checked.error();
  Result<std::int64_t> schema = schema_of(database, query);
  if (!schema) return schema.error();
  Result<Statement> select = database.prepare(kSelect);
  if (!select) return select.error();
  Statement& statement = select.value();
  statement.bind(1, query.after_day).bind(2, query.after_id);
  statement.bind(3, query.first_day).bind(4, query.last_day);
  ObservationPage page;
  for (std::int64_t looked_at = 0;; ++looked_at) {
    Result<bool> row = statement.step();
    if (!row) return row.error();
    if (!row.value()) return page;
    if (page.rows.size() == query.limit || looked_at == kObservationScanRows) {
      page.more = true;
      return page;
    }
    page.next_day = statement.integer(0);
    page.next_id = statement.integer(1);
    if (statement.integer(2) != schema.value()) continue;
    std::string model = statement.text(3);
    const Observation one = observation_of(statement);
    if (is_asked_for(query, model, one)) add_row(statement, std::move(model), one, page);
  }
}

}  // namespace reelsense::server
