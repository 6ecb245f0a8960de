// Engine: every API's one door. Jobs of windows or packets in, answers out.
//
// A job is one request. Its windows are copied into per-flow queues; workers take at most one window of each
// flow into a batch, go round the principals in turn, and carry the flow's state from one window to the next,
// so the answers of a flow do not depend on what else is asked at the time. Seconds of a flow must rise: one
// that was answered before gets the remembered answer (repeated), an older one kOutOfOrder.
//
// A flow keeps the model version that it began with while that version is served; then it begins anew on the
// present one. Each model name has its own state of a flow, and so has a version that is asked for by its
// number. A flow without a window for `idle_timeout` is forgotten; over `max_flows` the one idle longest
// gives way.
//
// Ownership: submit() takes the job if it returns kAccepted, and gives it back through JobListener::on_done
// exactly once, whatever happens; otherwise the caller still owns it and nothing of it was looked at. on_done
// may be called before submit() returns (a job without windows).
//
// Thread safety: every member from any thread. Listeners are called from worker threads, without locks held;
// they must not block and may submit again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/flow/flow_key.h"
#include "server/base/clock.h"
#include "server/models/repository.h"
#include "server/models/served_model.h"
#include "server/security/principal.h"

namespace reelsense::server {

// Keyed 128-bit hash of principal and flow name; `high` is the flow hash that logs and clients see. 0,0: no
// flow; the window is scored alone and nothing is remembered.
struct FlowId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const FlowId&, const FlowId&) = default;
};

enum class AnswerCode : std::uint8_t {
  kOk,
  kRepeated,    // asked before: the answer given then
  kOutOfOrder,  // its second is before the flow's last and no longer remembered
  kInvalid,     // NaN or infinite values
  kDeadline,
  kCancelled,
  kInternal,  // the model failed
  kPending,   // not answered yet; never seen in on_done
};
const char* name_of(AnswerCode code) noexcept;  // "ok", "repeated", "out_of_order", …

struct Answer {
  std::int64_t second = 0;
  Decision decision;
  AnswerCode code = AnswerCode::kPending;
  bool restarted = false;  // the flow's state began anew because its model version went away
  std::uint32_t flow = 0;  // index into Job::flows
  std::uint32_t queue_us = 0;
  std::uint32_t compute_us = 0;  // of its whole batch
};

struct PacketIn {
  std::int64_t time_ns = 0;  // since the epoch, ≥ 0
  std::uint32_t bytes = 0;   // on the wire
  Direction direction = Direction::kUp;
};

class Job;
struct Pending;

class JobListener {
 public:
  virtual ~JobListener() = default;
  // All of the job's answers are there; it is the listener's again.
  virtual void on_done(std::unique_ptr<Job> job) = 0;
  // After the last on_done of a batch, once for each listener that had one: the time to send. A listener must
  // live until then: one that counts its jobs may go away in here, not in on_done.
  virtual void on_batch_end() {}
};

// Build it, submit it, read the answers, reuse it after clear(). Not thread-safe by itself.
class Job {
 public:
  Job();
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  struct Flow {
    FlowId id;
    std::uint64_t tag = 0;  // the caller's; not looked at
    std::uint32_t first_packet = 0;
    std::uint32_t packets = 0;
    std::int64_t until_ns = 0;  // packets: event time has reached this
    bool end = false;           // forget the flow after its last window here
    std::shared_ptr<const ServedModel> model =
        nullptr;  // that answered, set by the engine (null if none was asked)
  };

  // What is asked.
  std::shared_ptr<const ServedModel> model;  // required; a flow that is known may be on another version of it
  bool exact = false;  // `model` was named with its version: its flows are kept apart and stay on it
  std::uint32_t principal = 0;
  std::int64_t deadline_steady_ns = 0;  // 0: none
  JobListener* listener = nullptr;      // must outlive the job
  std::uint64_t tag = 0;                // the caller's
  std::vector<Flow> flows;
  std::vector<PacketIn> packets;  // of all flows, by Flow::first_packet (packet view only)
  std::vector<float> rows;        // [answers.size(), model->width()], in the order of answers
  // One a window; the caller sets flow and second. Packets append theirs (and rows) when the job is
  // submitted.
  std::vector<Answer> answers;
  // Optional, stateless use (a flow id of zero): states in [answers.size(), state_width], next states out.
  std::vector<float> states;
  std::vector<float> next_states;
  // Set from any thread: windows not yet begun are answered kCancelled.
  std::atomic<bool> cancelled{false};

  // Adds one window; returns where to write its width() floats.
  float* add_window(std::uint32_t flow, std::int64_t second);
  void clear();  // keeps capacity

 private:
  friend class Engine;            // and its Impl
  std::vector<Pending> pending_;  // one an answer that is to be scored
  std::uint32_t open_ = 0;        // of them not answered yet; the engine's lock guards it
  std::int64_t submitted_ns_ = 0;
};

enum class SubmitCode : std::uint8_t { kAccepted, kQueueFull, kDraining };

struct EngineOptions {
  std::size_t max_batch = 128;
  std::int64_t max_wait_ns = 1'000'000;  // of the oldest window for others to join its batch
  std::size_t queue_windows = 65'536;
  std::size_t workers = 1;
  std::size_t max_flows = 200'000;
  std::int64_t idle_timeout_ns = 120'000'000'000;
  std::array<std::uint8_t, 16> hash_key{};  // of flow names
  bool hash_key_fixed = false;              // configured: a snapshot under another key is refused
};

// What the log and the metrics receive, from worker threads, a batch at a time.
struct LabelEvent {
  FlowId flow;
  std::uint32_t principal = 0;
  const Answer* answer = nullptr;
};
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  // A batch was computed. `labels` are its answered windows; valid during the call.
  virtual void on_batch(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns,
                        std::size_t still_queued) = 0;
};

// One flow as /v1/flows/{id} shows it.
struct FlowView {
  std::uint64_t hash = 0;
  std::string model;
  std::uint32_t generation = 0;
  std::uint64_t windows = 0;
  std::int64_t first_second = 0;
  std::int64_t last_second = 0;
  std::int64_t idle_ns = 0;  // since its last window, by the server's clock
  struct Past {
    std::int64_t second;
    Decision decision;
  };
  std::vector<Past> last;  // newest first, at most kRemembered
};

struct EngineStats {
  std::size_t live_flows = 0;
  std::size_t queued_windows = 0;
  std::uint64_t flows_opened = 0;
  std::uint64_t flows_expired = 0;
  std::uint64_t flows_evicted = 0;
  std::uint64_t windows = 0;
  std::uint64_t batches = 0;
  std::uint64_t rejected_jobs = 0;
  std::size_t state_bytes = 0;
};

class Engine {
 public:
  static constexpr std::size_t kRemembered = 8;  // last labels a flow keeps

  Engine(const EngineOptions& options, const Clock& clock, std::vector<EngineObserver*> observers);
  ~Engine();  // drains

  [[nodiscard]] FlowId flow_id(std::uint32_t principal, std::string_view flow) const noexcept;

  // Compiles the model for every worker, so that its first windows do not wait for that. Call it before it is
  // served.
  Status prepare(const std::shared_ptr<const ServedModel>& model);
  // The model is served no longer: its flows begin anew, on what their next windows ask for.
  void retire(const ServedModel& model);

  // kAccepted: the engine has taken `job` and left it null. kQueueFull: more windows than the queue has room
  // for now.
  SubmitCode submit(std::unique_ptr<Job>& job);

  [[nodiscard]] std::unique_ptr<FlowView> find(FlowId flow) const;  // null: not known
  // The label given for that second, if still remembered.
  [[nodiscard]] bool remembered(FlowId flow, std::int64_t second, Decision& decision,
                                std::string& model) const;
  bool forget(FlowId flow);

  [[nodiscard]] EngineStats stats() const;
  // Microseconds until the queue has room again, estimated from its recent speed; for Retry-After. At least 1
  // ms.
  [[nodiscard]] std::int64_t retry_after_us() const;

  // Takes nothing new and returns when everything taken is answered (or, after `limit_ns`, cancelled).
  void drain(std::int64_t limit_ns);

  // The state of every live flow, in a versioned file written beside and renamed. Call after drain().
  Status save(const std::filesystem::path& file) const;
  // Takes flows whose model version is served and whose time has not run out; returns how many. The file's
  // flow ids are under its own hash key, which the engine takes over: call before the first submit.
  Result<std::size_t> restore(const std::filesystem::path& file, const ModelRepository& models);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
