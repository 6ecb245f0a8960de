#include "server/engine/flow_slots.h"

#include <algorithm>
#include <cassert>

#include "server/engine/lanes.h"

namespace reelsense::server {

bool FlowSlot::recall(std::int64_t second, float& probability) const noexcept {
  const std::size_t kept = std::min<std::uint64_t>(windows, past_second.size());
  for (std::size_t i = 0; i < kept; ++i) {
    if (past_second[i] != second) continue;
    probability = past_probability[i];
    return true;
  }
  return false;
}

void FlowSlot::remember(std::int64_t second, float probability) noexcept {
  const std::size_t at = windows % past_second.size();
  past_second[at] = second;
  past_probability[at] = probability;
  if (windows == 0) first_second = second;
  last_second = second;
  ++windows;
}

FlowSlots::FlowSlots(std::size_t max_flows) : max_flows_(max_flows), index_(1024, FlowSlot::kNone) {}

std::size_t FlowSlots::place_of(FlowId id) const noexcept {
  const std::size_t mask = index_.size() - 1;
  std::size_t at = id.low & mask;
  while (index_[at] != FlowSlot::kNone && slot(index_[at]).id != id) at = (at + 1) & mask;
  return at;
}

FlowSlot* FlowSlots::find(FlowId id) noexcept {
  const std::uint32_t found = index_[place_of(id)];
  return found == FlowSlot::kNone ? nullptr : &slot(found);
}

const FlowSlot* FlowSlots::find(FlowId id) const noexcept {
  const std::uint32_t found = index_[place_of(id)];
  return found == FlowSlot::kNone ? nullptr : &slot(found);
}

FlowSlot& FlowSlots::insert(FlowId id) {
  if (live_ >= max_flows_) evict();
  if (free_.empty()) {
    const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<FlowSlot[]>(kChunk));
    for (std::uint32_t i = kChunk; i-- > 0;) {
      chunks_.back()[i].self = first + i;
      free_.push_back(first + i);
    }
  }
  if (2 * (live_ + 1) > index_.size()) grow_index();
  FlowSlot& made = slot(free_.back());
  free_.pop_back();
  const std::uint32_t self = made.self;
  const std::uint32_t generation = made.generation + 1;
  made = FlowSlot{};
  made.self = self;
  made.generation = generation;
  made.id = id;
  made.indexed = true;
  index_[place_of(id)] = self;
  link_newest(made);
  ++live_;
  ++opened_;
  return made;
}

void FlowSlots::restart(FlowSlot& slot, Lane& lane) {
  slot.restarted = slot.lane != nullptr && slot.windows > 0;
  if (slot.state) heap_bytes_ -= slot.lane->model->state_width() * sizeof(float);
  const std::size_t width = lane.model->state_width();
  slot.lane = &lane;
  slot.state = width > 0 ? std::make_unique<float[]>(width) : nullptr;  // zeros
  heap_bytes_ += width * sizeof(float);
}

void FlowSlots::add_packets(FlowSlot& slot) {
  slot.packets = std::make_unique<PacketFlow>();
  heap_bytes_ += sizeof(PacketFlow);
}

void FlowSlots::touch(FlowSlot& slot, std::int64_t steady_ns) noexcept {
  slot.used_steady_ns = steady_ns;
  if (!slot.indexed || newest_ == slot.self) return;
  unlink(slot);
  link_newest(slot);
}

void FlowSlots::forget(FlowSlot& slot) noexcept {
  if (!slot.indexed) return;
  erase_index(slot.id);
  unlink(slot);
  slot.indexed = false;
  --live_;
  if (!slot.busy()) release(slot);
}

void FlowSlots::forget_idle(FlowSlot& slot) noexcept {
  forget(slot);
  ++expired_;
}

void FlowSlots::release(FlowSlot& slot) noexcept {
  assert(!slot.busy() && !slot.indexed);
  if (slot.state) heap_bytes_ -= slot.lane->model->state_width() * sizeof(float);
  if (slot.packets) heap_bytes_ -= sizeof(PacketFlow);
  slot.state.reset();
  slot.packets.reset();
  slot.lane = nullptr;
  free_.push_back(slot.self);
}

void FlowSlots::expire(std::int64_t steady_ns, std::size_t limit) noexcept {
  for (; limit > 0 && oldest_ != FlowSlot::kNone; --limit) {
    FlowSlot& oldest = slot(oldest_);
    if (oldest.used_steady_ns >= steady_ns || oldest.busy()) return;
    forget_idle(oldest);
  }
}

// Busy flows are passed over: there are at most as many as the queue has windows.
void FlowSlots::evict() noexcept {
  for (std::uint32_t i = oldest_; i != FlowSlot::kNone; i = slot(i).newer) {
    if (slot(i).busy()) continue;
    forget(slot(i));
    ++evicted_;
    return;
  }
}

void FlowSlots::unlink(FlowSlot& slot_) noexcept {
  (slot_.older == FlowSlot::kNone ? oldest_ : slot(slot_.older).newer) = slot_.newer;
  (slot_.newer == FlowSlot::kNone ? newest_ : slot(slot_.newer).older) = slot_.older;
  slot_.older = slot_.newer = FlowSlot::kNone;
}

void FlowSlots::link_newest(FlowSlot& slot_) noexcept {
  slot_.older = newest_;
  slot_.newer = FlowSlot::kNone;
  (newest_ == FlowSlot::kNone ? oldest_ : slot(newest_).newer) = slot_.self;
  newest_ = slot_.self;
}

// Linear probing without tombstones: what follows moves up where it may.
void FlowSlots::erase_index(FlowId id) noexcept {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = place_of(id);
  for (std::size_t at = (hole + 1) & mask; index_[at] != FlowSlot::kNone; at = (at + 1) & mask) {
    const std::size_t home = slot(index_[at]).id.low & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;  // its home lies after the hole
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = FlowSlot::kNone;
}

void FlowSlots::grow_index() {
  std::vector<std::uint32_t> old(index_.size() * 2, FlowSlot::kNone);
  old.swap(index_);
  for (const std::uint32_t found : old) {
    if (found != FlowSlot::kNone) index_[place_of(slot(found).id)] = found;
  }
}

std::size_t FlowSlots::bytes() const noexcept {
  return chunks_.size() * kChunk * sizeof(FlowSlot) + index_.size() * sizeof(std::uint32_t) + heap_bytes_;
}

}  // namespace reelsense::server
