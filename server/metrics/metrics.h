// Metrics: everything that moves, counted, as Prometheus reads it.
//
// One table (metrics.cc) lists every metric with name, type, labels and meaning; the documentation is made
// from it. Hot paths count a batch at a time. No label ever holds an address, a flow or a key. Thread safety:
// all members.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/engine/engine.h"
#include "server/models/repository.h"
#include "server/store/inference_log.h"

namespace reelsense::server {

enum class Api : std::uint8_t { kRest, kGrpc };

// What became of a batch of anonymised windows.
enum class BatchOutcome : std::uint8_t { kStored, kRepeated, kInvalid, kBusy, kDiskFull, kFailed };
inline constexpr std::size_t kBatchOutcomes = 6;
// How many of each label (non-video, video) and truth (non-video, video, none).
using ObservationCounts = std::array<std::array<std::uint64_t, 3>, 2>;

class Metrics final : public EngineObserver {
 public:
  Metrics();
  ~Metrics() override;

  void on_batch(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns,
                std::size_t still_queued) override;

  // A request or, of gRPC, a call ended. `route` is the pattern ("/v1/flows/{id}",
  // "FlowClassifier/ClassifyStream"), `status` the HTTP status or gRPC code's name.
  void request(Api api, std::string_view route, std::string_view status, double seconds);
  // Something was refused or failed: "queue_full", "rate_limit", "auth", "bad_request", "timeout",
  // "too_large", …
  void refused(Api api, std::string_view reason);
  void observation_batch(BatchOutcome outcome);
  void observations(const ObservationCounts& stored);
  void connections(Api api, int change);  // open ones: +1, −1
  void stream_messages(std::uint64_t read, std::uint64_t written);

  // The exposition text, with gauges taken from these now. `log` may be null.
  [[nodiscard]] std::string text(const EngineStats& engine, const LogStats* log,
                                 const ModelRepository& models) const;

  // The reference page, Markdown.
  static std::string reference();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace reelsense::server
