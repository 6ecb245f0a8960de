// What happens to a packet besides waiting: loss, jitter, policing. Seeded, no clock.
// Thread safety: none; values of one direction.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "profile.h"
#include "random.h"

namespace reelsense::path {

// Gilbert-Elliott (Elliott 1963), one step a packet. Begins in the good state.
class Loss {
 public:
  Loss(const LossProfile& profile, Random random) noexcept : profile_(profile), random_(random) {}

  [[nodiscard]] bool next() noexcept {
    if (profile_.p > 0) bad_ = bad_ ? !random_.chance(profile_.r) : random_.chance(profile_.p);
    const double probability = bad_ ? profile_.bad : profile_.good;
    return probability > 0 && random_.chance(probability);
  }

 private:
  LossProfile profile_;
  Random random_;
  bool bad_ = false;
};

// First-order autoregressive normal: z' = c·z + √(1−c²)·n, so that the deviation does not depend on c.
class Jitter {
 public:
  static constexpr double kCut = 3;  // deviations

  Jitter(const JitterProfile& profile, Random random) noexcept : profile_(profile), random_(random) {}

  [[nodiscard]] std::int64_t next_ns() noexcept {
    if (profile_.deviation_ns == 0) return 0;
    const double c = profile_.correlation;
    state_ = c * state_ + std::sqrt(1 - c * c) * random_.normal();
    return std::llround(static_cast<double>(profile_.deviation_ns) * std::clamp(state_, -kCut, kCut));
  }

 private:
  JitterProfile profile_;
  Random random_;
  double state_ = 0;
};

// Token bucket, full at the beginning.
class Policer {
 public:
  Policer(const PolicerProfile& profile, std::int64_t start_ns) noexcept
      : profile_(profile), tokens_(static_cast<double>(profile.burst_bytes)), last_ns_(start_ns) {}

  [[nodiscard]] bool passes(std::int64_t now_ns, std::uint32_t bytes) noexcept {
    if (profile_.mbit == 0) return true;
    const double earned = static_cast<double>(now_ns - last_ns_) * profile_.mbit / 8e3;
    tokens_ = std::min(tokens_ + earned, static_cast<double>(profile_.burst_bytes));
    last_ns_ = now_ns;
    if (tokens_ < bytes) return false;
    tokens_ -= bytes;
    return true;
  }

 private:
  PolicerProfile profile_;
  double tokens_;
  std::int64_t last_ns_;
};

}  // namespace reelsense::path
