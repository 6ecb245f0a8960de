#include "server/store/feedback_store.h"

#include <algorithm>
#include <utility>

#include "server/store/log_schema.h"

namespace reelsense::server {

namespace {

constexpr std::int64_t kMillisecondsPerSecond = 1000;
constexpr std::int64_t kLastSecond = INT64_MAX / kMillisecondsPerSecond;

}  // namespace

Result<FeedbackStore> FeedbackStore::open(Database& database, std::uint64_t max_bytes) {
  FeedbackStore store;
  store.database_ = &database;
  store.most_entries_ = static_cast<std::int64_t>(max_bytes / 2) / kBytesPerEntry;
  for (auto [statement, sql] : {
           std::pair(
               &store.insert_,
               "INSERT INTO feedback VALUES(?,?,?,?,?,?,?) ON CONFLICT(flow, second) DO UPDATE SET "
               "truth=excluded.truth, time_ms=excluded.time_ms, model=coalesce(excluded.model, model), "
               "label=coalesce(excluded.label, label), confidence=coalesce(excluded.confidence, confidence)"),
           std::pair(&store.scan_,
                     "SELECT flow, second, model, flags, confidence FROM log WHERE row BETWEEN ? AND ? "
                     "ORDER BY row DESC"),
           std::pair(&store.last_row_, "SELECT max(row) FROM log"),
           std::pair(&store.row_at_, "SELECT min(first_row) FROM spans WHERE first_row >= ? AND max_ms >= ?"),
           std::pair(&store.model_name_, "SELECT name || '@' || version FROM models WHERE id = ?"),
           std::pair(&store.count_, "SELECT count(*) FROM feedback"),
       }) {
    Result<Statement> prepared = database.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(prepared.value());
  }
  Result<std::int64_t> count = store.count_.number();
  if (!count) return count.error();
  store.entries_ = count.value();
  return store;
}

Status FeedbackStore::check_room(std::size_t more) {
  const auto n = static_cast<std::int64_t>(more);
  if (entries_ + n > most_entries_) {
    Result<std::int64_t> count = count_.number();
    if (!count) return count.error();
    entries_ = count.value();
  }
  if (entries_ + n > most_entries_) {
    // As a full disk, not as a full queue: to try again does not help.
    return make_error(ErrorCode::kIo, {"the inference log is full of feedback: {} windows, at most {} within "
                                       "its size; raise log.max_mib or lower log.retention_days",
                                       entries_, most_entries_});
  }
  entries_ += n;
  return ok_status();
}

Status FeedbackStore::store(std::span<const FeedbackEntry> entries, std::int64_t time_ms) {
  return durably(*database_, [&] { return insert(entries, time_ms); });
}

Status FeedbackStore::insert(std::span<const FeedbackEntry> entries, std::int64_t time_ms) {
  Sought sought;
  for (const FeedbackEntry& entry : entries) {
    if (!entry.label_video) sought.try_emplace({entry.flow, entry.second});
  }
  if (!sought.empty()) {
    if (Status done = look_up(sought); !done) return done.error();
  }
  for (const FeedbackEntry& entry : entries) {
    if (Status done = insert_one(entry, sought, time_ms); !done) return done.error();
  }
  return ok_status();
}

Status FeedbackStore::insert_one(const FeedbackEntry& entry, const Sought& sought, std::int64_t time_ms) {
  insert_.bind(1, static_cast<std::int64_t>(entry.flow)).bind(2, entry.second);
  insert_.bind(3, static_cast<std::int64_t>(entry.truth_video)).bind(4, time_ms);
  insert_.bind_null(5).bind_null(6).bind_null(7);
  if (entry.label_video) {
    insert_.bind(6, static_cast<std::int64_t>(*entry.label_video))
        .bind(7, stored_confidence(entry.confidence));
    if (!entry.model.empty()) insert_.bind(5, std::string_view(entry.model));
  } else if (const auto found = sought.find({entry.flow, entry.second});
             found != sought.end() && found->second) {
    Result<std::string> model = model_name(found->second->model);
    if (!model) return model.error();
    if (!model.value().empty()) insert_.bind(5, std::string_view(model.value()));
    insert_.bind(6, found->second->label).bind(7, found->second->confidence);
  }
  return insert_.run();
}

Status FeedbackStore::look_up(Sought& sought) {
  Result<std::int64_t> last = last_row_.number();
  if (!last) return last.error();
  const std::int64_t newest = last.value() - kLookupRows;  // the rows after it
  Result<std::size_t> left = scan(newest + 1, last.value(), sought, sought.size());
  if (!left) return left.error();

  std::vector<std::int64_t> seconds;
  for (const auto& [key, said] : sought) {
    if (!said && key.second > 0 && key.second <= kLastSecond) seconds.push_back(key.second);
  }
  std::sort(seconds.begin(), seconds.end());
  std::int64_t span = 0;  // spans are looked through once, as seconds rise
  std::int64_t from = 0;
  std::int64_t budget = kLookupRows;
  for (std::size_t i = 0; i < seconds.size() && left.value() > 0 && budget > 0; ++i) {
    row_at_.bind(1, span).bind(2, seconds[i] * kMillisecondsPerSecond);
    Result<std::int64_t> row = row_at_.number();
    if (!row) return row.error();
    // Every second may use its share; what one leaves, the next may use.
    const std::int64_t share =
        std::max<std::int64_t>(budget / static_cast<std::int64_t>(seconds.size() - i), 1);
    span = row.value();
    const std::int64_t first = std::max(span, from);
    const std::int64_t end = std::min(newest, first + share - 1);
    if (span == 0 || first > end) break;  // the newest rows were looked at
    left = scan(first, end, sought, left.value());
    if (!left) return left.error();
    from = end + 1;
    budget -= end - first + 1;
  }
  return ok_status();
}

Result<std::size_t> FeedbackStore::scan(std::int64_t first_row, std::int64_t last_row, Sought& sought,
                                        std::size_t left) {
  scan_.bind(1, first_row).bind(2, last_row);
  while (left > 0) {
    Result<bool> row = scan_.step();
    if (!row) return row.error();
    if (!row.value()) return left;
    const auto found = sought.find({static_cast<std::uint64_t>(scan_.integer(0)), scan_.integer(1)});
    if (found == sought.end() || found->second) continue;
    found->second = Said{scan_.integer(3) & kFlagVideo, scan_.integer(4), scan_.integer(2)};
    --left;
  }
  scan_.reset();
  return left;
}

Result<std::string> FeedbackStore::model_name(std::int64_t id) {
  Result<bool> row = model_name_.bind(1, id).step();
  if (!row) return row.error();
  if (!row.value()) return std::string();
  std::string name = model_name_.text(0);
  model_name_.reset();
  return name;
}

}  // namespace reelsense::server
