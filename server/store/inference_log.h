// InferenceLog: what was decided, and what it really was, in SQLite (WAL).
//
// append() hands entries to a bounded queue and returns at once; a writer thread stores them in batches, one
// transaction each. What does not fit into the queue is counted as dropped, never waited for. feedback() is
// durable when its callback says so: a kill -9 after it loses nothing. Flows are keyed hashes; no address,
// name or payload is ever stored. Old entries go by age and by size of the file. If the disk is full or
// fails, entries are dropped and counted, feedback is refused with the reason, and writing is tried again.
// observations() is durable likewise (observations.h).
//
// Tables (docs/reference/inference-log.md), of the log: models(id, name, version, tier); log(row, time_ms,
// flow, second, model, flags, confidence, queue_us, compute_us, principal), in the order written;
// spans(first_row, last_row, min_ms, max_ms), which finds the rows of a time; feedback(flow, second, truth,
// time_ms, model, label, confidence) with primary key (flow, second): a later truth replaces the earlier one.
// Views: `decisions`, readable rows; `misclassified`, feedback whose truth is not the label.
//
// Thread safety: every member from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "server/base/clock.h"
#include "server/store/observations.h"

namespace reelsense::server {

struct LogOptions {
  std::filesystem::path file;  // ":memory:" is not accepted
  double retention_days = 30;
  std::uint64_t max_bytes = 4ULL << 30;
  std::size_t queue_entries = 262'144;
  std::int64_t flush_ms = 200;
};

struct LogEntry {
  std::int64_t time_ms = 0;  // wall clock
  std::uint64_t flow = 0;    // FlowId::high
  std::int64_t second = 0;
  std::uint32_t queue_us = 0;
  std::uint32_t compute_us = 0;
  std::uint32_t principal = 0;
  float confidence = 0;
  std::uint16_t model = 0;  // of model_index()
  bool video = false;
  bool uncertain = false;
};

struct FeedbackEntry {
  std::uint64_t flow = 0;
  std::int64_t second = 0;
  bool truth_video = false;
  // What the server had said, if it is still known; else looked up in the log when stored.
  std::optional<bool> label_video;
  float confidence = 0;
  std::string model;  // "name@version"; empty: not known
};

struct LogQuery {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = INT64_MAX;
  std::optional<std::uint64_t> flow = {};
  std::string model = {};  // "name" or "name@version"; empty: all
  std::optional<bool> video = {};
  std::optional<bool> uncertain = {};
  std::optional<double> max_confidence = {};
  bool misclassified = false;           // only windows whose truth is known and another
  bool with_truth = false;              // only windows whose truth is known
  std::int64_t before_row = INT64_MAX;  // for the next page: LogPage::next
  std::size_t limit = 100;              // at most 10,000
};

struct LogRow {
  std::int64_t row = 0;
  LogEntry entry;
  std::string model;
  std::string version;
  std::string tier;
  std::optional<bool> truth_video;
};

struct LogPage {
  std::vector<LogRow> rows;  // newest first
  // before_row of the next page; 0: there is none. A query looks at a bounded number of rows: a page may be
  // short, even empty, and have a next one.
  std::int64_t next = 0;
};

struct LogStats {
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;  // queue full or disk failed
  std::uint64_t feedback = 0;
  std::uint64_t observations = 0;
  std::uint64_t observations_deleted = 0;  // by retention
  std::uint64_t failures = 0;              // transactions that failed
  std::uint64_t deleted = 0;               // by retention
  std::size_t queued = 0;
  std::uint64_t file_bytes = 0;  // with its write-ahead log
  std::string last_error;        // empty: all is well
};

class InferenceLog {
 public:
  // Creates or opens the file and starts the writer. kIo, kCorrupt (not SQLite, another layout: named with
  // its version).
  static Result<std::unique_ptr<InferenceLog>> open(const LogOptions& options, const Clock& clock);
  ~InferenceLog();  // writes what is queued

  // The index of a model for LogEntry::model. Cheap when known.
  std::uint16_t model_index(const std::string& name, const std::string& version, const std::string& tier);

  // Never blocks on the disk. Returns how many were taken.
  std::size_t append(std::span<const LogEntry> entries);

  // `done` is called from the writer thread once all are durable, or with why not; then none is. It must not
  // block. If too much feedback waits already it is called at once, from this thread (kLimit).
  void feedback(std::vector<FeedbackEntry> entries, std::function<void(Status)> done);

  // Likewise, with what was stored, then or now.
  void observations(ObservationBatch batch, std::function<void(Result<ObservationsStored>)> done);

  // Reads on a connection of its own; sees what was flushed. kInvalidArgument, kIo.
  Result<LogPage> query(const LogQuery& query);
  Result<ObservationPage> query_observations(const ObservationQuery& query);

  // Returns when everything appended before is on the disk.
  Status flush();
  [[nodiscard]] LogStats stats() const;

 private:
  struct Impl;
  explicit InferenceLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
