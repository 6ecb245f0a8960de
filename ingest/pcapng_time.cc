#include "pcapng_time.h"

namespace reelsense::ingest {
namespace {

constexpr std::uint64_t kNanos = 1'000'000'000;
__extension__ using Wide = unsigned __int128;

}  // namespace

TimeScale::TimeScale(std::uint8_t resolution, std::int64_t offset_seconds) noexcept
    : offset_seconds_(offset_seconds) {
  constexpr int kMostPower10 = 19;
  constexpr int kMostPower2 = 63;
  // Beyond it the sum leaves the years that are accepted, whatever the units say.
  constexpr std::int64_t kMostOffset = kLatestTimeNs / static_cast<std::int64_t>(kNanos);
  const int power = resolution & 0x7f;
  const bool binary = (resolution & 0x80) != 0;
  usable_ = power <= (binary ? kMostPower2 : kMostPower10) && offset_seconds >= -kMostOffset &&
            offset_seconds <= kMostOffset;
  if (!usable_) return;
  units_per_second_ = 1;
  for (int i = 0; i < power; ++i) units_per_second_ *= binary ? 2 : 10;
  const bool divides = units_per_second_ <= kNanos && kNanos % units_per_second_ == 0;
  nanos_per_unit_ = divides ? kNanos / units_per_second_ : 0;
}

std::optional<std::int64_t> TimeScale::to_ns(std::uint64_t units) const noexcept {
  if (!usable_) return std::nullopt;
  // Both terms stay below 2^63: a sum of 2 × 7.26e18 could not, so the first is bound alone.
  constexpr std::uint64_t kLatest = static_cast<std::uint64_t>(kLatestTimeNs);
  std::uint64_t nanos;
  if (nanos_per_unit_ != 0) {
    if (units > 2 * kLatest / nanos_per_unit_) return std::nullopt;
    nanos = units * nanos_per_unit_;
  } else {
    const std::uint64_t seconds = units / units_per_second_;
    if (seconds > 2 * kLatest / kNanos) return std::nullopt;
    const Wide fraction = Wide{units % units_per_second_} * kNanos / units_per_second_;
    nanos = seconds * kNanos + static_cast<std::uint64_t>(fraction);
  }
  const std::uint64_t offset =
      static_cast<std::uint64_t>(offset_seconds_) * kNanos;  // wraps as two's complement
  if (offset_seconds_ < 0 && nanos < 0 - offset) return std::nullopt;
  if (offset_seconds_ > 0 && nanos > kLatest - offset) return std::nullopt;
  nanos += offset;
  if (nanos > kLatest) return std::nullopt;
  return static_cast<std::int64_t>(nanos);
}

}  // namespace reelsense::ingest
