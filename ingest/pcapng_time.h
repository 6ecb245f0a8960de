// Time of a pcapng interface: 64-bit units of if_tsresol, shifted by if_tsoffset seconds.
#pragma once

#include <cstdint>
#include <optional>

namespace reelsense::ingest {

inline constexpr std::int64_t kLatestTimeNs = 7'258'118'400'000'000'000;  // 2200-01-01

class TimeScale {
 public:
  // Microseconds, no offset: what an interface without options means.
  TimeScale() = default;
  // `resolution` as if_tsresol: a negative power of 10, or of 2 with the high bit.
  TimeScale(std::uint8_t resolution, std::int64_t offset_seconds) noexcept;

  // ns since the epoch; nothing when before 1970 or after 2200, or when the scale makes no sense.
  [[nodiscard]] std::optional<std::int64_t> to_ns(std::uint64_t units) const noexcept;

 private:
  std::uint64_t nanos_per_unit_ = 1000;  // 0: by units_per_second_
  std::uint64_t units_per_second_ = 1'000'000;
  std::int64_t offset_seconds_ = 0;
  bool usable_ = true;
};

}  // namespace reelsense::ingest
