#include "shaper.h"

#include <algorithm>
#include <utility>

namespace reelsense::path {
namespace {

enum Stream : std::uint64_t { kLossStream = 1, kJitterStream = 2 };

std::int64_t later(std::int64_t base_ns, std::int64_t offset_ns) noexcept {
  return offset_ns == kNever ? kNever : base_ns + offset_ns;
}

}  // namespace

Shaper::Plan::Plan(const DirectionProfile& from, Timeline events, std::uint64_t seed, std::int64_t start,
                   std::int64_t now_ns)
    : profile(from),
      timeline(std::move(events)),
      start_ns(start),
      capacity(profile.rate, timeline),
      policer(profile.policer, now_ns),
      loss(profile.loss, Random(seed, kLossStream)),
      jitter(profile.jitter, Random(seed, kJitterStream)) {
  const auto cut = static_cast<std::int64_t>(Jitter::kCut) * profile.jitter.deviation_ns;
  least_delay_ns = std::max<std::int64_t>(0, profile.delay_ns + timeline.least_delay_step_ns() - cut);
}

Shaper::Shaper(const DirectionProfile& profile, const Timeline& timeline, std::uint64_t seed,
               std::int64_t start_ns)
    : seed_(seed) {
  plan_.emplace(profile, timeline, seed, start_ns, start_ns);
  next_flush_ns_ = later(start_ns, timeline.next_flush_ns(0));
}

void Shaper::change(const DirectionProfile& profile, const Timeline& timeline, std::int64_t start_ns,
                    std::int64_t now_ns, Outcome& outcome) {
  settle(now_ns, outcome);
  plan_.emplace(profile, timeline, Random(seed_).next(), start_ns, now_ns);
  seed_ = Random(seed_).next();  // the next profile gets other draws
  next_flush_ns_ = later(start_ns, plan_->timeline.next_flush_ns(now_ns - start_ns));
  if (on_link_) put_on_link(*on_link_, now_ns);
}

void Shaper::drop(const Frame& frame, Dropped reason, Outcome& outcome) {
  counters_.dropped_by(reason).add(frame.bytes);
  outcome.dropped.push_back(frame);
}

void Shaper::arrive(std::int64_t now_ns, Frame frame, Outcome& outcome) {
  settle(now_ns, outcome);
  counters_.in.add(frame.bytes);
  if (frame.treatment == Treatment::kExempt) {
    counters_.exempt.add(frame.bytes);
    frame.release_ns = now_ns;
    outcome.released.push_back(frame);
    return;
  }
  const bool priority = frame.treatment == Treatment::kPriority;
  if (priority) counters_.prioritised.add(frame.bytes);
  if (plan_->capacity.moment_at(now_ns - plan_->start_ns).flushing) {
    return drop(frame, Dropped::kOutage, outcome);
  }
  if (!plan_->policer.passes(now_ns, frame.bytes)) return drop(frame, Dropped::kPolicer, outcome);
  if (!on_link_) return put_on_link(frame, now_ns);
  Class& waiting = classes_[priority ? 0 : 1];
  const QueueProfile& bound = plan_->profile.queue;
  if (waiting.bytes + frame.bytes > bound.bytes || waiting.frames.size() >= bound.packets) {
    return drop(frame, Dropped::kQueue, outcome);
  }
  waiting.frames.push_back(frame);
  waiting.bytes += frame.bytes;
  counters_.queue_high_bytes = std::max(counters_.queue_high_bytes, queued_bytes());
  counters_.queue_high_packets = std::max(counters_.queue_high_packets, queued_packets());
}

void Shaper::put_on_link(Frame frame, std::int64_t start_ns) {
  on_link_ = frame;
  finish_ns_ = later(plan_->start_ns, plan_->capacity.finish_ns(start_ns - plan_->start_ns, frame.bytes));
}

void Shaper::take_up(std::int64_t start_ns) {
  for (Class& waiting : classes_) {
    if (waiting.frames.empty()) continue;
    const Frame frame = waiting.frames.front();
    waiting.frames.pop_front();
    waiting.bytes -= frame.bytes;
    return put_on_link(frame, start_ns);
  }
}

void Shaper::leave_link(Outcome& outcome) {
  Frame frame = *on_link_;
  on_link_.reset();
  const bool lost = plan_->loss.next();
  const std::int64_t jitter_ns = plan_->jitter.next_ns();
  if (lost) return drop(frame, Dropped::kLoss, outcome);
  const std::int64_t step_ns = plan_->capacity.moment_at(finish_ns_ - plan_->start_ns).delay_step_ns;
  frame.release_ns = finish_ns_ + std::max<std::int64_t>(0, plan_->profile.delay_ns + step_ns + jitter_ns);
  if (!plan_->profile.jitter.reorder) frame.release_ns = std::max(frame.release_ns, last_release_ns_);
  last_release_ns_ = std::max(last_release_ns_, frame.release_ns);
  delayed_.push({frame, number_++});
}

void Shaper::flush(Outcome& outcome) {
  if (on_link_) drop(*std::exchange(on_link_, std::nullopt), Dropped::kOutage, outcome);
  for (Class& waiting : classes_) {
    for (const Frame& frame : waiting.frames) drop(frame, Dropped::kOutage, outcome);
    waiting.frames.clear();
    waiting.bytes = 0;
  }
}

// Everything that the link has done up to `now_ns`, in the order of time.
void Shaper::settle(std::int64_t now_ns, Outcome& outcome) {
  while (true) {
    const std::int64_t next = on_link_ ? std::min(finish_ns_, next_flush_ns_) : next_flush_ns_;
    if (next > now_ns) return;
    if (next == next_flush_ns_) {
      flush(outcome);
      next_flush_ns_ = later(plan_->start_ns, plan_->timeline.next_flush_ns(next - plan_->start_ns + 1));
    } else {
      leave_link(outcome);
      take_up(next);
    }
  }
}

void Shaper::advance(std::int64_t now_ns, std::int64_t early_ns, Outcome& outcome) {
  settle(now_ns, outcome);
  while (!delayed_.empty() && delayed_.top().frame.release_ns <= now_ns + early_ns) {
    outcome.released.push_back(delayed_.top().frame);
    delayed_.pop();
  }
}

std::int64_t Shaper::next_event_ns() const noexcept {
  const std::int64_t link = on_link_ && finish_ns_ != kNever ? finish_ns_ + plan_->least_delay_ns : kNever;
  return delayed_.empty() ? link : std::min(link, delayed_.top().frame.release_ns);
}

std::uint64_t Shaper::queued_bytes() const noexcept {
  return classes_[0].bytes + classes_[1].bytes;
}

std::uint64_t Shaper::queued_packets() const noexcept {
  return classes_[0].frames.size() + classes_[1].frames.size();
}

}  // namespace reelsense::path
