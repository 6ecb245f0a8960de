// FeatureState: everything the packet view's features remember of one flow, updated in O(1) a packet.
//
// The formulas are those of schema.h's table and terms. The state is split by use so that a table of flows
// touches few cache lines a packet: FeatureHot at every packet, FeatureCold at requests, bursts and window
// ends. Invariants: effective times never step back; add() is called only between open_window and
// close_window, with times inside that window. No allocation. Thread safety: none; one state a thread.
#pragma once

#include <array>
#include <cstdint>

#include "reelsense/features/schema.h"
#include "reelsense/features/state_parts.h"
#include "reelsense/flow/flow_key.h"

namespace reelsense {

// Touched by every packet.
struct FeatureHot {
  struct Window {
    std::uint64_t down_square_bytes = 0;   // Σ s²
    std::uint64_t down_gap_square_us = 0;  // Σ gap²
    std::uint32_t packets[2] = {};         // by Direction
    std::uint32_t down_full = 0;
    std::uint32_t down_small = 0;
    std::uint32_t first_down_us = 0;  // offset in the window
    std::uint32_t last_down_us = 0;
    std::uint32_t max_gap_us = 0;
    std::uint8_t gaps_10ms = 0;  // at most 99, as the window has 1000 ms
    std::uint8_t gaps_50ms = 0;
    std::uint8_t requests = 0;  // at most 4, 300 ms apart
  };
  Window window;                // of the open window; the rest is the flow's
  std::uint32_t window_ms = 0;  // ms(window start), modulo 2^32: a flow's first window starts before it
  std::uint32_t last_down_ms = 0;
  std::uint32_t last_large_up_ms = 0;
  std::uint32_t chunk_bytes = 0;  // of the open chunk; saturates
  std::uint32_t chunk_start_ms = 0;
  std::uint32_t burst_bytes = 0;
  std::uint32_t burst_start_ms = 0;
  std::uint16_t ack_q4 = 0;      // A, in 1/16 bytes; 0 before the first up packet
  std::uint16_t down_max = 0;    // M
  std::uint16_t chunk_full = 0;  // full packets of the open chunk; saturates
  std::uint16_t burst_full = 0;
  std::uint8_t first_full = 0;  // full packets of the flow, up to 5
  bool large_up_seen = false;
  bool request_seen = false;
};
static_assert(sizeof(FeatureHot) == 88);

struct FeatureCold {
  static constexpr std::uint32_t kNoWindow = 0xffffffffU;

  // Bytes by 50 ms and Direction; the window's byte counts are their sums. Both directions of a time lie
  // together, so that a packet's cache line is known from its time alone.
  std::uint32_t bins[kBinsPerWindow][2] = {};
  std::uint16_t history[2][kHistorySeconds] = {};  // codes of q11(bytes), newest first, by Direction
  RunAverages chunk;
  RunAverages burst;
  std::uint16_t chunks = 0;  // closed; saturates
  std::uint16_t bursts = 0;
  float chunk_duty = 0;
  float request_size_log2 = 0;
  float down_ewma_log2 = 0;
  std::uint32_t last_request_ms = 0;
  std::uint32_t last_second = kNoWindow;  // k of the last closed window
  std::uint16_t first_full_ms = 0;        // at most 20 000
};
static_assert(sizeof(FeatureCold) == 300);

class FeatureState {
 public:
  // One flow's two parts; both must outlive the view.
  FeatureState(FeatureHot& hot, FeatureCold& cold) noexcept : hot_(hot), cold_(cold) {}

  // Begins a flow: forgets everything.
  void start() noexcept;

  // Begins window k = second, later than every closed one. first_ns: effective time of the flow's first
  // packet, ≥ 0.
  void open_window(std::int64_t first_ns, std::int64_t second) noexcept;

  // One packet (a super-packet already expanded) of at most 65535 bytes, offset_ns in [0, 1e9) into the open
  // window.
  void add(Direction direction, std::uint32_t size, std::uint32_t offset_ns) noexcept;

  // Ends window k: writes its feature vector and its bins (down, then up; [2 * kBinsPerWindow]) and moves the
  // history on.
  void close_window(std::int64_t first_ns, std::int64_t second, float* features,
                    std::uint32_t* bins) noexcept;

 private:
  void add_up(std::uint32_t size, std::uint32_t ms) noexcept;
  void add_request(float size_log2, std::uint32_t ms) noexcept;
  void add_down(std::uint32_t size, std::uint32_t us, std::uint32_t ms) noexcept;

  FeatureHot& hot_;
  FeatureCold& cold_;
};

}  // namespace reelsense
