// SessionPolicy: prefetch depth, buffer target and bitrate cap of a session.
#include <algorithm>

#include "reelsense/policy/qos_policy.h"

namespace reelsense {
namespace {

constexpr double kNoCap = 1e9;               // kbit/s: above everything
constexpr double kCapStep = 50;              // kbit/s: no false precision
constexpr std::uint64_t kSamplesForCap = 3;  // slow start makes the first ones too low
constexpr double kCapWobble = 0.1;           // a cap that would move by less stays
constexpr std::uint64_t kRelapseSeconds = 60;
constexpr double kLongestRelief = 4;  // times congested_leave_seconds

std::uint32_t to_count(double value) noexcept {
  return static_cast<std::uint32_t>(std::clamp(value, 0.0, 4e9));
}

}  // namespace

SessionPolicy::SessionPolicy(const PolicyOptions& options) noexcept : options_(options) {
  decide_defaults(QosReason::kDefault);
}

void SessionPolicy::reset() noexcept {
  const PolicyOptions options = options_;
  *this = SessionPolicy(options);
}

void SessionPolicy::add(const Decision& decision, std::uint64_t bytes_up, std::uint64_t bytes_down,
                        const std::uint32_t* bins, FlowPolicy::Mark mark) noexcept {
  open_.session.bytes_up += bytes_up;
  open_.session.bytes_down += bytes_down;
  const bool is_number = decision.probability >= 0 && decision.probability <= 1;
  open_.session.add(is_number ? decision.probability : 0.5F, bytes_down);
  const bool is_video = mark.dscp == kDscpVideo;
  if (is_video) {
    open_.video_bytes += bytes_down;
  } else if (mark.reason == QosReason::kBulk || mark.dscp == kDscpLowerEffort ||
             decision.label == Label::kNonVideo) {
    open_.competing_bytes += bytes_down;
  }
  if (bins == nullptr) return;
  PolicyBins& sums = is_video ? open_.video_bins : open_.other_bins;
  for (std::size_t i = 0; i < kPolicyBins; ++i) sums[i] += bins[i];
}

SessionResult SessionPolicy::end_second(std::int64_t k) noexcept {
  now_ = static_cast<std::uint64_t>(k);
  const double score = score_.step(open_.session);
  const Verdict verdict = judge(score);
  QosReason reason = move_on(verdict);
  follow_path();
  if (score_.is_over()) {  // so that the last word of a session is what holds after it
    state_ = State::kUnknown;
    reason = QosReason::kDefault;
  }

  const Qos before = qos_;
  if (state_ == State::kVideo) {
    decide_video(reason);
  } else {
    decide_defaults(reason);
  }
  qos_.throughput_kbps = to_count(throughput_.kbps());
  qos_.changed = qos_.prefetch_depth != before.prefetch_depth ||
                 qos_.buffer_target_ms != before.buffer_target_ms ||
                 qos_.max_bitrate_kbps != before.max_bitrate_kbps;
  open_ = {};
  return {static_cast<float>(score), score_.is_over(), qos_};
}

// What this second says of the session.
SessionPolicy::Verdict SessionPolicy::judge(double score) const noexcept {
  const SessionSecond& second = open_.session;
  if (static_cast<double>(open_.video_bytes) >= options_.active_bytes) return Verdict::kVideo;
  const double bytes = static_cast<double>(second.bytes_up) + static_cast<double>(second.bytes_down);
  if (bytes < options_.active_bytes) return Verdict::kQuiet;
  if (second.probability() >= options_.video_probability) return Verdict::kVideo;
  const bool video_may_go_on =
      state_ == State::kVideo && static_cast<double>(now_ - last_video_) < options_.leave_seconds;
  if (score <= options_.non_video_score && !video_may_go_on) return Verdict::kNonVideo;
  return Verdict::kUnsure;
}

// Moves the state on and says why the decisions of this second are what they are.
QosReason SessionPolicy::move_on(Verdict verdict) noexcept {
  if (verdict == Verdict::kVideo || verdict == Verdict::kNonVideo) {
    unsure_ = 0;
    last_sure_ = now_;
    if (verdict == Verdict::kVideo) last_video_ = now_;
    if (verdict == Verdict::kVideo && state_ != State::kVideo) depth_changed_ = now_;
    state_ = verdict == Verdict::kVideo ? State::kVideo : State::kNonVideo;
    return verdict == Verdict::kVideo ? QosReason::kVideo : QosReason::kNonVideo;
  }
  const bool quiet = verdict == Verdict::kQuiet;
  if (!quiet) ++unsure_;
  if (state_ != State::kUnknown) {
    const bool stays = quiet ? static_cast<double>(now_ - last_sure_) <= options_.idle_seconds
                             : unsure_ <= options_.hold_seconds;
    if (stays) return quiet ? QosReason::kIdle : QosReason::kHold;
    state_ = State::kUnknown;
  }
  return quiet ? QosReason::kDefault : QosReason::kUncertain;
}

// Learns from the second how the path does, whether or not the decisions move.
void SessionPolicy::follow_path() noexcept {
  const BusyRun run = busy_run(open_.video_bins, open_.other_bins);
  const double ratio = throughput_.add(options_, run);
  if (state_ != State::kVideo) {
    congested_ = false;
    pressure_ = 0;
    return;
  }
  const bool competing = open_.competing_bytes > 0 &&
                         static_cast<double>(open_.competing_bytes) >=
                             options_.competing_share * static_cast<double>(open_.session.bytes_down);
  const bool full = run.bins >= options_.full_bins && run.peak <= options_.flat_ratio &&
                    throughput_.kbps() < options_.ample_kbps;
  if (full) {
    pressure_ += competing || ratio < options_.falling_ratio ? 2 : 1;
  } else if (!competing) {
    pressure_ -= 1;
  }
  pressure_ = std::clamp(pressure_, 0.0, congested_ ? relief_needed_ : options_.congested_enter_seconds);
  if (!congested_ && pressure_ >= options_.congested_enter_seconds) {
    enter_congestion();
  } else if (congested_ && pressure_ <= 0) {
    congested_ = false;
    congestion_left_ = now_;
  }
}

// What comes back soon after it went is taken for longer, so that decisions do not swing with each clip.
void SessionPolicy::enter_congestion() noexcept {
  const bool relapse = relief_needed_ > 0 && now_ - congestion_left_ < kRelapseSeconds;
  const double longest = kLongestRelief * options_.congested_leave_seconds;
  relief_needed_ = relapse ? std::min(2 * relief_needed_, longest) : options_.congested_leave_seconds;
  pressure_ = relief_needed_;
  congested_ = true;
}

void SessionPolicy::decide_video(QosReason reason) noexcept {
  if (reason == QosReason::kVideo) {
    if (congested_) reason = QosReason::kCongested;
    step_depth();
    step_cap();
    qos_.prefetch_depth = to_count(depth_);
    qos_.buffer_target_ms =
        to_count(congested_ ? options_.congested_buffer_target_ms : options_.video_buffer_target_ms);
    qos_.max_bitrate_kbps = cap_ < kNoCap ? to_count(cap_) : 0;
  }
  qos_.prefetch_reason = reason;
  qos_.buffer_reason = reason;
  qos_.bitrate_reason = reason;
}

void SessionPolicy::decide_defaults(QosReason reason) noexcept {
  depth_ = options_.default_prefetch_depth;
  depth_changed_ = now_;
  cap_ = kNoCap;
  cap_changed_ = now_;
  qos_.prefetch_depth = to_count(depth_);
  qos_.buffer_target_ms = to_count(options_.default_buffer_target_ms);
  qos_.max_bitrate_kbps = to_count(options_.default_max_bitrate_kbps);
  qos_.prefetch_reason = reason;
  qos_.buffer_reason = reason;
  qos_.bitrate_reason = reason;
}

// Down at once, up by one clip at a time.
void SessionPolicy::step_depth() noexcept {
  const double target = congested_ ? options_.congested_prefetch_depth : options_.video_prefetch_depth;
  if (target < depth_ || (congested_ && target != depth_)) {
    depth_ = target;
    depth_changed_ = now_;
  } else if (target > depth_ && static_cast<double>(now_ - depth_changed_) >= options_.raise_seconds) {
    depth_ += 1;
    depth_changed_ = now_;
  }
}

double SessionPolicy::cap_target() const noexcept {
  const double kbps = throughput_.kbps();
  const bool known = congested_ || throughput_.samples() >= kSamplesForCap;
  if (!(kbps > 0) || !known || kbps >= options_.ample_kbps) return kNoCap;
  const double share = congested_ ? options_.congested_share : options_.video_share;
  const double steps = static_cast<double>(static_cast<std::uint64_t>(share * kbps / kCapStep));
  return std::max(steps * kCapStep, options_.min_bitrate_kbps);
}

void SessionPolicy::step_cap() noexcept {
  const double target = cap_target();
  if (target < cap_ * (1 - kCapWobble)) {
    cap_ = target;
    cap_changed_ = now_;
  } else if (target > cap_ * (1 + kCapWobble) &&
             static_cast<double>(now_ - cap_changed_) >= options_.raise_seconds) {
    const double highest = cap_ * options_.raise_factor;
    // Beyond what an ample path's share would be, a cap means nothing any more.
    cap_ = highest >= options_.video_share * options_.ample_kbps ? target : std::min(target, highest);
    cap_changed_ = now_;
  }
}

}  // namespace reelsense
