// The QoS policy: from labels over time to what an app or a network does for a session and its flows.
//
// FlowPolicy turns the windows of one flow into its DSCP; SessionPolicy turns the windows of all flows of a
// session, second by second, into prefetch depth, buffer target and bitrate cap, each with its reason. The
// rules are docs/explanation/qos-policy.md, the settings docs/reference/qos-policy.md.
//
// Invariants: nothing is allocated, everything is a pure function of the options and of the calls so far, and
// the same on every machine (only IEEE +, −, ×, ÷). Every output stays within what the options allow,
// whatever comes in. Thread safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "reelsense/base/result.h"
#include "reelsense/features/view.h"
#include "reelsense/model/ue_model.h"
#include "reelsense/policy/policy_options.h"
#include "reelsense/policy/session.h"
#include "reelsense/policy/throughput.h"

namespace reelsense {

// Why a decision is as it is.
enum class QosReason : std::uint8_t {
  kDefault = 0,    // nothing known yet: what an app does without Reelsense
  kVideo = 1,      // video, and the path keeps up
  kCongested = 2,  // video, and the path does not keep up
  kNonVideo = 3,   // other traffic
  kUncertain = 4,  // not sure: safe values
  kHold = 5,       // not sure since a moment: the last sure decision is held
  kIdle = 6,       // silence between bursts: the last decision stays
  kBulk = 7,       // a long transfer that is not video: may stand back
};
inline constexpr std::size_t kQosReasons = 8;
const char* name_of(QosReason reason) noexcept;  // "default", "video", …

// The code points that a flow may be given. Never NQB: video builds queues.
inline constexpr std::uint8_t kDscpDefault = 0;
inline constexpr std::uint8_t kDscpLowerEffort = 1;  // RFC 8622
inline constexpr std::uint8_t kDscpVideo = 26;       // AF31, multimedia streaming of RFC 4594

// When a flow last asked for something, and for how much at a time: features of its window. Without them (as
// default-constructed) they say nothing.
struct FlowRequests {
  float age_s = 0;            // since the last request
  float open_chunk_log2 = 0;  // bytes down since the last closed chunk
  float chunk_log2 = 0;       // mean size of a closed one
};
// Of a window's feature vector in its view; of the record view, which sees no requests, nothing.
FlowRequests requests_of(View view, const float* features) noexcept;

// What the flows that share a path lean to, as far as one place sees them: the mean log-odds of the active
// ones a second ago. A narrow path makes video look less like it, and its rivals too.
struct PathLeaning {
  double bits = 0;
  std::uint32_t flows = 0;  // 0: not known, or the path is not narrow
};

// Gathers it: one for each place that sees flows, be it a device or a link.
class FlowPeers {
 public:
  // Of the second before this one.
  [[nodiscard]] PathLeaning before(const PolicyOptions& options, std::int64_t second) const noexcept;

 private:
  friend class FlowPolicy;

  struct Sums {
    std::uint64_t second = 0;  // unsigned: it may wrap
    double bits = 0;
    double bytes_down = 0;
    std::uint32_t flows = 0;
  };

  // The sums that a window of `second` goes to: in the order of their seconds; one before the last begins
  // anew.
  Sums& of(std::int64_t second) noexcept;

  Sums open_, last_;
};

// One flow. Default-constructed for a new one; 16 bytes, so that a table can keep it in a flow's slot.
class FlowPolicy {
 public:
  struct Mark {
    std::uint8_t dscp = kDscpDefault;
    QosReason reason = QosReason::kDefault;
  };

  // Takes the flow's window of `second` and returns its mark from then on. Call it once for each window of
  // the flow, in the order of their seconds; seconds without packets are left out. peers: of the place where
  // the flow is seen, which takes the window too; null if only this flow is known.
  Mark step(const PolicyOptions& options, std::int64_t second, const Decision& decision,
            std::uint64_t bytes_up, std::uint64_t bytes_down, const FlowRequests& requests = {},
            FlowPeers* peers = nullptr) noexcept;

 private:
  enum class State : std::uint8_t { kNew, kUnsure, kVideo, kNonVideo, kBulk };

  Mark step_quiet(const PolicyOptions& options, std::uint32_t second) noexcept;
  bool weigh(const PolicyOptions& options, double bits) noexcept;
  void count_bulk(const PolicyOptions& options, std::uint32_t pause, std::uint64_t bytes,
                  bool one_way) noexcept;
  void end_hold() noexcept;
  void forget_run() noexcept;
  [[nodiscard]] Mark mark(const PolicyOptions& options, QosReason reason) const noexcept;
  [[nodiscard]] bool is_other() const noexcept {
    return state_ == State::kNonVideo || state_ == State::kBulk;
  }

  std::uint32_t second_ = 0;         // of the last active window, its low 32 bits
  std::uint32_t run_kilobytes_ = 0;  // of the windows that may become bulk
  float evidence_ = 0;               // bits for video; below 0 against it
  std::uint16_t run_seconds_ = 0;
  std::uint8_t weak_ = 0;  // windows in a row that hardly speak for the state
  State state_ = State::kNew;
};
static_assert(sizeof(FlowPolicy) <= 16);

// What to do for a session, from a second on.
struct Qos {
  std::uint32_t prefetch_depth = 0;    // clips to fetch ahead of the one that plays
  std::uint32_t buffer_target_ms = 0;  // media to hold before fetching pauses
  std::uint32_t max_bitrate_kbps = 0;  // 0: no limit
  std::uint32_t throughput_kbps = 0;   // estimate that these rest on; 0: not known
  QosReason prefetch_reason = QosReason::kDefault;
  QosReason buffer_reason = QosReason::kDefault;
  QosReason bitrate_reason = QosReason::kDefault;
  bool changed = false;  // differs from the second before
};

struct SessionResult {
  float probability = 0.5F;  // of video, by the hold rule of session.h
  bool over = false;         // no packet for kSessionHoldSeconds
  Qos qos;
};

// All flows of one client, app or device together.
class SessionPolicy {
 public:
  explicit SessionPolicy(const PolicyOptions& options) noexcept;

  // Adds a window of the open second. bins: 20 × 50 ms bytes down, then up; null if they are not known (then
  // the second tells no throughput). mark: what FlowPolicy answered for this window.
  void add(const Decision& decision, std::uint64_t bytes_up, std::uint64_t bytes_down,
           const std::uint32_t* bins, FlowPolicy::Mark mark) noexcept;

  // Closes second k. Call it for every second in turn, idle ones too.
  SessionResult end_second(std::int64_t k) noexcept;

  // As new, with the same options.
  void reset() noexcept;

 private:
  enum class State : std::uint8_t { kUnknown, kVideo, kNonVideo };
  enum class Verdict : std::uint8_t { kVideo, kNonVideo, kUnsure, kQuiet };

  // Sums over the open second.
  struct Second {
    SessionSecond session;
    std::uint64_t video_bytes = 0;      // down, of flows marked as video
    std::uint64_t competing_bytes = 0;  // down, of what is surely not video
    PolicyBins video_bins{};
    PolicyBins other_bins{};
  };

  [[nodiscard]] Verdict judge(double score) const noexcept;
  QosReason move_on(Verdict verdict) noexcept;
  void follow_path() noexcept;
  void enter_congestion() noexcept;
  void decide_video(QosReason reason) noexcept;
  void decide_defaults(QosReason reason) noexcept;
  void step_depth() noexcept;
  void step_cap() noexcept;
  [[nodiscard]] double cap_target() const noexcept;

  PolicyOptions options_;
  SessionScore score_;
  Second open_;
  ThroughputEstimate throughput_;
  Qos qos_;

  // Times in seconds are unsigned, so that their differences are defined whatever the caller's clock does.
  std::uint64_t now_ = 0;
  std::uint64_t last_sure_ = 0;
  std::uint64_t last_video_ = 0;
  std::uint64_t depth_changed_ = 0;
  std::uint64_t cap_changed_ = 0;
  std::uint64_t congestion_left_ = 0;
  double depth_ = 0;
  double cap_ = 0;  // kbit/s
  double pressure_ = 0;
  double relief_needed_ = 0;  // seconds of relief that end congestion
  std::uint32_t unsure_ = 0;  // active seconds since the last sure one
  State state_ = State::kUnknown;
  bool congested_ = false;
};

}  // namespace reelsense
