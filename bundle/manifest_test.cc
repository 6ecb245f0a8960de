#include "reelsense/bundle/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace reelsense::bundle {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json good_manifest() {
  const std::string digest(64, 'a');
  return {{"format", 1},
          {"name", "reelsense-ue"},
          {"version", "0.1.0"},
          {"tier", "ue"},
          {"view", "packet"},
          {"schema_hash", digest},
          {"features", {"down_bytes_log2", "requests"}},
          {"labels", {"non-video", "video"}},
          {"threshold", 0.5},
          {"uncertain", {0.35, 0.65}},
          {"calibration", json::object()},
          {"metrics", {{"worst_cell", 0.8}}},
          {"training_data", {{"digest", digest}, {"rows", 10}}},
          {"reference_histograms", json::object()},
          {"source_commit", ""},
          {"files", {{"model.onnx", digest}}}};
}

std::string problem_with(const json& manifest) {
  const auto result = parse_manifest(manifest.dump());
  return result ? "accepted" : result.error().message;
}

TEST(Manifest, Good_IsReadInFull) {
  const auto result = parse_manifest(good_manifest().dump());
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result.value().id(), "reelsense-ue@0.1.0");
  EXPECT_EQ(result.value().features.size(), 2U);
  EXPECT_EQ(result.value().uncertain_high, 0.65);
  EXPECT_EQ(result.value().files.at("model.onnx"), std::string(64, 'a'));
}

TEST(Manifest, EachMissingKey_IsNamed) {
  const json good = good_manifest();
  for (const auto& [key, value] : good.items()) {
    json manifest = good_manifest();
    manifest.erase(key);
    EXPECT_EQ(problem_with(manifest), "missing key \"" + key + "\"");
  }
}

TEST(Manifest, EachWrongTypedKey_IsNamed) {
  const json good = good_manifest();
  for (const auto& [key, value] : good.items()) {
    json manifest = good_manifest();
    manifest[key] = true;
    EXPECT_THAT(problem_with(manifest), HasSubstr("\"" + key + "\"")) << key;
  }
}

TEST(Manifest, UnknownKey_IsNamed) {
  json manifest = good_manifest();
  manifest["treshold"] = 0.4;
  EXPECT_EQ(problem_with(manifest), "unknown key \"treshold\"");
}

TEST(Manifest, KeyTwice_IsRefused) {
  std::string text = good_manifest().dump();
  text.insert(1, "\"tier\":\"server\",");
  const auto result = parse_manifest(text);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "key \"tier\" stands twice");
}

TEST(Manifest, BadValues_AreRefused) {
  const std::pair<const char*, json> cases[] = {{"version", "1.0"},
                                                {"name", "Reel Sense"},
                                                {"tier", "edge"},
                                                {"schema_hash", "abc"},
                                                {"threshold", 1.5},
                                                {"uncertain", {0.7, 0.3}},
                                                {"uncertain", {0.7}},
                                                {"labels", {"video", "other"}},
                                                {"features", json::array()},
                                                {"training_data", {{"rows", 1}}}};
  for (const auto& [key, value] : cases) {
    json manifest = good_manifest();
    manifest[key] = value;
    EXPECT_THAT(problem_with(manifest), HasSubstr(key)) << value;
  }
}

TEST(Manifest, FileOutsideItsFolder_IsRefused) {
  for (const char* name : {"../model.onnx", "a/b", ".hidden", "manifest.json", ""}) {
    json manifest = good_manifest();
    manifest["files"][name] = std::string(64, 'b');
    EXPECT_THAT(problem_with(manifest), HasSubstr("\"files\"")) << name;
  }
}

TEST(Manifest, HostileText_IsRefused) {
  EXPECT_FALSE(parse_manifest(""));
  EXPECT_FALSE(parse_manifest("[]"));
  EXPECT_FALSE(parse_manifest("{\"name\": \"\xff\"}"));
  EXPECT_FALSE(parse_manifest(std::string(100'000, '[')));
  EXPECT_FALSE(parse_manifest("{\"a\":" + std::string(100'000, '[')));
}

}  // namespace
}  // namespace reelsense::bundle
