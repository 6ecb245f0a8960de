// LatencyHistogram: durations in buckets of at most 1.6 % of their value, from 1 µs to 2 minutes. Thread
// safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace reelsense::cli {

class LatencyHistogram {
 public:
  void record(std::int64_t ns, std::uint64_t times = 1) noexcept {
    const std::int64_t value = std::clamp<std::int64_t>(ns, 0, kLargest);
    counts_[bucket_of(static_cast<std::uint64_t>(value))] += times;
    count_ += times;
    max_ns_ = std::max(max_ns_, ns);
  }

  void add(const LatencyHistogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::int64_t max_ns() const noexcept { return max_ns_; }

  // The smallest duration (the top of its bucket) that a share q of all does not exceed; 0 if there are none.
  [[nodiscard]] std::int64_t quantile_ns(double q) const noexcept {
    const auto wanted =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(q * static_cast<double>(count_) + 0.5));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted) return std::min(top_of(i), max_ns_);
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kSubBits = 6;  // 64 buckets an octave
  static constexpr std::uint64_t kSub = 1U << kSubBits;
  static constexpr unsigned kUnitBits = 4;  // 16 ns
  static constexpr std::int64_t kLargest = 120'000'000'000;

  static std::size_t bucket_of(std::uint64_t ns) noexcept {
    const std::uint64_t units = ns >> kUnitBits;
    if (units < kSub) return static_cast<std::size_t>(units);
    const auto shift = static_cast<unsigned>(std::bit_width(units)) - 1 - kSubBits;
    return static_cast<std::size_t>((std::uint64_t{shift} << kSubBits) + (units >> shift));
  }
  static std::int64_t top_of(std::size_t bucket) noexcept {
    const std::size_t octave = bucket >> kSubBits;
    const unsigned shift = octave < 2 ? 0 : static_cast<unsigned>(octave - 1);
    const std::uint64_t units = bucket - (std::uint64_t{shift} << kSubBits);
    return static_cast<std::int64_t>((((units + 1) << shift) << kUnitBits) - 1);
  }

  // 120 s are 2^32.8 units of 16 ns, so octaves 0 to 27 of 64 buckets.
  std::array<std::uint64_t, 29 * kSub> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ns_ = 0;
};

}  // namespace reelsense::cli
