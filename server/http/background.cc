#include "server/http/background.h"

#include <utility>

namespace reelsense::server {

Background::Background() {
  for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { loop(); });
}

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Background::run(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaiting) {
      ++refused_;
      return false;
    }
    waiting_.push_back(std::move(work));
  }
  more_.notify_one();
  return true;
}

void Background::run_next(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
  }
  more_.notify_one();
}

std::uint64_t Background::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void Background::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    more_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace reelsense::server
