#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "reelsense/bundle/bundle.h"

namespace reelsense::bundle {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class FindModel : public testing::Test {
 protected:
  FindModel() : root_(fs::path(testing::TempDir()) / ("find_model_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
  }
  ~FindModel() override { fs::remove_all(root_); }

  void put(const fs::path& bundle) {
    fs::create_directories(root_ / bundle);
    std::ofstream(root_ / bundle / "manifest.json") << "{}";
  }

  fs::path root_;
};

TEST_F(FindModel, NameAlone_GivesHighestRelease) {
  for (const char* version : {"0.9.0", "0.10.0", "1.0.0-rc.1"}) put(fs::path("a/reelsense-ue") / version);
  const auto found = find_model("reelsense-ue", {root_ / "a"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found.value(), root_ / "a/reelsense-ue/0.10.0");
}

TEST_F(FindModel, NameAndVersion_GivesThatOne) {
  for (const char* version : {"0.9.0", "1.0.0-rc.1"}) put(fs::path("a/reelsense-ue") / version);
  EXPECT_EQ(find_model("reelsense-ue@1.0.0-rc.1", {root_ / "a"}).value(),
            root_ / "a/reelsense-ue/1.0.0-rc.1");
}

TEST_F(FindModel, OnlyPrereleases_GivesHighestOfThem) {
  for (const char* version : {"1.0.0-rc.2", "1.0.0-rc.10"}) put(fs::path("a/x") / version);
  EXPECT_EQ(find_model("x", {root_ / "a"}).value(), root_ / "a/x/1.0.0-rc.10");
}

TEST_F(FindModel, SameVersionTwice_FirstFolderWins) {
  put("a/x/1.0.0");
  put("b/x/1.0.0");
  EXPECT_EQ(find_model("x", {root_ / "b", root_ / "a"}).value(), root_ / "b/x/1.0.0");
  EXPECT_EQ(list_bundles({root_ / "b", root_ / "a"}).size(), 1U);
}

TEST_F(FindModel, Unknown_SaysWhereItLookedAndWhatIsThere) {
  put("a/x/1.0.0");
  const auto found = find_model("y", {root_ / "a"});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(found.error().message, HasSubstr((root_ / "a").string()));
  EXPECT_THAT(found.error().message, HasSubstr("x@1.0.0"));
}

TEST_F(FindModel, BadVersion_IsNamed) {
  EXPECT_THAT(find_model("x@one", {root_}).error().message, HasSubstr("\"one\""));
}

TEST(ModelsPath, Order_IsOptionThenEnvironmentThenExecutable) {
  EXPECT_THAT(models_path("/o", "/e", "/p/build/dev/bin/reelsense"), ElementsAre("/o"));
  EXPECT_THAT(models_path("", "/e:/f", "/p/build/dev/bin/reelsense"), ElementsAre("/e", "/f"));
  EXPECT_THAT(models_path("", nullptr, "/p/build/dev/bin/reelsense"),
              ElementsAre("/p/models", "/p/build/dev/share/reelsense/models", "/usr/share/reelsense/models"));
}

TEST(ReadFile, Unusable_SaysWhy) {
  EXPECT_EQ(read_file("/no/such", 10).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(read_file("/dev/zero", 10).error().message, HasSubstr("not a regular file"));
  const fs::path file = fs::path(testing::TempDir()) / ("read_file_" + std::to_string(::getpid()));
  std::ofstream(file) << "0123456789a";
  EXPECT_EQ(read_file(file, 10).error().code, ErrorCode::kLimit);
  EXPECT_EQ(read_file(file, 11).value().size(), 11U);
  fs::remove(file);
}

}  // namespace
}  // namespace reelsense::bundle
