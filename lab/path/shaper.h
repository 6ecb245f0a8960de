// Shaper: one direction of the path, without I/O and without a clock. Time is what the caller says.
//
//   arrive → policer → queue (strict priority, droptail) → link (capacity) → loss → delay + jitter → released
//
// Invariants: every frame that arrives comes back exactly once, in `released` or `dropped`; times given never
// go back. A frame on the link stays there when one with priority arrives. Results do not depend on how often
// the caller looks: a late call yields the same release times. Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <vector>

#include "capacity.h"
#include "counters.h"
#include "impairments.h"
#include "profile.h"
#include "timeline.h"

namespace reelsense::path {

enum class Treatment : std::uint8_t { kNormal, kPriority, kExempt };

struct Frame {
  std::uint32_t slot = 0;   // the caller's: where its bytes are
  std::uint32_t bytes = 0;  // network layer
  Treatment treatment = Treatment::kNormal;
  std::int64_t release_ns = 0;  // set on release
};

// What a call gave back; the caller clears it.
struct Outcome {
  std::vector<Frame> released;
  std::vector<Frame> dropped;
};

class Shaper {
 public:
  // The profile's time 0 is `start_ns`. Equal seeds and arrivals give equal results.
  Shaper(const DirectionProfile& profile, const Timeline& timeline, std::uint64_t seed,
         std::int64_t start_ns);
  Shaper(const Shaper&) = delete;
  Shaper& operator=(const Shaper&) = delete;

  void arrive(std::int64_t now_ns, Frame frame, Outcome& outcome);
  // Releases what is due at `now_ns`, and what has left the link and is due within `early_ns` after.
  void advance(std::int64_t now_ns, std::int64_t early_ns, Outcome& outcome);
  // No later than this must advance() be called; kNever when nothing is under way.
  [[nodiscard]] std::int64_t next_event_ns() const noexcept;

  // Another profile from `now_ns`, its time 0 at `start_ns`. What waits stays (also over the new queue's
  // bound), what has left the link keeps its release time; a frame on the link begins again.
  void change(const DirectionProfile& profile, const Timeline& timeline, std::int64_t start_ns,
              std::int64_t now_ns, Outcome& outcome);

  [[nodiscard]] Counters& counters() noexcept { return counters_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::uint64_t queued_bytes() const noexcept;
  [[nodiscard]] std::uint64_t queued_packets() const noexcept;
  [[nodiscard]] std::uint64_t delayed_packets() const noexcept { return delayed_.size(); }

 private:
  // What a profile makes; replaced as a whole by change().
  struct Plan {
    Plan(const DirectionProfile& from, Timeline events, std::uint64_t seed, std::int64_t start_ns,
         std::int64_t now_ns);
    Plan(const Plan&) = delete;  // capacity refers to the two below
    Plan& operator=(const Plan&) = delete;
    DirectionProfile profile;
    Timeline timeline;
    std::int64_t start_ns;
    std::int64_t least_delay_ns = 0;
    Capacity capacity;
    Policer policer;
    Loss loss;
    Jitter jitter;
  };
  struct Class {
    std::deque<Frame> frames;
    std::uint64_t bytes = 0;
  };
  struct Delayed {
    Frame frame;
    std::uint64_t number;  // among equal times the earlier one first
    friend bool operator>(const Delayed& a, const Delayed& b) noexcept {
      return a.frame.release_ns != b.frame.release_ns ? a.frame.release_ns > b.frame.release_ns
                                                      : a.number > b.number;
    }
  };

  void settle(std::int64_t now_ns, Outcome& outcome);
  void take_up(std::int64_t start_ns);
  void put_on_link(Frame frame, std::int64_t start_ns);
  void leave_link(Outcome& outcome);
  void flush(Outcome& outcome);
  void drop(const Frame& frame, Dropped reason, Outcome& outcome);

  std::uint64_t seed_;
  std::optional<Plan> plan_;  // always there; optional because it cannot be assigned
  Counters counters_;
  std::array<Class, 2> classes_;  // priority, normal
  std::optional<Frame> on_link_;
  std::int64_t finish_ns_ = 0;  // of on_link_
  std::int64_t next_flush_ns_ = kNever;
  std::priority_queue<Delayed, std::vector<Delayed>, std::greater<>> delayed_;
  std::uint64_t number_ = 0;
  std::int64_t last_release_ns_ = 0;
};

}  // namespace reelsense::path
