#include "server/store/log_writer.h"

#include <algorithm>
#include <limits>

#include "server/store/log_schema.h"

namespace reelsense::server {

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kMsPerDay = 86'400'000;
constexpr int kChunksAtOnce = 4;  // of too old rows, between two looks at the queue

std::int64_t age_limit_ms(double days) {
  const double ms = days * static_cast<double>(kMsPerDay);
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max() / 2;
  return ms < static_cast<double>(kMost) ? static_cast<std::int64_t>(std::max(ms, 0.0)) : kMost;
}

}  // namespace

Status LogWriter::open() {
  store_.reset();
  opened_ = make_store();
  return opened_;
}

Status LogWriter::make_store() {
  auto store = std::make_unique<Store>();
  Result<Database> database = open_log_for_writing(options_.file);
  if (!database) return database.error();
  store->database = std::move(database.value());
  Result<LogRows> rows = LogRows::open(store->database);
  if (!rows) return rows.error();
  store->rows = std::move(rows.value());
  Result<LogRetention> retention = LogRetention::open(store->database, options_.max_bytes);
  if (!retention) return retention.error();
  store->retention = std::move(retention.value());
  Result<FeedbackStore> feedback = FeedbackStore::open(store->database, options_.max_bytes);
  if (!feedback) return feedback.error();
  store->feedback = std::move(feedback.value());
  Result<ObservationStore> observations = ObservationStore::open(store->database, options_.max_bytes);
  if (!observations) return observations.error();
  store->observations = std::move(observations.value());
  store_ = std::move(store);
  return ok_status();
}

void LogWriter::fail(Outcome& outcome, const Error& error) {
  ++outcome.failures;
  outcome.status = error;
}

void LogWriter::write(std::span<const ModelName> models, std::span<const LogEntry> entries,
                      Outcome& outcome) {
  if (entries.empty()) return;
  if (store_ == nullptr) {
    outcome.dropped += entries.size();
    return fail(outcome, opened_.error());
  }
  if (Status done = store_->rows.register_models(models); !done) {
    outcome.dropped += entries.size();
    return fail(outcome, done.error());
  }
  const std::size_t most = store_->retention.rows_per_transaction();
  while (!entries.empty()) {
    const auto part = entries.first(std::min(most, entries.size()));
    entries = entries.subspan(part.size());
    if (Status done = append(part, outcome); done) {
      outcome.written += part.size();
    } else {
      outcome.dropped += part.size();
      fail(outcome, done.error());
    }
  }
}

Status LogWriter::append(std::span<const LogEntry> entries, Outcome& outcome) {
  if (Status room = store_->retention.make_room(outcome.deleted); !room) return room.error();
  return store_->rows.append(entries);
}

void LogWriter::write_feedback(std::span<LogRequest> requests, Outcome& outcome) {
  if (requests.empty()) return;
  std::vector<FeedbackEntry> all;
  std::vector<Status> statuses;
  for (LogRequest& request : requests) {
    statuses.push_back(store_ == nullptr ? opened_ : store_->feedback.check_room(request.entries.size()));
    if (!statuses.back()) continue;
    std::move(request.entries.begin(), request.entries.end(), std::back_inserter(all));
  }
  if (store_ == nullptr) fail(outcome, opened_.error());
  if (!all.empty()) {
    Status stored = store_->retention.make_room(outcome.deleted);
    if (stored) stored = store_->feedback.store(all, clock_.wall_ns() / kNsPerMs);
    if (stored) {
      outcome.feedback += all.size();
    } else {
      fail(outcome, stored.error());
      for (Status& status : statuses) {
        if (status) status = stored;
      }
    }
  }
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].done(std::move(statuses[i]));
}

void LogWriter::write_observations(std::span<ObservationRequest> requests, Outcome& outcome) {
  if (requests.empty()) return;
  std::vector<ObservationsStored> stored(requests.size());
  const Status status = store_observations(requests, stored, outcome);
  if (!status) fail(outcome, status.error());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!status) {
      requests[i].done(status.error());
      continue;
    }
    if (!stored[i].repeated) outcome.observations += stored[i].observations;
    requests[i].done(stored[i]);
  }
}

Status LogWriter::store_observations(std::span<const ObservationRequest> requests,
                                     std::span<ObservationsStored> stored, Outcome& outcome) {
  if (store_ == nullptr) return opened_;
  if (Status room = store_->retention.make_room(outcome.deleted); !room) return room;
  std::vector<const ObservationBatch*> batches;
  for (const ObservationRequest& request : requests) batches.push_back(&request.batch);
  const std::int64_t day = clock_.wall_ns() / kNsPerMs / kMsPerDay;
  return store_->observations.store(batches, day, stored, outcome.observations_deleted);
}

void LogWriter::expire(Outcome& outcome) {
  if (store_ == nullptr) return;
  const std::int64_t cutoff_ms = clock_.wall_ns() / kNsPerMs - age_limit_ms(options_.retention_days);
  for (int i = 0; i < kChunksAtOnce; ++i) {
    Result<bool> more = expire_chunk(cutoff_ms, outcome);
    if (!more) return fail(outcome, more.error());
    outcome.more_to_delete = more.value();
    if (!more.value()) return;
  }
}

Result<bool> LogWriter::expire_chunk(std::int64_t cutoff_ms, Outcome& outcome) {
  Result<bool> more = store_->retention.expire(cutoff_ms, outcome.deleted);
  if (!more) return more;
  // Days that ended before the cutoff, as of observations only the day is known.
  Result<bool> more_observations =
      store_->observations.expire(cutoff_ms / kMsPerDay, outcome.observations_deleted);
  if (!more_observations) return more_observations;
  return more.value() || more_observations.value();
}

Status LogWriter::sync() {
  if (store_ == nullptr) return opened_;
  return store_->database.exec("PRAGMA wal_checkpoint(PASSIVE)");
}

}  // namespace reelsense::server
