#include "profile.h"

#include <algorithm>
#include <numeric>

namespace reelsense::path {
namespace {

double mbit_of(double bytes, double ns) noexcept {
  return bytes * 8e3 / ns;
}

// Bytes of opportunities in each whole second of the trace, and in the rest if that is all there is.
std::vector<double> mbit_per_second(const std::vector<std::int64_t>& opportunities_ns) {
  const std::int64_t seconds = std::max<std::int64_t>(1, opportunities_ns.back() / kNsPerSecond);
  std::vector<double> mbit(static_cast<std::size_t>(seconds), 0.0);
  for (const std::int64_t at : opportunities_ns) {
    const auto second = static_cast<std::size_t>(at / kNsPerSecond);
    if (second < mbit.size()) mbit[second] += mbit_of(kOpportunityBytes, static_cast<double>(kNsPerSecond));
  }
  return mbit;
}

}  // namespace

std::int64_t RateProfile::period_ns() const noexcept {
  if (!opportunities_ns.empty()) return opportunities_ns.back();
  return mbit.size() <= 1 ? 0 : static_cast<std::int64_t>(mbit.size()) * interval_ns;
}

double RateProfile::mean_mbit() const noexcept {
  if (unlimited()) return std::numeric_limits<double>::infinity();
  if (!opportunities_ns.empty()) {
    return mbit_of(kOpportunityBytes * static_cast<double>(opportunities_ns.size()),
                   static_cast<double>(opportunities_ns.back()));
  }
  return std::accumulate(mbit.begin(), mbit.end(), 0.0) / static_cast<double>(mbit.size());
}

double RateProfile::min_mbit() const noexcept {
  if (unlimited()) return std::numeric_limits<double>::infinity();
  if (mbit.empty()) return std::ranges::min(mbit_per_second(opportunities_ns));
  return std::ranges::min(mbit);
}

double RateProfile::max_mbit() const noexcept {
  if (unlimited()) return std::numeric_limits<double>::infinity();
  if (mbit.empty()) return std::ranges::max(mbit_per_second(opportunities_ns));
  return std::ranges::max(mbit);
}

double DirectionProfile::usable_mbit() const noexcept {
  return policer.mbit > 0 ? std::min(policer.mbit, rate.mean_mbit()) : rate.mean_mbit();
}

}  // namespace reelsense::path
