// Walking a mapped capture is a chain of loads: where a record starts is known only from the one before.
// Beyond a stride of a few cache lines the hardware does not follow, so the lines ahead are asked for in
// order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reelsense::ingest {

class LinearPrefetch {
 public:
  // Never asks beyond `end`.
  LinearPrefetch(const std::uint8_t* from, const std::uint8_t* end) noexcept : next_(from), end_(end) {}

  // Called for a record of `bytes` at `record`.
  void ahead_of(const std::uint8_t* record, std::size_t bytes) noexcept {
    if (bytes < kHardwareStride) return;
    if (static_cast<std::size_t>(end_ - record) <= kDistance) return;
    if (next_ < record) next_ = record;
    for (const std::uint8_t* until = record + kDistance; next_ < until; next_ += kLine)
      __builtin_prefetch(next_);
  }

 private:
  static constexpr std::size_t kHardwareStride = 192;
  static constexpr std::size_t kDistance = 4096;
  static constexpr std::size_t kLine = 64;
  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

}  // namespace reelsense::ingest
