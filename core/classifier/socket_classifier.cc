#include "reelsense/classifier/socket_classifier.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "check_options.h"
#include "reelsense/classifier/socket_window.h"
#include "reelsense/flow/event_clock.h"
#include "reelsense/flow/flow_table.h"

namespace reelsense {
namespace {

constexpr std::uint32_t kNone = FlowTable::kNone;
constexpr std::size_t kBatch = 64;
constexpr std::int64_t kStepNs = EventClock::kForwardNs;  // this far back means that the clock was set

struct Slot {
  SocketWindows windows;
  Decision latest;
  std::int64_t opened_ns = 0;
  std::int64_t last_ns = 0;
  std::uint64_t bytes[2] = {};
  std::uint64_t events[2] = {};
  std::uint32_t generation = 0;  // odd while the connection lives
  std::uint32_t windows_closed = 0;
  std::uint32_t video_windows = 0;
  std::uint32_t active_at = 0;  // place in the list of open windows
  std::uint32_t previous = kNone;
  std::uint32_t next = kNone;  // by latest event; in the free list too
};
static_assert(sizeof(Slot) <= 576);

}  // namespace

struct SocketClassifier::Impl {
  Impl(const UeModel* ue_model, ClassifierSink& rows_to, const ClassifierOptions& limits)
      : model(ue_model),
        sink(rows_to),
        capacity(limits.max_flows),
        timeouts{limits.idle_timeout_ns, limits.active_timeout_ns},
        slots(limits.max_flows),
        active(limits.max_flows) {}

  [[nodiscard]] std::uint32_t slot_of(SocketHandle flow) const noexcept;
  [[nodiscard]] SocketHandle handle_of(std::uint32_t slot) const noexcept;

  // The time at which something at t_ns counts, the clock moved there; nothing if the time cannot be.
  std::optional<std::int64_t> enter(std::int64_t t_ns) noexcept;
  void begin_second(std::int64_t t_ns) noexcept;
  void restart_clock(std::int64_t t_ns) noexcept;

  void append(std::uint32_t slot) noexcept;
  void unlink(std::uint32_t slot) noexcept;
  std::uint32_t take_slot() noexcept;
  void count(std::uint32_t slot, Direction direction, std::uint32_t bytes, std::int64_t t_ns) noexcept;

  void close_second() noexcept;
  void close_window(std::uint32_t slot) noexcept;
  void flush() noexcept;
  void end(std::uint32_t slot, FlowEnd reason) noexcept;

  const UeModel* model;
  ClassifierSink& sink;
  std::uint32_t capacity;
  SocketTimeouts timeouts;
  ClassifierStats stats;

  bool started = false;
  std::int64_t now_ns = 0;
  std::int64_t second = 0;
  std::int64_t second_end_ns = 0;

  LazyArray<Slot> slots;
  std::uint32_t fresh = 0;  // slots at and above it were never used
  std::uint32_t free = kNone;
  std::uint32_t oldest = kNone;  // live connections by latest event
  std::uint32_t newest = kNone;
  LazyArray<std::uint32_t> active;  // slots with an open window, by first event; kNone where closed early
  std::uint32_t active_count = 0;

  std::size_t batch_count = 0;
  std::array<WindowRow, kBatch> rows;
  std::array<float, kBatch * kSocketFeatureCount> features;
  std::array<std::uint32_t, kBatch * kBinValues> bins;
  std::array<Decision, kBatch> decisions;
};

// ---------------------------------------------------------------- handles

std::uint32_t SocketClassifier::Impl::slot_of(SocketHandle flow) const noexcept {
  const auto slot = static_cast<std::uint32_t>(flow);
  const auto generation = static_cast<std::uint32_t>(flow >> 32);
  const bool lives = slot < fresh && (generation & 1) != 0 && slots[slot].generation == generation;
  return lives ? slot : kNone;
}

SocketHandle SocketClassifier::Impl::handle_of(std::uint32_t slot) const noexcept {
  return SocketHandle{slots[slot].generation} << 32 | slot;
}

void SocketClassifier::Impl::append(std::uint32_t slot) noexcept {
  slots[slot].previous = newest;
  slots[slot].next = kNone;
  (newest == kNone ? oldest : slots[newest].next) = slot;
  newest = slot;
}

void SocketClassifier::Impl::unlink(std::uint32_t slot) noexcept {
  const Slot& state = slots[slot];
  (state.previous == kNone ? oldest : slots[state.previous].next) = state.next;
  (state.next == kNone ? newest : slots[state.next].previous) = state.previous;
}

std::uint32_t SocketClassifier::Impl::take_slot() noexcept {
  if (stats.live_flows == capacity) end(oldest, FlowEnd::kEvicted);
  if (free != kNone) return std::exchange(free, slots[free].next);
  const std::uint32_t slot = fresh++;
  slots[slot].generation = 0;  // memory that was never written
  return slot;
}

// ---------------------------------------------------------------- time

std::optional<std::int64_t> SocketClassifier::Impl::enter(std::int64_t t_ns) noexcept {
  if (t_ns < 0 || t_ns > EventClock::kLatestNs) return std::nullopt;
  if (started && t_ns < now_ns - kStepNs) restart_clock(t_ns);
  if (started && t_ns < now_ns) {
    ++stats.late;
    return std::max(t_ns, second * kSecondNs);
  }
  if (!started || t_ns >= second_end_ns) begin_second(t_ns);
  now_ns = t_ns;
  return t_ns;
}

void SocketClassifier::Impl::begin_second(std::int64_t t_ns) noexcept {
  if (started) close_second();
  started = true;
  second = t_ns / kSecondNs;
  second_end_ns = (second + 1) * kSecondNs;
}

void SocketClassifier::Impl::restart_clock(std::int64_t t_ns) noexcept {
  ++stats.time_steps;
  close_second();
  for (std::uint32_t slot = oldest; slot != kNone; slot = slots[slot].next) {
    slots[slot].windows.restart();
    slots[slot].opened_ns = slots[slot].last_ns = t_ns;
  }
  started = false;
}

// ---------------------------------------------------------------- windows

void SocketClassifier::Impl::count(std::uint32_t slot, Direction direction, std::uint32_t bytes,
                                   std::int64_t t_ns) noexcept {
  Slot& state = slots[slot];
  const bool opens = !state.windows.is_open();
  state.last_ns = state.windows.effective_ns(t_ns);
  state.windows.add(timeouts, direction, bytes, state.last_ns);
  if (opens) {
    // Windows closed early leave holes; a connection that closes and another that opens may fill the list.
    if (active_count == capacity) {
      std::uint32_t kept = 0;
      for (std::uint32_t i = 0; i < active_count; ++i) {
        if (active[i] == kNone) continue;
        slots[active[i]].active_at = kept;
        active[kept++] = active[i];
      }
      active_count = kept;
    }
    state.active_at = active_count;
    active[active_count++] = slot;
  }
  const auto way = static_cast<std::size_t>(direction);
  ++state.events[way];
  state.bytes[way] += bytes;
  ++stats.records;
  ++stats.packets;
  unlink(slot);
  append(slot);
}

void SocketClassifier::Impl::close_second() noexcept {
  for (std::uint32_t i = 0; i < active_count; ++i) {
    if (active[i] != kNone) close_window(active[i]);
  }
  active_count = 0;
  flush();
  sink.on_second_end(second);
}

void SocketClassifier::Impl::close_window(std::uint32_t slot) noexcept {
  constexpr auto kUp = static_cast<std::size_t>(Direction::kUp);
  constexpr auto kDown = static_cast<std::size_t>(Direction::kDown);
  Slot& state = slots[slot];
  assert(state.windows.is_open());
  active[state.active_at] = kNone;
  ++state.windows_closed;

  const std::size_t n = batch_count++;
  WindowRow& row = rows[n];
  row.slot = slot;
  row.second = state.windows.second();
  row.flow_id = handle_of(slot);
  row.packets_up = state.windows.counts().events[kUp];
  row.packets_down = state.windows.counts().events[kDown];
  row.bytes_up = state.windows.counts().bytes[kUp];
  row.bytes_down = state.windows.counts().bytes[kDown];
  row.features = &features[n * kSocketFeatureCount];
  row.bins = &bins[n * kBinValues];
  state.windows.close(&features[n * kSocketFeatureCount], &bins[n * kBinValues]);
  if (batch_count == kBatch) flush();
}

void SocketClassifier::Impl::flush() noexcept {
  if (batch_count == 0) return;
  if (model != nullptr) {
    model->decide(features.data(), batch_count, decisions.data());
  } else {
    decisions.fill(Decision{});
  }
  for (std::size_t i = 0; i < batch_count; ++i) {
    rows[i].decision = decisions[i];
    const bool video = decisions[i].label == Label::kVideo;
    slots[rows[i].slot].latest = decisions[i];
    slots[rows[i].slot].video_windows += video ? 1 : 0;
    stats.video_windows += video ? 1 : 0;
    stats.uncertain_windows += decisions[i].uncertain ? 1 : 0;
  }
  stats.windows += batch_count;
  sink.on_windows({rows.data(), batch_count});
  batch_count = 0;
}

void SocketClassifier::Impl::end(std::uint32_t slot, FlowEnd reason) noexcept {
  constexpr auto kUp = static_cast<std::size_t>(Direction::kUp);
  constexpr auto kDown = static_cast<std::size_t>(Direction::kDown);
  Slot& state = slots[slot];
  if (state.windows.is_open()) {
    close_window(slot);
    flush();
  }
  FlowSummary summary;
  summary.slot = slot;
  summary.flow_id = handle_of(slot);
  summary.first_ns = state.opened_ns;
  summary.last_ns = state.last_ns;
  summary.packets_up = state.events[kUp];
  summary.packets_down = state.events[kDown];
  summary.bytes_up = state.bytes[kUp];
  summary.bytes_down = state.bytes[kDown];
  summary.windows = state.windows_closed;
  const std::int64_t seconds = summary.last_ns / kSecondNs - summary.first_ns / kSecondNs + 1;
  summary.idle_windows = static_cast<std::uint32_t>(std::max<std::int64_t>(0, seconds - summary.windows));
  summary.video_windows = state.video_windows;
  summary.reason = reason;

  stats.idle_windows += summary.idle_windows;
  ++stats.ended[static_cast<std::size_t>(reason)];
  --stats.live_flows;
  unlink(slot);
  ++state.generation;
  state.next = free;
  free = slot;
  sink.on_flow_end(summary);
}

// ---------------------------------------------------------------- the public face

SocketClassifier::SocketClassifier(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SocketClassifier::SocketClassifier(SocketClassifier&&) noexcept = default;
SocketClassifier& SocketClassifier::operator=(SocketClassifier&&) noexcept = default;
SocketClassifier::~SocketClassifier() = default;

Result<SocketClassifier> SocketClassifier::create(const UeModel* model, ClassifierSink& sink,
                                                  const ClassifierOptions& options) {
  if (const Status fits = check_options(model, View::kSocket, options); !fits) return fits.error();
  return SocketClassifier(std::make_unique<Impl>(model, sink, options));
}

SocketHandle SocketClassifier::open(std::int64_t now_ns) noexcept {
  Impl& impl = *impl_;
  const std::int64_t t_ns = impl.enter(now_ns).value_or(impl.now_ns);
  const std::uint32_t slot = impl.take_slot();
  const std::uint32_t generation = impl.slots[slot].generation + 1;
  impl.slots[slot] = Slot{};
  impl.slots[slot].generation = generation;
  impl.slots[slot].opened_ns = impl.slots[slot].last_ns = t_ns;
  impl.append(slot);
  ++impl.stats.flows;
  ++impl.stats.live_flows;
  impl.stats.peak_flows = std::max(impl.stats.peak_flows, impl.stats.live_flows);
  return impl.handle_of(slot);
}

bool SocketClassifier::add(SocketHandle flow, Direction direction, std::uint32_t bytes,
                           std::int64_t now_ns) noexcept {
  Impl& impl = *impl_;
  const std::uint32_t slot = impl.slot_of(flow);
  if (slot == kNone) return false;
  const std::optional<std::int64_t> t_ns = impl.enter(now_ns);
  if (!t_ns) {
    ++impl.stats.dropped[static_cast<std::size_t>(DropReason::kTimeStep)];
  } else if (bytes != 0) {
    impl.count(slot, direction, bytes, *t_ns);
  }
  return true;
}

bool SocketClassifier::close(SocketHandle flow, std::int64_t now_ns) noexcept {
  const std::uint32_t slot = impl_->slot_of(flow);
  if (slot == kNone) return false;
  (void)impl_->enter(now_ns);
  impl_->end(slot, FlowEnd::kFinished);
  return true;
}

std::optional<Decision> SocketClassifier::peek(SocketHandle flow) const noexcept {
  const std::uint32_t slot = impl_->slot_of(flow);
  if (slot == kNone) return std::nullopt;
  const Slot& state = impl_->slots[slot];
  if (!state.windows.is_open() || impl_->model == nullptr) return state.latest;
  SocketWindows windows = state.windows;
  SocketFeatureVector features;
  std::array<std::uint32_t, kBinValues> bins;
  windows.close(features.data(), bins.data());
  Decision decision;
  impl_->model->decide(features.data(), 1, &decision);
  return decision;
}

void SocketClassifier::advance(std::int64_t now_ns) noexcept {
  if (impl_->started && now_ns > impl_->now_ns) (void)impl_->enter(now_ns);
}

void SocketClassifier::finish() noexcept {
  if (impl_->started) impl_->close_second();
  while (impl_->oldest != kNone) impl_->end(impl_->oldest, FlowEnd::kEnd);
  impl_->started = false;
}

void SocketClassifier::set_model(const UeModel* model) noexcept {
  assert(model == nullptr || model->view() == View::kSocket);
  impl_->model = model;
}

const ClassifierStats& SocketClassifier::stats() const noexcept {
  return impl_->stats;
}

std::size_t SocketClassifier::memory_bytes() const noexcept {
  return sizeof(Impl) + std::size_t{impl_->capacity} * (sizeof(Slot) + sizeof(std::uint32_t));
}

}  // namespace reelsense
