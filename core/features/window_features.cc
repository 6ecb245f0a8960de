#include "window_features.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "reelsense/base/math.h"

namespace reelsense {
namespace {

__extension__ using Uint128 = unsigned __int128;

constexpr double kCapS = 20.0;
constexpr std::uint64_t kActiveBytes = 20'000;

// std of n whole numbers from their sum and sum of squares; n·Σx² − (Σx)² is exact, so equal numbers give 0.
double population_std(std::uint64_t n, std::uint64_t sum, Uint128 squares) noexcept {
  const Uint128 spread = n * squares - static_cast<Uint128>(sum) * sum;
  return std::sqrt(static_cast<double>(spread)) / static_cast<double>(n);
}

double ratio_log2(double a, double b) noexcept {
  return log2_exact(1.0 + a) - log2_exact(1.0 + b);
}

class Writer {
 public:
  explicit Writer(float* out) noexcept : out_(out) {}
  void set(Feature feature, double value) noexcept {
    out_[static_cast<std::size_t>(feature)] = static_cast<float>(value);
  }

 private:
  float* out_;
};

void write_volume(Writer& out, const FeatureHot& hot, const WindowBytes& bytes, float down_log2) noexcept {
  const double n_up = hot.window.packets[0];
  const double n_down = hot.window.packets[1];
  const double up_log2 = log2_exact(1.0 + static_cast<double>(bytes.up));
  const double n_up_log2 = log2_exact(1.0 + n_up);
  const double n_down_log2 = log2_exact(1.0 + n_down);
  out.set(Feature::kDownBytesLog2, down_log2);
  out.set(Feature::kUpBytesLog2, up_log2);
  out.set(Feature::kDownPacketsLog2, n_down_log2);
  out.set(Feature::kUpPacketsLog2, n_up_log2);
  out.set(Feature::kDownUpBytesRatioLog2, log2_exact(1.0 + static_cast<double>(bytes.down)) - up_log2);
  out.set(Feature::kDownUpPacketsRatioLog2, n_down_log2 - n_up_log2);
}

void write_sizes(Writer& out, const FeatureHot& hot, const WindowBytes& bytes) noexcept {
  const std::uint32_t n_up = hot.window.packets[0];
  const std::uint32_t n_down = hot.window.packets[1];
  double mean = 0;
  double deviation = 0;
  if (n_down != 0) {
    mean = static_cast<double>(bytes.down) / n_down;
    deviation = population_std(n_down, bytes.down, hot.window.down_square_bytes);
  }
  const double per_down = n_down != 0 ? 1.0 / n_down : 0.0;
  const double per_max = hot.down_max != 0 ? 1.0 / hot.down_max : 0.0;
  out.set(Feature::kDownSizeMean, mean);
  out.set(Feature::kDownSizeStd, deviation);
  out.set(Feature::kDownSizeMax, hot.down_max);
  out.set(Feature::kDownSizeMeanRel, mean * per_max);
  out.set(Feature::kDownSizeStdRel, deviation * per_max);
  out.set(Feature::kDownFullShare, hot.window.down_full * per_down);
  out.set(Feature::kDownSmallShare, hot.window.down_small * per_down);
  out.set(Feature::kUpSizeMean, n_up != 0 ? static_cast<double>(bytes.up) / n_up : 0.0);
  out.set(Feature::kUpSizeAckRatioLog2, n_up != 0 ? log2_exact(16.0 * static_cast<double>(bytes.up) /
                                                               (static_cast<double>(n_up) * hot.ack_q4))
                                                  : 0.0);
}

void write_times(Writer& out, const FeatureHot& hot) noexcept {
  const std::uint32_t n_down = hot.window.packets[1];
  double mean_ms = 1000;
  double cv = 0;
  std::uint32_t silence_us = 1'000'000;
  if (n_down >= 1) {
    silence_us =
        std::max({hot.window.first_down_us, hot.window.max_gap_us, 1'000'000 - hot.window.last_down_us});
  }
  if (n_down >= 2) {
    const std::uint32_t gaps = n_down - 1;
    const std::uint32_t sum_us = hot.window.last_down_us - hot.window.first_down_us;
    mean_ms = static_cast<double>(sum_us) / gaps / 1000.0;
    if (n_down >= 3 && sum_us != 0) {
      cv = population_std(gaps, sum_us, hot.window.down_gap_square_us) * gaps / sum_us;
    }
  }
  out.set(Feature::kDownGapMeanMs, mean_ms);
  out.set(Feature::kDownGapCv, cv);
  out.set(Feature::kDownSilenceMaxMs, silence_us / 1000.0);
  out.set(Feature::kDownBursts10ms, n_down == 0 ? 0.0 : 1.0 + hot.window.gaps_10ms);
  out.set(Feature::kDownBursts50ms, n_down == 0 ? 0.0 : 1.0 + hot.window.gaps_50ms);
}

void write_bins(Writer& out, const FeatureCold& cold, std::uint64_t down_bytes) noexcept {
  std::uint32_t active = 0;
  std::uint32_t peak = 0;
  std::uint64_t squares = 0;
  for (const auto& both : cold.bins) {
    const std::uint32_t bin = both[1];
    active += bin != 0 ? 1 : 0;
    peak = std::max(peak, bin);
    squares += static_cast<std::uint64_t>(bin) * bin;
  }
  const auto total = static_cast<double>(down_bytes);
  out.set(Feature::kDownBinsActiveShare, active / static_cast<double>(kBinsPerWindow));
  out.set(Feature::kDownBinPeakShare, down_bytes != 0 ? peak / total : 0.0);
  out.set(
      Feature::kDownBinsCv,
      down_bytes != 0 ? population_std(kBinsPerWindow, down_bytes, squares) * kBinsPerWindow / total : 0.0);
}

void write_runs(Writer& out, const FeatureHot& hot, const FeatureCold& cold, std::uint32_t end_ms) noexcept {
  const auto spread = [](const RunAverages& run) {
    return run.interval_s > 0 ? static_cast<double>(run.deviation_s) / static_cast<double>(run.interval_s)
                              : 0.0;
  };
  const double request_age_s = (end_ms - cold.last_request_ms) / 1000.0;
  out.set(Feature::kRequests, hot.window.requests);
  out.set(Feature::kRequestAgeS, hot.request_seen ? std::min(kCapS, request_age_s) : kCapS);
  out.set(Feature::kRequestSizeRatioLog2, cold.request_size_log2);
  out.set(Feature::kOpenChunkLog2, log2_1p(hot.chunk_bytes));
  out.set(Feature::kChunksLog2, log2_1p(cold.chunks));
  out.set(Feature::kChunkSizeLog2, cold.chunk.size_log2);
  out.set(Feature::kChunkIntervalS, cold.chunks >= 2 ? static_cast<double>(cold.chunk.interval_s) : kCapS);
  out.set(Feature::kChunkIntervalSpread, spread(cold.chunk));
  out.set(Feature::kChunkDuty, cold.chunk_duty);
  out.set(Feature::kBurstsLog2, log2_1p(cold.bursts));
  out.set(Feature::kBurstSizeLog2, cold.burst.size_log2);
  out.set(Feature::kBurstIntervalS, cold.bursts >= 2 ? static_cast<double>(cold.burst.interval_s) : kCapS);
  out.set(Feature::kBurstIntervalSpread, spread(cold.burst));
  out.set(Feature::kOpenBurstLog2, log2_1p(hot.burst_bytes));
}

struct Period {
  double lag_s = 0;
  double score = 0;
};

// Term "period": bit j of `high` is x[j].
Period find_period(std::uint32_t high, std::uint32_t n) noexcept {
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

void write_history(Writer& out, const FeatureCold& cold, std::uint32_t age) noexcept {
  const std::uint32_t n = std::min<std::uint32_t>(kHistorySeconds, age + 1);
  std::array<std::uint64_t, kHistorySeconds> down{};
  std::uint64_t down_sum = 0;
  std::uint64_t up_sum = 0;
  Uint128 squares = 0;
  std::uint64_t peak = 0;
  std::uint32_t active = 0;
  std::uint32_t idle = 0;
  for (std::uint32_t j = 0; j < n; ++j) {
    const std::uint64_t h = decode_q11(cold.history[1][j]);
    down[j] = h;
    down_sum += h;
    up_sum += decode_q11(cold.history[0][j]);
    squares += static_cast<Uint128>(h) * h;
    peak = std::max(peak, h);
    active += h >= kActiveBytes ? 1 : 0;
    idle += h == 0 ? 1 : 0;
  }
  std::uint32_t high = 0;
  for (std::uint32_t j = 0; j < n; ++j) high |= (n * down[j] > down_sum ? 1U : 0U) << j;
  const Period period = find_period(high, n);
  const auto sum = static_cast<double>(down_sum);

  out.set(Feature::kDownUpBytesRatio20sLog2, ratio_log2(sum, static_cast<double>(up_sum)));
  out.set(Feature::kDownEwmaLog2, static_cast<double>(cold.down_ewma_log2));
  out.set(Feature::kDownActiveShare20s, static_cast<double>(active) / n);
  out.set(Feature::kDownPeakRatio20s,
          peak != 0 ? static_cast<double>(down[0]) / static_cast<double>(peak) : 0.0);
  out.set(Feature::kDownCv20s, down_sum != 0 ? population_std(n, down_sum, squares) * n / sum : 0.0);
  out.set(Feature::kDownGrowthLog2,
          age == 0 ? 0.0 : ratio_log2(static_cast<double>(down[0]), static_cast<double>(down[1])));
  out.set(Feature::kDownPeriodS, period.lag_s);
  out.set(Feature::kDownPeriodScore, period.score);
  out.set(Feature::kDownIdleShare20s, static_cast<double>(idle) / n);
}

}  // namespace

void write_features(const FeatureHot& hot, const FeatureCold& cold, const WindowEnd& end,
                    float* features) noexcept {
  Writer out(features);
  write_volume(out, hot, end.bytes, end.down_log2);
  write_sizes(out, hot, end.bytes);
  write_times(out, hot);
  write_bins(out, cold, end.bytes.down);
  write_runs(out, hot, cold, end.ms);
  write_history(out, cold, end.age_seconds);
  out.set(Feature::kFlowAgeLog2, log2_1p(end.ms / 1000.0));
  out.set(Feature::kFirstFullS, hot.first_full >= 5 ? std::min(kCapS, cold.first_full_ms / 1000.0) : kCapS);
}

}  // namespace reelsense
