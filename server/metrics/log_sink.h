// LogSink: hands the labels of every batch to the inference log. Only what was decided then is logged:
// neither repeated answers nor windows without a label. Thread safety: all members.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "server/base/clock.h"
#include "server/engine/engine.h"
#include "server/store/inference_log.h"

namespace reelsense::server {

class LogSink final : public EngineObserver {
 public:
  // Both must outlive it.
  LogSink(InferenceLog& log, const Clock& clock) : log_(log), clock_(clock) {}

  void on_batch(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns,
                std::size_t still_queued) override;

 private:
  std::uint16_t index_of(const ServedModel& model);

  InferenceLog& log_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::uint16_t> indices_;  // by serial
};

}  // namespace reelsense::server
