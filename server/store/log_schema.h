// The inference log's layout on the disk: tables, views, and the checks before one is written to.
// docs/reference/inference-log.md describes it. Thread safety: as Database.
#pragma once

#include <filesystem>

#include "server/store/sqlite.h"

namespace reelsense::server {

inline constexpr std::int64_t kLogLayout = 2;                  // PRAGMA user_version
inline constexpr std::int64_t kLogApplicationId = 0x52534c47;  // PRAGMA application_id, "RSLG"

inline constexpr int kFlagVideo = 1;  // of log.flags
inline constexpr int kFlagUncertain = 2;
inline constexpr double kConfidenceOne = 10'000;  // confidence is stored in 1/10000
// Of any float; 0 for NaN.
std::int64_t stored_confidence(float confidence) noexcept;

// Opens the file for writing, with the layout made if it is new, and brought up to date if it is an earlier
// one. kIo; kCorrupt: not SQLite, not an inference
// log, another layout (both are named), damaged.
Result<Database> open_log_for_writing(const std::filesystem::path& file);
// For reading only. The file must be open for writing elsewhere (WAL).
Result<Database> open_log_for_reading(const std::filesystem::path& file);

}  // namespace reelsense::server
