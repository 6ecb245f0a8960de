// The front door: jobs are checked, their packets become windows, their windows go to the lanes.
#include "server/engine/engine.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "server/base/siphash.h"
#include "server/engine/engine_impl.h"

namespace reelsense::server {

namespace {

// Seconds that packets in this order can end, at most: windows that they may become.
std::size_t windows_of(const Job& job) noexcept {
  std::size_t windows = job.answers.size();
  for (const Job::Flow& flow : job.flows) {
    std::int64_t last = INT64_MIN;
    for (std::uint32_t i = 0; i < flow.packets; ++i) {
      const std::int64_t second = job.packets[flow.first_packet + i].time_ns / kSecondNs;
      windows += second > last ? 1 : 0;
      last = std::max(last, second);
    }
    windows += flow.end || flow.until_ns > 0 ? 1 : 0;
  }
  return windows;
}

bool all_finite(const float* values, std::size_t n) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += values[i] * 0.0F;  // NaN for NaN and infinities
  return sum == 0.0F;
}

void refuse_non_finite(Job& job) noexcept {
  const std::size_t width = job.model->width();
  const std::size_t state = job.states.empty() ? 0 : job.model->state_width();
  for (std::size_t i = 0; i < job.answers.size(); ++i) {
    if (!all_finite(job.rows.data() + i * width, width) ||
        !all_finite(job.states.data() + i * state, state)) {
      job.answers[i].code = AnswerCode::kInvalid;
    }
  }
}

}  // namespace

const char* name_of(AnswerCode code) noexcept {
  switch (code) {
    case AnswerCode::kOk:
      return "ok";
    case AnswerCode::kRepeated:
      return "repeated";
    case AnswerCode::kOutOfOrder:
      return "out_of_order";
    case AnswerCode::kInvalid:
      return "invalid";
    case AnswerCode::kDeadline:
      return "deadline";
    case AnswerCode::kCancelled:
      return "cancelled";
    case AnswerCode::kInternal:
      return "internal";
    case AnswerCode::kPending:
      return "pending";
  }
  return "unknown";
}

Job::Job() = default;
Job::~Job() = default;

float* Job::add_window(std::uint32_t flow, std::int64_t second) {
  Answer answer;
  answer.flow = flow;
  answer.second = second;
  answers.push_back(answer);
  const std::size_t width = model->width();
  rows.resize(answers.size() * width);
  return rows.data() + (answers.size() - 1) * width;
}

void Job::clear() {
  model = nullptr;
  exact = false;
  principal = 0;
  deadline_steady_ns = 0;
  tag = 0;
  flows.clear();
  packets.clear();
  rows.clear();
  answers.clear();
  states.clear();
  next_states.clear();
  pending_.clear();
  open_ = 0;
  cancelled.store(false, std::memory_order_relaxed);
}

// ---------------------------------------------------------------- submit

SubmitCode Engine::Impl::submit(std::unique_ptr<Job>& job) {
  assert(job->model && job->listener != nullptr);
  assert(job->rows.size() == job->answers.size() * job->model->width());
  const std::size_t bound = windows_of(*job);
  refuse_non_finite(*job);
  const std::int64_t now = clock_.steady_ns();
  std::vector<FlowSlot*> slots(job->flows.size());
  {
    const std::lock_guard lock(mutex_);
    if (draining_) return SubmitCode::kDraining;
    if (queued_ > 0 && queued_ + bound > options_.queue_windows) {
      ++rejected_;
      return SubmitCode::kQueueFull;
    }
    if (!job->states.empty()) job->next_states.assign(job->states.size(), 0.0F);
    for (std::size_t f = 0; f < slots.size(); ++f) {
      Job::Flow& flow = job->flows[f];
      slots[f] = slot_for(*job, flow, now);
      if (slots[f] != nullptr && (flow.packets > 0 || flow.until_ns > 0 || flow.end)) {
        extract(*job, static_cast<std::uint32_t>(f), *slots[f]);
      }
    }
    enqueue(*job, slots, now);
    for (std::size_t f = 0; f < slots.size(); ++f) {
      if (slots[f] != nullptr && job->flows[f].end) slots_.forget(*slots[f]);
    }
    if (job->open_ > 0) {
      // One lane is enough: a flow on another version has windows to come, and its worker looks at every
      // lane.
      for (const Pending& window : job->pending_) {
        if (window.lane->ready > 0) {
          wake_for(*window.lane);
          break;
        }
      }
      job.release();  // the last of its windows gives it back
      return SubmitCode::kAccepted;
    }
  }
  JobListener* const listener = job->listener;
  listener->on_done(std::move(job));
  listener->on_batch_end();
  return SubmitCode::kAccepted;
}

Lane& Engine::Impl::lane_of(const std::shared_ptr<const ServedModel>& model) {
  std::unique_ptr<Lane>& lane = lanes_[model->serial()];
  if (!lane) {
    lane = std::make_unique<Lane>(model);
    lane->scorers.resize(options_.workers);
    round_.push_back(lane.get());
  }
  return *lane;
}

// Null: of no flow. Otherwise the flow's slot, on the model that is to answer.
FlowSlot* Engine::Impl::slot_for(Job& job, Job::Flow& flow, std::int64_t now_ns) {
  flow.model = job.model;
  if (flow.id == FlowId{}) return nullptr;
  Lane& lane = lane_of(job.model);
  FlowId id = flow.id;
  id.low ^= job.exact ? lane.exact : lane.family;
  FlowSlot* slot = slots_.find(id);
  if (slot != nullptr && !slot->busy() && now_ns - slot->used_steady_ns > options_.idle_timeout_ns) {
    slots_.forget_idle(*slot);  // its time is over, though nobody came to tell it
    slot = nullptr;
  }
  if (slot == nullptr) slot = &slots_.insert(id);
  const bool other_shape = slot->lane != nullptr && slot->lane->model->width() != job.model->width();
  if (slot->lane == nullptr || ((slot->lane->retired || other_shape) && !slot->busy())) {
    slots_.restart(*slot, lane);
  }
  if (job.model->schema().view == View::kPacket && flow.packets > 0 && !slot->packets) {
    slots_.add_packets(*slot);
  }
  slots_.touch(*slot, now_ns);
  flow.model = slot->lane->model;
  return slot;
}

// Windows that the flow's packets, `until` and `end` close are added to the job.
void Engine::Impl::extract(Job& job, std::uint32_t flow, FlowSlot& slot) {
  if (!slot.packets) return;
  std::array<float, PacketFlow::kRow> row;
  PacketFlow& packets = *slot.packets;
  const Job::Flow& asked = job.flows[flow];
  const auto close = [&] {
    const std::int64_t second = packets.close(row.data());
    float* const to = job.add_window(flow, second);
    std::copy_n(row.data(), job.model->width(), to);
  };
  for (std::uint32_t i = 0; i < asked.packets; ++i) {
    const PacketIn& packet = job.packets[asked.first_packet + i];
    if (packets.ends_window(packet.time_ns)) close();
    packets.add(packet.time_ns, packet.bytes, packet.direction);
  }
  if (packets.ends_window(asked.until_ns) || (asked.end && packets.is_open())) close();
}

void Engine::Impl::enqueue(Job& job, const std::vector<FlowSlot*>& slots, std::int64_t now_ns) {
  Lane& own = lane_of(job.model);
  job.submitted_ns_ = now_ns;
  job.pending_.clear();
  for (std::size_t i = 0; i < job.answers.size(); ++i) {
    Pending window;
    window.job = &job;
    window.submitted_ns = now_ns;
    window.index = static_cast<std::uint32_t>(i);
    window.slot = slots[job.answers[i].flow];
    window.lane = window.slot != nullptr ? window.slot->lane : &own;
    window.generation = window.slot != nullptr ? window.slot->generation : 0;
    job.pending_.push_back(window);
  }
  // Linked only now: the vector moves no more.
  for (Pending& window : job.pending_) {
    ++window.lane->pending;
    FlowSlot* const slot = window.slot;
    if (slot == nullptr) {
      window.lane->push(window);
      continue;
    }
    ++slot->queued;
    if (!slot->taken) {
      slot->taken = true;
      window.lane->push(window);
    } else {
      (slot->tail != nullptr ? slot->tail->next : slot->head) = &window;
      slot->tail = &window;
    }
  }
  job.open_ = static_cast<std::uint32_t>(job.pending_.size());
  queued_ += job.pending_.size();
}

// ---------------------------------------------------------------- looking

FlowId Engine::Impl::flow_id(std::uint32_t principal, std::string_view flow) const noexcept {
  const auto [high, low] = siphash128(hash_key_, principal, flow);
  return {high, low | 1};  // never the zero that means no flow
}

// A flow may be known to several models: the one it used last.
FlowSlot* Engine::Impl::most_recent(FlowId flow) {
  FlowSlot* found = nullptr;
  for (const auto& [serial, lane] : lanes_) {
    for (const std::uint64_t part : {lane->family, lane->exact}) {
      FlowSlot* const slot = slots_.find({flow.high, flow.low ^ part});
      if (slot != nullptr && (found == nullptr || slot->used_steady_ns > found->used_steady_ns)) found = slot;
    }
  }
  return found;
}

std::unique_ptr<FlowView> Engine::Impl::find(FlowId flow) {
  const std::lock_guard lock(mutex_);
  const FlowSlot* const slot = most_recent(flow);
  if (slot == nullptr) return nullptr;
  auto view = std::make_unique<FlowView>();
  view->hash = flow.high;
  view->model = slot->lane->model->id();
  view->generation = slot->generation;
  view->windows = slot->windows;
  view->first_second = slot->first_second;
  view->last_second = slot->windows > 0 ? slot->last_second : 0;
  view->idle_ns = clock_.steady_ns() - slot->used_steady_ns;
  const std::uint64_t kept = std::min<std::uint64_t>(slot->windows, kRemembered);
  for (std::uint64_t i = 1; i <= kept; ++i) {
    const std::size_t at = (slot->windows - i) % kRemembered;
    view->last.push_back({slot->past_second[at], slot->lane->model->to_decision(slot->past_probability[at])});
  }
  return view;
}

bool Engine::Impl::remembered(FlowId flow, std::int64_t second, Decision& decision, std::string& model) {
  const std::lock_guard lock(mutex_);
  const FlowSlot* const slot = most_recent(flow);
  float probability = 0;
  if (slot == nullptr || !slot->recall(second, probability)) return false;
  decision = slot->lane->model->to_decision(probability);
  model = slot->lane->model->id();
  return true;
}

bool Engine::Impl::forget(FlowId flow) {
  const std::lock_guard lock(mutex_);
  bool any = false;
  while (FlowSlot* const slot = most_recent(flow)) {
    slots_.forget(*slot);
    any = true;
  }
  return any;
}

EngineStats Engine::Impl::stats() {
  const std::lock_guard lock(mutex_);
  EngineStats stats;
  stats.live_flows = slots_.live();
  stats.queued_windows = queued_;
  stats.flows_opened = slots_.opened();
  stats.flows_expired = slots_.expired();
  stats.flows_evicted = slots_.evicted();
  stats.windows = windows_;
  stats.batches = batches_;
  stats.rejected_jobs = rejected_;
  stats.state_bytes = slots_.bytes();
  return stats;
}

std::int64_t Engine::Impl::retry_after_us() {
  const std::lock_guard lock(mutex_);
  const auto workers = static_cast<std::int64_t>(options_.workers);
  return std::max<std::int64_t>(1000, static_cast<std::int64_t>(queued_) * ns_per_window_ / workers / 1000);
}

// ---------------------------------------------------------------- the public face

Engine::Engine(const EngineOptions& options, const Clock& clock, std::vector<EngineObserver*> observers)
    : impl_(std::make_unique<Impl>(options, clock, std::move(observers))) {}
Engine::~Engine() = default;

Status Engine::prepare(const std::shared_ptr<const ServedModel>& model) {
  return impl_->prepare(model);
}
void Engine::retire(const ServedModel& model) {
  impl_->retire(model);
}
SubmitCode Engine::submit(std::unique_ptr<Job>& job) {
  return impl_->submit(job);
}
void Engine::drain(std::int64_t limit_ns) {
  impl_->drain(limit_ns);
}
Status Engine::save(const std::filesystem::path& file) const {
  return impl_->save(file);
}
Result<std::size_t> Engine::restore(const std::filesystem::path& file, const ModelRepository& models) {
  return impl_->restore(file, models);
}
FlowId Engine::flow_id(std::uint32_t principal, std::string_view flow) const noexcept {
  return impl_->flow_id(principal, flow);
}
std::unique_ptr<FlowView> Engine::find(FlowId flow) const {
  return impl_->find(flow);
}
bool Engine::remembered(FlowId flow, std::int64_t second, Decision& decision, std::string& model) const {
  return impl_->remembered(flow, second, decision, model);
}
bool Engine::forget(FlowId flow) {
  return impl_->forget(flow);
}
EngineStats Engine::stats() const {
  return impl_->stats();
}
std::int64_t Engine::retry_after_us() const {
  return impl_->retry_after_us();
}

}  // namespace reelsense::server
