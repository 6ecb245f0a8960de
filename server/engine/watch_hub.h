// WatchHub: hands every label to whoever watches live (`reelsense tail`, gRPC Watch). A watcher has a bounded
// buffer; what does not fit is counted as missed for it. Costs nothing while nobody watches. Thread safety:
// all members.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/engine/engine.h"

namespace reelsense::server {

struct WatchFilter {
  std::string model;  // "name" or "name@version"; empty: all
  std::optional<Label> only;
  float max_confidence = 0;                // 0: all
  std::optional<std::uint32_t> principal;  // only this one's flows; nothing: all (scope admin)
};

struct Watched {
  std::uint64_t flow = 0;
  std::int64_t second = 0;
  Decision decision;
  std::string model;
};

class Watcher {
 public:
  static constexpr std::size_t kBuffered = 4096;
  // Takes what is buffered and the number missed since the last call.
  std::uint64_t take(std::vector<Watched>& out);

 private:
  friend class WatchHub;
  std::mutex mutex_;
  std::vector<Watched> buffer_;
  std::uint64_t missed_ = 0;
  bool told_ = false;
  WatchFilter filter_;
  std::function<void()> ready_;
};

class WatchHub final : public EngineObserver {
 public:
  // `ready` is called from a worker thread when the buffer stops being empty; it must not block.
  std::shared_ptr<Watcher> watch(WatchFilter filter, std::function<void()> ready);
  void unwatch(const std::shared_ptr<Watcher>& watcher);  // `ready` is not called after it returns

  void on_batch(const ServedModel& model, std::span<const LabelEvent> labels, std::int64_t compute_ns,
                std::size_t still_queued) override;

 private:
  std::mutex mutex_;
  std::atomic<std::size_t> count_{0};
  std::vector<std::shared_ptr<Watcher>> watchers_;
};

}  // namespace reelsense::server
