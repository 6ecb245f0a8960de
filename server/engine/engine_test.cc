#include "server/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <random>
#include <thread>

#include "server/engine/fake_model.h"

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using testing::fake_step;
using testing::FakeClock;
using testing::FakeModel;
using ::testing::HasSubstr;

constexpr std::int64_t kMs = 1'000'000;

// Collects jobs that came back.
class Returned final : public JobListener {
 public:
  void on_done(std::unique_ptr<Job> job) override {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  void on_batch_end() override { came_.notify_all(); }

  std::unique_ptr<Job> take() {
    std::unique_lock lock(mutex_);
    came_.wait(lock, [&] { return !jobs_.empty(); });
    auto job = std::move(jobs_.front());
    jobs_.erase(jobs_.begin());
    return job;
  }
  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::unique_ptr<Job>> jobs_;
};

class EngineTest : public ::testing::Test {
 protected:
  static EngineOptions options() {
    EngineOptions made;
    made.max_wait_ns = 0;
    made.hash_key = {1, 2, 3};
    return made;
  }
  Engine& engine(const EngineOptions& with = options()) {
    if (!engine_) engine_ = std::make_unique<Engine>(with, clock_, std::vector<EngineObserver*>{});
    return *engine_;
  }
  std::unique_ptr<Job> job(std::shared_ptr<const ServedModel> model) {
    auto made = std::make_unique<Job>();
    made->model = std::move(model);
    made->listener = &returned_;
    return made;
  }
  // A job of one flow's windows at `seconds`, window[0] being `value`.
  std::unique_ptr<Job> windows(const std::string& flow, std::initializer_list<std::int64_t> seconds,
                               float value = 1, std::shared_ptr<const ServedModel> model = nullptr) {
    auto made = job(model ? model : model_);
    made->flows.push_back({engine().flow_id(0, flow)});
    for (const std::int64_t second : seconds) made->add_window(0, second)[0] = value;
    return made;
  }
  std::unique_ptr<Job> run(std::unique_ptr<Job> asked) {
    EXPECT_EQ(engine().submit(asked), SubmitCode::kAccepted);
    EXPECT_EQ(asked, nullptr);
    return returned_.take();
  }
  static std::vector<AnswerCode> codes(const Job& job) {
    std::vector<AnswerCode> all;
    for (const Answer& answer : job.answers) all.push_back(answer.code);
    return all;
  }

  FakeClock clock_;
  Returned returned_;
  std::shared_ptr<const FakeModel> model_ = std::make_shared<FakeModel>();
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, WindowsOfAFlow_CarryTheState) {
  const auto done = run(windows("a", {1, 2, 5}));
  float state[3] = {};
  std::vector<float> row(88, 0.0F);
  row[0] = 1;
  for (const Answer& answer : done->answers) {
    EXPECT_EQ(answer.code, AnswerCode::kOk);
    EXPECT_EQ(answer.decision.probability, fake_step(row.data(), state));
  }
}

TEST_F(EngineTest, RepeatedSecond_GetsTheAnswerGivenThen) {
  const float first = run(windows("a", {1, 2}))->answers[0].decision.probability;
  const auto again = run(windows("a", {1, 3}, 7));
  EXPECT_EQ(again->answers[0].code, AnswerCode::kRepeated);
  EXPECT_EQ(again->answers[0].decision.probability, first);
  EXPECT_EQ(again->answers[1].code, AnswerCode::kOk);
}

TEST_F(EngineTest, SecondInThePast_IsOutOfOrderAndChangesNothing) {
  run(windows("a", {10}));
  const auto late = run(windows("a", {3, 11}));
  EXPECT_THAT(codes(*late), ::testing::ElementsAre(AnswerCode::kOutOfOrder, AnswerCode::kOk));
  float state[3] = {};
  std::vector<float> row(88, 0.0F);
  row[0] = 1;
  fake_step(row.data(), state);
  EXPECT_EQ(late->answers[1].decision.probability, fake_step(row.data(), state));
}

TEST_F(EngineTest, NotFiniteValues_AreInvalidAndChangeNothing) {
  const auto done = run(windows("a", {1}, NAN));
  EXPECT_EQ(done->answers[0].code, AnswerCode::kInvalid);
  EXPECT_EQ(run(windows("b", {1}, INFINITY))->answers[0].code, AnswerCode::kInvalid);
  EXPECT_EQ(run(windows("a", {1}))->answers[0].code, AnswerCode::kOk);
}

TEST_F(EngineTest, PrincipalsAndModelNames_HaveFlowsOfTheirOwn) {
  EXPECT_NE(engine().flow_id(1, "a"), engine().flow_id(2, "a"));
  const auto other = std::make_shared<FakeModel>("1.0.0", "other");
  const float alone = run(windows("a", {1}))->answers[0].decision.probability;
  EXPECT_EQ(run(windows("a", {1}, 1, other))->answers[0].decision.probability, alone);
}

TEST_F(EngineTest, StatelessWindows_UseTheStateThatIsGiven) {
  auto asked = job(model_);
  asked->flows.push_back({});
  asked->add_window(0, 0)[0] = 1;
  asked->add_window(0, 0)[0] = 1;
  asked->states = {0, 0, 0, 5, 6, 7};
  const auto done = run(std::move(asked));
  float state[3] = {5, 6, 7};
  std::vector<float> row(88, 0.0F);
  row[0] = 1;
  EXPECT_EQ(done->answers[1].decision.probability, fake_step(row.data(), state));
  EXPECT_THAT(std::vector<float>(done->next_states.begin() + 3, done->next_states.end()),
              ::testing::ElementsAre(state[0], state[1], state[2]));
  EXPECT_EQ(engine().stats().live_flows, 0U);
}

TEST_F(EngineTest, End_ForgetsTheFlow) {
  auto last = windows("a", {1});
  last->flows[0].end = true;
  run(std::move(last));
  EXPECT_EQ(engine().stats().live_flows, 0U);
  EXPECT_EQ(run(windows("a", {1}))->answers[0].code, AnswerCode::kOk);
}

TEST_F(EngineTest, IdleFlow_IsForgotten) {
  run(windows("a", {1, 2}));
  clock_.advance(121'000 * kMs);
  EXPECT_EQ(run(windows("a", {1}))->answers[0].code, AnswerCode::kOk);
  EXPECT_EQ(engine().stats().flows_expired, 1U);
}

TEST_F(EngineTest, OverTheLimit_TheLongestIdleGivesWay) {
  auto few = options();
  few.max_flows = 2;
  engine(few);
  for (const char* flow : {"a", "b", "a", "c"}) {
    clock_.advance(kMs);
    const std::int64_t second = clock_.steady_ns() / kMs;
    run(windows(flow, {second}));
  }
  EXPECT_EQ(engine().find(engine().flow_id(0, "b")), nullptr);
  EXPECT_NE(engine().find(engine().flow_id(0, "a")), nullptr);
  EXPECT_EQ(engine().stats().flows_evicted, 1U);
}

TEST_F(EngineTest, Find_ShowsTheLastLabels) {
  run(windows("a", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const auto view = engine().find(engine().flow_id(0, "a"));
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(view->windows, 10U);
  EXPECT_EQ(view->first_second, 1);
  EXPECT_EQ(view->last_second, 10);
  ASSERT_EQ(view->last.size(), Engine::kRemembered);
  EXPECT_EQ(view->last.front().second, 10);
  EXPECT_EQ(view->last.back().second, 3);
  EXPECT_EQ(view->model, "fake@1.0.0");
}

TEST_F(EngineTest, RetiredVersion_ItsFlowsBeginAnew) {
  run(windows("a", {1}));
  const auto next = std::make_shared<FakeModel>("2.0.0");
  EXPECT_EQ(run(windows("a", {2}, 1, next))->flows[0].model->id(), "fake@1.0.0");
  engine().retire(*model_);
  const auto done = run(windows("a", {3, 4}, 1, next));
  EXPECT_EQ(done->flows[0].model->id(), "fake@2.0.0");
  EXPECT_TRUE(done->answers[0].restarted);
  EXPECT_FALSE(done->answers[1].restarted);
}

TEST_F(EngineTest, VersionAskedByNumber_AnswersThoughTheFlowIsOnAnother) {
  run(windows("a", {1}));
  auto asked = windows("a", {2}, 1, std::make_shared<FakeModel>("2.0.0"));
  asked->exact = true;
  EXPECT_EQ(run(std::move(asked))->flows[0].model->id(), "fake@2.0.0");
}

TEST_F(EngineTest, FailingModel_IsToldAndTheStateStays) {
  run(windows("a", {1}));
  model_->fails = true;
  EXPECT_EQ(run(windows("a", {2}))->answers[0].code, AnswerCode::kInternal);
  model_->fails = false;
  const auto done = run(windows("a", {2}));
  float state[3] = {};
  std::vector<float> row(88, 0.0F);
  row[0] = 1;
  fake_step(row.data(), state);
  EXPECT_EQ(done->answers[0].decision.probability, fake_step(row.data(), state));
}

TEST_F(EngineTest, DeadlineAndCancellation_AreAnswered) {
  model_->held = true;
  auto first = windows("a", {1});
  ASSERT_EQ(engine().submit(first), SubmitCode::kAccepted);
  auto late = windows("b", {1});
  late->deadline_steady_ns = clock_.steady_ns() + kMs;
  auto gone = windows("c", {1});
  Job* const pointer = gone.get();
  ASSERT_EQ(engine().submit(late), SubmitCode::kAccepted);
  ASSERT_EQ(engine().submit(gone), SubmitCode::kAccepted);
  pointer->cancelled = true;
  clock_.advance(2 * kMs);
  model_->held = false;
  std::vector<AnswerCode> all;
  for (int i = 0; i < 3; ++i) all.push_back(returned_.take()->answers[0].code);
  // "late" may have joined the first batch before it was held.
  EXPECT_EQ(all[0], AnswerCode::kOk);
  EXPECT_THAT(all, ::testing::Contains(AnswerCode::kCancelled));
  EXPECT_THAT(all, ::testing::Contains(AnswerCode::kDeadline));
}

TEST_F(EngineTest, FullQueue_RefusesAndLeavesTheJob) {
  auto small = options();
  small.queue_windows = 4;
  engine(small);
  model_->held = true;
  auto first = windows("a", {1, 2, 3});
  ASSERT_EQ(engine().submit(first), SubmitCode::kAccepted);
  auto second = windows("b", {1, 2});
  EXPECT_EQ(engine().submit(second), SubmitCode::kQueueFull);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(engine().stats().rejected_jobs, 1U);
  EXPECT_GE(engine().retry_after_us(), 1000);
  model_->held = false;
  returned_.take();
  EXPECT_THAT(codes(*run(std::move(second))), Each(AnswerCode::kOk));
}

TEST_F(EngineTest, BusyPrincipal_DoesNotKeepOthersWaiting) {
  auto small = options();
  small.max_batch = 4;
  engine(small);
  model_->held = true;
  auto plug = windows("plug", {1});
  ASSERT_EQ(engine().submit(plug), SubmitCode::kAccepted);
  while (model_->largest_batch == 0) std::this_thread::yield();
  auto flood = job(model_);
  flood->principal = 1;
  for (std::uint32_t i = 0; i < 100; ++i) {
    flood->flows.push_back({engine().flow_id(1, std::to_string(i))});
    flood->add_window(i, 1);
  }
  auto polite = windows("polite", {1});
  polite->principal = 2;
  ASSERT_EQ(engine().submit(flood), SubmitCode::kAccepted);
  ASSERT_EQ(engine().submit(polite), SubmitCode::kAccepted);
  model_->held = false;
  EXPECT_EQ(returned_.take()->principal, 0U);
  EXPECT_EQ(returned_.take()->principal, 2U);
  EXPECT_EQ(returned_.take()->principal, 1U);
}

TEST_F(EngineTest, Packets_BecomeWindowsWhenTheirSecondEnds) {
  auto asked = job(model_);
  Job::Flow flow{engine().flow_id(0, "a")};
  asked->packets = {{1'000'000'000, 100, Direction::kUp},
                    {1'500'000'000, 1400, Direction::kDown},
                    {3'000'000'000, 1400, Direction::kDown}};
  flow.packets = 3;
  asked->flows.push_back(flow);
  const auto done = run(std::move(asked));
  ASSERT_EQ(done->answers.size(), 1U);
  EXPECT_EQ(done->answers[0].second, 1);
  EXPECT_EQ(done->rows[48 + 10], 1400.0F);  // the down bin of 0.5 s
  EXPECT_EQ(done->rows[48 + 20], 100.0F);   // the up bin of 0 s

  auto end = job(model_);
  flow.packets = 0;
  flow.end = true;
  end->flows.push_back(flow);
  const auto closed = run(std::move(end));
  ASSERT_EQ(closed->answers.size(), 1U);
  EXPECT_EQ(closed->answers[0].second, 3);
  EXPECT_EQ(engine().stats().live_flows, 0U);
}

TEST_F(EngineTest, PacketsWithoutAnEndedSecond_AreAnsweredAtOnce) {
  auto asked = job(model_);
  Job::Flow flow{engine().flow_id(0, "a")};
  asked->packets = {{1'000'000'000, 100, Direction::kUp}};
  flow.packets = 1;
  asked->flows.push_back(flow);
  EXPECT_TRUE(run(std::move(asked))->answers.empty());
}

TEST_F(EngineTest, Drain_AnswersWhatWasTakenAndRefusesMore) {
  auto asked = windows("a", {1, 2, 3});
  ASSERT_EQ(engine().submit(asked), SubmitCode::kAccepted);
  engine().drain(60'000 * kMs);
  EXPECT_THAT(codes(*returned_.take()), Each(AnswerCode::kOk));
  auto late = windows("a", {4});
  EXPECT_EQ(engine().submit(late), SubmitCode::kDraining);
}

// ---------------------------------------------------------------- the property

// What a flow alone would be answered, window by window, kept beside the flow.
struct Alone {
  float state[3] = {};
  std::int64_t second = 0;
  void restart() { std::fill_n(state, 3, 0.0F); }
};

// One client's thread: random jobs of its own flows, some ended, some left idle until they time out.
struct Client {
  Engine& engine;
  FakeClock& clock;
  std::shared_ptr<const ServedModel> model;
  std::uint32_t principal;
  bool may_evict;
  Returned returned;
  std::map<std::string, Alone> flows;
  std::uint64_t windows = 0;
  std::uint64_t fresh = 0;  // answers that show a flow begun anew by eviction

  void run(int rounds) {
    std::mt19937 random(principal);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (int round = 0; round < rounds; ++round) {
      auto job = std::make_unique<Job>();
      job->model = model;
      job->principal = principal;
      job->listener = &returned;
      std::vector<std::string> names;
      const std::size_t count = 1 + random() % 8;
      while (names.size() < count) {
        const std::string name = std::to_string(random() % 400);
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
      for (const std::string& name : names) {
        job->flows.push_back({engine.flow_id(principal, name)});
        job->flows.back().end = random() % 16 == 0;
      }
      // Windows of the flows interleaved, several of each.
      const std::size_t total = names.size() * (1 + random() % 3);
      for (std::size_t i = 0; i < total; ++i) {
        const auto f = static_cast<std::uint32_t>(i % names.size());
        flows[names[f]].second += 1 + static_cast<std::int64_t>(random() % 3);
        float* const row = job->add_window(f, flows[names[f]].second);
        row[0] = uniform(random);
        row[1] = uniform(random);
      }
      while (engine.submit(job) == SubmitCode::kQueueFull) std::this_thread::yield();
      check(*returned.take(), names);
    }
  }

  void check(const Job& job, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < job.answers.size(); ++i) {
      const Answer& answer = job.answers[i];
      ASSERT_EQ(answer.code, AnswerCode::kOk);
      Alone& alone = flows[names[answer.flow]];
      const float* const row = job.rows.data() + i * job.model->width();
      Alone anew;
      const float expected_anew = fake_step(row, anew.state);
      const float expected = fake_step(row, alone.state);
      ++windows;
      if (may_evict && answer.decision.probability != expected) {
        ASSERT_EQ(answer.decision.probability, expected_anew);
        std::copy_n(anew.state, 3, alone.state);
        ++fresh;
        continue;
      }
      ASSERT_EQ(answer.decision.probability, expected) << "flow " << names[answer.flow];
    }
    for (std::size_t f = 0; f < names.size(); ++f) {
      if (job.flows[f].end) flows[names[f]].restart();
    }
  }
};

class EngineProperty : public ::testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

TEST_P(EngineProperty, InterleavedFlows_AreAnsweredAsIfAlone) {
  const auto [workers, max_flows] = GetParam();
  FakeClock clock;
  EngineOptions options;
  options.workers = workers;
  options.max_batch = 16;
  options.max_wait_ns = 0;
  options.queue_windows = 64;
  options.max_flows = max_flows;
  Engine engine(options, clock, {});
  const auto model = std::make_shared<FakeModel>();
  std::vector<std::unique_ptr<Client>> clients;
  for (std::uint32_t i = 0; i < 6; ++i) {
    clients.push_back(
        std::unique_ptr<Client>(new Client{engine, clock, model, i, max_flows < 6 * 400, {}, {}}));
  }
  // Several lives: between them every flow is idle for longer than the timeout and begins anew.
  for (int life = 0; life < 3; ++life) {
    std::vector<std::thread> threads;
    for (auto& client : clients) threads.emplace_back([&client] { client->run(400); });
    for (std::thread& thread : threads) thread.join();
    clock.advance(options.idle_timeout_ns + 1);
    for (auto& client : clients) {
      for (auto& [name, alone] : client->flows) alone.restart();
    }
  }
  std::uint64_t windows = 0, fresh = 0;
  for (const auto& client : clients) {
    windows += client->windows;
    fresh += client->fresh;
  }
  const EngineStats stats = engine.stats();
  EXPECT_EQ(stats.windows, windows);
  EXPECT_EQ(stats.queued_windows, 0U);
  EXPECT_LE(fresh, stats.flows_evicted);
  EXPECT_GT(stats.flows_expired, 0U);
  EXPECT_LE(stats.live_flows, max_flows);
  EXPECT_GT(model->largest_batch, 1U);
}

INSTANTIATE_TEST_SUITE_P(WorkersAndFlows, EngineProperty,
                         ::testing::Values(std::pair{1, 100'000}, std::pair{4, 100'000}, std::pair{4, 300}));

// ---------------------------------------------------------------- snapshots

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() : file_(fs::path(::testing::TempDir()) / ("flows_" + std::to_string(::getpid()))) {
    ModelRepositoryOptions options;
    options.path = {fs::path(REELSENSE_SOURCE_DIR) / "models"};
    options.poll_s = 0;
    models_ = std::move(ModelRepository::open(options)).value();
  }
  ~SnapshotTest() override { fs::remove(file_); }

  std::unique_ptr<Engine> engine(std::uint8_t key = 1, bool fixed = false) {
    EngineOptions options;
    options.max_batch = 1;  // compiles less
    options.max_wait_ns = 0;
    options.hash_key = {key};
    options.hash_key_fixed = fixed;
    return std::make_unique<Engine>(options, clock_, std::vector<EngineObserver*>{});
  }
  std::vector<float> labels(Engine& engine, std::int64_t from, std::int64_t to) {
    auto job = std::make_unique<Job>();
    job->model = models_->find("");
    job->listener = &returned_;
    job->flows.push_back({engine.flow_id(0, "a")});
    for (std::int64_t k = from; k < to; ++k) {
      float* const row = job->add_window(0, k);
      for (std::size_t i = 0; i < 88; ++i)
        row[i] = static_cast<float>((k * 31 + static_cast<std::int64_t>(i) * 7) % 13);
    }
    EXPECT_EQ(engine.submit(job), SubmitCode::kAccepted);
    std::vector<float> all;
    const auto done = returned_.take();
    for (const Answer& answer : done->answers) {
      EXPECT_EQ(answer.code, AnswerCode::kOk);
      all.push_back(answer.decision.probability);
    }
    return all;
  }

  fs::path file_;
  FakeClock clock_;
  Returned returned_;
  std::unique_ptr<ModelRepository> models_;
};

TEST_F(SnapshotTest, RestoredFlow_GoesOnAsIfNothingHadHappened) {
  const auto whole = engine();
  const std::vector<float> expected = labels(*whole, 0, 20);
  const auto before = engine(2);
  std::vector<float> found = labels(*before, 0, 10);
  before->drain(0);
  ASSERT_TRUE(before->save(file_));
  const auto after = engine(3);
  const auto taken = after->restore(file_, *models_);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(taken.value(), 1U);
  for (const float p : labels(*after, 10, 20)) found.push_back(p);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(after->find(after->flow_id(0, "a"))->windows, 20U);
}

TEST_F(SnapshotTest, FlowsWhoseTimeRanOut_AreLeftBehind) {
  const auto before = engine();
  labels(*before, 0, 3);
  ASSERT_TRUE(before->save(file_));
  clock_.advance(121'000 * kMs);
  EXPECT_EQ(engine()->restore(file_, *models_).value(), 0U);
}

TEST_F(SnapshotTest, DamagedForeignOrOtherKey_IsRefusedByName) {
  const auto before = engine();
  labels(*before, 0, 3);
  ASSERT_TRUE(before->save(file_));
  EXPECT_THAT(engine(9, true)->restore(file_, *models_).error().message, HasSubstr("flows.hash_key"));
  fs::resize_file(file_, fs::file_size(file_) - 1);
  EXPECT_THAT(engine()->restore(file_, *models_).error().message, HasSubstr("SHA-256"));
  std::ofstream(file_) << "something else, long enough to hold a digest of thirty-two bytes";
  EXPECT_THAT(engine()->restore(file_, *models_).error().message, HasSubstr("not a snapshot"));
}

}  // namespace
}  // namespace reelsense::server
