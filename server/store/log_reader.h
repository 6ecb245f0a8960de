// LogReader: queries of the inference log on a read-only connection of its own.
//
// A page costs bounded work: it looks at no more than kScanRows rows that no index could leave out, and may
// then be short, even empty, with `next` saying where to go on. Thread safety: none.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "server/store/inference_log.h"
#include "server/store/observations.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

class LogReader {
 public:
  static constexpr std::size_t kMostRows = 10'000;
  static constexpr std::int64_t kScanRows = 1'000'000;

  explicit LogReader(std::filesystem::path file) : file_(std::move(file)) {}

  // Opens the file when first asked. LogEntry::model of the rows is left 0.
  Result<LogPage> query(const LogQuery& query);
  Result<ObservationPage> query(const ObservationQuery& query);
  void close() noexcept;

  // The rows that may be of that time, [first, last]; none if first > last.
  struct RowRange {
    std::int64_t first = 1;
    std::int64_t last = 0;
  };
  Result<RowRange> rows_between(std::int64_t from_ms, std::int64_t to_ms);

 private:
  Status open();
  Result<LogPage> read(const LogQuery& query);
  Result<LogPage> read_rows(const LogQuery& query, const RowRange& range, bool cut);

  std::filesystem::path file_;
  Database database_;
};

}  // namespace reelsense::server
