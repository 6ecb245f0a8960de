// Lanes: what waits to be scored, and in which order it is taken.
//
// A lane is one model version's. In it each principal has a queue of windows that may be scored now: the
// first waiting window of each of its flows that has none with a worker, and windows of no flow. A batch goes
// round the principals, a window each, so that none can keep others waiting, and holds at most one window of
// a flow. Thread safety: none; the engine's lock guards it.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "server/engine/engine.h"

namespace reelsense::server {

struct FlowSlot;
struct Lane;

// One window of a job on its way. Lives in the job, which lives until all of its windows are answered.
struct Pending {
  Job* job = nullptr;
  std::int64_t submitted_ns = 0;
  FlowSlot* slot = nullptr;  // null: of no flow
  Lane* lane = nullptr;
  Pending* next = nullptr;       // in its flow's queue, or among the ready
  std::uint32_t index = 0;       // of its answer and row
  std::uint32_t generation = 0;  // of the slot when it was queued
};

struct Lane {
  struct Queue {
    Pending* head = nullptr;
    Pending* tail = nullptr;
    std::uint32_t principal = 0;
    bool active = false;
  };

  explicit Lane(std::shared_ptr<const ServedModel> its_model);

  void push(Pending& pending);
  // The next window, or null.
  Pending* pop() noexcept;

  std::shared_ptr<const ServedModel> model;
  bool retired = false;                          // no longer served: its flows begin anew elsewhere
  std::vector<std::unique_ptr<Scorer>> scorers;  // by worker
  std::size_t pending = 0;                       // windows queued, ready or with a worker
  std::size_t ready = 0;                         // windows in the queues
  std::int64_t oldest_ns = 0;                    // since when the first of them waited
  std::uint64_t family = 0, exact = 0;  // parts of its flows' ids: of its name, and of name and version

 private:
  std::unordered_map<std::uint32_t, Queue> queues_;  // by principal: as many as there are keys
  std::vector<Queue*> round_;                        // active ones
  std::size_t turn_ = 0;
};

}  // namespace reelsense::server
