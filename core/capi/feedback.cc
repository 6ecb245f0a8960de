// rs_feedback_….
#include <new>
#include <utility>

#include "handles.h"
#include "reelsense/feedback/feedback_queue.h"

using namespace reelsense;
using namespace reelsense::capi;

struct rs_feedback {
  explicit rs_feedback(FeedbackQueue&& opened) noexcept : queue(std::move(opened)) {}
  FeedbackQueue queue;
  mutable Gate gate;
};

void rs_feedback_options_init(rs_feedback_options* options, size_t size) {
  const FeedbackOptions defaults;
  init_sized(options, size, rs_feedback_options{0, defaults.sample, defaults.epsilon});
}

size_t rs_feedback_memory(uint32_t records) {
  return FeedbackQueue::memory_for(records);
}

rs_status rs_feedback_open(rs_feedback** feedback, void* memory, size_t bytes, const rs_model* model,
                           const rs_feedback_options* options, rs_error* error) {
  if (!usable(feedback)) return no_place_for(error, "feedback");
  *feedback = nullptr;
  if (!usable(model))
    return fail(error, RS_INVALID_ARGUMENT, "model is NULL, expected the one whose windows are queued");
  rs_feedback_options wanted;
  rs_feedback_options_init(&wanted, sizeof wanted);
  if (options != nullptr) {
    if (const rs_status status = read_sized(wanted, options, error); status != RS_OK) return status;
  }
  Result<FeedbackQueue> opened =
      FeedbackQueue::open({static_cast<std::byte*>(memory), memory == nullptr ? 0 : bytes}, model->model,
                          {wanted.sample, wanted.epsilon});
  if (!opened) return fail(error, opened.error());
  *feedback = new (std::nothrow) rs_feedback(std::move(opened).value());
  return *feedback == nullptr ? no_memory(error) : RS_OK;
}

void rs_feedback_free(rs_feedback* feedback) {
  delete feedback;
}

rs_status rs_feedback_add(rs_feedback* feedback, int* kept, const rs_window* window, rs_truth truth,
                          const uint8_t random[16]) {
  if (kept != nullptr && !usable(kept)) return RS_INVALID_ARGUMENT;
  if (kept != nullptr) *kept = 0;
  const bool truth_ok = truth == RS_TRUTH_UNKNOWN || truth == RS_TRUTH_NON_VIDEO || truth == RS_TRUTH_VIDEO;
  if (!usable(feedback) || !usable(window) || !usable(window->features) || random == nullptr || !truth_ok) {
    return RS_INVALID_ARGUMENT;
  }
  const Turn turn(feedback->gate);
  if (!turn) return RS_BUSY;
  Decision decision;
  decision.probability = window->decision.probability;
  decision.confidence = window->decision.confidence;
  decision.label = window->decision.label == RS_VIDEO ? Label::kVideo : Label::kNonVideo;
  decision.uncertain = window->decision.uncertain != 0;
  switch (feedback->queue.add(window->features, decision, static_cast<Truth>(truth),
                              FeedbackRandom(random, 16))) {
    case FeedbackQueue::Added::kKept:
      if (kept != nullptr) *kept = 1;
      return RS_OK;
    case FeedbackQueue::Added::kLeftOut:
      return RS_OK;
    case FeedbackQueue::Added::kFull:
      return RS_LIMIT;
  }
  return RS_OK;
}

uint32_t rs_feedback_count(const rs_feedback* feedback) {
  return usable(feedback) ? feedback->queue.size() : 0;
}

uint64_t rs_feedback_lost(const rs_feedback* feedback) {
  return usable(feedback) ? feedback->queue.lost() : 0;
}

rs_status rs_feedback_peek(const rs_feedback* feedback, char* json, size_t capacity, size_t* written,
                           uint32_t* records, uint32_t max_records) {
  if (!usable(feedback) || json == nullptr || !usable(written) || !usable(records))
    return RS_INVALID_ARGUMENT;
  *written = 0;
  *records = 0;
  const Turn turn(feedback->gate);
  if (!turn) return RS_BUSY;
  const FeedbackQueue::Batch batch = feedback->queue.write({json, capacity}, max_records);
  *written = batch.bytes;
  *records = batch.records;
  if (batch.records == 0 && capacity > 0) json[0] = 0;
  const bool too_small = batch.records == 0 && feedback->queue.size() != 0 && max_records != 0;
  return too_small ? RS_LIMIT : RS_OK;
}

rs_status rs_feedback_discard(rs_feedback* feedback, uint32_t records) {
  if (!usable(feedback)) return RS_INVALID_ARGUMENT;
  const Turn turn(feedback->gate);
  if (!turn) return RS_BUSY;
  if (records > feedback->queue.size()) return RS_INVALID_ARGUMENT;
  feedback->queue.discard(records);
  return RS_OK;
}
