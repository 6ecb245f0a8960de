#include "timeline.h"

#include <algorithm>
#include <utility>

namespace reelsense::path {
namespace {

// Where `time` lies in an event that begins at `at` and again every `repeat` (0: never).
struct Occurrence {
  bool begun = false;
  std::int64_t start_ns = 0;      // of the latest one that has begun
  std::int64_t next_ns = kNever;  // start of the one after
};

Occurrence occurrence(std::int64_t time_ns, std::int64_t at_ns, std::int64_t repeat_ns) noexcept {
  if (time_ns < at_ns) return {.begun = false, .start_ns = 0, .next_ns = at_ns};
  if (repeat_ns == 0) return {.begun = true, .start_ns = at_ns, .next_ns = kNever};
  const std::int64_t start = time_ns - (time_ns - at_ns) % repeat_ns;
  return {.begun = true, .start_ns = start, .next_ns = start + repeat_ns};
}

}  // namespace

Timeline::Timeline(std::vector<Outage> outages, std::vector<Handover> handovers)
    : outages_(std::move(outages)), handovers_(std::move(handovers)) {}

Moment Timeline::at(std::int64_t time_ns) const noexcept {
  Moment moment;
  const auto block = [&](const Occurrence& found, std::int64_t length_ns) {
    moment.until_ns = std::min(moment.until_ns, found.next_ns);
    if (!found.begun || time_ns >= found.start_ns + length_ns) return false;
    moment.until_ns = std::min(moment.until_ns, found.start_ns + length_ns);
    moment.blocked = true;
    return true;
  };
  for (const Outage& outage : outages_) {
    const bool inside = block(occurrence(time_ns, outage.at_ns, outage.repeat_ns), outage.length_ns);
    moment.flushing |= inside && outage.flush;
  }
  std::int64_t latest_ns = -1;
  for (const Handover& handover : handovers_) {
    const Occurrence found = occurrence(time_ns, handover.at_ns, handover.repeat_ns);
    (void)block(found, handover.gap_ns);
    if (found.begun && found.start_ns >= latest_ns) {
      latest_ns = found.start_ns;
      moment.delay_step_ns = handover.delay_step_ns;
      moment.rate_factor = handover.rate_factor;
    }
  }
  return moment;
}

std::int64_t Timeline::next_flush_ns(std::int64_t time_ns) const noexcept {
  std::int64_t next = kNever;
  for (const Outage& outage : outages_) {
    if (!outage.flush) continue;
    const Occurrence found = occurrence(time_ns, outage.at_ns, outage.repeat_ns);
    next = std::min(next, found.begun && found.start_ns == time_ns ? time_ns : found.next_ns);
  }
  return next;
}

std::int64_t Timeline::least_delay_step_ns() const noexcept {
  std::int64_t least = 0;
  for (const Handover& handover : handovers_) least = std::min(least, handover.delay_step_ns);
  return least;
}

}  // namespace reelsense::path
