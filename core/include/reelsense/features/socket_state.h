// SocketState: everything the socket view's features remember of one connection, updated in O(1) an event.
//
// The formulas are those of socket_schema.h's table and terms. Invariants: effective times never step back;
// add() is called only between open_window and close_window, with times inside that window. No allocation.
// Thread safety: none; one state a thread.
#pragma once

#include <cstdint>

#include "reelsense/features/schema.h"
#include "reelsense/features/socket_schema.h"
#include "reelsense/features/state_parts.h"
#include "reelsense/flow/flow_key.h"

namespace reelsense {

// One event may carry up to this many bytes.
inline constexpr std::uint32_t kMaxSocketEventBytes = 1U << 31;

class SocketState {
 public:
  // Begins a connection whose first event comes at first_ns ≥ 0: forgets everything.
  void start(std::int64_t first_ns) noexcept;

  // Begins window k = second, later than every closed one.
  void open_window(std::int64_t second) noexcept;

  // One read (down) or write (up) of 1 to kMaxSocketEventBytes bytes; 0 bytes are no event. offset_ns in [0,
  // 1e9) into the open window.
  void add(Direction direction, std::uint32_t bytes, std::uint32_t offset_ns) noexcept;

  // Ends window k: writes its feature vector [kSocketFeatureCount] and its bins (down, then up;
  // [2 * kBinsPerWindow]) and moves the history on.
  void close_window(std::int64_t second, float* features, std::uint32_t* bins) noexcept;

 private:
  static constexpr std::uint32_t kNoWindow = 0xffffffffU;

  void add_write(std::uint32_t ms) noexcept;
  void add_read(std::uint32_t bytes, std::uint32_t ms) noexcept;
  void close_chunk(std::uint32_t request_ms) noexcept;
  void write_features(std::int64_t second, std::uint64_t down, std::uint64_t up,
                      float* features) const noexcept;

  std::int64_t first_ns_ = 0;
  std::uint32_t bins_[kBinsPerWindow][2] = {};      // bytes by 50 ms and Direction; saturate
  std::uint16_t history_[2][kHistorySeconds] = {};  // codes of q11(bytes), newest first, by Direction
  RunAverages chunk_;
  RunAverages burst_;
  std::uint32_t chunk_bytes_ = 0;  // of the open one; saturates
  std::uint32_t chunk_start_ms_ = 0;
  std::uint32_t burst_bytes_ = 0;
  std::uint32_t burst_start_ms_ = 0;
  std::uint32_t window_ms_ =
      0;  // ms(window start), modulo 2^32: a connection's first window starts before it
  std::uint32_t last_read_ms_ = 0;
  std::uint32_t last_write_ms_ = 0;  // large ones
  std::uint32_t last_request_ms_ = 0;
  std::uint32_t last_second_ = kNoWindow;  // k of the last closed window
  float chunk_duty_ = 0;
  std::uint16_t chunks_ = 0;  // closed; saturates
  std::uint16_t bursts_ = 0;
  std::uint8_t requests_ = 0;  // of the window: at most 4, 300 ms apart
  bool write_seen_ = false;    // a large one
};
static_assert(sizeof(SocketState) <= 400);

}  // namespace reelsense
