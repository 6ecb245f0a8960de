// ThroughputEstimate: what the path gives a session, from the seconds that tell it.
//
// Most seconds of a reels session are idle or carry the end of a burst; their rate says what was wanted, not
// what was possible. Only busy seconds are samples. Thread safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "reelsense/policy/policy_options.h"

namespace reelsense {

class ThroughputEstimate {
 public:
  static constexpr std::size_t kSamples = 8;

 private:
  std::array<float, kSamples> samples_{};
  std::uint8_t count_ = 0;
  std::uint8_t next_ = 0;
};

}  // namespace reelsense
