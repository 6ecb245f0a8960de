// Quantised features: what feedback carries instead of exact values, so that a feature vector does not single
// out a device. The step follows from the feature's unit; a code is value / step, rounded to the nearest,
// ties up. Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "reelsense/features/view.h"

namespace reelsense {

// Width of one code, in the feature's own unit: ¼ of a doubling, 1/16 of a share, ½ s, 10 ms, 32 bytes, 1.
constexpr float quantisation_step(std::string_view unit) noexcept {
  if (unit.starts_with("log2")) return 0.25F;
  if (unit == "1") return 0.0625F;
  if (unit == "s") return 0.5F;
  if (unit == "ms") return 10.0F;
  if (unit == "bytes") return 32.0F;
  return 1.0F;  // count
}
constexpr float quantisation_step(const FeatureDefinition& feature) noexcept {
  return quantisation_step(feature.unit);
}

// Saturates at ±32767; NaN gives 0.
constexpr std::int16_t quantise(float value, float step) noexcept {
  const float code = value / step + 0.5F;
  if (!(code > -32767.0F)) return code <= -32767.0F ? std::int16_t{-32767} : std::int16_t{0};
  if (code >= 32767.0F) return 32767;
  const auto truncated = static_cast<std::int32_t>(code);
  return static_cast<std::int16_t>(static_cast<float>(truncated) > code ? truncated - 1 : truncated);
}

// The middle of a code's values.
constexpr float restore(std::int16_t code, float step) noexcept {
  return static_cast<float>(code) * step;
}

}  // namespace reelsense
