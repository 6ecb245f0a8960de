#include "reelsense/flow/flow_table.h"

#include <bit>
#include <cassert>
#include <cstring>

namespace reelsense {

FlowTable::FlowTable(std::uint32_t capacity)
    : capacity_(capacity),
      mask_(std::bit_ceil(capacity) * 2 - 1),
      // One code more than slots, so that no entry equals kEmpty.
      slot_mask_(std::bit_ceil(capacity + 1) - 1),
      index_(mask_ + std::size_t{1}),
      headers_(capacity) {
  assert(capacity >= 1 && capacity <= kMaxCapacity);
  std::memset(&index_[0], 0xff, (mask_ + std::size_t{1}) * sizeof(std::uint32_t));
}

std::uint32_t FlowTable::insert(const FlowKey& key, std::uint32_t hash) noexcept {
  assert(!full());
  std::uint32_t slot = free_;
  if (slot != kNone) {
    free_ = headers_[slot].next;
  } else {
    slot = fresh_++;
  }
  std::uint32_t at = hash & mask_;
  while (index_[at] != kEmpty) at = (at + 1) & mask_;
  index_[at] = entry_of(slot, hash);

  FlowHeader& header = headers_[slot];
  header = FlowHeader{};
  header.key = key;
  header.hash = hash;
  append(live_, slot);
  ++size_;
  return slot;
}

void FlowTable::erase(std::uint32_t slot) noexcept {
  std::uint32_t hole = headers_[slot].hash & mask_;
  while ((index_[hole] & slot_mask_) != slot || index_[hole] == kEmpty) hole = (hole + 1) & mask_;
  // Shift back every follower that may not stand behind a hole (Knuth, TAOCP 3, 6.4, algorithm R).
  for (std::uint32_t at = (hole + 1) & mask_; index_[at] != kEmpty; at = (at + 1) & mask_) {
    const std::uint32_t home = headers_[index_[at] & slot_mask_].hash & mask_;
    if (((at - home) & mask_) >= ((at - hole) & mask_)) {
      index_[hole] = index_[at];
      hole = at;
    }
  }
  index_[hole] = kEmpty;

  unlink(list_of(slot), slot);
  headers_[slot].next = free_;
  free_ = slot;
  --size_;
}

void FlowTable::touch(std::uint32_t slot) noexcept {
  if (headers_[slot].finished || live_.tail == slot) return;
  unlink(live_, slot);
  append(live_, slot);
}

void FlowTable::finish(std::uint32_t slot) noexcept {
  assert(!headers_[slot].finished);
  unlink(live_, slot);
  headers_[slot].finished = true;
  append(finished_, slot);
}

void FlowTable::append(List& list, std::uint32_t slot) noexcept {
  FlowHeader& header = headers_[slot];
  header.previous = list.tail;
  header.next = kNone;
  if (list.tail != kNone) {
    headers_[list.tail].next = slot;
  } else {
    list.head = slot;
  }
  list.tail = slot;
}

void FlowTable::unlink(List& list, std::uint32_t slot) noexcept {
  const FlowHeader& header = headers_[slot];
  if (header.previous != kNone) {
    headers_[header.previous].next = header.next;
  } else {
    list.head = header.next;
  }
  if (header.next != kNone) {
    headers_[header.next].previous = header.previous;
  } else {
    list.tail = header.previous;
  }
}

}  // namespace reelsense
