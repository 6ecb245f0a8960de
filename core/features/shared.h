// What the views compute alike: saturating counts, moving averages, runs, the history of seconds, the bins of
// a second. Inline, as the packet path must not pay for sharing. Private to this layer. Thread safety: pure
// functions.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "reelsense/base/math.h"
#include "reelsense/features/schema.h"
#include "reelsense/features/state_parts.h"

namespace reelsense {

__extension__ using Uint128 = unsigned __int128;

inline constexpr std::uint32_t kUpper32 = 0xffffffffU;
inline constexpr std::uint32_t kRequestSilenceMs = 300;
inline constexpr std::uint32_t kBurstGapMs = 150;
inline constexpr std::uint32_t kBinUs = 50'000;
inline constexpr float kEwmaWeight = 0.25F;
inline constexpr double kCapS = 20.0;
inline constexpr std::uint64_t kActiveBytes = 20'000;

inline std::uint32_t add_saturated(std::uint32_t a, std::uint32_t b) noexcept {
  const std::uint32_t sum = a + b;
  return sum < a ? kUpper32 : sum;
}

inline std::uint16_t bump(std::uint16_t value, bool by) noexcept {
  return static_cast<std::uint16_t>(value + (by && value != 0xffffU ? 1 : 0));
}

inline void average(float& mean, float value) noexcept {
  mean += (value - mean) * kEwmaWeight;
}

// A chunk or burst closed: its size and the interval from the previous one's start join the averages.
inline void close_run(RunAverages& run, std::uint16_t& closed, std::uint32_t bytes,
                      std::uint32_t start_ms) noexcept {
  const float size = log2_1p(bytes);
  if (closed == 0) {
    run.size_log2 = size;
  } else {
    average(run.size_log2, size);
    const float interval = std::min(20.0F, static_cast<float>(start_ms - run.previous_start_ms) / 1000.0F);
    if (closed == 1) {
      run.interval_s = interval;
    } else {
      average(run.deviation_s, std::fabs(interval - run.interval_s));
      average(run.interval_s, interval);
    }
  }
  run.previous_start_ms = start_ms;
  closed = bump(closed, true);
}

// Term "spread".
inline double spread(const RunAverages& run) noexcept {
  return run.interval_s > 0 ? static_cast<double>(run.deviation_s) / static_cast<double>(run.interval_s)
                            : 0.0;
}

// ms(t) of a flow whose first packet or event came at first_ns.
inline std::uint32_t flow_ms(std::int64_t first_ns, std::int64_t t_ns) noexcept {
  return static_cast<std::uint32_t>(t_ns / 1'000'000 - first_ns / 1'000'000);
}

// std of n whole numbers from their sum and sum of squares; n·Σx² − (Σx)² is exact, so equal numbers give 0.
inline double population_std(std::uint64_t n, std::uint64_t sum, Uint128 squares) noexcept {
  const Uint128 distance = n * squares - static_cast<Uint128>(sum) * sum;
  return std::sqrt(static_cast<double>(distance)) / static_cast<double>(n);
}

inline double ratio_log2(double a, double b) noexcept {
  return log2_exact(1.0 + a) - log2_exact(1.0 + b);
}

// Moves a history (codes of q11, newest first) on by `elapsed` seconds that brought nothing yet.
template <std::size_t n>
void shift_history(std::uint16_t (&history)[n], std::uint32_t elapsed) noexcept {
  const std::size_t shift = std::min<std::size_t>(elapsed, n);
  std::memmove(history + shift, history, (n - shift) * sizeof history[0]);
  std::memset(history, 0, shift * sizeof history[0]);
}

struct HistorySums {
  std::uint64_t down = 0;
  std::uint64_t up = 0;
  Uint128 squares = 0;  // Σ h²
  std::uint64_t peak = 0;
  std::uint32_t active = 0;
  std::uint32_t idle = 0;

  // std / mean of h over n seconds; 0 if all are 0.
  [[nodiscard]] double cv(std::uint32_t n) const noexcept {
    return down != 0 ? population_std(n, down, squares) * n / static_cast<double>(down) : 0.0;
  }
};

// Sums over the newest n seconds; h[n]: the down bytes.
inline HistorySums sum_history(const std::uint16_t* down, const std::uint16_t* up, std::uint32_t n,
                               std::uint64_t* h) noexcept {
  HistorySums sums;
  for (std::uint32_t j = 0; j < n; ++j) {
    h[j] = decode_q11(down[j]);
    sums.down += h[j];
    sums.up += decode_q11(up[j]);
    sums.squares += static_cast<Uint128>(h[j]) * h[j];
    sums.peak = std::max(sums.peak, h[j]);
    sums.active += h[j] >= kActiveBytes ? 1 : 0;
    sums.idle += h[j] == 0 ? 1 : 0;
  }
  return sums;
}

struct Period {
  double lag_s = 0;
  double score = 0;
};

// Term "period" over h[n], n ≤ 20.
inline Period find_period(const std::uint64_t* h, std::uint32_t n, std::uint64_t sum) noexcept {
  std::uint32_t high = 0;  // bit j is x[j]
  for (std::uint32_t j = 0; j < n; ++j) high |= (n * h[j] > sum ? 1U : 0U) << j;
  const std::uint32_t all = (1U << n) - 1;
  if (n < 6 || high == 0 || high == all) return {};
  std::uint32_t best_lag = 0;
  std::uint32_t best_equal = 0;
  std::uint32_t best_pairs = 1;
  for (std::uint32_t lag = 2; lag <= std::min(10U, n - 4); ++lag) {
    const std::uint32_t pairs = n - lag;
    const std::uint32_t equal_bits = ~(high ^ (high >> lag)) & ((1U << pairs) - 1);
    const auto equal = static_cast<std::uint32_t>(std::popcount(equal_bits));
    // equal / pairs > best_equal / best_pairs, in whole numbers; the first lag always wins over none.
    if (best_lag == 0 || equal * best_pairs > best_equal * pairs) {
      best_lag = lag;
      best_equal = equal;
      best_pairs = pairs;
    }
  }
  return {static_cast<double>(best_lag), static_cast<double>(best_equal) / best_pairs};
}

struct BinShape {
  double active_share = 0;
  double peak_share = 0;
  double cv = 0;
};

// The down bins of a window, [kBinsPerWindow][by Direction], that sum to down_bytes. Sum must hold 20 squares
// of a bin.
template <class Sum>
BinShape shape_of_bins(const std::uint32_t (&bins)[kBinsPerWindow][2], std::uint64_t down_bytes) noexcept {
  std::uint32_t active = 0;
  std::uint32_t peak = 0;
  Sum squares = 0;
  for (const auto& both : bins) {
    const std::uint32_t bin = both[1];
    active += bin != 0 ? 1 : 0;
    peak = std::max(peak, bin);
    squares += static_cast<Sum>(bin) * bin;
  }
  const auto total = static_cast<double>(down_bytes);
  BinShape shape;
  shape.active_share = active / static_cast<double>(kBinsPerWindow);
  if (down_bytes == 0) return shape;
  shape.peak_share = peak / total;
  shape.cv = population_std(kBinsPerWindow, down_bytes, squares) * kBinsPerWindow / total;
  return shape;
}

}  // namespace reelsense
