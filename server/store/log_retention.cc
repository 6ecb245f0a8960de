#include "server/store/log_retention.h"

#include <algorithm>
#include <string>
#include <utility>

namespace reelsense::server {

namespace {

constexpr std::uint64_t kBytesPerRow = 64;  // more than a row takes, with its share of page headers
constexpr std::uint64_t kMostRowsPerTransaction = 32'768;

}  // namespace

Result<LogRetention> LogRetention::open(Database& database, std::uint64_t max_bytes) {
  LogRetention retention;
  retention.database_ = &database;
  retention.max_bytes_ = max_bytes;
  Result<std::int64_t> page = database.number("PRAGMA page_size");
  if (!page) return page.error();
  retention.page_bytes_ = static_cast<std::uint64_t>(page.value());
  for (auto [statement, sql] : {
           std::pair(&retention.page_count_, "PRAGMA page_count"),
           std::pair(&retention.free_count_, "PRAGMA freelist_count"),
           std::pair(&retention.oldest_row_, "SELECT min(row) FROM log"),
           std::pair(&retention.oldest_spans_, "SELECT last_row, max_ms FROM spans ORDER BY first_row"),
           std::pair(&retention.oldest_feedback_, "SELECT min(time_ms) FROM feedback"),
           std::pair(&retention.delete_feedback_,
                     "DELETE FROM feedback WHERE (flow, second) IN (SELECT flow, second FROM feedback "
                     "WHERE time_ms < ? ORDER BY time_ms LIMIT 1024)"),
       }) {
    Result<Statement> prepared = database.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(prepared.value());
  }
  return retention;
}

std::uint64_t LogRetention::headroom() const noexcept {
  return std::min<std::uint64_t>(max_bytes_ / 8, kMostRowsPerTransaction * kBytesPerRow);
}

std::size_t LogRetention::rows_per_transaction() const noexcept {
  return static_cast<std::size_t>(std::max<std::uint64_t>(headroom() / kBytesPerRow, 1));
}

Status LogRetention::make_room(std::uint64_t& deleted) {
  for (;;) {
    Result<std::int64_t> pages = page_count_.number();
    Result<std::int64_t> free = free_count_.number();
    if (!pages) return pages.error();
    if (!free) return free.error();
    const std::uint64_t file_bytes = static_cast<std::uint64_t>(pages.value()) * page_bytes_;
    const std::uint64_t free_bytes = static_cast<std::uint64_t>(free.value()) * page_bytes_;
    if (file_bytes - free_bytes <= max_bytes_ - headroom()) {
      if (file_bytes <= max_bytes_) return ok_status();
      return database_->exec("PRAGMA incremental_vacuum(256)");
    }
    Result<std::int64_t> oldest = oldest_row_.number();
    if (!oldest) return oldest.error();
    if (oldest.value() == 0) return ok_status();  // no rows left: what is in use is feedback
    Result<std::uint64_t> gone = delete_before(oldest.value() + kChunkRows);
    if (!gone) return gone.error();
    deleted += gone.value();
  }
}

Result<bool> LogRetention::expire(std::int64_t cutoff_ms, std::uint64_t& deleted) {
  Result<std::uint64_t> feedback = expire_feedback(cutoff_ms);
  if (!feedback) return feedback.error();
  const bool more_feedback = feedback.value() == kChunkFeedback;
  Result<std::int64_t> oldest = oldest_row_.number();
  if (!oldest) return oldest.error();
  if (oldest.value() == 0) return more_feedback;
  // Whole spans from the oldest on, up to a chunk.
  const std::int64_t limit = oldest.value() + kChunkRows;
  std::int64_t until = 0;
  while (until <= limit) {
    Result<bool> span = oldest_spans_.step();
    if (!span) return span.error();
    if (!span.value() || oldest_spans_.integer(1) >= cutoff_ms) break;
    until = oldest_spans_.integer(0) + 1;
  }
  oldest_spans_.reset();
  if (until <= oldest.value()) return more_feedback;
  Result<std::uint64_t> gone = delete_before(std::min(until, limit));
  if (!gone) return gone.error();
  deleted += gone.value();
  return until > limit || more_feedback;
}

Result<std::uint64_t> LogRetention::expire_feedback(std::int64_t cutoff_ms) {
  Result<std::int64_t> oldest = oldest_feedback_.number();
  if (!oldest) return oldest.error();
  if (oldest.value() == 0 || oldest.value() >= cutoff_ms) return std::uint64_t{0};
  if (Status done = delete_feedback_.bind(1, cutoff_ms).run(); !done) return done.error();
  return static_cast<std::uint64_t>(sqlite3_changes64(database_->handle()));
}

Result<std::uint64_t> LogRetention::delete_before(std::int64_t row) {
  const std::string before = std::to_string(row);
  const std::int64_t changes = sqlite3_total_changes64(database_->handle());
  Status done = database_->exec("BEGIN IMMEDIATE; DELETE FROM log WHERE row < " + before);
  const std::int64_t gone = sqlite3_total_changes64(database_->handle()) - changes;
  if (done) {
    // The last span stays, even empty: it remembers which row numbers were used.
    done =
        database_->exec("DELETE FROM spans WHERE last_row < " + before +
                        " AND first_row < (SELECT max(first_row) FROM spans); UPDATE spans SET first_row = "
                        "min(last_row + 1, " +
                        before + ") WHERE first_row < " + before + "; COMMIT");
  }
  if (!done) {
    if (sqlite3_get_autocommit(database_->handle()) == 0) (void)database_->exec("ROLLBACK");
    return done.error();
  }
  return static_cast<std::uint64_t>(gone);
}

}  // namespace reelsense::server
