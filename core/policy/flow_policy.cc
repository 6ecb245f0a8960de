// FlowPolicy: the code point of one flow.
#include <algorithm>
#include <limits>

#include "reelsense/base/math.h"
#include "reelsense/features/schema.h"
#include "reelsense/features/socket_schema.h"
#include "reelsense/policy/qos_policy.h"

namespace reelsense {
namespace {

constexpr const char* kReasonNames[kQosReasons] = {"default",   "video", "congested", "non-video",
                                                   "uncertain", "hold",  "idle",      "bulk"};

template <class T>
void count_up(T& counter) noexcept {
  if (counter != std::numeric_limits<T>::max()) ++counter;
}

// A window's log-odds for video; 0 for what is no probability.
double log_odds(float probability) noexcept {
  if (!(probability >= 0 && probability <= 1)) return 0;
  constexpr double kSurest = 1e-6;
  const double p = std::clamp(static_cast<double>(probability), kSurest, 1 - kSurest);
  return log2_exact(p / (1 - p));
}

// Bits that a flow of these log-odds gets for standing out among those it shares a narrow path with: at most
// what makes up for their leaning.
double stand_out(const PolicyOptions& options, double bits, const PathLeaning& leaning) noexcept {
  const double limit = std::min(options.flow_peer_bits, -leaning.bits);
  if (bits < -options.flow_peer_bits) return 0;
  return std::max(0.0, std::min(bits - leaning.bits, limit));
}

// Has not asked for anything for long.
bool is_silent(const PolicyOptions& options, const FlowRequests& requests) noexcept {
  return static_cast<double>(requests.age_s) > options.transfer_seconds;
}

// A player asks for the next few seconds again and again; who gets much for long without asking, or megabytes
// at a time, transfers.
bool is_transfer(const PolicyOptions& options, const FlowRequests& requests) noexcept {
  const auto above = [](float log2_bytes, double bytes) {
    return static_cast<double>(log2_bytes) > log2_exact(1 + bytes);
  };
  return (is_silent(options, requests) && above(requests.open_chunk_log2, options.transfer_bytes)) ||
         above(std::max(requests.open_chunk_log2, requests.chunk_log2), options.transfer_chunk_bytes);
}

template <class F>
FlowRequests requests_in(const float* features) noexcept {
  const auto value = [features](F feature) { return features[static_cast<std::size_t>(feature)]; };
  return {value(F::kRequestAgeS), value(F::kOpenChunkLog2), value(F::kChunkSizeLog2)};
}

constexpr double kWeakBits = 0.5;  // p of about 0.59 or 0.41

}  // namespace

const char* name_of(QosReason reason) noexcept {
  const auto index = static_cast<std::size_t>(reason);
  return index < kQosReasons ? kReasonNames[index] : "unknown";
}

FlowRequests requests_of(View view, const float* features) noexcept {
  switch (view) {
    case View::kPacket:
      return requests_in<Feature>(features);
    case View::kSocket:
      return requests_in<SocketFeature>(features);
    case View::kRecord:
      break;
  }
  return {};
}

FlowPeers::Sums& FlowPeers::of(std::int64_t second) noexcept {
  const auto now = static_cast<std::uint64_t>(second);
  if (now != open_.second) {
    last_ = now == open_.second + 1 ? open_ : Sums{};
    open_ = {.second = now};
  }
  return open_;
}

PathLeaning FlowPeers::before(const PolicyOptions& options, std::int64_t second) const noexcept {
  const std::uint64_t wanted = static_cast<std::uint64_t>(second) - 1;
  const Sums& sums = open_.second == wanted ? open_ : last_;
  if (sums.second != wanted || sums.flows == 0 || sums.bytes_down >= options.ample_kbps * (1000.0 / 8))
    return {};
  return {sums.bits / sums.flows, sums.flows};
}

FlowPolicy::Mark FlowPolicy::mark(const PolicyOptions& options, QosReason reason) const noexcept {
  if (state_ == State::kVideo) return {kDscpVideo, reason};
  if (state_ == State::kBulk && options.bulk_lower_effort > 0) return {kDscpLowerEffort, reason};
  return {kDscpDefault, reason};
}

FlowPolicy::Mark FlowPolicy::step(const PolicyOptions& options, std::int64_t second, const Decision& decision,
                                  std::uint64_t bytes_up, std::uint64_t bytes_down,
                                  const FlowRequests& requests, FlowPeers* peers) noexcept {
  const auto now = static_cast<std::uint32_t>(static_cast<std::uint64_t>(second));
  const double up = static_cast<double>(bytes_up);
  const double down = static_cast<double>(bytes_down);
  const PathLeaning leaning = peers != nullptr ? peers->before(options, second) : PathLeaning{};
  FlowPeers::Sums unseen;
  FlowPeers::Sums& sums = peers != nullptr ? peers->of(second) : unseen;
  sums.bytes_down += down;
  if (up + down < options.active_bytes) return step_quiet(options, now);
  const std::uint32_t pause = now - second_;
  second_ = now;
  double bits = log_odds(decision.probability);
  sums.bits += bits;
  ++sums.flows;
  const bool was_counted = state_ != State::kNew && pause == 1;
  const std::uint32_t others = leaning.flows - (was_counted && leaning.flows > 0 ? 1 : 0);
  if (others > 0 && !is_silent(options, requests)) bits += stand_out(options, bits, leaning);
  bits = std::clamp(bits, -options.flow_window_bits, options.flow_window_bits);
  if (bits > 0 && is_transfer(options, requests)) bits = 0;
  // Part of a second, much of it handshake and slow start: every flow begins as little of a video.
  if (state_ == State::kNew) bits = std::max(bits, 0.0);
  const bool speaks_for_state = weigh(options, bits);
  switch (state_) {
    case State::kVideo:
      forget_run();
      return mark(options, speaks_for_state ? QosReason::kVideo : QosReason::kHold);
    case State::kNonVideo:
    case State::kBulk: {
      const bool one_way = std::max(up, down) >= options.bulk_direction_ratio * std::min(up, down);
      if (weak_ > options.flow_hold_seconds) return mark(options, QosReason::kUncertain);
      count_bulk(options, pause, decision.uncertain ? 0 : bytes_up + bytes_down, one_way);
      if (!speaks_for_state) return mark(options, QosReason::kHold);
      return mark(options, state_ == State::kBulk ? QosReason::kBulk : QosReason::kNonVideo);
    }
    case State::kNew:
    case State::kUnsure:
      break;
  }
  forget_run();
  return mark(options, QosReason::kUncertain);
}

// Too little to say anything: the last decision stays.
FlowPolicy::Mark FlowPolicy::step_quiet(const PolicyOptions& options, std::uint32_t second) noexcept {
  if (state_ == State::kNew) return mark(options, QosReason::kDefault);
  if (state_ == State::kUnsure) return mark(options, QosReason::kUncertain);
  if (state_ == State::kBulk && second - second_ > options.bulk_leave_seconds) {
    state_ = State::kNonVideo;
    forget_run();
  }
  return mark(options, QosReason::kIdle);
}

// Adds a window's bits to the evidence and moves the state on. Returns whether the window speaks for the
// state: leans its way.
bool FlowPolicy::weigh(const PolicyOptions& options, double bits) noexcept {
  const double sum = static_cast<double>(evidence_) + bits;
  evidence_ = static_cast<float>(std::clamp(sum, -options.flow_evidence_low, options.flow_evidence_high));
  const auto evidence = static_cast<double>(evidence_);
  if (evidence >= options.flow_enter_bits) {
    state_ = State::kVideo;
  } else if (evidence <= -options.flow_enter_bits) {
    if (state_ != State::kBulk) state_ = State::kNonVideo;
  } else if (state_ == State::kNew || (state_ == State::kVideo && evidence <= -options.flow_leave_bits) ||
             (is_other() && evidence >= options.flow_leave_bits)) {
    state_ = State::kUnsure;
  }
  const double for_state = state_ == State::kVideo ? bits : is_other() ? -bits : 0;
  if (for_state >= kWeakBits || state_ == State::kUnsure) {
    weak_ = 0;
  } else {
    count_up(weak_);
    if (weak_ > options.flow_hold_seconds) end_hold();
  }
  return for_state > 0;
}

// Held long enough: back to the default. Evidence against video stays, since it marks nothing.
void FlowPolicy::end_hold() noexcept {
  if (state_ == State::kVideo) {
    state_ = State::kUnsure;
    evidence_ = 0;
    weak_ = 0;
  } else if (state_ == State::kBulk) {
    state_ = State::kNonVideo;
    forget_run();
  }
}

// To stand back costs a video its picture, so only sure windows count: bytes is 0 for the others, which do
// not break a run either.
void FlowPolicy::count_bulk(const PolicyOptions& options, std::uint32_t pause, std::uint64_t bytes,
                            bool one_way) noexcept {
  const double longest = state_ == State::kBulk ? options.bulk_leave_seconds : options.bulk_gap_seconds;
  if (!one_way || pause > longest) {
    state_ = State::kNonVideo;
    forget_run();
  }
  if (!one_way || bytes == 0) return;
  count_up(run_seconds_);
  const std::uint64_t kilobytes = run_kilobytes_ + std::min<std::uint64_t>(bytes / 1000, 0xffffffffU);
  run_kilobytes_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(kilobytes, 0xffffffffU));
  const double kilobits = 8.0 * run_kilobytes_;
  if (run_seconds_ >= options.bulk_seconds && kilobits >= options.bulk_kbps * run_seconds_) {
    state_ = State::kBulk;
  }
}

void FlowPolicy::forget_run() noexcept {
  run_seconds_ = 0;
  run_kilobytes_ = 0;
}

}  // namespace reelsense
