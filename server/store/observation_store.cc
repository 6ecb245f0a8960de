#include "server/store/observation_store.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "server/store/log_schema.h"

namespace reelsense::server {

static_assert(std::endian::native == std::endian::little, "features are stored as they lie in memory");

Result<ObservationStore> ObservationStore::open(Database& database, std::uint64_t max_bytes) {
  ObservationStore store;
  store.database_ = &database;
  store.most_observations_ = static_cast<std::int64_t>(max_bytes / 4) / kBytesPerObservation;
  store.most_batches_ = static_cast<std::int64_t>(max_bytes / 16) / kBytesPerBatch;
  for (auto [statement, sql] : {
           std::pair(&store.known_, "SELECT observations FROM observation_batches WHERE batch = ?"),
           std::pair(&store.insert_batch_, "INSERT INTO observation_batches VALUES(?,?,?)"),
           // A random id, not negative: where a row lies says nothing of what it came with.
           std::pair(&store.insert_row_,
                     "INSERT INTO observations VALUES(?, random() & 0x7fffffffffffffff, ?,?,?,?,?,?,?,?)"),
           std::pair(&store.insert_schema_,
                     "INSERT OR IGNORE INTO observation_schemas(view, schema_hash) VALUES(?,?)"),
           std::pair(&store.find_schema_,
                     "SELECT id FROM observation_schemas WHERE view = ? AND schema_hash = ?"),
           std::pair(&store.count_day_,
                     "INSERT INTO observation_days VALUES(?,?,1) ON CONFLICT(day) DO UPDATE SET "
                     "observations = observations + excluded.observations, batches = batches + 1"),
           std::pair(&store.observations_, "SELECT sum(observations) FROM observation_days"),
           std::pair(&store.batches_, "SELECT sum(batches) FROM observation_days"),
           std::pair(&store.oldest_observations_,
                     "SELECT coalesce(min(day), 9223372036854775807) FROM observation_days "
                     "WHERE observations > 0"),
           std::pair(&store.oldest_batches_,
                     "SELECT coalesce(min(day), 9223372036854775807) FROM observation_days "
                     "WHERE batches > 0"),
           std::pair(&store.delete_observations_,
                     "DELETE FROM observations WHERE day = ?1 AND id IN "
                     "(SELECT id FROM observations WHERE day = ?1 ORDER BY id LIMIT 1024)"),
           std::pair(&store.delete_batches_,
                     "DELETE FROM observation_batches WHERE batch IN "
                     "(SELECT batch FROM observation_batches WHERE day = ? LIMIT 1024)"),
           // Nothing was there though the count said so: somebody else deleted it.
           std::pair(&store.uncount_observations_,
                     "UPDATE observation_days SET observations = iif(?2 = 0, 0, max(observations - ?2, 0)) "
                     "WHERE day = ?1"),
           std::pair(&store.uncount_batches_,
                     "UPDATE observation_days SET batches = iif(?2 = 0, 0, max(batches - ?2, 0)) "
                     "WHERE day = ?1"),
           std::pair(&store.forget_days_,
                     "DELETE FROM observation_days WHERE observations = 0 AND batches = 0"),
       }) {
    Result<Statement> prepared = database.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(prepared.value());
  }
  return store;
}

Status ObservationStore::store(std::span<const ObservationBatch* const> batches, std::int64_t day,
                               std::span<ObservationsStored> stored, std::uint64_t& deleted) {
  std::uint64_t gone = 0;
  const Status done = durably(*database_, [&]() -> Status {
    std::int64_t observations = 0;
    for (const ObservationBatch* batch : batches) {
      observations += static_cast<std::int64_t>(batch->observations.size());
    }
    const auto n = static_cast<std::int64_t>(batches.size());
    if (Status room = make_room(observations, n, gone); !room) return room.error();
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (Status inserted = insert(*batches[i], day, stored[i]); !inserted) return inserted.error();
    }
    return ok_status();
  });
  if (done) deleted += gone;
  return done;
}

Status ObservationStore::insert(const ObservationBatch& batch, std::int64_t day, ObservationsStored& stored) {
  const std::string_view id(reinterpret_cast<const char*>(batch.id.data()), batch.id.size());
  Result<bool> known = known_.bind_blob(1, id).step();
  if (!known) return known.error();
  stored.repeated = known.value();
  if (stored.repeated) {
    stored.observations = static_cast<std::size_t>(known_.integer(0));
    known_.reset();
    return ok_status();
  }
  stored.observations = batch.observations.size();
  if (batch.observations.empty()) return ok_status();  // nothing to remember
  const auto n = static_cast<std::int64_t>(batch.observations.size());
  if (Status done = insert_batch_.bind_blob(1, id).bind(2, day).bind(3, n).run(); !done) return done.error();
  if (Status done = count_day_.bind(1, day).bind(2, n).run(); !done) return done.error();
  Result<std::int64_t> schema = schema_id(batch);
  if (!schema) return schema.error();
  return insert_rows(batch, schema.value(), day);
}

Status ObservationStore::insert_rows(const ObservationBatch& batch, std::int64_t schema, std::int64_t day) {
  const std::size_t row_bytes = batch.width * sizeof(std::int16_t);
  const auto* bytes = reinterpret_cast<const char*>(batch.values.data());
  insert_row_.bind(1, day).bind(2, schema).bind(3, std::string_view(batch.model));
  insert_row_.bind(4, std::string_view(batch.sdk)).bind_real(5, batch.epsilon);
  for (std::size_t i = 0; i < batch.observations.size(); ++i) {
    const Observation& one = batch.observations[i];
    const std::int64_t flags = (one.video ? kFlagVideo : 0) | (one.uncertain ? kFlagUncertain : 0);
    insert_row_.bind(6, flags).bind(7, stored_confidence(one.confidence)).bind_null(8);
    if (one.truth_video) insert_row_.bind(8, static_cast<std::int64_t>(*one.truth_video));
    insert_row_.bind_blob(9, std::string_view(bytes + i * row_bytes, row_bytes));
    if (Status done = insert_row_.run(); !done) return done.error();
  }
  return ok_status();
}

Result<std::int64_t> ObservationStore::schema_id(const ObservationBatch& batch) {
  const std::string_view view = batch.view;
  const std::string_view hash = batch.schema_hash;
  if (Status done = insert_schema_.bind(1, view).bind(2, hash).run(); !done) return done.error();
  return find_schema_.bind(1, view).bind(2, hash).number();
}

Status ObservationStore::make_room(std::int64_t observations, std::int64_t batches, std::uint64_t& deleted) {
  for (;;) {
    Result<std::int64_t> have = observations_.number();
    if (!have) return have.error();
    if (have.value() == 0 || have.value() + observations <= most_observations_) break;
    Result<std::int64_t> gone = delete_observations(INT64_MAX);
    if (!gone) return gone.error();
    deleted += static_cast<std::uint64_t>(gone.value());
  }
  for (;;) {
    Result<std::int64_t> have = batches_.number();
    if (!have) return have.error();
    if (have.value() == 0 || have.value() + batches <= most_batches_) break;
    Result<std::int64_t> gone = delete_batches(INT64_MAX);
    if (!gone) return gone.error();
  }
  return ok_status();
}

Result<bool> ObservationStore::expire(std::int64_t day, std::uint64_t& deleted) {
  Result<std::int64_t> oldest = oldest_observations_.number();
  if (!oldest) return oldest.error();
  Result<std::int64_t> oldest_batches = oldest_batches_.number();
  if (!oldest_batches) return oldest_batches.error();
  const bool rows_due = oldest.value() < day;
  const bool batches_due = oldest_batches.value() < day;
  if (!rows_due && !batches_due) return false;
  std::int64_t rows = 0;
  const Status done = durably(*database_, [&]() -> Status {
    if (rows_due) {
      Result<std::int64_t> gone = delete_observations(day);
      if (!gone) return gone.error();
      rows = gone.value();
    }
    if (batches_due) {
      Result<std::int64_t> gone = delete_batches(day);
      if (!gone) return gone.error();
    }
    return ok_status();
  });
  if (!done) return done.error();
  deleted += static_cast<std::uint64_t>(rows);
  return true;
}

Result<std::int64_t> ObservationStore::delete_observations(std::int64_t before_day) {
  Result<std::int64_t> day = oldest_observations_.number();
  if (!day) return day.error();
  if (day.value() >= before_day) return std::int64_t{0};
  if (Status done = delete_observations_.bind(1, day.value()).run(); !done) return done.error();
  const std::int64_t gone = sqlite3_changes64(database_->handle());
  if (Status done = uncount_observations_.bind(1, day.value()).bind(2, gone).run(); !done)
    return done.error();
  if (Status done = forget_days_.run(); !done) return done.error();
  return gone;
}

Result<std::int64_t> ObservationStore::delete_batches(std::int64_t before_day) {
  Result<std::int64_t> day = oldest_batches_.number();
  if (!day) return day.error();
  if (day.value() >= before_day) return std::int64_t{0};
  if (Status done = delete_batches_.bind(1, day.value()).run(); !done) return done.error();
  const std::int64_t gone = sqlite3_changes64(database_->handle());
  if (Status done = uncount_batches_.bind(1, day.value()).bind(2, gone).run(); !done) return done.error();
  if (Status done = forget_days_.run(); !done) return done.error();
  return gone;
}

}  // namespace reelsense::server
