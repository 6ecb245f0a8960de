#include "reelsense/features/record_state.h"

#include <array>

#include "reelsense/flow/flow_key.h"
#include "shared.h"

namespace reelsense {
namespace {

using F = RecordFeature;

constexpr std::size_t kUp = static_cast<std::size_t>(Direction::kUp);
constexpr std::size_t kDown = static_cast<std::size_t>(Direction::kDown);
constexpr std::int64_t kMsPerS = 1000;
constexpr double kCapRecordS = 60.0;

void set(float* features, RecordFeature feature, double value) noexcept {
  features[static_cast<std::size_t>(feature)] = static_cast<float>(value);
}

void set_missing(float* features, RecordFeature feature) noexcept {
  const auto i = static_cast<std::size_t>(feature);
  features[i] = record_feature_table()[i].missing;
}

double count_ratio_log2(std::uint64_t a, std::uint64_t b) noexcept {
  return ratio_log2(static_cast<double>(a), static_cast<double>(b));
}

}  // namespace

double RecordState::Counts::rate(std::size_t direction) const noexcept {
  const std::int64_t length_ms = std::max(kMsPerS, end_ms - start_ms + 1);
  return 1000.0 * static_cast<double>(bytes[direction]) / static_cast<double>(length_ms);
}

std::int64_t RecordState::add(const FlowRecord& record, float* features) noexcept {
  const Counts counts = {
      record.start_ns / 1'000'000,
      record.end_ns / 1'000'000,
      {std::min(record.bytes_up, kMaxRecordBytes), std::min(record.bytes_down, kMaxRecordBytes)},
      {record.packets_up, record.packets_down}};
  const std::int64_t before_ms = latest_ms_;
  if (before_ms < 0) {
    first_ms_ = counts.start_ms;
    set_missing(features, F::kGapS);
  } else {
    const auto gap_ms = static_cast<double>(std::max<std::int64_t>(0, counts.start_ms - before_ms));
    set(features, F::kGapS, std::min(kCapRecordS, gap_ms / 1000.0));
  }
  latest_ms_ = std::max(before_ms, counts.end_ms);
  const std::int64_t second = latest_ms_ / kMsPerS;
  if (before_ms >= 0) {
    const auto elapsed = static_cast<std::uint32_t>(
        std::min<std::int64_t>(kRecordHistorySeconds, second - before_ms / kMsPerS));
    for (auto& history : history_) shift_history(history, elapsed);
  }
  seen_[kUp] = seen_[kUp] || counts.packets[kUp] != 0;
  seen_[kDown] = seen_[kDown] || counts.packets[kDown] != 0;
  spread_bytes(counts);
  write_record(counts, features);
  write_history(counts, features);
  return second;
}

// Term "h[j], u[j]".
void RecordState::spread_bytes(const Counts& record) noexcept {
  const std::int64_t newest = latest_ms_ / kMsPerS;
  const std::int64_t oldest = newest - static_cast<std::int64_t>(kRecordHistorySeconds) + 1;
  const auto length = static_cast<std::uint64_t>(record.end_ms - record.start_ms + 1);
  for (std::int64_t s = std::max(oldest, record.start_ms / kMsPerS); s <= record.end_ms / kMsPerS; ++s) {
    const std::int64_t from = std::max(record.start_ms, s * kMsPerS);
    const std::int64_t to = std::min(record.end_ms, s * kMsPerS + kMsPerS - 1);
    const auto overlap = static_cast<std::uint64_t>(to - from + 1);
    for (const std::size_t d : {kUp, kDown}) {
      std::uint16_t& code = history_[d][newest - s];
      code = encode_q11(decode_q11(code) + record.bytes[d] * overlap / length);
    }
  }
}

void RecordState::write_record(const Counts& record, float* features) noexcept {
  const double length_ms = static_cast<double>(record.end_ms - record.start_ms + 1);
  set(features, F::kDownRateLog2, log2_exact(1.0 + record.rate(kDown)));
  set(features, F::kUpRateLog2, log2_exact(1.0 + record.rate(kUp)));
  set(features, F::kDurationS, std::min(kCapRecordS, length_ms / 1000.0));

  for (const F f : {F::kDownSizeMean, F::kDownSizeMeanRel, F::kDownGrowthLog2, F::kUpSizeMeanRelLog2,
                    F::kDownUpBytesRatioLog2, F::kDownUpPacketsRatioLog2}) {
    set_missing(features, f);
  }
  const auto mean_of = [&record](std::size_t d) {
    return static_cast<double>(record.bytes[d]) / static_cast<double>(record.packets[d]);
  };
  if (record.packets[kDown] != 0) {
    const double mean = mean_of(kDown);
    largest_down_ = std::max(largest_down_, mean);
    set(features, F::kDownSizeMean, mean);
    set(features, F::kDownSizeMeanRel, largest_down_ > 0 ? mean / largest_down_ : 0.0);
    const double rate = record.rate(kDown);
    if (last_down_rate_ >= 0) set(features, F::kDownGrowthLog2, ratio_log2(rate, last_down_rate_));
    last_down_rate_ = rate;
  }
  if (record.packets[kUp] != 0) {
    // No packet is shorter than a byte, whatever an exporter says.
    const double mean = std::max(1.0, mean_of(kUp));
    smallest_up_ = smallest_up_ > 0 ? std::min(smallest_up_, mean) : mean;
    set(features, F::kUpSizeMeanRelLog2, log2_exact(mean / smallest_up_));
  }
  if (record.packets[kDown] != 0 && record.packets[kUp] != 0) {
    set(features, F::kDownUpBytesRatioLog2, count_ratio_log2(record.bytes[kDown], record.bytes[kUp]));
    set(features, F::kDownUpPacketsRatioLog2, count_ratio_log2(record.packets[kDown], record.packets[kUp]));
  }
}

void RecordState::write_history(const Counts& record, float* features) const noexcept {
  const std::int64_t seconds = latest_ms_ / kMsPerS - first_ms_ / kMsPerS + 1;
  const auto n = static_cast<std::uint32_t>(std::min<std::int64_t>(kRecordHistorySeconds, seconds));
  std::array<std::uint64_t, kRecordHistorySeconds> h{};
  const HistorySums sums = sum_history(history_[kDown], history_[kUp], n, h.data());
  std::uint32_t high = 0;
  std::uint32_t onsets = 0;
  for (std::uint32_t j = 0; j < n; ++j) {
    high += n * h[j] > sums.down ? 1 : 0;
    onsets += j + 1 < n && h[j] > 0 && h[j + 1] == 0 ? 1 : 0;
  }
  const auto peak = static_cast<double>(sums.peak);
  set(features, F::kDownActiveShare60s, static_cast<double>(sums.active) / n);
  set(features, F::kDownIdleShare60s, static_cast<double>(sums.idle) / n);
  set(features, F::kDownHighShare60s, static_cast<double>(high) / n);
  set(features, F::kDownOnsets60s, static_cast<double>(onsets) / n);
  set(features, F::kDownPeakRatio60s, sums.peak != 0 ? std::min(1.0, record.rate(kDown) / peak) : 0.0);
  set(features, F::kDownCv60s, sums.cv(n));
  set(features, F::kDownBytes60sLog2, log2_exact(1.0 + static_cast<double>(sums.down)));
  if (seen_[kUp] && seen_[kDown]) {
    set(features, F::kDownUpBytesRatio60sLog2, count_ratio_log2(sums.down, sums.up));
  } else {
    set_missing(features, F::kDownUpBytesRatio60sLog2);
  }
  set(features, F::kFlowAgeLog2, log2_exact(1.0 + static_cast<double>(latest_ms_ - first_ms_ + 1) / 1000.0));
}

}  // namespace reelsense
