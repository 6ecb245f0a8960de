#include "server/engine/watch_hub.h"

#include <algorithm>

namespace reelsense::server {

namespace {

bool watches_model(const WatchFilter& filter, const ServedModel& model) noexcept {
  return filter.model.empty() || filter.model == model.name() || filter.model == model.id();
}

bool watches(const WatchFilter& filter, const LabelEvent& event) noexcept {
  if (event.answer->code != AnswerCode::kOk) return false;
  if (filter.principal && *filter.principal != event.principal) return false;
  const Decision& decision = event.answer->decision;
  if (filter.only && *filter.only != decision.label) return false;
  return filter.max_confidence <= 0 || decision.confidence <= filter.max_confidence;
}

}  // namespace

std::uint64_t Watcher::take(std::vector<Watched>& out) {
  out.clear();
  const std::lock_guard lock(mutex_);
  out.swap(buffer_);
  told_ = false;
  return std::exchange(missed_, 0);
}

std::shared_ptr<Watcher> WatchHub::watch(WatchFilter filter, std::function<void()> ready) {
  auto watcher = std::make_shared<Watcher>();
  watcher->filter_ = std::move(filter);
  watcher->ready_ = std::move(ready);
  const std::lock_guard lock(mutex_);
  watchers_.push_back(watcher);
  count_.store(watchers_.size(), std::memory_order_relaxed);
  return watcher;
}

void WatchHub::unwatch(const std::shared_ptr<Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  std::erase(watchers_, watcher);
  count_.store(watchers_.size(), std::memory_order_relaxed);
}

void WatchHub::on_batch(const ServedModel& model, std::span<const LabelEvent> labels,
                        std::int64_t /*compute_ns*/, std::size_t /*still_queued*/) {
  if (count_.load(std::memory_order_relaxed) == 0) return;
  // `ready` is called with the hub locked: that is what makes unwatch() final.
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Watcher>& watcher : watchers_) {
    if (!watches_model(watcher->filter_, model)) continue;
    bool tell = false;
    {
      const std::lock_guard buffer_lock(watcher->mutex_);
      for (const LabelEvent& event : labels) {
        if (!watches(watcher->filter_, event)) continue;
        if (watcher->buffer_.size() >= Watcher::kBuffered) {
          ++watcher->missed_;
        } else {
          watcher->buffer_.push_back(
              {event.flow.high, event.answer->second, event.answer->decision, model.id()});
        }
      }
      tell = !watcher->told_ && !watcher->buffer_.empty();
      watcher->told_ = watcher->told_ || tell;
    }
    if (tell) watcher->ready_();
  }
}

}  // namespace reelsense::server
