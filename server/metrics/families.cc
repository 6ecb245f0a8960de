#include "server/metrics/families.h"

namespace reelsense::server {

prometheus::Family<prometheus::Counter>& Families::counters(MetricId id) {
  const MetricDefinition& definition = definition_of(id);
  return prometheus::BuildCounter().Name(definition.name).Help(definition.meaning).Register(registry_);
}

prometheus::Family<prometheus::Histogram>& Families::histograms(MetricId id) {
  const MetricDefinition& definition = definition_of(id);
  return prometheus::BuildHistogram().Name(definition.name).Help(definition.meaning).Register(registry_);
}

prometheus::Counter& Families::counter(MetricId id, const MetricLabels& labels) {
  return counters(id).Add(labels);
}

prometheus::Gauge& Families::gauge(MetricId id, const MetricLabels& labels) {
  const MetricDefinition& definition = definition_of(id);
  return prometheus::BuildGauge()
      .Name(definition.name)
      .Help(definition.meaning)
      .Register(registry_)
      .Add(labels);
}

prometheus::Histogram& Families::histogram(MetricId id, const MetricLabels& labels) {
  const auto bounds = definition_of(id).bounds;
  return histograms(id).Add(labels, prometheus::Histogram::BucketBoundaries(bounds.begin(), bounds.end()));
}

void Families::remove(MetricId id, prometheus::Counter* series) {
  counters(id).Remove(series);
}

void Families::remove(MetricId id, prometheus::Histogram* series) {
  histograms(id).Remove(series);
}

}  // namespace reelsense::server
