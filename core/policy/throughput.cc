#include "reelsense/policy/throughput.h"

#include <algorithm>

namespace reelsense {
namespace {

constexpr double kBinMs = 50;
constexpr unsigned kGapAlone = 1;      // empty bins inside a run
constexpr unsigned kGapWhileBusy = 4;  // the same while other traffic fills them
constexpr unsigned kShortestRun = 3;   // shorter ones are packets, not a rate
constexpr double kHighestKbps = 1e8;   // 100 Gbit/s: what a float and a sum hold easily

bool joined(const PolicyBins& other, std::size_t from, std::size_t to) noexcept {
  const std::size_t gap = to - from - 1;
  if (gap <= kGapAlone) return true;
  if (gap > kGapWhileBusy) return false;
  for (std::size_t i = from + 1; i < to; ++i) {
    if (other[i] == 0) return false;
  }
  return true;
}

BusyRun measure(const PolicyBins& wanted, const PolicyBins& other, std::size_t first,
                std::size_t last) noexcept {
  double bytes = 0;
  double all = 0;
  double fullest = 0;
  for (std::size_t i = first; i <= last; ++i) {
    const double total = static_cast<double>(wanted[i]) + static_cast<double>(other[i]);
    bytes += static_cast<double>(wanted[i]);
    all += total;
    fullest = std::max(fullest, total);
  }
  BusyRun run;
  run.bins = static_cast<unsigned>(last - first + 1);
  double bins = run.bins;
  if (run.bins >= 2) {
    if (first != 0) bins -= 0.5;
    if (last != kPolicyBins - 1) bins -= 0.5;
  }
  run.kbps = std::min(kHighestKbps, bytes * 8 / (bins * kBinMs));
  run.peak = fullest * run.bins / all;
  return run;
}

}  // namespace

BusyRun busy_run(const PolicyBins& wanted, const PolicyBins& other) noexcept {
  BusyRun longest;
  std::size_t first = kPolicyBins;  // of the present run; kPolicyBins: none
  std::size_t last = 0;
  for (std::size_t i = 0; i <= kPolicyBins; ++i) {
    if (i < kPolicyBins && wanted[i] == 0) continue;
    const bool goes_on = i < kPolicyBins && first != kPolicyBins && joined(other, last, i);
    if (!goes_on) {
      if (first != kPolicyBins && last - first + 1 > longest.bins)
        longest = measure(wanted, other, first, last);
      first = i;
    }
    last = i;
  }
  return longest;
}

double ThroughputEstimate::add(const PolicyOptions& options, const BusyRun& run) noexcept {
  if (run.bins < kShortestRun || !(run.kbps > 0)) return 1;
  // A short burst may have ended before the path was filled, and an uneven one was sent as it was made: they
  // are only lower bounds.
  const bool filled_path = run.bins >= options.busy_bins && run.peak <= options.flat_ratio;
  if (!filled_path && !(mean_ > 0 && run.kbps > mean_)) return 1;
  const double ratio = kbps_ > 0 ? run.kbps / kbps_ : 1;
  Sample& sample = samples_[count_++ % kMaxSamples];
  sample.kbps = static_cast<float>(run.kbps);
  sample.too_high = mean_ > run.kbps ? static_cast<float>((mean_ - run.kbps) / run.kbps) : 0;
  renew(options);
  return ratio;
}

void ThroughputEstimate::renew(const PolicyOptions& options) noexcept {
  const std::size_t n =
      std::min({count_, static_cast<std::uint64_t>(options.throughput_samples), std::uint64_t{kMaxSamples}});
  double inverse = 0;
  double too_high = 0;
  for (std::size_t i = 1; i <= n; ++i) {
    const Sample& sample = samples_[(count_ - i) % kMaxSamples];
    inverse += 1 / static_cast<double>(sample.kbps);
    too_high = std::max(too_high, static_cast<double>(sample.too_high));
  }
  mean_ = static_cast<double>(n) / inverse;
  kbps_ = mean_ / (1 + std::min(too_high, options.robust_limit));
}

}  // namespace reelsense
