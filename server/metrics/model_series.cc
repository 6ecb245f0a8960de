#include "server/metrics/model_series.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace reelsense::server {

namespace {

constexpr std::size_t kMostSerials = 4 * ModelTable::kMostModels;  // one version may be loaded several times
constexpr double kUs = 1e-6;
constexpr double kNs = 1e-9;

// Counts per bucket and their sum, handed over at once.
class Buckets {
 public:
  explicit Buckets(MetricId id) : bounds_(definition_of(id).bounds), counts_(bounds_.size() + 1) {}
  void clear() {
    std::fill(counts_.begin(), counts_.end(), 0.0);
    sum_ = 0;
    n_ = 0;
  }
  void add(double value) {
    std::size_t i = 0;
    while (i < bounds_.size() && value > bounds_[i]) ++i;  // a bucket includes its bound
    ++counts_[i];
    sum_ += value;
    ++n_;
  }
  void give_to(prometheus::Histogram& histogram) const {
    if (n_ > 0) histogram.ObserveMultiple(counts_, sum_);
  }

 private:
  std::span<const double> bounds_;
  std::vector<double> counts_;
  double sum_ = 0;
  std::size_t n_ = 0;
};

void increment(prometheus::Counter& counter, std::size_t n) {
  if (n > 0) counter.Increment(static_cast<double>(n));
}

}  // namespace

void ModelTable::add(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns) {
  for (;;) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = by_serial_.find(model.serial()); found != by_serial_.end()) {
        found->second->used = ++batches_;
        return count(*found->second, labels, compute_ns);
      }
    }
    make_series(model);
  }
}

void ModelTable::count(Series& series, std::span<const LabelEvent> labels, std::int64_t compute_ns) {
  thread_local Buckets confidence(MetricId::kConfidence);
  thread_local Buckets queue(MetricId::kQueueSeconds);
  confidence.clear();
  queue.clear();
  std::array<std::size_t, kCodes> codes{};
  std::size_t video = 0;
  std::size_t uncertain = 0;
  for (const LabelEvent& event : labels) {
    const Answer& answer = *event.answer;
    ++codes[static_cast<std::size_t>(answer.code)];
    if (answer.code != AnswerCode::kOk) continue;
    video += answer.decision.label == Label::kVideo ? 1 : 0;
    uncertain += answer.decision.uncertain ? 1 : 0;
    confidence.add(static_cast<double>(answer.decision.confidence));
    queue.add(answer.queue_us * kUs);
  }
  const std::size_t labelled = codes[static_cast<std::size_t>(AnswerCode::kOk)];
  increment(*series.video, video);
  increment(*series.non_video, labelled - video);
  increment(*series.uncertain, uncertain);
  increment(*series.repeated, codes[static_cast<std::size_t>(AnswerCode::kRepeated)]);
  for (std::size_t code = 0; code < kCodes; ++code) {
    if (series.errors[code] != nullptr) increment(*series.errors[code], codes[code]);
  }
  confidence.give_to(*series.confidence);
  queue.give_to(*series.queue);
  const std::size_t computed = labelled + codes[static_cast<std::size_t>(AnswerCode::kInternal)];
  if (computed == 0) return;
  series.batch->Observe(static_cast<double>(computed));
  series.compute->Observe(static_cast<double>(compute_ns) * kNs);
}

void ModelTable::make_series(const ServedModel& model) {
  const std::lock_guard lock(mutex_);
  if (by_serial_.size() >= kMostSerials) by_serial_.clear();  // only a shortcut
  if (const auto found = by_id_.find(model.id()); found != by_id_.end()) {
    by_serial_[model.serial()] = found->second.get();
    return;
  }
  if (by_id_.size() >= kMostModels) remove_least_used();
  const MetricLabels name = {{"model", model.id()}};
  auto series = std::make_unique<Series>();
  series->video = &families_.counter(MetricId::kWindows, {{"model", model.id()}, {"label", "video"}});
  series->non_video = &families_.counter(MetricId::kWindows, {{"model", model.id()}, {"label", "non-video"}});
  series->uncertain = &families_.counter(MetricId::kUncertainWindows, name);
  series->repeated = &families_.counter(MetricId::kRepeatedWindows, name);
  for (const AnswerCode code : {AnswerCode::kOutOfOrder, AnswerCode::kInvalid, AnswerCode::kDeadline,
                                AnswerCode::kCancelled, AnswerCode::kInternal}) {
    series->errors[static_cast<std::size_t>(code)] =
        &families_.counter(MetricId::kWindowErrors, {{"model", model.id()}, {"code", name_of(code)}});
  }
  series->confidence = &families_.histogram(MetricId::kConfidence, name);
  series->queue = &families_.histogram(MetricId::kQueueSeconds, name);
  series->compute = &families_.histogram(MetricId::kComputeSeconds, name);
  series->batch = &families_.histogram(MetricId::kBatchSize, name);
  series->used = ++batches_;
  by_serial_[model.serial()] = series.get();
  by_id_[model.id()] = std::move(series);
}

void ModelTable::remove_least_used() {
  const auto least = std::min_element(by_id_.begin(), by_id_.end(), [](const auto& a, const auto& b) {
    return a.second->used.load() < b.second->used.load();
  });
  std::erase_if(by_serial_, [&](const auto& entry) { return entry.second == least->second.get(); });
  remove(*least->second);
  by_id_.erase(least);
}

void ModelTable::remove(const Series& series) {
  families_.remove(MetricId::kWindows, series.video);
  families_.remove(MetricId::kWindows, series.non_video);
  families_.remove(MetricId::kUncertainWindows, series.uncertain);
  families_.remove(MetricId::kRepeatedWindows, series.repeated);
  for (prometheus::Counter* counter : series.errors) {
    if (counter != nullptr) families_.remove(MetricId::kWindowErrors, counter);
  }
  families_.remove(MetricId::kConfidence, series.confidence);
  families_.remove(MetricId::kQueueSeconds, series.queue);
  families_.remove(MetricId::kComputeSeconds, series.compute);
  families_.remove(MetricId::kBatchSize, series.batch);
}

}  // namespace reelsense::server
