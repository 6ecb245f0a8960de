// Queries of the observations: SQL, its parameters, rows out. Bounded work: a page looks at no more than
// kScanRows rows, and may then be short, with its `more` saying so. Thread safety: functions without state; a
// connection belongs to one thread at a time.
#pragma once

#include "server/store/observations.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

inline constexpr std::size_t kMostObservationRows = 10'000;
inline constexpr std::int64_t kObservationScanRows = 200'000;

// kInvalidArgument names the field.
Result<ObservationPage> read_observations(Database& database, const ObservationQuery& query);

}  // namespace reelsense::server
