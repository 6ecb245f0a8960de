#include "cli/run/latency.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace reelsense::cli {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

double clock_cost_us() {
  double least = 1e9;
  for (int i = 0; i < 64; ++i) {
    const auto start = Clock::now();
    least = std::min(least, microseconds(Clock::now() - start));
  }
  return least;
}

}  // namespace

void LatencySample::offer(const float* features) {
  ++offered_;
  std::size_t at = rows_.size();
  if (at < kRows) {
    rows_.emplace_back();
  } else {
    random_ ^= random_ << 13;  // xorshift64
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    at = static_cast<std::size_t>(random_ % offered_);
    if (at >= kRows) return;
  }
  std::memcpy(rows_[at].data(), features, sizeof(FeatureVector));
}

Latency LatencySample::measure(const UeModel& model) const {
  if (rows_.empty()) return {};
  const double cost = clock_cost_us();
  std::vector<double> times(rows_.size());
  Decision decision;
  // The first round warms caches and branch predictors, as a stream of windows does.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto start = Clock::now();
      model.decide(rows_[i].data(), 1, &decision);
      times[i] = std::max(0.0, microseconds(Clock::now() - start) - cost);
    }
  }
  std::sort(times.begin(), times.end());
  const auto quantile = [&](double q) {
    return times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))];
  };
  return {times.size(), quantile(0.50), quantile(0.99)};
}

}  // namespace reelsense::cli
