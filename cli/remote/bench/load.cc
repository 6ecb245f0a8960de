#include "cli/remote/bench/load.h"

#include <ctime>

namespace reelsense::cli {
namespace {

constexpr std::int64_t kLongestWaitNs = 50'000'000;  // an interrupt is seen by then

// The worker's clients are those first, first + 1, … of one schedule for all.
Schedule schedule_of(const LoadPlan& plan, std::size_t first, std::size_t count) {
  const BenchOptions& options = plan.options;
  if (options.rate <= 0) return {plan.times.start_ns, 0, count};
  const double share = static_cast<double>(count) / static_cast<double>(options.clients);
  const double all_interval_ns = 1e9 * static_cast<double>(options.windows_per_message) / options.rate;
  const double offset_ns = all_interval_ns * static_cast<double>(first) / static_cast<double>(count);
  return {plan.times.start_ns + static_cast<std::int64_t>(offset_ns), all_interval_ns / share, count};
}

}  // namespace

void nap(std::int64_t ns) noexcept {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  nanosleep(&time, nullptr);
}

LoadWorker::LoadWorker(const LoadPlan& plan, std::size_t first, std::size_t count)
    : plan_(plan),
      first_(first),
      count_(count),
      schedule_(schedule_of(plan, first, count)),
      recorder_(plan.times) {}

bool LoadWorker::next_due(std::size_t c, std::uint64_t sent, std::int64_t now,
                          std::int64_t& due_ns) const noexcept {
  if (!schedule_.paced()) {
    due_ns = now;
    return true;
  }
  due_ns = schedule_.time(c, sent);
  return due_ns <= now;
}

void LoadWorker::send_due(std::int64_t now) {
  const std::uint64_t due = schedule_.due(now);
  // After a stall every client once is enough: send() sends all that is due.
  if (due - looked_at_ > count_) looked_at_ = due - count_;
  for (; looked_at_ < due; ++looked_at_) send(static_cast<std::size_t>(looked_at_ % count_));
}

void LoadWorker::run() {
  open();
  if (!schedule_.paced()) {
    for (std::size_t c = 0; c < count_; ++c) send(c);
  }
  for (std::int64_t now = now_ns(); sending(now) && !dead(); now = now_ns()) {
    std::int64_t until = now + kLongestWaitNs;
    if (schedule_.paced()) {
      send_due(now);
      until = std::min(until, schedule_.time(looked_at_));
    }
    handle_events(std::min(until, plan_.times.stop_ns));
  }
  broke_off_ = dead();
  if (schedule_.paced() && !plan_.interrupted) {
    for (std::size_t c = 0; c < count_; ++c) {
      const std::uint64_t due = schedule_.due(c, plan_.times.stop_ns - 1);
      recorder_.not_sent((due - std::min(due, sent(c))) * plan_.options.windows_per_message);
    }
  }
  for (std::int64_t now = now_ns(); !idle() && now < plan_.times.give_up_ns && !plan_.interrupted;
       now = now_ns()) {
    handle_events(std::min(now + kLongestWaitNs, plan_.times.give_up_ns));
  }
  close();
}

}  // namespace reelsense::cli
