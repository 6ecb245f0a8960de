// RecordState: everything the record view's features remember of one flow; a record costs O(60).
//
// The formulas are those of record_schema.h's table and terms. Records may come in any order. No allocation.
// Thread safety: none; one state a thread.
#pragma once

#include <cstdint>

#include "reelsense/features/record_schema.h"

namespace reelsense {

// What an exporter says of a flow. Invariant for RecordState: 0 ≤ start_ns ≤ end_ns ≤ year 2200.
struct FlowRecord {
  std::int64_t start_ns = 0;  // since the epoch
  std::int64_t end_ns = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  std::uint64_t packets_up = 0;
  std::uint64_t packets_down = 0;
};
inline constexpr std::uint64_t kMaxRecordBytes = 1ULL << 40;  // by direction; more counts as this

class RecordState {
 public:
  // Begins a flow: forgets everything.
  void start() noexcept { *this = RecordState{}; }

  // One record of the flow: writes its feature vector [kRecordFeatureCount] and returns its second K.
  std::int64_t add(const FlowRecord& record, float* features) noexcept;

 private:
  struct Counts {
    std::int64_t start_ms = 0;
    std::int64_t end_ms = 0;
    std::uint64_t bytes[2] = {};  // by Direction
    std::uint64_t packets[2] = {};
    [[nodiscard]] double rate(std::size_t direction) const noexcept;
  };

  void spread_bytes(const Counts& record) noexcept;
  void write_record(const Counts& record, float* features) noexcept;
  void write_history(const Counts& record, float* features) const noexcept;

  std::int64_t first_ms_ = 0;                             // t0
  std::int64_t latest_ms_ = -1;                           // −1 before the first record
  double largest_down_ = 0;                               // M
  double smallest_up_ = 0;                                // A; 0 before the first up packet
  double last_down_rate_ = -1;                            // −1 before the first down packet
  std::uint16_t history_[2][kRecordHistorySeconds] = {};  // codes of q11(bytes), newest first, by Direction
  bool seen_[2] = {};                                     // packets of the Direction
};
static_assert(sizeof(RecordState) <= 300);

}  // namespace reelsense
