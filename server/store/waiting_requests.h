// WaitingRequests: requests whose answer waits for the disk, bounded in windows: those that came, and the
// batch that the writer has. Thread safety: as each member says; the lock is its owner's.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace reelsense::server {

template <class Request>
class WaitingRequests {
 public:
  explicit WaitingRequests(std::size_t most_windows) : most_(most_windows) {}

  [[nodiscard]] std::size_t most_windows() const noexcept { return most_; }
  // Under the lock.
  [[nodiscard]] bool empty() const noexcept { return requests_.empty(); }
  // Under the lock. False: too much waits already, and the request is still the caller's.
  bool add(Request& request, std::size_t windows) {
    const std::size_t room = windows == 0 ? 1 : windows;  // an empty one takes room, too
    if (windows_ + room > most_) return false;
    windows_ += room;
    requests_.push_back(std::move(request));
    return true;
  }
  // Under the lock, by the writer: what came is its batch.
  void hand_over() noexcept {
    batch_.swap(requests_);
    batch_windows_ = windows_;
  }
  // The writer's, without the lock; empty again before finish().
  [[nodiscard]] std::vector<Request>& batch() noexcept { return batch_; }
  // Under the lock, by the writer.
  void finish() noexcept {
    windows_ -= batch_windows_;
    batch_windows_ = 0;
  }

 private:
  const std::size_t most_;
  std::size_t windows_ = 0;        // of both
  std::size_t batch_windows_ = 0;  // of the batch
  std::vector<Request> requests_;
  std::vector<Request> batch_;
};

}  // namespace reelsense::server
