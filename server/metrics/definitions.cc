#include "server/metrics/definitions.h"

#include <array>

namespace reelsense::server {

namespace {

using enum MetricKind;
using Id = MetricId;

constexpr std::array kRequestBounds = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05,
                                       0.1,  0.25,   0.5,  1.0,  2.5,    5.0,  10.0, 30.0};
constexpr std::array kWindowBounds = {5e-5, 1e-4,  2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3,
                                      0.01, 0.025, 0.05,   0.1,  0.25, 1.0};
constexpr std::array kBatchBounds = {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0};
constexpr std::array kConfidenceBounds = {0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0};

constexpr std::array kDefinitions = std::to_array<MetricDefinition>({
    {Id::kRequests, kCounter, "reelsense_server_requests_total", "api,route,status",
     "Requests answered and calls ended, by HTTP status or gRPC code."},
    {Id::kRequestSeconds, kHistogram, "reelsense_server_request_duration_seconds", "api,route",
     "Time from a request's first byte to its answer; of a stream, from its begin to its end.",
     kRequestBounds},
    {Id::kRefused, kCounter, "reelsense_server_refused_total", "api,reason",
     "Requests and calls that were not served as asked, by reason."},
    {Id::kConnections, kGauge, "reelsense_server_connections", "api",
     "Open HTTP connections (rest), open streams (grpc)."},
    {Id::kStreamMessages, kCounter, "reelsense_server_stream_messages_total", "direction",
     "Messages of gRPC streams, in (read) and out (written)."},
    {Id::kWindows, kCounter, "reelsense_server_windows_total", "model,label", "Windows labelled."},
    {Id::kUncertainWindows, kCounter, "reelsense_server_uncertain_windows_total", "model",
     "Windows labelled within the model's uncertain band; windows_total has them too."},
    {Id::kRepeatedWindows, kCounter, "reelsense_server_repeated_windows_total", "model",
     "Windows asked again and answered from memory; windows_total does not have them."},
    {Id::kWindowErrors, kCounter, "reelsense_server_window_errors_total", "model,code",
     "Windows of a batch that got no label, by code of the answer."},
    {Id::kConfidence, kHistogram, "reelsense_server_confidence", "model", "Confidence of the labels.",
     kConfidenceBounds},
    {Id::kQueueSeconds, kHistogram, "reelsense_server_queue_seconds", "model",
     "Time a labelled window waited for its batch.", kWindowBounds},
    {Id::kComputeSeconds, kHistogram, "reelsense_server_compute_seconds", "model",
     "Time of the model for one batch.", kWindowBounds},
    {Id::kBatchSize, kHistogram, "reelsense_server_batch_size", "model", "Windows the model ran on at once.",
     kBatchBounds},
    {Id::kQueueDepth, kGauge, "reelsense_server_queue_depth", "", "Windows waiting for a batch."},
    {Id::kRejectedJobs, kCounter, "reelsense_server_rejected_jobs_total", "",
     "Jobs not taken because the queue was full or the server drained."},
    {Id::kLiveFlows, kGauge, "reelsense_server_live_flows", "", "Flows whose state is held."},
    {Id::kFlowsOpened, kCounter, "reelsense_server_flows_opened_total", "", "Flows begun."},
    {Id::kFlowsExpired, kCounter, "reelsense_server_flows_expired_total", "",
     "Flows forgotten after flows.idle_timeout_s without a window."},
    {Id::kFlowsEvicted, kCounter, "reelsense_server_flows_evicted_total", "",
     "Flows forgotten for newer ones because there were flows.max."},
    {Id::kStateBytes, kGauge, "reelsense_server_state_bytes", "", "Memory held for the state of flows."},
    {Id::kModelInfo, kGauge, "reelsense_server_model_info", "model,version,tier,state",
     "1 for each model version that is known: ready, failed, vanished or unloaded."},
    {Id::kLogRows, kCounter, "reelsense_server_log_rows_total", "", "Windows written to the inference log."},
    {Id::kLogDropped, kCounter, "reelsense_server_log_dropped_total", "",
     "Windows not written to the inference log: its queue was full or the disk failed."},
    {Id::kLogDeleted, kCounter, "reelsense_server_log_deleted_total", "",
     "Windows deleted from the inference log by age or size."},
    {Id::kLogFailures, kCounter, "reelsense_server_log_failures_total", "",
     "Transactions of the inference log that failed."},
    {Id::kLogQueued, kGauge, "reelsense_server_log_queued_rows", "",
     "Windows waiting to be written to the inference log."},
    {Id::kLogBytes, kGauge, "reelsense_server_log_file_bytes", "",
     "Size of the inference log's file and its write-ahead log."},
    {Id::kLogFeedback, kCounter, "reelsense_server_log_feedback_total", "",
     "Windows whose truth was stored durably."},
    {Id::kObservations, kCounter, "reelsense_server_observations_total", "label,truth",
     "Anonymised windows of devices stored durably, by the label given there and the truth they report "
     "(video, non-video or none), which randomised response has blurred."},
    {Id::kObservationBatches, kCounter, "reelsense_server_observation_batches_total", "outcome",
     "Requests with such windows: stored, repeated (stored before), or refused as invalid, busy, disk_full "
     "or failed."},
    {Id::kObservationsDeleted, kCounter, "reelsense_server_observations_deleted_total", "",
     "Such windows deleted by age or size."},
    {Id::kProcessMemory, kGauge, "process_resident_memory_bytes", "", "Resident memory."},
    {Id::kProcessCpu, kCounter, "process_cpu_seconds_total", "", "CPU time, user and system."},
    {Id::kProcessFds, kGauge, "process_open_fds", "", "Open file descriptors."},
    {Id::kProcessMaxFds, kGauge, "process_max_fds", "", "Most file descriptors that may be open."},
    {Id::kProcessStart, kGauge, "process_start_time_seconds", "", "Start of the process since the epoch."},
});

constexpr bool in_order() {
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    if (static_cast<std::size_t>(kDefinitions[i].id) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::span<const MetricDefinition> metric_definitions() noexcept {
  return kDefinitions;
}

}  // namespace reelsense::server
