#include "server/analyses/analyses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kSource = REELSENSE_SOURCE_DIR;

class AnalysesTest : public testing::Test {
 protected:
  AnalysesTest() {
    ModelRepositoryOptions options;
    options.path = {kSource / "models"};
    options.poll_s = 0;
    models_ = std::move(ModelRepository::open(options)).value();
    EngineOptions small;
    small.max_batch = 1;  // compiles less
    small.max_wait_ns = 0;
    engine_ = std::make_unique<Engine>(small, clock_, std::vector<EngineObserver*>{});
    analyses_ = std::make_unique<Analyses>(config_, clock_, *engine_);
  }

  Result<std::string> submit(const fs::path& capture, const std::string& model, std::uint32_t principal = 0) {
    auto upload = analyses_->new_upload();
    EXPECT_TRUE(upload);
    fs::copy_file(capture, upload.value());
    return analyses_->submit(upload.value(), "name", models_->find(model), principal);
  }
  AnalysisView wait(const std::string& id) {
    while (true) {
      const auto view = analyses_->find(id, std::nullopt);
      if (!view || view->finished_ms > 0) return view.value_or(AnalysisView{});
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  static fs::path a_capture() {
    for (const auto& entry : fs::directory_iterator(kSource / "tests/captures")) {
      if (entry.path().string().ends_with(".pcap")) return entry.path();
      if (entry.path().string().ends_with(".pcap.zst")) return entry.path();
    }
    return {};
  }

  SystemClock clock_;
  Config config_;
  std::unique_ptr<ModelRepository> models_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Analyses> analyses_;
};

TEST_F(AnalysesTest, Capture_IsLabelledAndSummed) {
  for (const char* model : {"reelsense-ue", "reelsense-edge"}) {
    const auto id = submit(a_capture(), model);
    ASSERT_TRUE(id) << id.error().message;
    const AnalysisView view = wait(id.value());
    ASSERT_EQ(view.state, AnalysisState::kDone) << view.error;
    EXPECT_EQ(view.progress, 1);
    EXPECT_GT(view.summary.windows, 10U);
    EXPECT_GT(view.summary.flows, 0U);
    const auto labels = analyses_->labels(id.value(), std::nullopt);
    ASSERT_TRUE(labels);
    std::ifstream file(*labels);
    std::string line;
    std::size_t lines = 0;
    while (std::getline(file, line)) ++lines;
    EXPECT_EQ(lines, view.summary.windows + 1);
  }
  EXPECT_EQ(engine_->stats().live_flows, 0U);
}

TEST_F(AnalysesTest, NotACapture_FailsAndSaysWhy) {
  const auto id = submit(kSource / "README.md", "reelsense-ue");
  ASSERT_TRUE(id);
  const AnalysisView view = wait(id.value());
  EXPECT_EQ(view.state, AnalysisState::kFailed);
  EXPECT_THAT(view.error, HasSubstr("the capture"));
  EXPECT_FALSE(analyses_->labels(id.value(), std::nullopt));
}

TEST_F(AnalysesTest, ModelOfAnotherView_IsRefused) {
  const auto id = submit(a_capture(), "reelsense-ue-socket");
  ASSERT_FALSE(id);
  EXPECT_THAT(id.error().message, HasSubstr("view packet"));
}

TEST_F(AnalysesTest, OthersAnalyses_AreNotSeen) {
  const auto id = submit(a_capture(), "reelsense-ue", 7);
  ASSERT_TRUE(id);
  EXPECT_FALSE(analyses_->find(id.value(), 8));
  EXPECT_TRUE(analyses_->find(id.value(), 7));
  EXPECT_TRUE(analyses_->list(8).empty());
  EXPECT_FALSE(analyses_->remove(id.value(), 8));
  wait(id.value());
  EXPECT_TRUE(analyses_->remove(id.value(), 7));
  EXPECT_FALSE(analyses_->find(id.value(), 7));
}

TEST_F(AnalysesTest, Removed_WhileItRuns_IsGone) {
  const auto id = submit(a_capture(), "reelsense-edge");
  ASSERT_TRUE(id);
  EXPECT_TRUE(analyses_->remove(id.value(), std::nullopt));
  EXPECT_FALSE(analyses_->find(id.value(), std::nullopt));
  EXPECT_FALSE(analyses_->remove(id.value(), std::nullopt));
}

}  // namespace
}  // namespace reelsense::server
