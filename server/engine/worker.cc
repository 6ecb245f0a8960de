// The workers: a batch is collected, scored without the lock, settled, and told to observers and listeners.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "server/engine/engine_impl.h"

namespace reelsense::server {

namespace {

constexpr auto kIdleTick = std::chrono::seconds(1);
constexpr std::size_t kExpirePerTick = 4096;

bool finite(const float* values, std::size_t n) noexcept {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += values[i] * 0.0F;
  return sum == 0.0F;
}

std::uint32_t to_us(std::int64_t ns) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ns / 1000, 0, UINT32_MAX));
}

}  // namespace

Engine::Impl::Impl(const EngineOptions& options, const Clock& clock, std::vector<EngineObserver*> observers)
    : options_(options),
      clock_(clock),
      observers_(std::move(observers)),
      hash_key_(options.hash_key),
      slots_(options.max_flows) {
  assert(options.workers > 0 && options.max_batch > 0);
  for (std::size_t i = 0; i < options_.workers; ++i) workers_.emplace_back([this, i] { work(i); });
}

Engine::Impl::~Impl() {
  drain(0);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

Status Engine::Impl::prepare(const std::shared_ptr<const ServedModel>& model) {
  std::vector<std::unique_ptr<Scorer>> scorers;
  for (std::size_t i = 0; i < options_.workers; ++i) {
    Result<std::unique_ptr<Scorer>> scorer = model->make_scorer(options_.max_batch);
    if (!scorer) return scorer.error();
    scorers.push_back(std::move(scorer).value());
  }
  const std::lock_guard lock(mutex_);
  Lane& lane = lane_of(model);
  for (std::size_t i = 0; i < scorers.size(); ++i) {
    if (!lane.scorers[i]) lane.scorers[i] = std::move(scorers[i]);
  }
  return ok_status();
}

void Engine::Impl::retire(const ServedModel& model) {
  const std::lock_guard lock(mutex_);
  const auto lane = lanes_.find(model.serial());
  if (lane == lanes_.end()) return;
  lane->second->retired = true;
  if (lane->second->pending == 0) {
    for (auto& scorer : lane->second->scorers) scorer.reset();
  }
}

void Engine::Impl::drain(std::int64_t limit_ns) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  work_.notify_all();
  const auto done = [&] { return queued_ == 0 && out_ == 0; };
  if (idle_.wait_for(lock, std::chrono::nanoseconds(limit_ns), done)) return;
  aborting_ = true;
  work_.notify_all();
  idle_.wait(lock, done);
}

// ---------------------------------------------------------------- a batch

// The next lane with windows, in turn.
Lane* Engine::Impl::choose_lane() noexcept {
  for (std::size_t i = 0; i < round_.size(); ++i) {
    Lane* const lane = round_[(turn_ + i) % round_.size()];
    if (lane->ready == 0) continue;
    turn_ = (turn_ + i + 1) % round_.size();
    return lane;
  }
  return nullptr;
}

// Wakes a worker if one is needed: the one that fills a batch wakes by itself in time.
void Engine::Impl::wake_for(const Lane& lane) {
  if (waiting_ > 0 && (filling_ == 0 || lane.ready >= options_.max_batch || draining_)) work_.notify_one();
}

void Engine::Impl::work(std::size_t worker) {
  Batch batch;
  std::unique_lock lock(mutex_);
  const auto sleep = [&](std::chrono::nanoseconds longest, std::size_t filling) {
    ++waiting_;
    filling_ += filling;
    work_.wait_for(lock, longest);
    filling_ -= filling;
    --waiting_;
  };
  while (!stopping_ || queued_ > 0) {
    Lane* const lane = choose_lane();
    const std::int64_t now = clock_.steady_ns();
    if (lane == nullptr) {
      slots_.expire(now - options_.idle_timeout_ns, kExpirePerTick);
      if (!stopping_) sleep(kIdleTick, 0);
      continue;
    }
    const std::int64_t left = lane->oldest_ns + options_.max_wait_ns - now;
    if (lane->ready < options_.max_batch && left > 0 && !draining_) {
      sleep(std::chrono::nanoseconds(left), 1);
      continue;
    }
    collect(*lane, batch, now);
    for (const Lane* other : round_) {
      if (other->ready > 0) wake_for(*other);
    }
    ++out_;
    Scorer* scorer = lane->scorers[worker].get();
    lock.unlock();

    std::unique_ptr<Scorer> made_here;
    if (!batch.scored.empty()) {
      Status scored = ok_status();
      if (scorer == nullptr) {
        Result<std::unique_ptr<Scorer>> made = lane->model->make_scorer(options_.max_batch);
        if (made) {
          made_here = std::move(made).value();
          scorer = made_here.get();
        } else {
          scored = made.error();
        }
      }
      gather(*lane, batch);
      if (scored) {
        scored = scorer->step(batch.windows.data(), batch.states.data(), batch.scored.size(),
                              batch.probabilities.data(), batch.next_states.data());
      }
      batch.compute_ns = clock_.steady_ns() - batch.started_ns;
      settle(*lane, batch, scored);
    }

    lock.lock();
    if (made_here && !lane->scorers[worker]) lane->scorers[worker] = std::move(made_here);
    finish(batch);
    const std::size_t still_queued = queued_;
    lock.unlock();
    tell_observers(*lane, batch, still_queued);
    lock.lock();
    // Before the jobs return: who asks again at once finds the flows at rest.
    for (FlowSlot* const slot : batch.slots) advance(*slot);
    lock.unlock();
    return_jobs(batch);
    lock.lock();
    --out_;
    if (lane->retired && lane->pending == 0) {
      for (auto& idle : lane->scorers) idle.reset();
    }
    if (queued_ == 0 && out_ == 0) idle_.notify_all();
  }
}

// Takes windows from the lane until the batch is full. What needs no model is answered on the way, and the
// flow's next window looked at. The flows are the batch's until their answers were told: that is what keeps
// those in order.
void Engine::Impl::collect(Lane& lane, Batch& batch, std::int64_t now_ns) {
  batch.scored.clear();
  batch.taken.clear();
  batch.slots.clear();
  batch.started_ns = now_ns;
  batch.compute_ns = 0;
  while (batch.scored.size() < options_.max_batch) {
    Pending* window = lane.pop();
    if (window == nullptr) break;
    FlowSlot* const slot = window->slot;
    if (slot != nullptr) batch.slots.push_back(slot);
    while (window != nullptr) {
      batch.taken.push_back(window);
      if (!answer_without_model(*window, now_ns)) {
        batch.scored.push_back(window);
        break;
      }
      window =
          slot != nullptr && slot->head != nullptr && slot->head->lane == &lane ? take_next(*slot) : nullptr;
    }
  }
  lane.oldest_ns = 0;  // what is left waited already
}

bool Engine::Impl::answer_without_model(Pending& window, std::int64_t now_ns) const noexcept {
  Job& job = *window.job;
  Answer& answer = job.answers[window.index];
  answer.queue_us = to_us(now_ns - window.submitted_ns);
  if (answer.code == AnswerCode::kInvalid) return true;  // as it was submitted
  if (aborting_ || job.cancelled.load(std::memory_order_relaxed)) {
    answer.code = AnswerCode::kCancelled;
  } else if (job.deadline_steady_ns != 0 && now_ns > job.deadline_steady_ns) {
    answer.code = AnswerCode::kDeadline;
  } else if (window.slot != nullptr && answer.second <= window.slot->last_second) {
    float probability = 0;
    const bool known = window.slot->recall(answer.second, probability);
    answer.code = known ? AnswerCode::kRepeated : AnswerCode::kOutOfOrder;
    if (known) answer.decision = window.lane->model->to_decision(probability);
  } else {
    return false;
  }
  return true;
}

// The flow's next window, out of its queue.
Pending* Engine::Impl::take_next(FlowSlot& slot) noexcept {
  Pending* const next = slot.head;
  slot.head = next->next;
  if (slot.head == nullptr) slot.tail = nullptr;
  return next;
}

// The flow's windows of a batch were told: it may have its next one scored.
void Engine::Impl::advance(FlowSlot& slot) {
  slot.taken = false;
  if (slot.head != nullptr) {
    Pending* const next = take_next(slot);
    slot.taken = true;
    next->lane->push(*next);
  } else if (!slot.indexed) {
    slots_.release(slot);
  }
}

// Rows and states, side by side. A taken slot's state is its worker's alone.
void Engine::Impl::gather(const Lane& lane, Batch& batch) {
  const std::size_t n = batch.scored.size();
  const std::size_t width = lane.model->width();
  const std::size_t state = lane.model->state_width();
  batch.windows.resize(n * width);
  batch.states.resize(n * state);
  batch.next_states.resize(n * state);
  batch.probabilities.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const Pending& window = *batch.scored[i];
    std::memcpy(&batch.windows[i * width], &window.job->rows[window.index * width], width * sizeof(float));
    if (state == 0) continue;
    const float* from = nullptr;
    if (window.slot != nullptr) {
      from = window.slot->state.get();
    } else if (!window.job->states.empty()) {
      from = &window.job->states[window.index * state];
    }
    if (from != nullptr) {
      std::memcpy(&batch.states[i * state], from, state * sizeof(float));
    } else {
      std::fill_n(&batch.states[i * state], state, 0.0F);
    }
  }
}

// Answers, and states back to where they came from.
void Engine::Impl::settle(const Lane& lane, Batch& batch, const Status& scored) {
  const std::size_t state = lane.model->state_width();
  const std::uint32_t compute_us = to_us(batch.compute_ns);
  for (std::size_t i = 0; i < batch.scored.size(); ++i) {
    const Pending& window = *batch.scored[i];
    Answer& answer = window.job->answers[window.index];
    const float* const next = batch.next_states.data() + i * state;
    answer.compute_us = compute_us;
    if (!scored || !std::isfinite(batch.probabilities[i]) || !finite(next, state)) {
      answer.code = AnswerCode::kInternal;
      continue;
    }
    answer.code = AnswerCode::kOk;
    answer.decision = lane.model->to_decision(batch.probabilities[i]);
    if (state == 0) continue;
    if (window.slot != nullptr) {
      assert(window.generation == window.slot->generation);
      std::memcpy(window.slot->state.get(), next, state * sizeof(float));
    } else if (!window.job->states.empty()) {
      std::memcpy(&window.job->next_states[window.index * state], next, state * sizeof(float));
    }
  }
}

void Engine::Impl::finish(Batch& batch) {
  batch.events.clear();
  batch.answers.clear();
  batch.answers.reserve(batch.taken.size());
  const auto close = [&](Pending* window) {
    Job& job = *window->job;
    --window->lane->pending;
    if (window->slot != nullptr) --window->slot->queued;
    batch.answers.push_back(job.answers[window->index]);
    const Answer& answer = batch.answers.back();
    batch.events.push_back({job.flows[answer.flow].id, job.principal, &answer});
    if (--job.open_ == 0) batch.done.emplace_back(&job);
  };
  for (Pending* const window : batch.scored) {
    FlowSlot* const slot = window->slot;
    Answer& answer = window->job->answers[window->index];
    if (slot != nullptr && answer.code == AnswerCode::kOk) {
      slot->remember(answer.second, answer.decision.probability);
      answer.restarted = slot->restarted;
      slot->restarted = false;
    }
  }
  for (Pending* const window : batch.taken) close(window);
  const std::size_t n = batch.scored.size();
  queued_ -= batch.taken.size();
  windows_ += n;
  if (n == 0) return;
  ++batches_;
  const std::int64_t each = batch.compute_ns / static_cast<std::int64_t>(n);
  ns_per_window_ = ns_per_window_ == 0 ? each : (7 * ns_per_window_ + each) / 8;
}

void Engine::Impl::tell_observers(const Lane& lane, Batch& batch, std::size_t still_queued) {
  for (EngineObserver* const observer : observers_) {
    observer->on_batch(*lane.model, batch.events, batch.compute_ns, still_queued);
  }
}

void Engine::Impl::return_jobs(Batch& batch) {
  batch.told.clear();
  for (std::unique_ptr<Job>& job : batch.done) {
    JobListener* const listener = job->listener;
    if (std::find(batch.told.begin(), batch.told.end(), listener) == batch.told.end()) {
      batch.told.push_back(listener);
    }
    listener->on_done(std::move(job));
  }
  batch.done.clear();
  for (JobListener* const listener : batch.told) listener->on_batch_end();
}

}  // namespace reelsense::server
