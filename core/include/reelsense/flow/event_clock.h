// EventClock: which packet times are believed (docs/explanation/flows-and-windows.md, Time).
//
// Times that fit move the clock; times that do not are held until enough of them agree on a new time. Fixed
// size, no allocation. Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "reelsense/packet/packet.h"

namespace reelsense {

class EventClock {
 public:
  static constexpr std::int64_t kBackwardNs = 1'000'000'000;
  static constexpr std::int64_t kForwardNs = 300'000'000'000;
  static constexpr std::int64_t kLatestNs = 7'258'118'400'000'000'000;  // 2200-01-01
  static constexpr std::uint32_t kStepPackets = 8;

  enum class Verdict : std::uint8_t {
    kFits,     // process it; dropped() held packets before it were outliers
    kHeld,     // kept; dropped() earlier ones were outliers
    kStep,     // kept, and the step is real now: take held() and restart(), then process those
    kInvalid,  // outside the years that can be
  };

  // True while nothing is held and `t_ns` moves the clock forward or leaves it: the usual case, checked
  // first.
  [[nodiscard]] bool follows(std::int64_t t_ns) const noexcept {
    return t_ns >= now_ns_ && t_ns - now_ns_ <= kForwardNs && held_count_ == 0 && t_ns <= kLatestNs;
  }

  // Judges any packet's time. Does not move the clock; dropped() tells how many held packets it gave up.
  Verdict judge(const ParsedPacket& packet) noexcept;
  [[nodiscard]] std::uint32_t dropped() const noexcept { return dropped_; }

  [[nodiscard]] bool started() const noexcept { return started_; }
  [[nodiscard]] std::int64_t now_ns() const noexcept { return now_ns_; }
  // Moves the clock forward; an earlier time leaves it. Starts it where it had not begun.
  void move_to(std::int64_t t_ns) noexcept {
    if (!started_ || t_ns > now_ns_) now_ns_ = t_ns;
    started_ = true;
  }

  [[nodiscard]] std::span<const ParsedPacket> held() const noexcept { return {held_.data(), held_count_}; }
  // Forgets the time; held packets too.
  void restart() noexcept;

 private:
  static bool fits(std::int64_t t_ns, std::int64_t reference_ns) noexcept {
    return t_ns >= reference_ns - kBackwardNs && t_ns <= reference_ns + kForwardNs;
  }

  // Before the first packet no time follows: the largest value is never ≤ a packet's time.
  std::int64_t now_ns_ = INT64_MAX;
  std::uint32_t held_count_ = 0;
  std::uint32_t dropped_ = 0;
  bool started_ = false;
  std::array<ParsedPacket, kStepPackets> held_{};
};

}  // namespace reelsense
