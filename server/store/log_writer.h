// LogWriter: everything that changes the inference log's file, on one connection. Thread safety: none;
// InferenceLog's writer thread owns it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "server/store/feedback_store.h"
#include "server/store/inference_log.h"
#include "server/store/log_retention.h"
#include "server/store/log_rows.h"
#include "server/store/observation_store.h"

namespace reelsense::server {

struct LogRequest {
  std::vector<FeedbackEntry> entries;
  std::function<void(Status)> done;
};

struct ObservationRequest {
  ObservationBatch batch;
  std::function<void(Result<ObservationsStored>)> done;
};

class LogWriter {
 public:
  struct Outcome {
    std::uint64_t written = 0;
    std::uint64_t dropped = 0;
    std::uint64_t feedback = 0;
    std::uint64_t observations = 0;
    std::uint64_t observations_deleted = 0;
    std::uint64_t deleted = 0;
    std::uint64_t failures = 0;
    bool more_to_delete = false;
    Status status = ok_status();  // the last failure
  };

  LogWriter(const LogOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  Status open();
  void close() noexcept { store_.reset(); }
  // True if the file must be opened (again): it never was, or was removed or replaced by somebody.
  [[nodiscard]] bool must_open() const noexcept { return store_ == nullptr || store_->database.moved(); }

  // Entries in transactions of bounded size, then all feedback in one and all observations in one, then what
  // is too old.
  void write(std::span<const ModelName> models, std::span<const LogEntry> entries, Outcome& outcome);
  // Tells each request what became of it.
  void write_feedback(std::span<LogRequest> requests, Outcome& outcome);
  void write_observations(std::span<ObservationRequest> requests, Outcome& outcome);
  void expire(Outcome& outcome);
  // Waits until all that was written is on the disk.
  Status sync();

 private:
  struct Store {
    Database database;
    LogRows rows;
    LogRetention retention;
    FeedbackStore feedback;
    ObservationStore observations;
  };

  Status make_store();
  static void fail(Outcome& outcome, const Error& error);
  Status store_observations(std::span<const ObservationRequest> requests,
                            std::span<ObservationsStored> stored, Outcome& outcome);
  Result<bool> expire_chunk(std::int64_t cutoff_ms, Outcome& outcome);
  Status append(std::span<const LogEntry> entries, Outcome& outcome);

  const LogOptions options_;
  const Clock& clock_;
  Status opened_ = ok_status();   // why there is no store
  std::unique_ptr<Store> store_;  // its parts point at its database
};

}  // namespace reelsense::server
