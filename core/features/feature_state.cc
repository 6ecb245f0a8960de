#include "reelsense/features/feature_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "reelsense/base/math.h"
#include "shared.h"
#include "window_features.h"

namespace reelsense {
namespace {

constexpr std::uint32_t kClosingFullPackets = 5;
constexpr std::uint32_t kFullFloorBytes = 500;
constexpr std::uint32_t kMinAckQ4 = 40 * 16;
constexpr std::uint32_t kFirstAckQ4 = 100 * 16;

}  // namespace

void FeatureState::start() noexcept {
  hot_ = FeatureHot{};
  cold_ = FeatureCold{};
}

void FeatureState::open_window(std::int64_t first_ns, std::int64_t second) noexcept {
  hot_.window = FeatureHot::Window{};
  hot_.window_ms = flow_ms(first_ns, second * kSecondNs);
  std::memset(cold_.bins, 0, sizeof cold_.bins);
}

void FeatureState::add(Direction direction, std::uint32_t size, std::uint32_t offset_ns) noexcept {
  const std::uint32_t us = offset_ns / 1000;
  const std::uint32_t ms = hot_.window_ms + offset_ns / 1'000'000;
  const auto d = static_cast<std::size_t>(direction);
  ++hot_.window.packets[d];
  cold_.bins[us / kBinUs][d] += size;
  if (direction == Direction::kDown) {
    add_down(size, us, ms);
  } else {
    add_up(size, ms);
  }
}

void FeatureState::add_up(std::uint32_t size, std::uint32_t ms) noexcept {
  const std::uint32_t q4 = std::min(size, 4095U) * 16;
  const std::uint32_t ack = hot_.ack_q4;
  if (ack == 0) {
    hot_.ack_q4 = static_cast<std::uint16_t>(std::max(kMinAckQ4, std::min(q4, kFirstAckQ4)));
    return;
  }
  const bool large = 32 * size > 3 * ack + 512;
  const std::uint32_t next =
      q4 < ack ? std::max(kMinAckQ4, ack - (ack - q4 + 1) / 2) : ack + (q4 - ack + 63) / 64;
  hot_.ack_q4 = static_cast<std::uint16_t>(next);
  if (!large) return;

  const bool request = !hot_.large_up_seen || ms - hot_.last_large_up_ms >= kRequestSilenceMs;
  hot_.large_up_seen = true;
  hot_.last_large_up_ms = ms;
  if (!request) return;

  add_request(static_cast<float>(log2_exact(16.0 * size / ack)), ms);
}

void FeatureState::add_request(float size_log2, std::uint32_t ms) noexcept {
  ++hot_.window.requests;
  cold_.last_request_ms = ms;
  if (!hot_.request_seen) {
    hot_.request_seen = true;
    cold_.request_size_log2 = size_log2;
  } else {
    average(cold_.request_size_log2, size_log2);
  }

  if (hot_.chunk_full < kClosingFullPackets) return;
  const std::uint32_t download_ms = hot_.last_down_ms - hot_.chunk_start_ms;
  const std::uint32_t span_ms = ms - hot_.chunk_start_ms;
  const float duty = span_ms == 0 ? 1.0F : static_cast<float>(static_cast<double>(download_ms) / span_ms);
  if (cold_.chunks == 0) {
    cold_.chunk_duty = duty;
  } else {
    average(cold_.chunk_duty, duty);
  }
  close_run(cold_.chunk, cold_.chunks, hot_.chunk_bytes, hot_.chunk_start_ms);
  hot_.chunk_bytes = 0;
  hot_.chunk_full = 0;
}

void FeatureState::add_down(std::uint32_t size, std::uint32_t us, std::uint32_t ms) noexcept {
  FeatureHot::Window& window = hot_.window;
  window.down_square_bytes += static_cast<std::uint64_t>(size) * size;
  if (window.packets[static_cast<std::size_t>(Direction::kDown)] == 1) {
    window.first_down_us = us;
  } else {
    const std::uint32_t gap = us - window.last_down_us;
    window.down_gap_square_us += static_cast<std::uint64_t>(gap) * gap;
    window.max_gap_us = std::max(window.max_gap_us, gap);
    window.gaps_10ms = static_cast<std::uint8_t>(window.gaps_10ms + (gap > 10'000 ? 1 : 0));
    window.gaps_50ms = static_cast<std::uint8_t>(window.gaps_50ms + (gap > 50'000 ? 1 : 0));
  }
  window.last_down_us = us;

  const std::uint32_t largest = std::max<std::uint32_t>(hot_.down_max, size);
  hot_.down_max = static_cast<std::uint16_t>(largest);
  const bool full = 10 * size >= 9 * largest && size >= kFullFloorBytes;
  window.down_full += full ? 1 : 0;
  window.down_small += 4 * size <= largest ? 1 : 0;

  if (hot_.burst_full >= kClosingFullPackets && ms - hot_.last_down_ms > kBurstGapMs) {
    close_run(cold_.burst, cold_.bursts, hot_.burst_bytes, hot_.burst_start_ms);
    hot_.burst_bytes = 0;
    hot_.burst_full = 0;
  }
  if (hot_.burst_bytes == 0) hot_.burst_start_ms = ms;
  hot_.burst_bytes = add_saturated(hot_.burst_bytes, size);
  hot_.burst_full = bump(hot_.burst_full, full);
  if (hot_.chunk_bytes == 0) hot_.chunk_start_ms = ms;
  hot_.chunk_bytes = add_saturated(hot_.chunk_bytes, size);
  hot_.chunk_full = bump(hot_.chunk_full, full);
  hot_.last_down_ms = ms;

  if (full && hot_.first_full < kClosingFullPackets && ++hot_.first_full == kClosingFullPackets) {
    cold_.first_full_ms = static_cast<std::uint16_t>(std::min(20'000U, ms));
  }
}

void FeatureState::close_window(std::int64_t first_ns, std::int64_t second, float* features,
                                std::uint32_t* bins) noexcept {
  const auto k = static_cast<std::uint32_t>(second);
  WindowBytes bytes;
  for (std::size_t i = 0; i < kBinsPerWindow; ++i) {
    bins[i] = cold_.bins[i][1];
    bins[kBinsPerWindow + i] = cold_.bins[i][0];
    bytes.down += cold_.bins[i][1];
    bytes.up += cold_.bins[i][0];
  }

  // History moves on by the seconds since the last window; the idle ones between count as nothing.
  const bool first_window = cold_.last_second == FeatureCold::kNoWindow;
  const std::uint32_t elapsed = first_window ? 1 : k - cold_.last_second;
  for (auto& history : cold_.history) shift_history(history, elapsed);
  cold_.history[1][0] = encode_q11(bytes.down);
  cold_.history[0][0] = encode_q11(bytes.up);

  const float down_log2 = log2_1p(static_cast<double>(bytes.down));
  if (first_window) {
    cold_.down_ewma_log2 = down_log2;
  } else {
    if (elapsed - 1 > 64) {
      cold_.down_ewma_log2 = 0;
    } else {
      for (std::uint32_t i = 1; i < elapsed; ++i) cold_.down_ewma_log2 -= cold_.down_ewma_log2 * kEwmaWeight;
    }
    cold_.down_ewma_log2 += (down_log2 - cold_.down_ewma_log2) * kEwmaWeight;
  }
  cold_.last_second = k;

  const WindowEnd end = {bytes, flow_ms(first_ns, (second + 1) * kSecondNs),
                         k - static_cast<std::uint32_t>(first_ns / kSecondNs), down_log2};
  write_features(hot_, cold_, end, features);
}

}  // namespace reelsense
