#include "reelsense/feedback/feedback_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "reelsense/features/quantise.h"

namespace reelsense {
namespace {

using ::testing::HasSubstr;
using Added = FeedbackQueue::Added;

std::vector<std::uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const UeModel& packet_model() {
  static const UeModel model = [] {
    const auto bytes = read_file(REELSENSE_SOURCE_DIR "/models/reelsense-ue-linear/1.0.0/model.onnx");
    return UeModel::parse(bytes).value();
  }();
  return model;
}

class FeedbackQueueTest : public ::testing::Test {
 protected:
  FeedbackQueue open(double sample = 1.0, double epsilon = 1.0) {
    Result<FeedbackQueue> opened =
        FeedbackQueue::open(std::as_writable_bytes(std::span(memory_)), packet_model(), {sample, epsilon});
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    return std::move(opened).value();
  }
  Added add(FeedbackQueue& queue, Truth truth = Truth::kVideo, float feature = 1.0F) {
    std::array<float, kMaxFeatureCount> features{};
    features.fill(feature);
    std::array<std::uint8_t, 16> random;
    for (std::uint8_t& byte : random) byte = static_cast<std::uint8_t>(generator_());
    Decision decision;
    decision.confidence = 0.9F;
    decision.label = Label::kVideo;
    decision.uncertain = false;
    return queue.add(features.data(), decision, truth, FeedbackRandom(random));
  }
  std::string json(const FeedbackQueue& queue, std::uint32_t most = 100, std::size_t room = 65536) {
    std::vector<char> text(room);
    batch_ = queue.write(text, most);
    return {text.data(), batch_.bytes};
  }

  std::vector<std::uint64_t> memory_ = std::vector<std::uint64_t>(FeedbackQueue::memory_for(8) / 8);
  std::mt19937 generator_{11};
  FeedbackQueue::Batch batch_;
};

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST_F(FeedbackQueueTest, Record_CarriesQuantisedFeaturesAndNothingElse) {
  FeedbackQueue queue = open();
  EXPECT_EQ(add(queue), Added::kKept);
  const std::string text = json(queue);
  EXPECT_THAT(text, HasSubstr(R"("model":"reelsense-ue-linear@1.0.0","view":"packet","schema_hash":")" +
                              view_schema(View::kPacket).hash() + R"(","epsilon":1.000,"sdk":")"));
  EXPECT_THAT(text, HasSubstr(R"({"features":[4,4,4,)"));  // 1.0 in quarters of a doubling
  EXPECT_THAT(text, HasSubstr(R"("label":"video","confidence":0.906250,"uncertain":false,"truth":")"));
  EXPECT_EQ(count_of(text, "{"), 2U);
}

TEST_F(FeedbackQueueTest, FullQueue_KeepsTheOldAndCountsTheNew) {
  FeedbackQueue queue = open();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(add(queue, Truth::kUnknown, static_cast<float>(i)), Added::kKept);
  EXPECT_EQ(add(queue), Added::kFull);
  EXPECT_EQ(queue.size(), 8U);
  EXPECT_EQ(queue.lost(), 1U);
  queue.discard(3);
  EXPECT_EQ(add(queue, Truth::kUnknown, 8.0F), Added::kKept);
  const std::string text = json(queue);
  EXPECT_EQ(batch_.records, 6U);
  EXPECT_THAT(text, HasSubstr(R"("observations":[{"features":[12,)"));  // the fourth, 3.0
  EXPECT_THAT(text, HasSubstr(R"({"features":[32,)"));                  // the ninth, 8.0
}

TEST_F(FeedbackQueueTest, ReopenedMemory_HasEveryRecord) {
  {
    FeedbackQueue queue = open();
    for (int i = 0; i < 5; ++i) add(queue, Truth::kVideo, static_cast<float>(i));
    queue.discard(1);
  }
  FeedbackQueue queue = open();
  EXPECT_EQ(queue.size(), 4U);
  EXPECT_EQ(queue.lost(), 0U);
  EXPECT_THAT(json(queue), HasSubstr(R"("observations":[{"features":[4,)"));
}

// The process may die after any store: whatever prefix of the bytes of one add() reached the memory, all
// earlier records are there, and the new one is whole or absent.
TEST_F(FeedbackQueueTest, DeathInsideAdd_LosesNothingThatWasAdded) {
  FeedbackQueue queue = open();
  add(queue, Truth::kVideo, 1.0F);
  add(queue, Truth::kVideo, 2.0F);
  const std::vector<std::uint64_t> before = memory_;
  add(queue, Truth::kVideo, 3.0F);
  const std::vector<std::uint64_t> after = memory_;
  // The order of stores: the record first, then the header.
  std::vector<std::size_t> changed;
  for (std::size_t i = 16; i < after.size(); ++i) {
    if (after[i] != before[i]) changed.push_back(i);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    if (after[i] != before[i]) changed.push_back(i);
  }
  ASSERT_GT(changed.size(), 20U);
  for (std::size_t stores = 0; stores <= changed.size(); ++stores) {
    memory_ = before;
    for (std::size_t i = 0; i < stores; ++i) memory_[changed[i]] = after[changed[i]];
    FeedbackQueue reopened = open();
    const bool complete = stores == changed.size();
    EXPECT_EQ(reopened.size(), complete ? 3U : 2U) << stores << " stores";
    EXPECT_EQ(reopened.lost(), 0U) << stores << " stores";
  }
}

TEST_F(FeedbackQueueTest, DamagedRecord_IsLeftOutAndCounted) {
  {
    FeedbackQueue queue = open();
    for (int i = 0; i < 3; ++i) add(queue, Truth::kVideo, static_cast<float>(i));
  }
  memory_[16 + 23 + 12] ^= 1;  // inside the second record
  FeedbackQueue queue = open();
  EXPECT_EQ(queue.size(), 2U);
  EXPECT_EQ(queue.lost(), 1U);
  EXPECT_THAT(json(queue), HasSubstr(R"({"features":[8,)"));
}

TEST_F(FeedbackQueueTest, ForeignMemory_IsRefusedUntouched) {
  std::fill(memory_.begin(), memory_.end(), 0x4141414141414141ULL);
  const std::vector<std::uint64_t> before = memory_;
  const auto opened = FeedbackQueue::open(std::as_writable_bytes(std::span(memory_)), packet_model(), {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(memory_, before);
}

TEST_F(FeedbackQueueTest, BadOptionsAndMemory_AreRefusedByName) {
  const auto bytes = std::as_writable_bytes(std::span(memory_));
  EXPECT_THAT(FeedbackQueue::open(bytes, packet_model(), {1.5, 1.0}).error().message, HasSubstr("sample"));
  EXPECT_THAT(FeedbackQueue::open(bytes, packet_model(), {1.0, std::nan("")}).error().message,
              HasSubstr("epsilon"));
  EXPECT_THAT(FeedbackQueue::open(bytes.subspan(1), packet_model(), {}).error().message,
              HasSubstr("multiple of 8"));
  EXPECT_THAT(FeedbackQueue::open(bytes.first(64), packet_model(), {}).error().message,
              HasSubstr("64 bytes"));
}

TEST_F(FeedbackQueueTest, SmallBuffer_TakesWholeRecordsOrNone) {
  FeedbackQueue queue = open();
  for (int i = 0; i < 8; ++i) add(queue);
  const std::string all = json(queue);
  EXPECT_EQ(batch_.records, 8U);
  for (std::size_t room = 0; room <= all.size() + 1; ++room) {
    const std::string part = json(queue, 100, room);
    ASSERT_LE(part.size() + 1, std::max<std::size_t>(room, 1));
    ASSERT_EQ(count_of(part, "\"features\""), batch_.records);
    if (!part.empty()) {
      ASSERT_EQ(part.substr(part.size() - 3), "}]}");
    }
  }
  EXPECT_EQ(batch_.records, 8U);
  json(queue, 100, 4096);
  EXPECT_GE(batch_.records, 1U);
}

TEST_F(FeedbackQueueTest, SameBatchAgain_HasTheSameIdentityAndAnotherADifferentOne) {
  FeedbackQueue queue = open();
  for (int i = 0; i < 4; ++i) add(queue);
  const std::string first = json(queue, 2);
  EXPECT_EQ(json(queue, 2), first);
  EXPECT_NE(json(queue, 3).substr(0, 43), first.substr(0, 43));
  queue.discard(2);
  EXPECT_NE(json(queue, 2).substr(0, 43), first.substr(0, 43));
}

// Randomised response: the truth is told with probability e^ε / (1 + e^ε), within 4 standard deviations.
TEST_F(FeedbackQueueTest, Truth_IsInvertedAsOftenAsEpsilonSays) {
  for (const double epsilon : {0.5, 1.0, 3.0}) {
    std::fill(memory_.begin(), memory_.end(), 0);
    FeedbackQueue queue = open(1.0, epsilon);
    std::size_t told = 0;
    constexpr std::size_t kTries = 20'000;
    for (std::size_t i = 0; i < kTries; ++i) {
      add(queue, Truth::kVideo);
      told += count_of(json(queue), R"("truth":"video")");
      queue.discard(1);
    }
    const double p = std::exp(epsilon) / (1 + std::exp(epsilon));
    EXPECT_NEAR(static_cast<double>(told) / kTries, p, 4 * std::sqrt(p * (1 - p) / kTries)) << epsilon;
  }
}

TEST_F(FeedbackQueueTest, Sample_KeepsItsShare) {
  FeedbackQueue queue = open(0.25);
  std::size_t kept = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (add(queue) != Added::kKept) continue;
    ++kept;
    queue.discard(1);
  }
  EXPECT_NEAR(static_cast<double>(kept), 5000, 250);
  FeedbackQueue none = open(0.0);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(add(none), Added::kLeftOut);
}

TEST_F(FeedbackQueueTest, UnknownTruth_StaysUnknown) {
  FeedbackQueue queue = open();
  add(queue, Truth::kUnknown);
  EXPECT_THAT(json(queue), HasSubstr(R"("truth":null)"));
}

}  // namespace
}  // namespace reelsense
