// LogRetention: deletes the oldest of the inference log, by age and by size of the file, a bounded chunk a
// transaction.
//
// Size is what is in use (pages of the file less the free ones): deleted rows leave free pages that new rows
// take, so the file itself stays at its largest size, which is within the limit. If the limit was lowered,
// pages are given back to the file system. Feedback goes by age only; FeedbackStore bounds it. Thread safety:
// none.
#pragma once

#include <cstdint>

#include "server/store/sqlite.h"

namespace reelsense::server {

class LogRetention {
 public:
  static constexpr std::int64_t kChunkRows = 8192;
  static constexpr std::int64_t kChunkFeedback = 1024;

  // `database` must outlive it.
  static Result<LogRetention> open(Database& database, std::uint64_t max_bytes);

  // Rows that one transaction may add without the file growing over its limit.
  [[nodiscard]] std::size_t rows_per_transaction() const noexcept;
  // Deletes rows until there is room for another transaction. `deleted` is added to.
  Status make_room(std::uint64_t& deleted);
  // Deletes one chunk of rows and feedback older than `cutoff_ms`. True: there is more.
  Result<bool> expire(std::int64_t cutoff_ms, std::uint64_t& deleted);

 private:
  [[nodiscard]] std::uint64_t headroom() const noexcept;
  Result<std::uint64_t> expire_feedback(std::int64_t cutoff_ms);
  // Deletes the rows before `row`; how many there were.
  Result<std::uint64_t> delete_before(std::int64_t row);

  Database* database_ = nullptr;
  std::uint64_t max_bytes_ = 0;
  std::uint64_t page_bytes_ = 0;
  Statement page_count_, free_count_, oldest_row_, oldest_spans_, oldest_feedback_, delete_feedback_;
};

}  // namespace reelsense::server
