// Honest single-row inference latency: a uniform sample of the run's own windows is scored again, one row at
// a time, after the run. Thread safety: none.
#pragma once

#include <cstdint>
#include <vector>

#include "reelsense/features/schema.h"
#include "reelsense/model/ue_model.h"

namespace reelsense::cli {

struct Latency {
  std::size_t rows = 0;  // measured on; 0: nothing was
  double p50_us = 0;
  double p99_us = 0;
};

class LatencySample {
 public:
  static constexpr std::size_t kRows = 4096;

  // Offers one window's features, float32 [kFeatureCount]; each of n offered ones is kept with probability
  // kRows / n.
  void offer(const float* features);

  // Scores each kept row alone with UeModel::decide; the clock's own cost is taken off.
  [[nodiscard]] Latency measure(const UeModel& model) const;

 private:
  std::vector<FeatureVector> rows_;
  std::uint64_t offered_ = 0;
  std::uint64_t random_ = 0x9e3779b97f4a7c15ULL;  // fixed: the same capture gives the same sample
};

}  // namespace reelsense::cli
