// ObservationStore: anonymised windows into the inference log's tables `observations`, `observation_batches`
// and `observation_days`, durable when store() returns.
//
// A batch that is known is not stored again. The oldest days go by age and, as the log's rows, by size: the
// windows may take a quarter of the file, the batches' ids a sixteenth. Thread safety: none.
#pragma once

#include <cstdint>
#include <span>

#include "server/store/observations.h"
#include "server/store/sqlite.h"

namespace reelsense::server {

class ObservationStore {
 public:
  static constexpr std::int64_t kBytesPerObservation = 320;  // more than one takes, half-empty pages included
  static constexpr std::int64_t kBytesPerBatch = 96;         // likewise, with its index entry
  static constexpr std::int64_t kChunk = 1024;               // deleted at once

  // `database` must outlive it. `max_bytes`: of the file.
  static Result<ObservationStore> open(Database& database, std::uint64_t max_bytes);

  // All or nothing, on the disk when it returns. `stored` [batches.size()] is written. `deleted` counts
  // windows that gave way.
  Status store(std::span<const ObservationBatch* const> batches, std::int64_t day,
               std::span<ObservationsStored> stored, std::uint64_t& deleted);
  // Deletes one chunk of windows and one of batches that came before `day`. True: there is more.
  Result<bool> expire(std::int64_t day, std::uint64_t& deleted);

 private:
  Status insert(const ObservationBatch& batch, std::int64_t day, ObservationsStored& stored);
  Status insert_rows(const ObservationBatch& batch, std::int64_t schema, std::int64_t day);
  Result<std::int64_t> schema_id(const ObservationBatch& batch);
  // Deletes the oldest of both kinds until `observations` and `batches` more are within the bounds.
  Status make_room(std::int64_t observations, std::int64_t batches, std::uint64_t& deleted);
  // Deletes a chunk of the oldest day's; how many there were. Precondition: a transaction is open.
  Result<std::int64_t> delete_observations(std::int64_t before_day);
  Result<std::int64_t> delete_batches(std::int64_t before_day);

  Database* database_ = nullptr;
  std::int64_t most_observations_ = 0;
  std::int64_t most_batches_ = 0;
  Statement known_, insert_batch_, insert_row_, insert_schema_, find_schema_, count_day_;
  Statement observations_, batches_, oldest_observations_, oldest_batches_;
  Statement delete_observations_, delete_batches_, uncount_observations_, uncount_batches_, forget_days_;
};

}  // namespace reelsense::server
