#include "server/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <array>
#include <mutex>

#include "server/metrics/model_series.h"
#include "server/metrics/process.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kApis = 2;
constexpr std::size_t kMostValues =
    64;  // of a label that callers choose; further ones are counted as "other"
constexpr std::size_t kMostLength = 100;
constexpr std::string_view kOther = "other";

// In the order of BatchOutcome.
constexpr std::array<const char*, kBatchOutcomes> kOutcomes = {"stored", "repeated",  "invalid",
                                                               "busy",   "disk_full", "failed"};
// In the order of ObservationCounts.
constexpr std::array<const char*, 3> kTruths = {"non-video", "video", "none"};

constexpr const char* name_of(Api api) noexcept {
  return api == Api::kRest ? "rest" : "grpc";
}

bool is_plain(std::string_view value) noexcept {
  if (value.empty() || value == "-" || value.size() > kMostLength) return false;
  for (const char c : value) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

// The entry of `value`, or of "other" if it is not a name or there are too many.
template <class Map>
auto& entry_of(Map& map, std::string_view value) {
  if (const auto found = map.find(value); found != map.end()) return *found;
  const bool room = map.size() < kMostValues || value == kOther;
  return *map.try_emplace(std::string(room && is_plain(value) ? value : kOther)).first;
}

prometheus::MetricType type_of(MetricKind kind) noexcept {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

// The families by definition, in their order, with values that are taken when asked.
class Exposition {
 public:
  Exposition() {
    for (const MetricDefinition& definition : metric_definitions()) {
      families_.push_back({definition.name, definition.meaning, type_of(definition.kind), {}});
    }
  }
  void take(std::vector<prometheus::MetricFamily> collected) {
    for (prometheus::MetricFamily& family : collected) {
      for (prometheus::MetricFamily& ours : families_) {
        if (ours.name == family.name) ours.metric = std::move(family.metric);
      }
    }
  }
  void add(MetricId id, double value, std::vector<prometheus::ClientMetric::Label> labels = {}) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    (definition_of(id).kind == MetricKind::kCounter ? metric.counter.value : metric.gauge.value) = value;
    families_[static_cast<std::size_t>(id)].metric.push_back(std::move(metric));
  }
  template <class Integer>
  void add_count(MetricId id, Integer value) {
    add(id, static_cast<double>(value));
  }
  void add(MetricId id, const std::optional<double>& value) {
    if (value) add(id, *value);
  }
  [[nodiscard]] std::string text() {
    std::erase_if(families_, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

void add_engine(Exposition& out, const EngineStats& engine) {
  out.add_count(MetricId::kQueueDepth, engine.queued_windows);
  out.add_count(MetricId::kRejectedJobs, engine.rejected_jobs);
  out.add_count(MetricId::kLiveFlows, engine.live_flows);
  out.add_count(MetricId::kFlowsOpened, engine.flows_opened);
  out.add_count(MetricId::kFlowsExpired, engine.flows_expired);
  out.add_count(MetricId::kFlowsEvicted, engine.flows_evicted);
  out.add_count(MetricId::kStateBytes, engine.state_bytes);
}

void add_log(Exposition& out, const LogStats& log) {
  out.add_count(MetricId::kLogRows, log.written);
  out.add_count(MetricId::kLogDropped, log.dropped);
  out.add_count(MetricId::kLogDeleted, log.deleted);
  out.add_count(MetricId::kLogFailures, log.failures);
  out.add_count(MetricId::kLogQueued, log.queued);
  out.add_count(MetricId::kLogBytes, log.file_bytes);
  out.add_count(MetricId::kLogFeedback, log.feedback);
  out.add_count(MetricId::kObservationsDeleted, log.observations_deleted);
}

void add_models(Exposition& out, const ModelRepository& models) {
  for (const ModelStatus& status : models.list()) {
    const char* tier = status.model == nullptr ? "unknown" : name_of(status.model->tier());
    out.add(MetricId::kModelInfo, 1,
            {{"model", status.name},
             {"version", status.version},
             {"tier", tier},
             {"state", name_of(status.state)}});
  }
}

void add_process(Exposition& out) {
  const ProcessStats process = process_stats();
  out.add(MetricId::kProcessMemory, process.resident_bytes);
  out.add(MetricId::kProcessCpu, process.cpu_seconds);
  out.add(MetricId::kProcessFds, process.open_fds);
  out.add(MetricId::kProcessMaxFds, process.max_fds);
  out.add(MetricId::kProcessStart, process.start_time_seconds);
}

}  // namespace

struct Metrics::Impl {
  struct Route {
    prometheus::Histogram* seconds = nullptr;
    std::map<std::string, prometheus::Counter*, std::less<>> statuses;
  };
  struct PerApi {
    std::map<std::string, Route, std::less<>> routes;
    std::map<std::string, prometheus::Counter*, std::less<>> reasons;
    prometheus::Gauge* connections = nullptr;
  };

  PerApi& of(Api api) { return apis[static_cast<std::size_t>(api)]; }

  Families families;
  ModelTable models{families};
  std::mutex mutex;  // of the maps
  std::array<PerApi, kApis> apis;
  prometheus::Counter* messages_in = nullptr;
  prometheus::Counter* messages_out = nullptr;
  std::array<prometheus::Counter*, kBatchOutcomes> batches{};
  std::array<std::array<prometheus::Counter*, kTruths.size()>, 2> observations{};
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  for (const Api api : {Api::kRest, Api::kGrpc}) {
    impl_->of(api).connections = &impl_->families.gauge(MetricId::kConnections, {{"api", name_of(api)}});
  }
  impl_->messages_in = &impl_->families.counter(MetricId::kStreamMessages, {{"direction", "in"}});
  impl_->messages_out = &impl_->families.counter(MetricId::kStreamMessages, {{"direction", "out"}});
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    impl_->batches[i] = &impl_->families.counter(MetricId::kObservationBatches, {{"outcome", kOutcomes[i]}});
  }
  for (std::size_t label = 0; label < 2; ++label) {
    for (std::size_t truth = 0; truth < kTruths.size(); ++truth) {
      impl_->observations[label][truth] = &impl_->families.counter(
          MetricId::kObservations, {{"label", kTruths[label]}, {"truth", kTruths[truth]}});
    }
  }
}

Metrics::~Metrics() = default;

void Metrics::on_batch(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns,
                       std::size_t /*still_queued*/) {
  impl_->models.add(model, labels, compute_ns);
}

void Metrics::request(Api api, std::string_view route, std::string_view status, double seconds) {
  prometheus::Histogram* histogram = nullptr;
  prometheus::Counter* counter = nullptr;
  {
    const std::lock_guard lock(impl_->mutex);
    auto& [name, entry] = entry_of(impl_->of(api).routes, route);
    if (entry.seconds == nullptr) {
      entry.seconds =
          &impl_->families.histogram(MetricId::kRequestSeconds, {{"api", name_of(api)}, {"route", name}});
    }
    auto& [status_name, found] = entry_of(entry.statuses, status);
    if (found == nullptr) {
      found = &impl_->families.counter(MetricId::kRequests,
                                       {{"api", name_of(api)}, {"route", name}, {"status", status_name}});
    }
    histogram = entry.seconds;
    counter = found;
  }
  counter->Increment();
  histogram->Observe(seconds);
}

void Metrics::refused(Api api, std::string_view reason) {
  prometheus::Counter* counter = nullptr;
  {
    const std::lock_guard lock(impl_->mutex);
    auto& [name, found] = entry_of(impl_->of(api).reasons, reason);
    if (found == nullptr) {
      found = &impl_->families.counter(MetricId::kRefused, {{"api", name_of(api)}, {"reason", name}});
    }
    counter = found;
  }
  counter->Increment();
}

void Metrics::observation_batch(BatchOutcome outcome) {
  impl_->batches[static_cast<std::size_t>(outcome)]->Increment();
}

void Metrics::observations(const ObservationCounts& stored) {
  for (std::size_t label = 0; label < stored.size(); ++label) {
    for (std::size_t truth = 0; truth < kTruths.size(); ++truth) {
      impl_->observations[label][truth]->Increment(static_cast<double>(stored[label][truth]));
    }
  }
}

void Metrics::connections(Api api, int change) {
  impl_->of(api).connections->Increment(change);
}

void Metrics::stream_messages(std::uint64_t read, std::uint64_t written) {
  if (read > 0) impl_->messages_in->Increment(static_cast<double>(read));
  if (written > 0) impl_->messages_out->Increment(static_cast<double>(written));
}

std::string Metrics::text(const EngineStats& engine, const LogStats* log,
                          const ModelRepository& models) const {
  Exposition out;
  out.take(impl_->families.collect());
  add_engine(out, engine);
  add_models(out, models);
  if (log != nullptr) add_log(out, *log);
  add_process(out);
  return out.text();
}

}  // namespace reelsense::server
