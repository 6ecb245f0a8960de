#include "server/engine/lanes.h"

#include <array>

#include "server/base/siphash.h"

namespace reelsense::server {

namespace {

constexpr std::array<std::uint8_t, 16> kNameKey = {};  // no secret: names of models are not

}  // namespace

Lane::Lane(std::shared_ptr<const ServedModel> its_model)
    : model(std::move(its_model)),
      family(siphash128(kNameKey, 0, model->name()).first),
      exact(siphash128(kNameKey, 1, model->id()).first) {}

void Lane::push(Pending& window) {
  Queue& queue = queues_[window.job->principal];
  window.next = nullptr;
  (queue.tail != nullptr ? queue.tail->next : queue.head) = &window;
  queue.tail = &window;
  if (!queue.active) {
    queue.active = true;
    round_.push_back(&queue);
  }
  if (ready++ == 0) oldest_ns = window.submitted_ns;
}

Pending* Lane::pop() noexcept {
  if (ready == 0) return nullptr;
  if (turn_ >= round_.size()) turn_ = 0;
  Queue& queue = *round_[turn_];
  Pending* const taken = queue.head;
  queue.head = taken->next;
  taken->next = nullptr;
  --ready;
  if (queue.head == nullptr) {
    queue.tail = nullptr;
    queue.active = false;
    round_.erase(round_.begin() + static_cast<std::ptrdiff_t>(turn_));  // the next one moves into its turn
  } else {
    ++turn_;
  }
  return taken;
}

}  // namespace reelsense::server
