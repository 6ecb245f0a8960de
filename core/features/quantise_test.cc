#include "reelsense/features/quantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace reelsense {
namespace {

TEST(Quantise, Value_RoundsToTheNearestStep) {
  EXPECT_EQ(quantise(0.0F, 0.25F), 0);
  EXPECT_EQ(quantise(0.124F, 0.25F), 0);
  EXPECT_EQ(quantise(0.125F, 0.25F), 1);  // a tie goes up
  EXPECT_EQ(quantise(-0.125F, 0.25F), 0);
  EXPECT_EQ(quantise(-0.126F, 0.25F), -1);
  EXPECT_EQ(quantise(20.0F, 0.5F), 40);
  EXPECT_EQ(quantise(-12.3F, 0.25F), -49);
}

TEST(Quantise, AbsurdValues_SaturateAndNanIsZero) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(quantise(1e30F, 0.25F), 32767);
  EXPECT_EQ(quantise(kInfinity, 1.0F), 32767);
  EXPECT_EQ(quantise(-kInfinity, 1.0F), -32767);
  EXPECT_EQ(quantise(std::numeric_limits<float>::quiet_NaN(), 1.0F), 0);
}

TEST(Quantise, RestoredValue_IsWithinHalfAStep) {
  for (const float step : {0.0625F, 0.25F, 0.5F, 1.0F, 10.0F, 32.0F}) {
    for (int i = -2000; i < 2000; ++i) {
      const float value = static_cast<float>(i) * 0.0317F * step;
      EXPECT_LE(std::fabs(restore(quantise(value, step), step) - value), step / 2 * 1.0001F)
          << value << " " << step;
    }
  }
}

// A unit that nobody thought of would be rounded to whole numbers and lose everything.
TEST(Quantise, EveryUnitOfEveryView_HasItsStep) {
  const std::set<std::string_view> whole = {"count"};
  for (const View view : kAllViews) {
    for (const FeatureDefinition& feature : view_schema(view).features) {
      EXPECT_TRUE(quantisation_step(feature) != 1.0F || whole.contains(feature.unit))
          << feature.name << " has unit " << feature.unit;
    }
  }
}

}  // namespace
}  // namespace reelsense
