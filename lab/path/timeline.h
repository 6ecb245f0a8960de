// Timeline: what outages and handovers make of a moment. Times are since the start of the profile.
// A pure function of time; thread safety: immutable after construction.
#pragma once

#include <cstdint>
#include <vector>

#include "profile.h"

namespace reelsense::path {

struct Moment {
  bool blocked = false;   // the link carries nothing
  bool flushing = false;  // and loses what waits and arrives
  std::int64_t delay_step_ns = 0;
  double rate_factor = 1;
  std::int64_t until_ns = kNever;  // everything above holds up to here
};

class Timeline {
 public:
  Timeline() = default;
  Timeline(std::vector<Outage> outages, std::vector<Handover> handovers);

  [[nodiscard]] Moment at(std::int64_t time_ns) const noexcept;
  // The first beginning of a flushing outage at or after `time_ns`, or kNever.
  [[nodiscard]] std::int64_t next_flush_ns(std::int64_t time_ns) const noexcept;
  // The most negative delay step that can come, 0 if none is negative.
  [[nodiscard]] std::int64_t least_delay_step_ns() const noexcept;

 private:
  std::vector<Outage> outages_;
  std::vector<Handover> handovers_;
};

}  // namespace reelsense::path
