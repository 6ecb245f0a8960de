// FlowPolicy: the code point of one flow.
#include <algorithm>
#include <limits>

#include "reelsense/policy/qos_policy.h"

namespace reelsense {
namespace {

constexpr const char* kReasonNames[kQosReasons] = {"default",   "video", "congested", "non-video",
                                                   "uncertain", "hold",  "idle",      "bulk"};

template <class T>
void count_up(T& counter) noexcept {
  if (counter != std::numeric_limits<T>::max()) ++counter;
}

}  // namespace

const char* name_of(QosReason reason) noexcept {
  const auto index = static_cast<std::size_t>(reason);
  return index < kQosReasons ? kReasonNames[index] : "unknown";
}

FlowPolicy::Mark FlowPolicy::mark(const PolicyOptions& options, QosReason reason) const noexcept {
  if (state_ == State::kVideo) return {kDscpVideo, reason};
  if (state_ == State::kBulk && options.bulk_lower_effort > 0) return {kDscpLowerEffort, reason};
  return {kDscpDefault, reason};
}

FlowPolicy::Mark FlowPolicy::step(const PolicyOptions& options, std::int64_t second, const Decision& decision,
                                  std::uint64_t bytes_up, std::uint64_t bytes_down) noexcept {
  const auto now = static_cast<std::uint32_t>(static_cast<std::uint64_t>(second));
  const double up = static_cast<double>(bytes_up);
  const double down = static_cast<double>(bytes_down);
  if (up + down < options.active_bytes) return step_quiet(options, now);
  const std::uint32_t pause = now - second_;
  second_ = now;
  if (decision.uncertain) return step_unsure(options);
  unsure_ = 0;
  if (decision.label == Label::kVideo) return step_video(options, decision.probability);
  const bool one_way = std::max(up, down) >= options.bulk_direction_ratio * std::min(up, down);
  return step_other(options, pause, bytes_up + bytes_down, one_way);
}

// Too little to say anything: the last decision stays.
FlowPolicy::Mark FlowPolicy::step_quiet(const PolicyOptions& options, std::uint32_t second) noexcept {
  if (state_ == State::kNew) return mark(options, QosReason::kDefault);
  if (state_ == State::kUncertain) return mark(options, QosReason::kUncertain);
  if (state_ == State::kBulk && second - second_ > options.bulk_leave_seconds) {
    state_ = State::kNonVideo;
    run_seconds_ = 0;
    run_kilobytes_ = 0;
  }
  return mark(options, QosReason::kIdle);
}

FlowPolicy::Mark FlowPolicy::step_unsure(const PolicyOptions& options) noexcept {
  count_up(unsure_);
  if (state_ == State::kNew || unsure_ > options.flow_hold_seconds) {
    state_ = State::kUncertain;
    video_run_ = 0;
    other_run_ = 0;
  }
  return mark(options, state_ == State::kUncertain ? QosReason::kUncertain : QosReason::kHold);
}

FlowPolicy::Mark FlowPolicy::step_video(const PolicyOptions& options, float probability) noexcept {
  count_up(video_run_);
  other_run_ = 0;
  run_seconds_ = 0;
  run_kilobytes_ = 0;
  if (video_run_ >= options.flow_enter_seconds || probability >= options.flow_sure_probability) {
    state_ = State::kVideo;
  }
  if (state_ == State::kVideo) return mark(options, QosReason::kVideo);
  if (state_ == State::kNew) return mark(options, QosReason::kDefault);
  return mark(options, state_ == State::kUncertain ? QosReason::kUncertain : QosReason::kHold);
}

FlowPolicy::Mark FlowPolicy::step_other(const PolicyOptions& options, std::uint32_t pause,
                                        std::uint64_t bytes, bool one_way) noexcept {
  count_up(other_run_);
  video_run_ = 0;
  if (state_ == State::kVideo && other_run_ < options.flow_leave_seconds)
    return mark(options, QosReason::kHold);
  if (state_ != State::kBulk) state_ = State::kNonVideo;

  const double longest = state_ == State::kBulk ? options.bulk_leave_seconds : options.bulk_gap_seconds;
  if (!one_way || pause > longest) {
    state_ = State::kNonVideo;
    run_seconds_ = 0;
    run_kilobytes_ = 0;
  }
  if (one_way) {
    count_up(run_seconds_);
    const std::uint64_t kilobytes = run_kilobytes_ + std::min<std::uint64_t>(bytes / 1000, 0xffffffffU);
    run_kilobytes_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(kilobytes, 0xffffffffU));
    const double kilobits = 8.0 * run_kilobytes_;
    if (run_seconds_ >= options.bulk_seconds && kilobits >= options.bulk_kbps * run_seconds_) {
      state_ = State::kBulk;
    }
  }
  return mark(options, state_ == State::kBulk ? QosReason::kBulk : QosReason::kNonVideo);
}

}  // namespace reelsense
