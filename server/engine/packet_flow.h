// PacketFlow: one flow's packets → feature windows, with core's FeatureState: the rows are those of the
// classifier for the same packets. Times never step back: a late packet counts at the flow's latest time.
// Thread safety: none.
#pragma once

#include <cstdint>

#include "reelsense/features/feature_state.h"

namespace reelsense::server {

class PacketFlow {
 public:
  static constexpr std::size_t kRow = kFeatureCount + 2 * kBinsPerWindow;

  // True if a packet of that time (or event time reaching it) ends the open window.
  [[nodiscard]] bool ends_window(std::int64_t time_ns) const noexcept {
    return open_ && time_ns >= (second_ + 1) * kSecondNs;
  }
  [[nodiscard]] bool is_open() const noexcept { return open_; }

  // Closes the open window: its row, features then bins, float32 [kRow], and its second. Precondition:
  // is_open().
  std::int64_t close(float* row) noexcept;

  // Precondition: !ends_window(time_ns); time_ns ≥ 0. A packet over an MTU counts as the packets that an
  // offload merged.
  void add(std::int64_t time_ns, std::uint32_t bytes, Direction direction) noexcept;

 private:
  FeatureHot hot_;
  FeatureCold cold_;
  std::int64_t first_ns_ = -1;
  std::int64_t last_ns_ = 0;
  std::int64_t floor_ns_ = 0;  // a closed second takes no more packets: they count in the next
  std::int64_t second_ = 0;
  bool open_ = false;
};

}  // namespace reelsense::server
