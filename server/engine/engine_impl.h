// The engine's inside. One lock guards flows and queues; models run without it. Thread safety: as Engine.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "server/engine/engine.h"
#include "server/engine/flow_slots.h"
#include "server/engine/lanes.h"

namespace reelsense::server {

class Engine::Impl {
 public:
  Impl(const EngineOptions& options, const Clock& clock, std::vector<EngineObserver*> observers);
  ~Impl();

  Status prepare(const std::shared_ptr<const ServedModel>& model);
  void retire(const ServedModel& model);
  SubmitCode submit(std::unique_ptr<Job>& job);
  void drain(std::int64_t limit_ns);
  Status save(const std::filesystem::path& file);
  Result<std::size_t> restore(const std::filesystem::path& file, const ModelRepository& models);

  [[nodiscard]] FlowId flow_id(std::uint32_t principal, std::string_view flow) const noexcept;
  [[nodiscard]] std::unique_ptr<FlowView> find(FlowId flow);
  [[nodiscard]] bool remembered(FlowId flow, std::int64_t second, Decision& decision, std::string& model);
  bool forget(FlowId flow);
  [[nodiscard]] EngineStats stats();
  [[nodiscard]] std::int64_t retry_after_us();

 private:
  // What a worker scores at a time, with its buffers.
  struct Batch {
    std::vector<Pending*> scored;  // row i of the buffers is of scored[i]
    std::vector<Pending*> taken;   // these and what was answered without the model, in order
    std::vector<FlowSlot*> slots;  // whose they are, once each
    std::vector<float> windows, states, probabilities, next_states;
    std::vector<Answer> answers;  // copies: a job may be gone while observers look
    std::vector<LabelEvent> events;
    std::vector<std::unique_ptr<Job>> done;
    std::vector<JobListener*> told;
    std::int64_t started_ns = 0;
    std::int64_t compute_ns = 0;
  };

  // Under the lock.
  Lane& lane_of(const std::shared_ptr<const ServedModel>& model);
  FlowSlot* slot_for(Job& job, Job::Flow& flow, std::int64_t now_ns);
  void extract(Job& job, std::uint32_t flow, FlowSlot& slot);
  void enqueue(Job& job, const std::vector<FlowSlot*>& slots, std::int64_t now_ns);
  [[nodiscard]] FlowSlot* most_recent(FlowId flow);
  [[nodiscard]] Lane* choose_lane() noexcept;
  void collect(Lane& lane, Batch& batch, std::int64_t now_ns);
  [[nodiscard]] bool answer_without_model(Pending& window, std::int64_t now_ns) const noexcept;
  void finish(Batch& batch);
  void wake_for(const Lane& lane);
  void advance(FlowSlot& slot);
  [[nodiscard]] static Pending* take_next(FlowSlot& slot) noexcept;

  // A worker's.
  void work(std::size_t worker);
  static void gather(const Lane& lane, Batch& batch);
  static void settle(const Lane& lane, Batch& batch, const Status& scored);
  void tell_observers(const Lane& lane, Batch& batch, std::size_t still_queued);
  static void return_jobs(Batch& batch);

  const EngineOptions options_;
  const Clock& clock_;
  const std::vector<EngineObserver*> observers_;

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::array<std::uint8_t, 16> hash_key_;
  FlowSlots slots_;
  std::map<std::uint32_t, std::unique_ptr<Lane>> lanes_;  // by model serial
  std::vector<Lane*> round_;
  std::size_t turn_ = 0;
  std::size_t queued_ = 0;   // windows taken and not answered
  std::size_t waiting_ = 0;  // workers that sleep
  std::size_t filling_ = 0;  // of them those that will wake by themselves when a batch has waited enough
  std::size_t out_ = 0;      // batches being told to listeners
  std::int64_t ns_per_window_ = 0;  // smoothed
  bool draining_ = false;
  bool aborting_ = false;  // what is queued is answered kCancelled
  bool stopping_ = false;
  std::uint64_t windows_ = 0, batches_ = 0, rejected_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace reelsense::server
