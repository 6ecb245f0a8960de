#include "reelsense/flow/event_clock.h"

namespace reelsense {

EventClock::Verdict EventClock::judge(const ParsedPacket& packet) noexcept {
  dropped_ = 0;
  const std::int64_t t_ns = packet.time_ns;
  if (t_ns < 0 || t_ns > kLatestNs) return Verdict::kInvalid;
  if (!started_ || fits(t_ns, now_ns_)) {
    dropped_ = held_count_;
    held_count_ = 0;
    return Verdict::kFits;
  }
  if (held_count_ != 0 && !fits(t_ns, held_[held_count_ - 1].time_ns)) {
    dropped_ = held_count_;
    held_count_ = 0;
  }
  held_[held_count_++] = packet;
  return held_count_ == kStepPackets ? Verdict::kStep : Verdict::kHeld;
}

void EventClock::restart() noexcept {
  held_count_ = 0;
  started_ = false;
  now_ns_ = INT64_MAX;
}

}  // namespace reelsense
