#include "capacity.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace reelsense::path {
namespace {

constexpr std::int64_t kPatienceNs = 3600 * kNsPerSecond;
constexpr double kBitsPerNsOfMbit = 1e-3;

}  // namespace

Capacity::Capacity(const RateProfile& rate, const Timeline& timeline) : rate_(rate), timeline_(timeline) {}

std::int64_t Capacity::finish_ns(std::int64_t start_ns, std::uint32_t bytes) noexcept {
  return rate_.opportunities_ns.empty() ? finish_fluid(start_ns, bytes)
                                        : finish_opportunities(start_ns, bytes);
}

const Moment& Capacity::moment_at(std::int64_t time_ns) noexcept {
  if (time_ns < moment_since_ns_ || time_ns >= moment_.until_ns) {
    moment_ = timeline_.at(time_ns);
    moment_since_ns_ = time_ns;
  }
  return moment_;
}

Capacity::Segment Capacity::segment_at(std::int64_t time_ns) noexcept {
  const Moment& moment = moment_at(time_ns);
  if (moment.blocked) return {0, moment.until_ns};
  if (rate_.unlimited()) return {std::numeric_limits<double>::infinity(), moment.until_ns};
  const double factor = kBitsPerNsOfMbit * moment.rate_factor;
  if (rate_.mbit.size() == 1) return {rate_.mbit.front() * factor, moment.until_ns};
  const std::int64_t interval = time_ns / rate_.interval_ns;
  const auto index = static_cast<std::size_t>(interval) % rate_.mbit.size();
  return {rate_.mbit[index] * factor, std::min(moment.until_ns, (interval + 1) * rate_.interval_ns)};
}

std::int64_t Capacity::finish_fluid(std::int64_t start_ns, std::uint32_t bytes) noexcept {
  double bits = 8.0 * bytes;
  std::int64_t time = start_ns;
  while (time - start_ns < kPatienceNs) {
    const Segment segment = segment_at(time);
    if (segment.bits_per_ns > 0) {
      const double needed_ns = std::ceil(bits / segment.bits_per_ns);  // 0 when unlimited
      if (needed_ns <= static_cast<double>(segment.until_ns - time)) {
        return time + static_cast<std::int64_t>(needed_ns);
      }
      bits -= segment.bits_per_ns * static_cast<double>(segment.until_ns - time);
    }
    if (segment.until_ns == kNever) break;
    time = segment.until_ns;
  }
  return kNever;
}

std::int64_t Capacity::opportunity_ns() const noexcept {
  return round_ * rate_.period_ns() + rate_.opportunities_ns[next_];
}

// The first unused opportunity at or after `time_ns`.
void Capacity::find_opportunity(std::int64_t time_ns) noexcept {
  const std::int64_t round = time_ns / rate_.period_ns();
  if (round > round_ + 1) {  // the end of a round and the beginning of the next are the same moment
    round_ = round - 1;
    next_ = 0;
  }
  const auto& times = rate_.opportunities_ns;
  while (opportunity_ns() < time_ns) {
    const auto found = std::lower_bound(times.begin() + static_cast<std::ptrdiff_t>(next_), times.end(),
                                        time_ns - round_ * rate_.period_ns());
    next_ = static_cast<std::size_t>(found - times.begin());
    if (next_ == times.size()) {
      ++round_;
      next_ = 0;
    }
  }
}

// As mahimahi's link queue: bytes, not packets, are delivered; what an opportunity has left goes to the next
// packet that waits, and is lost if none does.
std::int64_t Capacity::finish_opportunities(std::int64_t start_ns, std::uint32_t bytes) noexcept {
  double wanted = bytes;
  if (start_ns != used_ns_) left_bytes_ = 0;
  while (true) {
    const double taken = std::min(wanted, left_bytes_);
    wanted -= taken;
    left_bytes_ -= taken;
    if (wanted <= 0) return used_ns_;
    find_opportunity(std::max(start_ns, used_ns_));
    used_ns_ = opportunity_ns();
    if (used_ns_ - start_ns > kPatienceNs) return kNever;
    if (++next_ == rate_.opportunities_ns.size()) {
      ++round_;
      next_ = 0;
    }
    const Moment& moment = moment_at(used_ns_);
    left_bytes_ = moment.blocked ? 0 : kOpportunityBytes * moment.rate_factor;
  }
}

}  // namespace reelsense::path
