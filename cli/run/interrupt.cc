#include "cli/run/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace reelsense::cli {
namespace {

constexpr int kPatienceMs = 2000;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

[[noreturn]] void die_by(int signal) {
  std::signal(signal, SIG_DFL);
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(signal);
  std::_Exit(128 + signal);
}

}  // namespace

Interrupt::Interrupt() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  ended_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  if (::write(ended_, &one, sizeof one) != sizeof one) std::abort();  // an eventfd takes it
  thread_.join();
  ::close(signals_);
  ::close(ended_);
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Interrupt::on_signal(std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
  if (stop_ && happened()) stop_();
}

void Interrupt::end_process() const {
  die_by(signal_);
}

void Interrupt::watch() {
  pollfd waits[2] = {{signals_, POLLIN, 0}, {ended_, POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(waits, 2, happened() ? kPatienceMs : -1);
    if (ready > 0 && waits[1].revents != 0) return;
    if (ready == 0) die_by(signal_);
    signalfd_siginfo info{};
    if (ready < 0 || waits[0].revents == 0 || ::read(signals_, &info, sizeof info) != sizeof info) continue;
    const auto signal = static_cast<int>(info.ssi_signo);
    if (happened()) die_by(signal);
    const std::lock_guard lock(mutex_);
    signal_ = signal;
    if (stop_) stop_();
  }
}

}  // namespace reelsense::cli
