#include "server/http/observation_body.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>

#include "reelsense/features/quantise.h"
#include "reelsense/feedback/feedback_queue.h"
#include "server/http/reader_fixture.h"

namespace reelsense::server {
namespace {

using Json = nlohmann::ordered_json;

class ObservationBodyTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kMost = 3;

  static Json observation() {
    Json codes = Json::array();
    for (int i = 0; i < 48; ++i) codes.push_back(i - 20);
    return {{"features", codes},
            {"label", "video"},
            {"confidence", 0.9},
            {"uncertain", false},
            {"truth", "video"}};
  }
  static Json body() {
    return {{"batch", "00112233445566778899aabbccddeeff"},
            {"model", "reelsense-ue@1.0.0"},
            {"view", "packet"},
            {"schema_hash", view_schema(View::kPacket).hash()},
            {"epsilon", 1.0},
            {"sdk", "0.4.0"},
            {"observations", Json::array({observation()})}};
  }
  std::optional<Problem> read(const std::string& text) {
    batch_ = {};
    const Padded padded(text);
    return read_observation_batch(parser_, padded.view(), kMost, batch_);
  }
  // "" if it was read, else where it is wrong, and what.
  std::string wrong(const std::string& text) {
    const std::optional<Problem> problem = read(text);
    if (!problem) return "";
    EXPECT_EQ(problem->type, ProblemType::kInvalidRequest);
    return problem->errors.at(0).where + ": " + problem->errors.at(0).problem;
  }
  std::string wrong_with(const std::function<void(Json&)>& change) {
    Json changed = body();
    change(changed);
    return wrong(changed.dump());
  }

  JsonParser parser_;
  ObservationBatch batch_;
};

TEST_F(ObservationBodyTest, Everything_IsRead) {
  Json sent = body();
  sent["observations"].push_back(observation());
  sent["observations"][1]["label"] = "non-video";
  sent["observations"][1]["uncertain"] = true;
  sent["observations"][1]["truth"] = nullptr;
  sent["observations"].push_back(observation());
  sent["observations"][2]["truth"] = "non-video";
  EXPECT_EQ(wrong(sent.dump()), "");
  EXPECT_EQ(batch_.id[0], 0x00);
  EXPECT_EQ(batch_.id[1], 0x11);
  EXPECT_EQ(batch_.id[15], 0xff);
  EXPECT_EQ(batch_.model, "reelsense-ue@1.0.0");
  EXPECT_EQ(batch_.view, "packet");
  EXPECT_EQ(batch_.schema_hash, view_schema(View::kPacket).hash());
  EXPECT_EQ(batch_.epsilon, 1.0);
  EXPECT_EQ(batch_.sdk, "0.4.0");
  EXPECT_EQ(batch_.width, 48U);
  ASSERT_EQ(batch_.observations.size(), 3U);
  EXPECT_TRUE(batch_.observations[0].video);
  EXPECT_FALSE(batch_.observations[0].uncertain);
  EXPECT_EQ(batch_.observations[0].confidence, 0.9F);
  EXPECT_EQ(batch_.observations[0].truth_video, true);
  EXPECT_FALSE(batch_.observations[1].video);
  EXPECT_TRUE(batch_.observations[1].uncertain);
  EXPECT_EQ(batch_.observations[1].truth_video, std::nullopt);
  EXPECT_EQ(batch_.observations[2].truth_video, false);
  ASSERT_EQ(batch_.values.size(), 3U * 48);
  EXPECT_EQ(batch_.values[0], -20);
  EXPECT_EQ(batch_.values[47], 27);
  EXPECT_EQ(batch_.values[48], -20);
}

TEST_F(ObservationBodyTest, Members_MayComeInAnyOrder) {
  const Json sent = body();
  Json turned = Json::object();
  std::vector<std::string> keys;
  for (const auto& [key, value] : sent.items()) keys.insert(keys.begin(), key);
  for (const std::string& key : keys) turned[key] = sent[key];
  EXPECT_EQ(wrong(turned.dump()), "");
  EXPECT_EQ(batch_.values.size(), 48U);
}

TEST_F(ObservationBodyTest, EveryView_HasItsOwnWidth) {
  for (const View view : kAllViews) {
    const ViewSchema& schema = view_schema(view);
    Json sent = body();
    sent["view"] = std::string(schema.name);
    sent["schema_hash"] = schema.hash();
    sent["observations"][0]["features"] = std::vector<int>(schema.features.size(), 1);
    EXPECT_EQ(wrong(sent.dump()), "") << schema.name;
    EXPECT_EQ(batch_.width, schema.features.size());
    sent["observations"][0]["features"].erase(0);
    EXPECT_NE(wrong(sent.dump()), "") << schema.name;
  }
}

TEST_F(ObservationBodyTest, NoObservations_AreABatch) {
  EXPECT_EQ(wrong_with([](Json& json) { json["observations"] = Json::array(); }), "");
  EXPECT_TRUE(batch_.observations.empty());
}

TEST_F(ObservationBodyTest, MissingMembers_AreNamed) {
  for (const char* key : {"batch", "model", "view", "schema_hash", "epsilon", "sdk", "observations"}) {
    EXPECT_EQ(wrong_with([&](Json& json) { json.erase(key); }), std::string(key) + ": is missing");
  }
  for (const char* key : {"features", "label", "confidence", "uncertain", "truth"}) {
    EXPECT_EQ(wrong_with([&](Json& json) { json["observations"][0].erase(key); }),
              "observations[0]." + std::string(key) + ": is missing");
  }
}

struct Wrong {
  const char* pointer;
  const char* value;
  const char* says;
};

TEST_F(ObservationBodyTest, WrongValues_AreToldWithPlaceAndExpectation) {
  const std::string hash = view_schema(View::kPacket).hash();
  const Wrong cases[] = {
      {"/batch", R"("0011")", "batch: 32 lower-case hexadecimal digits are expected"},
      {"/batch", R"("00112233445566778899AABBCCDDEEFF")",
       "batch: 32 lower-case hexadecimal digits are expected"},
      {"/batch", "7", "batch: a string is expected, not 7"},
      {"/model", R"("reelsense-ue")",
       "model: \"name@version\" is expected, of letters, digits, '-', '_', '.' and '+'"},
      {"/model", R"("a,b@1")",
       "model: \"name@version\" is expected, of letters, digits, '-', '_', '.' and '+'"},
      {"/model", R"("a@1@2")",
       "model: \"name@version\" is expected, of letters, digits, '-', '_', '.' and '+'"},
      {"/view", R"("frame")", R"(view: "packet" or "socket" or "record" is expected)"},
      {"/schema_hash", R"("12")", "schema_hash: 64 lower-case hexadecimal digits are expected"},
      {"/epsilon", "0", "epsilon: a number from 0.1 to 10 is expected, not 0"},
      {"/epsilon", "11", "epsilon: a number from 0.1 to 10 is expected, not 11"},
      {"/epsilon", R"("1")", R"(epsilon: a number from 0.1 to 10 is expected, not "1")"},
      {"/sdk", R"("")",
       "sdk: a version, as \"1.2.3\" is expected, of letters, digits, '-', '_', '.' and '+'"},
      {"/observations", "{}", "observations: an array is expected, not an object"},
      {"/observations/0", "[]", "observations[0]: an object is expected, not an array"},
      {"/observations/0/features/7", "1.5",
       "observations[0].features[7]: an integer from -32767 to 32767 is expected, not 1.5"},
      {"/observations/0/features/7", "-32768",
       "observations[0].features[7]: an integer from -32767 to 32767 is expected, not -32768"},
      {"/observations/0/features/7", "null",
       "observations[0].features[7]: an integer from -32767 to 32767 is expected, not null"},
      {"/observations/0/features", "[1, 2]", "observations[0].features: 2 numbers; view packet has 48"},
      {"/observations/0/label", R"("reel")", R"(observations[0].label: "video" or "non-video" is expected)"},
      {"/observations/0/label", "null", "observations[0].label: a string is expected, not null"},
      {"/observations/0/confidence", "0.4",
       "observations[0].confidence: a number from 0.5 to 1 is expected, not 0.4"},
      {"/observations/0/uncertain", "0", "observations[0].uncertain: true or false is expected, not 0"},
      {"/observations/0/truth", "true",
       R"(observations[0].truth: "video", "non-video" or null is expected, not true)"},
      {"/observations/0/truth", R"("")", R"(observations[0].truth: "video" or "non-video" is expected)"},
  };
  for (const Wrong& one : cases) {
    EXPECT_EQ(wrong_with([&](Json& json) { json[Json::json_pointer(one.pointer)] = Json::parse(one.value); }),
              one.says);
  }
  EXPECT_EQ(wrong_with([](Json& json) { json["schema_hash"] = std::string(64, '0'); }),
            "schema_hash: " + hash + " is expected: this server's features of view packet");
  EXPECT_EQ(wrong_with([](Json& json) { json["model"] = std::string(63, 'a') + "@1"; }),
            "model: 65 bytes; at most 64 are taken");
  EXPECT_EQ(wrong_with([](Json& json) { json["sdk"] = std::string(33, '1'); }),
            "sdk: 33 bytes; at most 32 are taken");
}

TEST_F(ObservationBodyTest, TooMany_AreRefused) {
  EXPECT_EQ(
      wrong_with([](Json& json) { json["observations"] = std::vector<Json>(kMost + 1, observation()); }),
      "observations: more than 3 observations in one request");
  EXPECT_EQ(wrong_with([](Json& json) { json["observations"][0]["features"] = std::vector<int>(49, 1); }),
            "observations[0].features: more than 48 numbers; no view has more features");
}

TEST_F(ObservationBodyTest, UnknownAndRepeatedKeys_AreRefused) {
  EXPECT_EQ(wrong_with([](Json& json) { json["device"] = "phone"; }),
            "device: unknown key; known are batch, model, view, schema_hash, epsilon, sdk, observations");
  EXPECT_EQ(wrong_with([](Json& json) { json["observations"][0]["time"] = 1; }),
            "observations[0].time: unknown key; known are features, label, confidence, uncertain, truth");
  std::string twice = body().dump();
  twice.insert(1, R"("sdk":"1",)");
  EXPECT_EQ(wrong(twice), "sdk: is given twice");
}

TEST_F(ObservationBodyTest, BrokenJson_IsRefused) {
  const std::string whole = body().dump();
  for (std::size_t length = 0; length < whole.size(); length += 3) {
    EXPECT_TRUE(read(whole.substr(0, length)).has_value()) << length;
  }
  EXPECT_TRUE(read(whole + "x").has_value());
  std::string null = whole;
  null.replace(null.find("\"truth\":\"video\""), 15, "\"truth\":nulx");
  EXPECT_TRUE(read(null).has_value());
}

// The two ends of the contract, in the same test: what the device's library writes is what is read.
TEST_F(ObservationBodyTest, BatchOfTheDevice_IsTaken) {
  std::ifstream file(REELSENSE_SOURCE_DIR "/models/reelsense-ue/1.0.0/model.onnx", std::ios::binary);
  const std::vector<std::uint8_t> onnx{std::istreambuf_iterator<char>(file), {}};
  const auto model = UeModel::parse(onnx);
  ASSERT_TRUE(model.ok());
  std::vector<std::uint64_t> memory(FeedbackQueue::memory_for(3) / 8);
  auto opened = FeedbackQueue::open(std::as_writable_bytes(std::span(memory)), model.value(), {1.0, 10.0});
  ASSERT_TRUE(opened.ok());
  FeedbackQueue& queue = opened.value();
  std::vector<float> features(kMaxFeatureCount);
  for (std::size_t i = 0; i < features.size(); ++i) features[i] = 1e6F * (i % 2 == 0 ? 1.0F : -1.0F);
  const std::array<std::uint8_t, 16> random = {};
  for (const Truth truth : {Truth::kVideo, Truth::kUnknown, Truth::kNonVideo}) {
    Decision decision;
    decision.label = Label::kVideo;
    decision.confidence = 0.75F;
    decision.uncertain = true;
    ASSERT_EQ(queue.add(features.data(), decision, truth, FeedbackRandom(random)),
              FeedbackQueue::Added::kKept);
  }
  std::vector<char> text(16'384);
  const FeedbackQueue::Batch written = queue.write(text, 3);
  ASSERT_EQ(written.records, 3U);
  EXPECT_EQ(wrong(std::string(text.data(), written.bytes)), "");
  EXPECT_EQ(batch_.model, "reelsense-ue@1.0.0");
  EXPECT_EQ(batch_.epsilon, 10.0);
  ASSERT_EQ(batch_.observations.size(), 3U);
  EXPECT_TRUE(batch_.observations[0].video && batch_.observations[0].uncertain);
  EXPECT_EQ(batch_.observations[0].confidence, 0.75F);
  EXPECT_EQ(batch_.observations[0].truth_video, true);  // at ε = 10 and the smallest draw it is told truly
  EXPECT_EQ(batch_.observations[1].truth_video, std::nullopt);
  EXPECT_EQ(batch_.observations[2].truth_video, false);
  for (std::size_t i = 0; i < batch_.width; ++i) {
    const float step = quantisation_step(view_schema(View::kPacket).features[i]);
    EXPECT_EQ(batch_.values[i], quantise(features[i], step)) << i;
  }
}

}  // namespace
}  // namespace reelsense::server
