// The feature table of view `socket`, version 1: bytes that an app read and wrote on a connection. The only
// definition of its features' names, units, formulas and missing values. Thread safety: constants.
#pragma once

#include <array>

#include "reelsense/features/view.h"

namespace reelsense {

inline constexpr std::string_view kSocketView = "socket";
inline constexpr int kSocketSchemaVersion = 1;

// Index of each feature in the feature vector.
enum class SocketFeature : std::uint8_t {
  kDownBytesLog2,
  kUpBytesLog2,
  kDownUpBytesRatioLog2,
  kDownUpBytesRatio20sLog2,
  kDownBinsActiveShare,
  kDownBinPeakShare,
  kDownBinsCv,
  kRequests,
  kRequestAgeS,
  kOpenChunkLog2,
  kChunksLog2,
  kChunkSizeLog2,
  kChunkIntervalS,
  kChunkIntervalSpread,
  kChunkDuty,
  kBurstsLog2,
  kBurstSizeLog2,
  kBurstIntervalS,
  kBurstIntervalSpread,
  kOpenBurstLog2,
  kDownActiveShare20s,
  kDownIdleShare20s,
  kDownPeakRatio20s,
  kDownCv20s,
  kDownGrowthLog2,
  kDownPeriodS,
  kDownPeriodScore,
  kFlowAgeLog2,
  kCount,
};
inline constexpr std::size_t kSocketFeatureCount = static_cast<std::size_t>(SocketFeature::kCount);
using SocketFeatureVector = std::array<float, kSocketFeatureCount>;

std::span<const FeatureDefinition> socket_feature_table() noexcept;
std::span<const std::string_view> socket_feature_formulas() noexcept;
std::span<const FeatureTerm> socket_feature_terms() noexcept;

}  // namespace reelsense
