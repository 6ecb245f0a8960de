// The feature table of view `packet`, version 1: the only definition of every feature's name, unit, formula
// and missing value. `reelsense features --describe`, docs/reference/features.md and the schema hash that a
// model carries are made from it. Thread safety: constants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "reelsense/features/view.h"

namespace reelsense {

inline constexpr std::string_view kPacketView = "packet";
inline constexpr int kPacketSchemaVersion = 1;

inline constexpr std::size_t kHistorySeconds = 20;  // causal history, this second included
inline constexpr std::size_t kBinsPerWindow = 20;   // 50 ms byte bins, per direction
inline constexpr std::int64_t kSecondNs = 1'000'000'000;

// Index of each feature in the feature vector.
enum class Feature : std::uint8_t {
  kDownBytesLog2,
  kUpBytesLog2,
  kDownPacketsLog2,
  kUpPacketsLog2,
  kDownUpBytesRatioLog2,
  kDownUpPacketsRatioLog2,
  kDownUpBytesRatio20sLog2,
  kDownSizeMean,
  kDownSizeStd,
  kDownSizeMax,
  kDownSizeMeanRel,
  kDownSizeStdRel,
  kDownFullShare,
  kDownSmallShare,
  kUpSizeMean,
  kUpSizeAckRatioLog2,
  kDownGapMeanMs,
  kDownGapCv,
  kDownSilenceMaxMs,
  kDownBursts10ms,
  kDownBursts50ms,
  kDownBinsActiveShare,
  kDownBinPeakShare,
  kDownBinsCv,
  kRequests,
  kRequestAgeS,
  kRequestSizeRatioLog2,
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
  kDownEwmaLog2,
  kDownActiveShare20s,
  kDownPeakRatio20s,
  kDownCv20s,
  kDownGrowthLog2,
  kDownPeriodS,
  kDownPeriodScore,
  kFlowAgeLog2,
  kFirstFullS,
  kDownIdleShare20s,
  kCount,
};
inline constexpr std::size_t kFeatureCount = static_cast<std::size_t>(Feature::kCount);

// One window's feature vector, float32 [kFeatureCount], in the order of Feature.
using FeatureVector = std::array<float, kFeatureCount>;

std::span<const FeatureDefinition, kFeatureCount> feature_table() noexcept;
std::span<const std::string_view> feature_formulas() noexcept;
std::span<const FeatureTerm> feature_terms() noexcept;

// The feature called `name`, if there is one.
std::optional<Feature> find_feature(std::string_view name) noexcept;

// SHA-256 (hex) over view, version, terms and table: changes whenever a definition does. A model states it; a
// mismatch refuses to load.
std::string packet_schema_hash();

}  // namespace reelsense
