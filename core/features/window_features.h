// The closing of a window: from a flow's state to its feature vector. Pure functions; private to this layer.
#pragma once

#include <cstdint>

#include "reelsense/features/feature_state.h"

namespace reelsense {

struct WindowBytes {
  std::uint64_t down = 0;
  std::uint64_t up = 0;
};

struct WindowEnd {
  WindowBytes bytes;
  std::uint32_t ms = 0;           // ms(window end)
  std::uint32_t age_seconds = 0;  // term "age second"
  float down_log2 = 0;            // log2(1 + bytes.down)
};

// hot, cold: the state at the window's end, with this window already in the history.
// features: float32 [kFeatureCount].
void write_features(const FeatureHot& hot, const FeatureCold& cold, const WindowEnd& end,
                    float* features) noexcept;

}  // namespace reelsense
