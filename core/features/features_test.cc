#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "reelsense/features/feature_state.h"
#include "reelsense/features/schema.h"

namespace reelsense {
namespace {

// One flow driven by hand; its first packet comes at `first_ns`.
class Flow {
 public:
  explicit Flow(std::int64_t first_ns) : first_ns_(first_ns) { state_.start(); }
  void open(std::int64_t second) { state_.open_window(first_ns_, second); }
  void up(std::uint32_t size, std::uint32_t ms) { state_.add(Direction::kUp, size, ms * 1'000'000); }
  void down(std::uint32_t size, std::uint32_t ms) { state_.add(Direction::kDown, size, ms * 1'000'000); }
  FeatureVector close(std::int64_t second) {
    FeatureVector features;
    state_.close_window(first_ns_, second, features.data(), bins_.data());
    return features;
  }
  [[nodiscard]] const std::vector<std::uint32_t>& bins() const { return bins_; }

 private:
  std::int64_t first_ns_;
  FeatureHot hot_;
  FeatureCold cold_;
  FeatureState state_{hot_, cold_};
  std::vector<std::uint32_t> bins_ = std::vector<std::uint32_t>(2 * kBinsPerWindow);
};

float value(const FeatureVector& features, Feature feature) {
  return features[static_cast<std::size_t>(feature)];
}

TEST(SchemaTest, Table_NamesAreUniqueFiniteAndFound) {
  std::set<std::string_view> names;
  for (const FeatureDefinition& d : feature_table()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_EQ(find_feature(d.name), static_cast<Feature>(d.index));
    EXPECT_TRUE(std::isfinite(d.missing)) << d.name;
    EXPECT_FALSE(d.unit.empty()) << d.name;
  }
  EXPECT_FALSE(find_feature("port").has_value());
  EXPECT_EQ(packet_schema_hash().size(), 64U);
}

TEST(Q11, AnyCount_KeepsElevenLeadingBits) {
  for (const std::uint64_t x : {0ULL, 1ULL, 2047ULL, 2048ULL, 2049ULL, 4095ULL, 123'456'789ULL, 1ULL << 40}) {
    const std::uint64_t kept = decode_q11(encode_q11(x));
    EXPECT_LE(kept, x);
    EXPECT_LE(static_cast<double>(x - kept), static_cast<double>(x) / 1024) << x;
  }
  EXPECT_EQ(decode_q11(encode_q11(2047)), 2047U);
  EXPECT_EQ(decode_q11(encode_q11(UINT64_MAX)), 2047ULL << 31) << "saturates";
}

TEST(FeatureStateTest, EmptyDirection_GivesTheMissingValues) {
  Flow flow(5 * kSecondNs);
  flow.open(5);
  flow.up(60, 0);
  const FeatureVector features = flow.close(5);
  for (const FeatureDefinition& d : feature_table()) EXPECT_TRUE(std::isfinite(features[d.index])) << d.name;
  for (const Feature f : {Feature::kDownGapMeanMs, Feature::kDownGapCv, Feature::kDownSilenceMaxMs,
                          Feature::kDownBursts10ms, Feature::kRequestAgeS, Feature::kChunkIntervalS,
                          Feature::kFirstFullS, Feature::kDownGrowthLog2, Feature::kDownPeriodS}) {
    EXPECT_EQ(value(features, f), feature_table()[static_cast<std::size_t>(f)].missing);
  }
}

TEST(FeatureStateTest, EqualSizes_HaveExactlyNoSpread) {
  Flow flow(0);
  flow.open(0);
  for (std::uint32_t i = 0; i < 100; ++i) flow.down(1378, i * 10);
  const FeatureVector features = flow.close(0);
  EXPECT_EQ(value(features, Feature::kDownSizeStd), 0.0F);
  EXPECT_EQ(value(features, Feature::kDownSizeMeanRel), 1.0F);
  EXPECT_EQ(value(features, Feature::kDownFullShare), 1.0F);
  EXPECT_EQ(value(features, Feature::kDownGapMeanMs), 10.0F);
  EXPECT_EQ(value(features, Feature::kDownGapCv), 0.0F);
  EXPECT_EQ(value(features, Feature::kDownBursts10ms), 1.0F) << "a gap of 10 ms is not over 10 ms";
  EXPECT_EQ(value(features, Feature::kDownBinsActiveShare), 1.0F);
  EXPECT_EQ(flow.bins()[0], 5 * 1378U);
}

// Requests at 0.5 s and every 4 s, each answered by 100 full packets over 990 ms.
TEST(FeatureStateTest, RequestsAndChunks_AreSeenInUpPackets) {
  Flow flow(0);
  FeatureVector features{};
  for (std::int64_t second = 0; second < 13; ++second) {
    flow.open(second);
    flow.up(52, 100);
    if (second % 4 == 0) {
      flow.up(500, 400);
      flow.up(500, 450);  // the same request, continued
      for (std::uint32_t i = 0; i < 50; ++i) flow.down(1500, 500 + i * 10);
    }
    if (second % 4 == 1) {
      for (std::uint32_t i = 0; i < 50; ++i) flow.down(1500, i * 10);
    }
    features = flow.close(second);
    EXPECT_EQ(value(features, Feature::kRequests), second % 4 == 0 ? 1.0F : 0.0F) << second;
  }
  // Requests at 0.4, 4.4, 8.4, 12.4 s: the chunks of the first three are closed, 4 s apart.
  EXPECT_FLOAT_EQ(value(features, Feature::kChunksLog2), 2.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kChunkSizeLog2), std::log2(1.0F + 150'000));
  EXPECT_FLOAT_EQ(value(features, Feature::kChunkIntervalS), 4.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kChunkIntervalSpread), 0.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kChunkDuty), 990.0F / 3900.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kBurstsLog2), 2.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kRequestAgeS), 0.6F);
  EXPECT_FLOAT_EQ(value(features, Feature::kDownPeriodS), 4.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kDownPeriodScore), 1.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kFirstFullS), 0.54F);
}

TEST(FeatureStateTest, IdleSeconds_AreHistoryToo) {
  Flow flow(0);
  flow.open(0);
  flow.down(1500, 0);
  flow.close(0);
  flow.open(30);
  flow.down(1500, 0);
  const FeatureVector features = flow.close(30);
  EXPECT_FLOAT_EQ(value(features, Feature::kDownIdleShare20s), 19.0F / 20.0F);
  EXPECT_FLOAT_EQ(value(features, Feature::kDownGrowthLog2), std::log2(1501.0F));
  EXPECT_FLOAT_EQ(value(features, Feature::kFlowAgeLog2), std::log2(32.0F));
}

}  // namespace
}  // namespace reelsense
