#include "server/engine/watch_hub.h"

#include <gtest/gtest.h>

#include <thread>

namespace reelsense::server {
namespace {

class NamedModel final : public ServedModel {
 public:
  NamedModel(const std::string& name, const std::string& version)
      : ServedModel(manifest_of(name, version), Tier::kUe, view_schema(View::kPacket), 0, 0) {}
  [[nodiscard]] Result<std::unique_ptr<Scorer>> make_scorer(std::size_t /*max_batch*/) const override {
    return Error{ErrorCode::kUnsupported, "never run"};
  }
  [[nodiscard]] std::string engine() const override { return "none"; }

 private:
  static bundle::Manifest manifest_of(const std::string& name, const std::string& version) {
    bundle::Manifest manifest;
    manifest.name = name;
    manifest.version = *bundle::Version::parse(version);
    return manifest;
  }
};

class WatchHubTest : public testing::Test {
 protected:
  // Hands one label to the hub.
  void label(std::int64_t second, Label label, float confidence, std::uint32_t principal = 1,
             AnswerCode code = AnswerCode::kOk) {
    Answer answer;
    answer.second = second;
    answer.code = code;
    answer.decision = {confidence, confidence, label, false};
    const LabelEvent event = {{7, 8}, principal, &answer};
    hub_.on_batch(model_, {&event, 1}, 1000, 0);
  }
  std::shared_ptr<Watcher> watch(WatchFilter filter) {
    return hub_.watch(std::move(filter), [this] { ++told_; });
  }
  std::vector<std::int64_t> seconds(Watcher& watcher) {
    std::vector<Watched> taken;
    missed_ = watcher.take(taken);
    std::vector<std::int64_t> out;
    for (const Watched& one : taken) out.push_back(one.second);
    return out;
  }

  NamedModel model_{"edge", "1.2.0"};
  WatchHub hub_;
  int told_ = 0;
  std::uint64_t missed_ = 0;
};

using Seconds = std::vector<std::int64_t>;

TEST_F(WatchHubTest, Label_ReachesEveryWatcherWithItsModel) {
  const auto one = watch({});
  const auto two = watch({});
  label(5, Label::kVideo, 0.9F);
  std::vector<Watched> taken;
  EXPECT_EQ(one->take(taken), 0U);
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].flow, 7U);
  EXPECT_EQ(taken[0].second, 5);
  EXPECT_EQ(taken[0].decision.label, Label::kVideo);
  EXPECT_EQ(taken[0].model, "edge@1.2.0");
  EXPECT_EQ(seconds(*two), Seconds{5});
  EXPECT_EQ(told_, 2);
}

TEST_F(WatchHubTest, Filters_LetOnlyWhatTheyNamePass) {
  const auto video = watch({.model = "", .only = Label::kVideo, .max_confidence = 0, .principal = {}});
  const auto unsure = watch({.model = "edge", .only = {}, .max_confidence = 0.7F, .principal = {}});
  const auto version = watch({.model = "edge@1.2.0", .only = {}, .max_confidence = 0, .principal = {}});
  const auto other = watch({.model = "edge@1.3.0", .only = {}, .max_confidence = 0, .principal = {}});
  const auto mine = watch({.model = "", .only = {}, .max_confidence = 0, .principal = 2});
  label(1, Label::kVideo, 0.9F);
  label(2, Label::kNonVideo, 0.6F);
  label(3, Label::kVideo, 0.7F, 2);
  EXPECT_EQ(seconds(*video), (Seconds{1, 3}));
  EXPECT_EQ(seconds(*unsure), (Seconds{2, 3}));
  EXPECT_EQ(seconds(*version), (Seconds{1, 2, 3}));
  EXPECT_EQ(seconds(*other), Seconds{});
  EXPECT_EQ(seconds(*mine), Seconds{3});
}

TEST_F(WatchHubTest, WindowWithoutLabel_IsNotShown) {
  const auto watcher = watch({});
  label(1, Label::kVideo, 0.9F, 1, AnswerCode::kInvalid);
  EXPECT_EQ(seconds(*watcher), Seconds{});
  EXPECT_EQ(told_, 0);
}

TEST_F(WatchHubTest, Ready_IsToldOnceUntilTaken) {
  const auto watcher = watch({});
  label(1, Label::kVideo, 0.9F);
  label(2, Label::kVideo, 0.9F);
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(seconds(*watcher), (Seconds{1, 2}));
  label(3, Label::kVideo, 0.9F);
  EXPECT_EQ(told_, 2);
}

TEST_F(WatchHubTest, SlowWatcher_KeepsTheBoundAndCountsTheRest) {
  const auto watcher = watch({});
  const auto n = static_cast<std::int64_t>(Watcher::kBuffered);
  for (std::int64_t i = 0; i < n + 3; ++i) label(i, Label::kVideo, 0.9F);
  EXPECT_EQ(seconds(*watcher).size(), Watcher::kBuffered);
  EXPECT_EQ(missed_, 3U);
  label(n + 3, Label::kVideo, 0.9F);
  EXPECT_EQ(seconds(*watcher), Seconds{n + 3});
  EXPECT_EQ(missed_, 0U);
}

TEST_F(WatchHubTest, Unwatched_IsToldNothingMore) {
  const auto watcher = watch({});
  hub_.unwatch(watcher);
  label(1, Label::kVideo, 0.9F);
  EXPECT_EQ(told_, 0);
  EXPECT_EQ(seconds(*watcher), Seconds{});
}

TEST_F(WatchHubTest, WatchersComeAndGoWhileLabelsFlow_NobodyIsToldAfterwards) {
  std::atomic<bool> stop{false};
  std::thread labels([&] {
    for (std::int64_t i = 0; !stop.load(); ++i) label(i, Label::kVideo, 0.9F);
  });
  for (int i = 0; i < 200; ++i) {
    std::atomic<bool> open{true};
    std::atomic<int> late{0};
    const auto watcher = hub_.watch({}, [&] { late += open.load() ? 0 : 1; });
    hub_.unwatch(watcher);
    open = false;
    EXPECT_EQ(late.load(), 0);
  }
  stop = true;
  labels.join();
}

}  // namespace
}  // namespace reelsense::server
