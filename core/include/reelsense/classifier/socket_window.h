// SocketWindows: the windows of one connection in the view socket, one after the other.
//
// Invariants: at most one window is open; effective times never step back. A connection that was silent for
// the idle timeout, or is older than the active timeout, begins anew at its next event. No allocation. Thread
// safety: none.
#pragma once

#include <algorithm>
#include <cstdint>

#include "reelsense/features/socket_state.h"

namespace reelsense {

struct SocketTimeouts {
  std::int64_t idle_ns = 120 * kSecondNs;
  std::int64_t active_ns = 3600 * kSecondNs;
};

class SocketWindows {
 public:
  // What the open window counted, by Direction.
  struct Counts {
    std::uint32_t events[2] = {};
    std::uint64_t bytes[2] = {};
  };

  // The time that counts for an event at `t_ns`.
  [[nodiscard]] std::int64_t effective_ns(std::int64_t t_ns) const noexcept {
    return std::max(t_ns, last_ns_);
  }

  // One read or write of 1 to kMaxSocketEventBytes bytes at an effective time. Precondition: no window of an
  // earlier second is open.
  void add(const SocketTimeouts& timeouts, Direction direction, std::uint32_t bytes,
           std::int64_t t_ns) noexcept {
    const std::int64_t second = t_ns / kSecondNs;
    const std::int64_t tick_ns = second * kSecondNs;
    if (!open_) open_window(timeouts, t_ns, second);
    last_ns_ = t_ns;
    state_.add(direction, bytes, static_cast<std::uint32_t>(t_ns - tick_ns));
    const auto way = static_cast<std::size_t>(direction);
    ++counts_.events[way];
    counts_.bytes[way] += bytes;
  }

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  // Second of the open window, or of the latest one.
  [[nodiscard]] std::int64_t second() const noexcept { return second_; }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::int64_t first_ns() const noexcept { return first_ns_; }  // −1 before the first event
  [[nodiscard]] std::int64_t last_ns() const noexcept { return last_ns_; }

  // Ends the open window: features [kSocketFeatureCount], bins [2 * kBinsPerWindow] (down, then up).
  // Precondition: is_open().
  void close(float* features, std::uint32_t* bins) noexcept {
    state_.close_window(second_, features, bins);
    open_ = false;
  }
  // Forgets everything; an open window is dropped.
  void restart() noexcept { *this = SocketWindows{}; }

 private:
  void open_window(const SocketTimeouts& timeouts, std::int64_t t_ns, std::int64_t second) noexcept {
    const std::int64_t tick_ns = second * kSecondNs;
    const bool anew =
        first_ns_ < 0 || tick_ns - last_ns_ >= timeouts.idle_ns || tick_ns - first_ns_ >= timeouts.active_ns;
    if (anew) {
      first_ns_ = t_ns;
      state_.start(t_ns);
    }
    second_ = second;
    counts_ = {};
    state_.open_window(second);
    open_ = true;
  }

  SocketState state_;
  Counts counts_;
  std::int64_t first_ns_ = -1;
  std::int64_t last_ns_ = 0;
  std::int64_t second_ = 0;
  bool open_ = false;
};

}  // namespace reelsense
