#include "reelsense/features/socket_state.h"

#include <array>
#include <cstring>

#include "shared.h"

namespace reelsense {
namespace {

constexpr std::uint32_t kClosingBytes = 8192;
constexpr std::uint32_t kLargeWriteBytes = 40;

class Writer {
 public:
  explicit Writer(float* out) noexcept : out_(out) {}
  void set(SocketFeature feature, double value) noexcept {
    out_[static_cast<std::size_t>(feature)] = static_cast<float>(value);
  }

 private:
  float* out_;
};

}  // namespace

void SocketState::start(std::int64_t first_ns) noexcept {
  *this = SocketState{};
  first_ns_ = first_ns;
}

void SocketState::open_window(std::int64_t second) noexcept {
  requests_ = 0;
  window_ms_ = flow_ms(first_ns_, second * kSecondNs);
  std::memset(bins_, 0, sizeof bins_);
}

void SocketState::add(Direction direction, std::uint32_t bytes, std::uint32_t offset_ns) noexcept {
  if (bytes == 0 || (direction == Direction::kUp && bytes < kLargeWriteBytes)) return;
  const std::uint32_t ms = window_ms_ + offset_ns / 1'000'000;
  std::uint32_t& bin = bins_[offset_ns / 1000 / kBinUs][static_cast<std::size_t>(direction)];
  bin = add_saturated(bin, bytes);
  if (direction == Direction::kDown) {
    add_read(bytes, ms);
  } else {
    add_write(ms);
  }
}

void SocketState::add_write(std::uint32_t ms) noexcept {
  const bool request = !write_seen_ || ms - last_write_ms_ >= kRequestSilenceMs;
  write_seen_ = true;
  last_write_ms_ = ms;
  if (!request) return;
  ++requests_;
  last_request_ms_ = ms;
  if (chunk_bytes_ >= kClosingBytes) close_chunk(ms);
}

void SocketState::close_chunk(std::uint32_t request_ms) noexcept {
  const std::uint32_t span_ms = request_ms - chunk_start_ms_;
  const float duty = span_ms == 0
                         ? 1.0F
                         : static_cast<float>(static_cast<double>(last_read_ms_ - chunk_start_ms_) / span_ms);
  if (chunks_ == 0) {
    chunk_duty_ = duty;
  } else {
    average(chunk_duty_, duty);
  }
  close_run(chunk_, chunks_, chunk_bytes_, chunk_start_ms_);
  chunk_bytes_ = 0;
}

void SocketState::add_read(std::uint32_t bytes, std::uint32_t ms) noexcept {
  if (burst_bytes_ >= kClosingBytes && ms - last_read_ms_ > kBurstGapMs) {
    close_run(burst_, bursts_, burst_bytes_, burst_start_ms_);
    burst_bytes_ = 0;
  }
  if (burst_bytes_ == 0) burst_start_ms_ = ms;
  burst_bytes_ = add_saturated(burst_bytes_, bytes);
  if (chunk_bytes_ == 0) chunk_start_ms_ = ms;
  chunk_bytes_ = add_saturated(chunk_bytes_, bytes);
  last_read_ms_ = ms;
}

void SocketState::close_window(std::int64_t second, float* features, std::uint32_t* bins) noexcept {
  const auto k = static_cast<std::uint32_t>(second);
  std::uint64_t down = 0;
  std::uint64_t up = 0;
  for (std::size_t i = 0; i < kBinsPerWindow; ++i) {
    bins[i] = bins_[i][1];
    bins[kBinsPerWindow + i] = bins_[i][0];
    down += bins_[i][1];
    up += bins_[i][0];
  }
  const std::uint32_t elapsed = last_second_ == kNoWindow ? 1 : k - last_second_;
  for (auto& history : history_) shift_history(history, elapsed);
  history_[1][0] = encode_q11(down);
  history_[0][0] = encode_q11(up);
  last_second_ = k;
  write_features(second, down, up, features);
}

void SocketState::write_features(std::int64_t second, std::uint64_t down, std::uint64_t up,
                                 float* features) const noexcept {
  using F = SocketFeature;
  const std::uint32_t end_ms = flow_ms(first_ns_, (second + 1) * kSecondNs);
  const auto age = static_cast<std::uint32_t>(second - first_ns_ / kSecondNs);
  const std::uint32_t n = std::min<std::uint32_t>(kHistorySeconds, age + 1);
  std::array<std::uint64_t, kHistorySeconds> h{};
  const HistorySums sums = sum_history(history_[1], history_[0], n, h.data());
  const Period period = find_period(h.data(), n, sums.down);
  const BinShape shape = shape_of_bins<Uint128>(bins_, down);
  const auto as_double = [](std::uint64_t value) { return static_cast<double>(value); };

  Writer out(features);
  out.set(F::kDownBytesLog2, log2_exact(1.0 + as_double(down)));
  out.set(F::kUpBytesLog2, log2_exact(1.0 + as_double(up)));
  out.set(F::kDownUpBytesRatioLog2, ratio_log2(as_double(down), as_double(up)));
  out.set(F::kDownUpBytesRatio20sLog2, ratio_log2(as_double(sums.down), as_double(sums.up)));
  out.set(F::kDownBinsActiveShare, shape.active_share);
  out.set(F::kDownBinPeakShare, shape.peak_share);
  out.set(F::kDownBinsCv, shape.cv);
  out.set(F::kRequests, requests_);
  out.set(F::kRequestAgeS, write_seen_ ? std::min(kCapS, (end_ms - last_request_ms_) / 1000.0) : kCapS);
  out.set(F::kOpenChunkLog2, log2_exact(1.0 + chunk_bytes_));
  out.set(F::kChunksLog2, log2_exact(1.0 + chunks_));
  out.set(F::kChunkSizeLog2, static_cast<double>(chunk_.size_log2));
  out.set(F::kChunkIntervalS, chunks_ >= 2 ? static_cast<double>(chunk_.interval_s) : kCapS);
  out.set(F::kChunkIntervalSpread, spread(chunk_));
  out.set(F::kChunkDuty, static_cast<double>(chunk_duty_));
  out.set(F::kBurstsLog2, log2_exact(1.0 + bursts_));
  out.set(F::kBurstSizeLog2, static_cast<double>(burst_.size_log2));
  out.set(F::kBurstIntervalS, bursts_ >= 2 ? static_cast<double>(burst_.interval_s) : kCapS);
  out.set(F::kBurstIntervalSpread, spread(burst_));
  out.set(F::kOpenBurstLog2, log2_exact(1.0 + burst_bytes_));
  out.set(F::kDownActiveShare20s, static_cast<double>(sums.active) / n);
  out.set(F::kDownIdleShare20s, static_cast<double>(sums.idle) / n);
  out.set(F::kDownPeakRatio20s, sums.peak != 0 ? as_double(h[0]) / as_double(sums.peak) : 0.0);
  out.set(F::kDownCv20s, sums.cv(n));
  out.set(F::kDownGrowthLog2, age == 0 ? 0.0 : ratio_log2(as_double(h[0]), as_double(h[1])));
  out.set(F::kDownPeriodS, period.lag_s);
  out.set(F::kDownPeriodScore, period.score);
  out.set(F::kFlowAgeLog2, log2_exact(1.0 + end_ms / 1000.0));
}

}  // namespace reelsense
