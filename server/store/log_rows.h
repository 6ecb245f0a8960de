// LogRows: appends entries to the inference log's tables `log`, `spans` and `models`, one transaction a call.
//
// Thirty-two rows a statement: about 0.5 µs of CPU a row, checkpoints included. Thread safety: none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "server/store/inference_log.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

struct ModelName {
  std::string name;
  std::string version;
  std::string tier;
  friend auto operator<=>(const ModelName&, const ModelName&) = default;
};

class LogRows {
 public:
  static constexpr std::size_t kRowsPerStatement = 32;
  static constexpr std::int64_t kSpanRows = 4096;  // a span takes no more rows once it has so many …
  static constexpr std::int64_t kSpanMs = 60'000;  // … or would last longer

  // `database` must outlive it.
  static Result<LogRows> open(Database& database);

  // The models that the next entries' indices may name, by index; those stored before are not looked at
  // again.
  Status register_models(std::span<const ModelName> models);
  // All or nothing.
  Status append(std::span<const LogEntry> entries);

 private:
  struct Span {
    std::int64_t first_row = 0;
    std::int64_t last_row = 0;
    std::int64_t min_ms = 0;
    std::int64_t max_ms = 0;
  };

  Status insert(std::span<const LogEntry> entries);
  Result<Span> last_span();
  Status store_span(const Span& last, std::span<const LogEntry> entries);
  void bind(sqlite3_stmt* statement, std::size_t place, const LogEntry& entry,
            std::int64_t row) const noexcept;

  Database* database_ = nullptr;
  Statement begin_, commit_, rollback_;
  Statement insert_one_, insert_many_;
  Statement last_span_, store_span_;
  std::vector<std::int64_t> model_ids_;  // by index
};

}  // namespace reelsense::server
