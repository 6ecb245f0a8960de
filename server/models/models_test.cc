// Loading of bundles and the repository, on the released models of the source tree.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <openvino/openvino.hpp>
#include <random>

#include "reelsense/base/sha256.h"
#include "server/models/forest.h"
#include "server/models/merge_members.h"
#include "server/models/repository.h"

namespace reelsense::server {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const fs::path kModels = fs::path(REELSENSE_SOURCE_DIR) / "models";
const fs::path kEdge = kModels / "reelsense-edge/1.0.0";
const fs::path kUe = kModels / "reelsense-ue/1.0.0";

class ModelsFolder : public testing::Test {
 protected:
  ModelsFolder() : root_(fs::path(testing::TempDir()) / ("models_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~ModelsFolder() override { fs::remove_all(root_); }

  void copy(const fs::path& bundle) {
    const fs::path to = root_ / bundle.parent_path().filename() / bundle.filename();
    fs::create_directories(to.parent_path());
    fs::copy(bundle, to, fs::copy_options::recursive);
  }
  [[nodiscard]] ModelRepositoryOptions options(const std::string& name) const {
    ModelRepositoryOptions made;
    made.path = {root_};
    made.default_model = name;
    made.poll_s = 0;
    return made;
  }

  fs::path root_;
};

TEST(ServedModel, EdgeBundle_LoadsAndAnswersItsGoldenVectors) {
  const auto model = load_served_model(kEdge);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model.value()->tier(), Tier::kEdge);
  EXPECT_EQ(model.value()->width(), 88U);
  EXPECT_EQ(model.value()->state_width(), 65U);
  EXPECT_THAT(model.value()->engine(), HasSubstr("native trees"));
}

// Both rewrites find what they look for in the released network; that the result is right the golden vectors
// say.
TEST(ServedModel, EdgeNetwork_IsRewritten) {
  ov::Core core;
  const auto network = core.read_model((kEdge / "model.onnx").string());
  const auto forest = extract_forest(network);
  ASSERT_TRUE(forest) << forest.error().message;
  ASSERT_TRUE(forest.value());
  EXPECT_EQ(forest.value()->info().trees, 100U);
  EXPECT_EQ(network->inputs().size(), 3U);
  EXPECT_EQ(merge_members(network), 4U);
  EXPECT_EQ(merge_members(network), 0U);
  EXPECT_FALSE(extract_forest(network).value());
}

TEST(ServedModel, EveryReleasedBundle_Loads) {
  for (const auto& bundle : bundle::list_bundles({kModels})) {
    const auto model = load_served_model(bundle.directory);
    EXPECT_TRUE(model) << model.error().message;
  }
}

TEST(ServedModel, BatchSizes_GiveTheSameAnswers) {
  const auto model = load_served_model(kEdge).value();
  const auto scorer = model->make_scorer(64).value();
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(0, 8);
  constexpr std::size_t kRows = 150;
  std::vector<float> windows(kRows * 88), states(kRows * 65), next(kRows * 65), out(kRows);
  for (float& value : windows) value = uniform(random);
  for (float& value : states) value = uniform(random) / 8;
  ASSERT_TRUE(scorer->step(windows.data(), states.data(), kRows, out.data(), next.data()));
  for (const std::size_t size : {1, 3, 17, 64}) {
    std::vector<float> part_next(size * 65), part(size);
    for (std::size_t at = 0; at + size <= kRows; at += size) {
      ASSERT_TRUE(scorer->step(&windows[at * 88], &states[at * 65], size, part.data(), part_next.data()));
      for (std::size_t i = 0; i < size; ++i) EXPECT_NEAR(part[i], out[at + i], 2e-6) << size;
      for (std::size_t i = 0; i < size * 65; ++i) EXPECT_NEAR(part_next[i], next[at * 65 + i], 2e-5) << size;
    }
  }
}

TEST_F(ModelsFolder, ChangedByte_IsRefusedAndNamed) {
  copy(kEdge);
  std::fstream(root_ / "reelsense-edge/1.0.0/model.onnx", std::ios::in | std::ios::out | std::ios::binary)
      .write("x", 1);
  const auto model = load_served_model(root_ / "reelsense-edge/1.0.0");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kMismatch);
  EXPECT_THAT(model.error().message, HasSubstr("model.onnx: SHA-256"));
}

TEST_F(ModelsFolder, WrongGoldenVector_IsRefusedAndNamed) {
  copy(kUe);
  const fs::path folder = root_ / "reelsense-ue/1.0.0";
  auto golden = nlohmann::json::parse(std::ifstream(folder / "golden.json"));
  golden["probability"][5] = 1.5;
  const std::string text = golden.dump();
  std::ofstream(folder / "golden.json") << text;
  auto manifest = nlohmann::json::parse(std::ifstream(folder / "manifest.json"));
  manifest["files"]["golden.json"] =
      sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  std::ofstream(folder / "manifest.json") << manifest.dump();
  const auto model = load_served_model(folder);
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("golden.json: row 5"));
}

TEST_F(ModelsFolder, Find_KnowsNamesVersionsAliasesAndTheDefault) {
  copy(kUe);
  copy(kModels / "reelsense-ue-linear/1.0.0");
  auto made = options("reelsense-ue");
  made.aliases = {{"champion", "reelsense-ue-linear@1.0.0"}};
  const auto repository = ModelRepository::open(made);
  ASSERT_TRUE(repository) << repository.error().message;
  const ModelRepository& models = *repository.value();
  EXPECT_EQ(models.find("")->id(), "reelsense-ue@1.0.0");
  EXPECT_EQ(models.find("reelsense-ue-linear")->id(), "reelsense-ue-linear@1.0.0");
  EXPECT_EQ(models.find("champion")->id(), "reelsense-ue-linear@1.0.0");
  EXPECT_EQ(models.find("reelsense-ue@2.0.0"), nullptr);
  EXPECT_THAT(models.get("nobody").error().message,
              HasSubstr("there is: reelsense-ue-linear@1.0.0, reelsense-ue@1.0.0"));
}

TEST_F(ModelsFolder, Appearing_BrokenAndVanishing_KeepWhatIsServed) {
  copy(kUe);
  const auto repository = ModelRepository::open(options("reelsense-ue"));
  ASSERT_TRUE(repository) << repository.error().message;
  ModelRepository& models = *repository.value();
  std::vector<std::string> events;
  models.on_event(
      [&](const ModelStatus& status) { events.push_back(status.name + " " + name_of(status.state)); });

  fs::create_directories(root_ / "reelsense-ue/9.0.0");
  std::ofstream(root_ / "reelsense-ue/9.0.0/manifest.json") << "{}";
  copy(kModels / "reelsense-ue-socket/1.0.0");
  models.rescan();
  EXPECT_THAT(events, testing::UnorderedElementsAre("reelsense-ue failed", "reelsense-ue-socket ready"));
  EXPECT_EQ(models.find("reelsense-ue")->id(), "reelsense-ue@1.0.0");
  EXPECT_NE(models.find("reelsense-ue-socket"), nullptr);

  fs::remove_all(root_ / "reelsense-ue/1.0.0");
  models.rescan();
  EXPECT_EQ(events.back(), "reelsense-ue vanished");
  EXPECT_EQ(models.find("reelsense-ue")->id(), "reelsense-ue@1.0.0");
}

TEST_F(ModelsFolder, LastVersionOfTheDefault_IsNotUnloaded) {
  copy(kUe);
  const auto repository = ModelRepository::open(options("reelsense-ue"));
  ASSERT_TRUE(repository);
  EXPECT_FALSE(repository.value()->unload("reelsense-ue", "1.0.0"));
  EXPECT_NE(repository.value()->find(""), nullptr);
}

TEST_F(ModelsFolder, Default_NotThere_SaysWhatFailed) {
  fs::create_directories(root_ / "reelsense-edge/1.0.0");
  std::ofstream(root_ / "reelsense-edge/1.0.0/manifest.json") << "{}";
  const auto repository = ModelRepository::open(options("reelsense-edge"));
  ASSERT_FALSE(repository);
  EXPECT_THAT(repository.error().message, HasSubstr("reelsense-edge@1.0.0: "));
}

}  // namespace
}  // namespace reelsense::server
