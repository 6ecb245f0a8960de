// Families: the registered Prometheus families of the definitions. Thread safety: all members.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

#include "server/metrics/definitions.h"

namespace reelsense::server {

using MetricLabels = std::map<std::string, std::string>;

class Families {
 public:
  // Precondition of all: `id` is of that kind. A series that is there is returned again; it lives until it is
  // removed.
  prometheus::Counter& counter(MetricId id, const MetricLabels& labels);
  prometheus::Gauge& gauge(MetricId id, const MetricLabels& labels);
  prometheus::Histogram& histogram(MetricId id, const MetricLabels& labels);
  void remove(MetricId id, prometheus::Counter* series);
  void remove(MetricId id, prometheus::Histogram* series);

  [[nodiscard]] std::vector<prometheus::MetricFamily> collect() const { return registry_.Collect(); }

 private:
  prometheus::Family<prometheus::Counter>& counters(MetricId id);
  prometheus::Family<prometheus::Histogram>& histograms(MetricId id);

  prometheus::Registry registry_{prometheus::Registry::InsertBehavior::Merge};
};

}  // namespace reelsense::server
