// ThroughputEstimate: what the path gives a session's video, from the seconds that tell it.
//
// Most seconds of a reels session are silent or carry one short burst; their rate says what was wanted, not
// what was possible. A second is a sample only if bytes flowed for a while in it, and the sample is their
// rate over just that while (a run). The estimate is the harmonic mean of the last samples, discounted by how
// far it was too high for one of them (docs/explanation/qos-policy.md). Thread safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "reelsense/policy/policy_options.h"

namespace reelsense {

inline constexpr std::size_t kPolicyBins = 20;  // of 50 ms in a second
using PolicyBins = std::array<std::uint64_t, kPolicyBins>;

// The longest stretch of a second in which bytes flowed, and how fast.
struct BusyRun {
  unsigned bins = 0;  // 0: none
  double kbps = 0;    // over the run; its first and last bin count by half where it begins or ends inside
  double peak = 0;    // fullest bin of the session's bytes over their mean in the run
};

// wanted: bytes down of the flows in question, by bin; other: the session's other bytes down. Two bins of
// `wanted` belong to the same run if at most one bin between them is empty, or up to four are and `other` had
// bytes in each: then the link was busy, and they waited for it.
BusyRun busy_run(const PolicyBins& wanted, const PolicyBins& other) noexcept;

class ThroughputEstimate {
 public:
  static constexpr std::size_t kMaxSamples = 8;

  // Takes a second's run. Returns its rate over the estimate before it; 1 if there was none or it is no
  // sample.
  double add(const PolicyOptions& options, const BusyRun& run) noexcept;

  // kbit/s; 0 while not known.
  [[nodiscard]] double kbps() const noexcept { return kbps_; }
  // Samples taken so far.
  [[nodiscard]] std::uint64_t samples() const noexcept { return count_; }

 private:
  void renew(const PolicyOptions& options) noexcept;

  struct Sample {
    float kbps = 0;
    float too_high = 0;  // by how much of it the mean before it was above it
  };
  std::array<Sample, kMaxSamples> samples_{};  // a ring
  std::uint64_t count_ = 0;                    // ever
  double mean_ = 0;                            // of the last samples, undiscounted
  double kbps_ = 0;                            // discounted
};

}  // namespace reelsense
