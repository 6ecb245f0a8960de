#include "window_features.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "reelsense/base/math.h"
#include "shared.h"

namespace reelsense {
namespace {

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
  const BinShape shape = shape_of_bins<std::uint64_t>(cold.bins, down_bytes);
  out.set(Feature::kDownBinsActiveShare, shape.active_share);
  out.set(Feature::kDownBinPeakShare, shape.peak_share);
  out.set(Feature::kDownBinsCv, shape.cv);
}

void write_runs(Writer& out, const FeatureHot& hot, const FeatureCold& cold, std::uint32_t end_ms) noexcept {
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

void write_history(Writer& out, const FeatureCold& cold, std::uint32_t age) noexcept {
  const std::uint32_t n = std::min<std::uint32_t>(kHistorySeconds, age + 1);
  std::array<std::uint64_t, kHistorySeconds> down{};
  const HistorySums sums = sum_history(cold.history[1], cold.history[0], n, down.data());
  const Period period = find_period(down.data(), n, sums.down);
  const auto sum = static_cast<double>(sums.down);

  out.set(Feature::kDownUpBytesRatio20sLog2, ratio_log2(sum, static_cast<double>(sums.up)));
  out.set(Feature::kDownEwmaLog2, static_cast<double>(cold.down_ewma_log2));
  out.set(Feature::kDownActiveShare20s, static_cast<double>(sums.active) / n);
  out.set(Feature::kDownPeakRatio20s,
          sums.peak != 0 ? static_cast<double>(down[0]) / static_cast<double>(sums.peak) : 0.0);
  out.set(Feature::kDownCv20s, sums.cv(n));
  out.set(Feature::kDownGrowthLog2,
          age == 0 ? 0.0 : ratio_log2(static_cast<double>(down[0]), static_cast<double>(down[1])));
  out.set(Feature::kDownPeriodS, period.lag_s);
  out.set(Feature::kDownPeriodScore, period.score);
  out.set(Feature::kDownIdleShare20s, static_cast<double>(sums.idle) / n);
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
