// FlowTable: five-tuple → slot, bounded, with the order in which flows are given up.
//
// A slot is an index below capacity; whatever a layer above keeps per flow lives in its own array at that
// index. Lists: live flows ordered by when they were last touched (once a window), finished flows by when
// they finished. Invariants: every used slot is in the index once and in exactly one list; nothing is
// allocated after construction; memory is taken from the system only as slots are first used. Thread safety:
// none.
//
// Index: open addressing with linear probing over 32-bit entries (slot and hash tag), at most half full;
// erase shifts back, so there are no tombstones and a probe's length never degrades.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "reelsense/flow/flow_key.h"

namespace reelsense {

// What the table itself keeps of a flow: one cache line.
struct alignas(64) FlowHeader {
  FlowKey key;
  std::int64_t last_ns = 0;  // effective time of its latest packet
  std::uint32_t hash = 0;
  std::uint32_t previous = 0;  // list links (slots)
  std::uint32_t next = 0;
  bool client_is_a : 1 = false;
  bool finished : 1 = false;  // RST, or FIN from both sides
  bool fin_from_a : 1 = false;
  bool fin_from_b : 1 = false;
  bool window_open : 1 = false;
};
static_assert(sizeof(FlowHeader) == 64);

// Memory for `count` objects that the system hands out page by page as they are first touched. T is trivial
// to destroy and is written before it is read.
template <class T>
class LazyArray {
 public:
  explicit LazyArray(std::size_t count)
      : data_(static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}))) {}
  T& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  const T& operator[](std::size_t i) const noexcept { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const noexcept { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<T, Free> data_;
};

class FlowTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffffU;
  static constexpr std::uint32_t kMaxCapacity = 1U << 24;

  // Precondition: 1 ≤ capacity ≤ kMaxCapacity.
  explicit FlowTable(std::uint32_t capacity);

  void prefetch_index(std::uint32_t hash) const noexcept { __builtin_prefetch(&index_[hash & mask_]); }
  // The slot that the index names for `hash`, or kNone: a guess (keys may share a tag), for prefetching only.
  [[nodiscard]] std::uint32_t likely_slot(std::uint32_t hash) const noexcept {
    for (std::uint32_t at = hash & mask_;; at = (at + 1) & mask_) {
      const std::uint32_t entry = index_[at];
      if (entry == kEmpty) return kNone;
      if (((entry ^ hash) & ~slot_mask_) == 0) return entry & slot_mask_;
    }
  }

  // The slot of `key`, or kNone.
  [[nodiscard]] std::uint32_t find(const FlowKey& key, std::uint32_t hash) const noexcept {
    for (std::uint32_t at = hash & mask_;; at = (at + 1) & mask_) {
      const std::uint32_t entry = index_[at];
      if (entry == kEmpty) return kNone;
      const std::uint32_t slot = entry & slot_mask_;
      if (((entry ^ hash) & ~slot_mask_) == 0 && headers_[slot].key == key) return slot;
    }
  }
  // Takes a free slot for a key that is not in the table and puts it newest in the live list. Precondition:
  // !full().
  std::uint32_t insert(const FlowKey& key, std::uint32_t hash) noexcept;
  void erase(std::uint32_t slot) noexcept;

  // Makes a live flow the newest; a finished flow keeps its place.
  void touch(std::uint32_t slot) noexcept;
  // Moves a live flow to the end of the finished list.
  void finish(std::uint32_t slot) noexcept;

  [[nodiscard]] std::uint32_t oldest_live() const noexcept { return live_.head; }
  [[nodiscard]] std::uint32_t oldest_finished() const noexcept { return finished_.head; }
  [[nodiscard]] std::uint32_t next_of(std::uint32_t slot) const noexcept { return headers_[slot].next; }

  [[nodiscard]] bool full() const noexcept { return size_ == capacity_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
  FlowHeader& operator[](std::uint32_t slot) noexcept { return headers_[slot]; }
  const FlowHeader& operator[](std::uint32_t slot) const noexcept { return headers_[slot]; }

  static constexpr std::size_t bytes_per_flow() noexcept {
    return sizeof(FlowHeader) + 2 * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::uint32_t kEmpty = 0xffffffffU;
  struct List {
    std::uint32_t head = kNone;  // oldest
    std::uint32_t tail = kNone;
  };

  void append(List& list, std::uint32_t slot) noexcept;
  void unlink(List& list, std::uint32_t slot) noexcept;
  List& list_of(std::uint32_t slot) noexcept { return headers_[slot].finished ? finished_ : live_; }
  [[nodiscard]] std::uint32_t entry_of(std::uint32_t slot, std::uint32_t hash) const noexcept {
    return slot | (hash & ~slot_mask_);
  }

  std::uint32_t capacity_;
  std::uint32_t size_ = 0;
  std::uint32_t fresh_ = 0;     // slots at and above it were never used
  std::uint32_t free_ = kNone;  // used slots that were given back, linked by `next`
  std::uint32_t mask_;          // of the index
  std::uint32_t slot_mask_;     // low bits of an entry; the bits above are the hash's
  List live_;
  List finished_;
  LazyArray<std::uint32_t> index_;
  LazyArray<FlowHeader> headers_;
};

}  // namespace reelsense
