// Several workers: who watches, and who keeps the log, sees the windows of a flow in the order of their
// seconds.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "server/engine/engine.h"
#include "server/engine/fake_model.h"

namespace reelsense::server {
namespace {

using testing::FakeClock;
using testing::FakeModel;

constexpr std::uint32_t kFlows = 8;
constexpr std::int64_t kSeconds = 200;

// Takes its time, now more, now less, so that a batch may overtake another.
class SlowObserver final : public EngineObserver {
 public:
  void on_batch(const ServedModel& /*model*/, std::span<const LabelEvent> labels, std::int64_t /*compute_ns*/,
                std::size_t /*still_queued*/) override {
    thread_local std::mt19937 random{std::random_device{}()};
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    const std::lock_guard lock(mutex_);
    for (const LabelEvent& event : labels) {
      std::int64_t& last = last_.try_emplace(event.flow.high, -1).first->second;
      late_ += event.answer->second < last ? 1 : 0;
      last = event.answer->second;
      ++seen_;
    }
  }
  std::size_t seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::size_t late() {
    const std::lock_guard lock(mutex_);
    return late_;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::int64_t> last_;  // by flow
  std::size_t seen_ = 0;
  std::size_t late_ = 0;
};

// Likewise, of jobs.
class Listener final : public JobListener {
 public:
  void on_done(std::unique_ptr<Job> job) override {
    const std::lock_guard lock(mutex_);
    std::int64_t& last = last_.try_emplace(job->tag, -1).first->second;
    late_ += job->answers.front().second < last ? 1 : 0;
    last = job->answers.back().second;
  }
  std::size_t late() {
    const std::lock_guard lock(mutex_);
    return late_;
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, std::int64_t> last_;
  std::size_t late_ = 0;
};

TEST(EngineOrder, ManyWorkers_TellTheWindowsOfAFlowInOrder) {
  FakeClock clock;
  SlowObserver observer;
  Listener listener;
  EngineOptions options;
  options.workers = 4;
  options.max_batch = 3;
  options.max_wait_ns = 0;
  Engine engine(options, clock, {&observer});
  const auto model = std::make_shared<FakeModel>();
  for (std::int64_t second = 0; second < kSeconds; second += 4) {
    for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
      auto job = std::make_unique<Job>();
      job->model = model;
      job->listener = &listener;
      job->tag = flow;
      job->flows.push_back({engine.flow_id(0, std::string(1, static_cast<char>('a' + flow)))});
      for (std::int64_t k = 0; k < 4; ++k) job->add_window(0, second + k)[0] = 1;
      ASSERT_EQ(engine.submit(job), SubmitCode::kAccepted);
    }
  }
  engine.drain(INT64_MAX / 2);
  EXPECT_EQ(observer.seen(), kFlows * kSeconds);
  EXPECT_EQ(observer.late(), 0U);
  EXPECT_EQ(listener.late(), 0U);
}

// Windows that need no model go with the flow's next one in the same batch, and stay before it.
TEST(EngineOrder, RepeatedWindows_AreToldBeforeTheNextOne) {
  FakeClock clock;
  SlowObserver observer;
  Listener listener;
  EngineOptions options;
  options.workers = 2;
  options.max_wait_ns = 0;
  Engine engine(options, clock, {&observer});
  const auto model = std::make_shared<FakeModel>();
  for (int round = 0; round < 2; ++round) {
    auto job = std::make_unique<Job>();
    job->model = model;
    job->listener = &listener;
    job->flows.push_back({engine.flow_id(0, "a")});
    for (std::int64_t k = 0; k < 6; ++k) job->add_window(0, round + k)[0] = 1;
    ASSERT_EQ(engine.submit(job), SubmitCode::kAccepted);
    while (observer.seen() < static_cast<std::size_t>(6 * (round + 1))) std::this_thread::yield();
    if (round == 0) continue;
    EXPECT_EQ(observer.late(), 1U);  // the first of the second round, which was asked again
  }
  EXPECT_EQ(engine.stats().windows, 7U);
}

}  // namespace
}  // namespace reelsense::server
