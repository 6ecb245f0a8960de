// Background: a few threads for what may wait on a disk, with a bound on what may wait for them.
// Thread safety: all members.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace reelsense::server {

class Background {
 public:
  static constexpr std::size_t kThreads = 2;
  static constexpr std::size_t kMostWaiting = 256;

  Background();
  ~Background();  // runs what waits first

  // False: too much waits; `work` was not taken.
  bool run(std::function<void()> work);
  // The next part of a transfer that was let in before: always taken. Each connection has one at most.
  void run_next(std::function<void()> work);
  [[nodiscard]] std::uint64_t refused() const;

 private:
  void loop();

  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::function<void()>> waiting_;
  std::uint64_t refused_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace reelsense::server
