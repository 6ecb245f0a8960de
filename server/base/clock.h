// Time as the server sees it, behind a seam so that tests wait for nothing. Thread safety: all members.
#pragma once

#include <chrono>
#include <cstdint>

namespace reelsense::server {

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; deadlines, timeouts and durations.
  [[nodiscard]] virtual std::int64_t steady_ns() const noexcept = 0;
  // Since the epoch; what is stored and shown.
  [[nodiscard]] virtual std::int64_t wall_ns() const noexcept = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t steady_ns() const noexcept override {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override {
    return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

}  // namespace reelsense::server
