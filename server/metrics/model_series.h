// ModelSeries: what is counted of each model's batches, found by the model's serial without touching a label.
//
// Models come and go: at most kMostModels have series, the one unused longest gives way (its counters begin
// anew if it comes back, as after a restart). Thread safety: all members of ModelTable.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "server/engine/engine.h"
#include "server/metrics/families.h"

namespace reelsense::server {

class ModelTable {
 public:
  static constexpr std::size_t kMostModels = 64;

  explicit ModelTable(Families& families) : families_(families) {}
  void add(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns);

 private:
  static constexpr std::size_t kCodes = static_cast<std::size_t>(AnswerCode::kPending) + 1;
  struct Series {
    prometheus::Counter* video = nullptr;
    prometheus::Counter* non_video = nullptr;
    prometheus::Counter* uncertain = nullptr;
    prometheus::Counter* repeated = nullptr;
    std::array<prometheus::Counter*, kCodes> errors{};  // by AnswerCode; null: not an error
    prometheus::Histogram* confidence = nullptr;
    prometheus::Histogram* queue = nullptr;
    prometheus::Histogram* compute = nullptr;
    prometheus::Histogram* batch = nullptr;
    std::atomic<std::uint64_t> used{0};
  };
  struct Batch;

  static void count(Series& series, std::span<const LabelEvent> labels, std::int64_t compute_ns);
  void make_series(const ServedModel& model);
  void remove_least_used();
  void remove(const Series& series);

  Families& families_;
  std::shared_mutex mutex_;  // shared: series are used; exclusive: they come and go
  std::unordered_map<std::string, std::unique_ptr<Series>> by_id_;
  std::unordered_map<std::uint32_t, Series*> by_serial_;
  std::atomic<std::uint64_t> batches_{0};
};

}  // namespace reelsense::server
