#include "server/metrics/log_sink.h"

#include <vector>

namespace reelsense::server {

namespace {

constexpr std::size_t kMostIndices = 256;
constexpr std::int64_t kNsPerMs = 1'000'000;

}  // namespace

void LogSink::on_batch(const ServedModel& model, std::span<const LabelEvent> labels,
                       std::int64_t /*compute_ns*/, std::size_t /*still_queued*/) {
  thread_local std::vector<LogEntry> entries;  // keeps its capacity
  entries.clear();
  const std::int64_t time_ms = clock_.wall_ns() / kNsPerMs;
  const std::uint16_t index = index_of(model);
  for (const LabelEvent& event : labels) {
    const Answer& answer = *event.answer;
    if (answer.code != AnswerCode::kOk) continue;
    LogEntry& entry = entries.emplace_back();
    entry.time_ms = time_ms;
    entry.flow = event.flow.high;
    entry.second = answer.second;
    entry.queue_us = answer.queue_us;
    entry.compute_us = answer.compute_us;
    entry.principal = event.principal;
    entry.confidence = answer.decision.confidence;
    entry.model = index;
    entry.video = answer.decision.label == Label::kVideo;
    entry.uncertain = answer.decision.uncertain;
  }
  if (!entries.empty()) log_.append(entries);  // counts what it drops
}

std::uint16_t LogSink::index_of(const ServedModel& model) {
  const std::lock_guard lock(mutex_);
  if (const auto found = indices_.find(model.serial()); found != indices_.end()) return found->second;
  if (indices_.size() >= kMostIndices) indices_.clear();  // only a shortcut
  const std::uint16_t index = log_.model_index(model.name(), model.version(), name_of(model.tier()));
  indices_.emplace(model.serial(), index);
  return index;
}

}  // namespace reelsense::server
