// FlowSlots: the state of every live flow, in slots that are reused.
//
// A slot's generation rises whenever it is given to another flow, and what is under way remembers it, so
// state cannot leak from one flow to the next. The index is open addressing over the flow id, which is a
// keyed hash already. Slots never move. A slot with windows queued or being scored is busy: it leaves the
// index when it is forgotten and is reused only when the last of them is done. Memory: about 280 bytes a
// flow, its model's state, and 456 more if it sends packets. Thread safety: none; the engine's lock guards
// it, but for the state of a slot that is being scored, which is its worker's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/engine.h"
#include "server/engine/packet_flow.h"

namespace reelsense::server {

struct Pending;
struct Lane;

struct FlowSlot {
  static constexpr std::uint32_t kNone = 0xffffffffU;

  FlowId id;
  std::uint32_t self = 0;  // its index
  std::uint32_t generation = 0;
  std::uint32_t older = kNone, newer = kNone;  // by last use
  bool indexed = false;                        // found by its id
  bool taken = false;                          // a window of it is ready, with a worker or not told yet
  bool restarted = false;                      // its next answer is the first on another model version
  std::uint32_t queued = 0;                    // windows waiting, ready or with a worker
  Pending* head = nullptr;                     // waiting ones, in order
  Pending* tail = nullptr;
  Lane* lane = nullptr;  // its model's
  std::int64_t used_steady_ns = 0;
  std::int64_t first_second = 0;
  std::int64_t last_second = INT64_MIN;  // answered
  std::uint64_t windows = 0;             // answered
  std::unique_ptr<float[]> state;        // [state_width]
  std::unique_ptr<PacketFlow> packets;
  std::array<std::int64_t, Engine::kRemembered> past_second{};  // ring, at windows % kRemembered
  std::array<float, Engine::kRemembered> past_probability{};

  [[nodiscard]] bool busy() const noexcept { return taken || queued > 0; }
  // The answer to `second`, if it is one of the last kRemembered.
  [[nodiscard]] bool recall(std::int64_t second, float& probability) const noexcept;
  void remember(std::int64_t second, float probability) noexcept;
};

class FlowSlots {
 public:
  explicit FlowSlots(std::size_t max_flows);

  // Null: not known.
  [[nodiscard]] FlowSlot* find(FlowId id) noexcept;
  [[nodiscard]] const FlowSlot* find(FlowId id) const noexcept;
  // A fresh slot under an id that is not there; evicts the idle one used longest ago when full.
  FlowSlot& insert(FlowId id);
  // Puts it on a lane's model with a state of zeros; what its packets left behind stays.
  void restart(FlowSlot& slot, Lane& lane);
  void add_packets(FlowSlot& slot);
  // Moves it to the newest end.
  void touch(FlowSlot& slot, std::int64_t steady_ns) noexcept;
  // Forgets a flow: at once, or when its last window is done.
  void forget(FlowSlot& slot) noexcept;
  // The same, counted as expired.
  void forget_idle(FlowSlot& slot) noexcept;
  // Gives back a slot that was forgotten while busy. Precondition: !busy(), !indexed.
  void release(FlowSlot& slot) noexcept;
  // Forgets idle flows last used before `steady_ns`, at most `limit`.
  void expire(std::int64_t steady_ns, std::size_t limit) noexcept;

  [[nodiscard]] FlowSlot& slot(std::uint32_t index) noexcept {
    return chunks_[index / kChunk][index % kChunk];
  }
  [[nodiscard]] const FlowSlot& slot(std::uint32_t index) const noexcept {
    return chunks_[index / kChunk][index % kChunk];
  }
  // Calls f(const FlowSlot&) for each live flow, the one used longest ago first.
  template <class F>
  void each(F&& f) const {
    for (std::uint32_t i = oldest_; i != FlowSlot::kNone; i = slot(i).newer) f(slot(i));
  }

  [[nodiscard]] std::size_t live() const noexcept { return live_; }
  [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }
  [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  static constexpr std::size_t kChunk = 256;

  // The place in index_ that holds `id`, or the empty one where it belongs.
  [[nodiscard]] std::size_t place_of(FlowId id) const noexcept;
  void unlink(FlowSlot& slot) noexcept;
  void link_newest(FlowSlot& slot) noexcept;
  void erase_index(FlowId id) noexcept;
  void grow_index();
  void evict() noexcept;

  std::size_t max_flows_;
  std::vector<std::unique_ptr<FlowSlot[]>> chunks_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> index_;  // power of two, at most half full; kNone: empty
  std::uint32_t oldest_ = FlowSlot::kNone, newest_ = FlowSlot::kNone;
  std::size_t live_ = 0;        // indexed
  std::size_t heap_bytes_ = 0;  // of states and packets
  std::uint64_t opened_ = 0, expired_ = 0, evicted_ = 0;
};

}  // namespace reelsense::server
