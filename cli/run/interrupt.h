// Interrupt: Ctrl-C and SIGTERM end long work cleanly. While one lives, the first signal calls what
// on_signal() was given, from a thread of its own; a second one, or two seconds without the end, end the
// process as usual. Make it before other threads, which inherit its signal mask. Thread safety: all members.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace reelsense::cli {

class Interrupt {
 public:
  Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  // Calls `stop` at the first signal, at once if that has been; null: nothing any more. When it returns, what
  // was there before is not called any more.
  void on_signal(std::function<void()> stop);
  [[nodiscard]] bool happened() const noexcept { return signal_ != 0; }
  // Ends the process by the signal that happened, so that the shell knows.
  [[noreturn]] void end_process() const;

 private:
  void watch();

  std::mutex mutex_;
  std::function<void()> stop_;
  std::atomic<int> signal_{0};
  int signals_ = -1;  // signalfd
  int ended_ = -1;    // eventfd
  std::thread thread_;
};

}  // namespace reelsense::cli
