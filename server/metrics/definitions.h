// The one table of what the server measures. Registration, /metrics and docs/reference/server-metrics.md are
// made from it. Thread safety: constants.
#pragma once

#include <cstdint>
#include <span>

namespace reelsense::server {

enum class MetricKind : std::uint8_t { kCounter, kGauge, kHistogram };

enum class MetricId : std::uint8_t {
  kRequests,
  kRequestSeconds,
  kRefused,
  kConnections,
  kStreamMessages,
  kWindows,
  kUncertainWindows,
  kRepeatedWindows,
  kWindowErrors,
  kConfidence,
  kQueueSeconds,
  kComputeSeconds,
  kBatchSize,
  kQueueDepth,
  kRejectedJobs,
  kLiveFlows,
  kFlowsOpened,
  kFlowsExpired,
  kFlowsEvicted,
  kStateBytes,
  kModelInfo,
  kLogRows,
  kLogDropped,
  kLogDeleted,
  kLogFailures,
  kLogQueued,
  kLogBytes,
  kLogFeedback,
  kObservations,
  kObservationBatches,
  kObservationsDeleted,
  kProcessMemory,
  kProcessCpu,
  kProcessFds,
  kProcessMaxFds,
  kProcessStart,
};

struct MetricDefinition {
  MetricId id;
  MetricKind kind;
  const char* name;
  const char* labels;                   // "api,route"; "": none
  const char* meaning;                  // one line; no backslash
  std::span<const double> bounds = {};  // of a histogram's buckets, in the metric's unit
};

// In the order of MetricId.
std::span<const MetricDefinition> metric_definitions() noexcept;
inline const MetricDefinition& definition_of(MetricId id) noexcept {
  return metric_definitions()[static_cast<std::size_t>(id)];
}

}  // namespace reelsense::server
