// The feature table of view `record`, version 1: NetFlow and IPFIX records. The only definition of its
// features' names, units, formulas and missing values. Thread safety: constants.
#pragma once

#include <array>

#include "reelsense/features/view.h"

namespace reelsense {

inline constexpr std::string_view kRecordView = "record";
inline constexpr int kRecordSchemaVersion = 1;
inline constexpr std::size_t kRecordHistorySeconds = 60;

// Index of each feature in the feature vector.
enum class RecordFeature : std::uint8_t {
  kDownRateLog2,
  kUpRateLog2,
  kDownSizeMean,
  kDownUpBytesRatioLog2,
  kDownUpPacketsRatioLog2,
  kDownUpBytesRatio60sLog2,
  kDownSizeMeanRel,
  kUpSizeMeanRelLog2,
  kDurationS,
  kGapS,
  kDownActiveShare60s,
  kDownIdleShare60s,
  kDownHighShare60s,
  kDownOnsets60s,
  kDownPeakRatio60s,
  kDownCv60s,
  kDownGrowthLog2,
  kDownBytes60sLog2,
  kFlowAgeLog2,
  kCount,
};
inline constexpr std::size_t kRecordFeatureCount = static_cast<std::size_t>(RecordFeature::kCount);
using RecordFeatureVector = std::array<float, kRecordFeatureCount>;

std::span<const FeatureDefinition> record_feature_table() noexcept;
std::span<const std::string_view> record_feature_formulas() noexcept;
std::span<const FeatureTerm> record_feature_terms() noexcept;

}  // namespace reelsense
