// The views socket and record where golden vectors cannot reach: their bounds, and what they forget.
#include "reelsense/features/view.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "reelsense/features/record_state.h"
#include "reelsense/features/socket_state.h"

namespace reelsense {
namespace {

constexpr std::int64_t kMs = 1'000'000;

float value(const RecordFeatureVector& features, RecordFeature feature) {
  return features[static_cast<std::size_t>(feature)];
}

TEST(ViewSchemaTest, EveryView_HasUniqueNamesInOrderAndAHashOfItsOwn) {
  std::set<std::string> hashes;
  for (const View view : kAllViews) {
    const ViewSchema& schema = view_schema(view);
    EXPECT_EQ(schema.view, view);
    EXPECT_EQ(find_view(schema.name), &schema);
    EXPECT_TRUE(in_order(schema.features));
    std::set<std::string_view> names;
    for (const FeatureDefinition& d : schema.features) {
      EXPECT_TRUE(names.insert(d.name).second) << d.name;
      EXPECT_EQ(schema.find(d.name), d.index);
      EXPECT_TRUE(std::isfinite(d.missing)) << d.name;
    }
    const ViewText words = view_text(view);
    ASSERT_EQ(words.formulas.size(), schema.features.size());
    for (const std::string_view formula : words.formulas) EXPECT_FALSE(formula.empty());
    hashes.insert(schema.hash());
    // A changed definition is another schema: write its digest into core/features/view.cc and raise its
    // version.
    EXPECT_EQ(schema.digest, definition_digest(view)) << schema.name;
  }
  EXPECT_EQ(hashes.size(), std::size(kAllViews));
  EXPECT_EQ(find_view("wire"), nullptr);
}

TEST(SocketStateTest, LargestEvents_SaturateAndStayFinite) {
  SocketState state;
  state.start(0);
  SocketFeatureVector features{};
  std::vector<std::uint32_t> bins(2 * kBinsPerWindow);
  for (std::int64_t second = 0; second < 70'000; second += 7'000) {
    state.open_window(second);
    for (std::uint32_t i = 0; i < 5; ++i) state.add(Direction::kDown, kMaxSocketEventBytes, 0);
    state.close_window(second, features.data(), bins.data());
    EXPECT_EQ(bins[0], 0xffffffffU);
    for (const float f : features) EXPECT_TRUE(std::isfinite(f));
  }
}

TEST(SocketStateTest, ReadsInOnePieceOrMany_GiveTheSameChunks) {
  const auto chunks_of = [](std::uint32_t pieces) {
    SocketState state;
    state.start(0);
    SocketFeatureVector features{};
    std::vector<std::uint32_t> bins(2 * kBinsPerWindow);
    for (std::int64_t second = 0; second < 9; ++second) {
      state.open_window(second);
      if (second % 4 == 0) state.add(Direction::kUp, 90, 0);
      for (std::uint32_t i = 0; i < pieces; ++i) state.add(Direction::kDown, 400'000 / pieces, 500 * kMs);
      state.close_window(second, features.data(), bins.data());
    }
    return features;
  };
  EXPECT_EQ(chunks_of(1), chunks_of(400))
      << "coalescing in time alone may change features, not how reads are cut";
}

TEST(RecordStateTest, OneWayRecords_LeaveRatiosMissing) {
  RecordState state;
  state.start();
  RecordFeatureVector features{};
  state.add({0, 900 * kMs, 0, 100'000, 0, 70}, features.data());
  for (const RecordFeature f : {RecordFeature::kDownUpBytesRatioLog2, RecordFeature::kDownUpBytesRatio60sLog2,
                                RecordFeature::kDownUpPacketsRatioLog2, RecordFeature::kGapS}) {
    EXPECT_EQ(value(features, f), record_feature_table()[static_cast<std::size_t>(f)].missing);
  }
  state.add({1000 * kMs, 1900 * kMs, 2'000, 0, 30, 0}, features.data());
  EXPECT_GT(value(features, RecordFeature::kDownUpBytesRatio60sLog2), 5.0F)
      << "the other way came in its own record";
}

TEST(RecordStateTest, BytesOfALongRecord_AreSpreadOverItsSeconds) {
  RecordState state;
  state.start();
  RecordFeatureVector features{};
  const std::int64_t second = state.add({0, 39'999 * kMs, 0, 40 * 30'000, 0, 900}, features.data());
  EXPECT_EQ(second, 39);
  EXPECT_EQ(value(features, RecordFeature::kDownActiveShare60s), 1.0F);
  EXPECT_EQ(value(features, RecordFeature::kDownCv60s), 0.0F);
}

TEST(RecordStateTest, RecordAfterALongSilence_ForgetsTheBytesBefore) {
  RecordState state;
  state.start();
  RecordFeatureVector features{};
  state.add({0, 0, 0, 1'000'000, 0, 700}, features.data());
  EXPECT_EQ(state.add({100'000 * kMs, 100'000 * kMs, 0, 500, 0, 1}, features.data()), 100);
  EXPECT_FLOAT_EQ(value(features, RecordFeature::kDownBytes60sLog2), std::log2(501.0F));
}

TEST(RecordStateTest, HugeCounts_StayFinite) {
  RecordState state;
  state.start();
  RecordFeatureVector features{};
  for (int i = 0; i < 3; ++i) {
    state.add({0, 7'000'000'000 * kMs, UINT64_MAX, UINT64_MAX, UINT64_MAX, 1}, features.data());
    for (const float f : features) EXPECT_TRUE(std::isfinite(f));
  }
}

}  // namespace
}  // namespace reelsense
