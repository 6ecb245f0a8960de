#include "server/grpc/outbox.h"

#include "server/grpc/classify_convert.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kSpare = 4;
constexpr std::size_t kLabelBytes = 48;  // at most, without the flow's name

}  // namespace

void Outbox::add_labels(const v1::ClassifyRequest& request, const Job& job) {
  Response* response = nullptr;
  for (std::size_t i = 0; i < job.answers.size(); ++i) {
    const Answer& answer = job.answers[i];
    const std::shared_ptr<const ServedModel>& model = job.flows[answer.flow].model;
    const bool fits = response != nullptr && response->bytes < kFullBytes && !answer.restarted &&
                      (model == nullptr || response->model == model.get());
    if (!fits) response = &open_for(model, answer.restarted);
    v1::WindowLabel& label = *response->message.add_labels();
    write_label(request, job, i, label);
    response->bytes += kLabelBytes + label.flow().size();
    ++response->answers;
    response->barrier = response->barrier || model == nullptr;
  }
}

void Outbox::add_error(std::uint64_t request_id, int code, const std::string& message) {
  Response* response = queue_.size() > (writing_ ? 1U : 0U) ? queue_.back().get() : nullptr;
  if (response == nullptr || response->error) response = &append();
  response->message.set_failed_request_id(request_id);
  response->message.set_error_code(code);
  response->message.set_error(message);
  response->error = true;
  response->bytes += message.size();
  ++response->answers;
}

// Searched from the end: a flow's labels are of one model, so they stay in order. Not so where a flow was
// restarted on another model, or where a label has none: those go to the end, and nothing passes a label
// without model.
Outbox::Response& Outbox::open_for(const std::shared_ptr<const ServedModel>& model, bool at_the_end) {
  const std::size_t first = writing_ ? 1 : 0;
  for (std::size_t i = queue_.size(); i > first; --i) {
    Response& response = *queue_[i - 1];
    const bool same = model == nullptr || response.model == nullptr || response.model == model.get();
    if (same && response.bytes < kFullBytes) {
      if (model != nullptr && response.model == nullptr) {
        response.model = model.get();
        response.keep = model;
      }
      return response;
    }
    // Behind one of the same model that is full, and at a restart, only the end will do.
    if (same || at_the_end || response.barrier) break;
  }
  Response& response = append();
  response.model = model.get();
  response.keep = model;
  return response;
}

Outbox::Response& Outbox::append() {
  if (spare_.empty()) {
    queue_.push_back(std::make_unique<Response>());
  } else {
    queue_.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
  return *queue_.back();
}

const v1::ClassifyResponse& Outbox::begin_write() {
  writing_ = true;
  Response& response = *queue_.front();
  if (response.model != nullptr && response.model->serial() != told_) {
    told_ = response.model->serial();
    response.message.set_model(response.model->id());
  }
  return response.message;
}

std::size_t Outbox::pop() {
  writing_ = false;
  const std::size_t answers = queue_.front()->answers;
  recycle(std::move(queue_.front()));
  queue_.pop_front();
  return answers;
}

std::size_t Outbox::drop() {
  std::size_t answers = 0;
  while (queue_.size() > (writing_ ? 1U : 0U)) {
    answers += queue_.back()->answers;
    recycle(std::move(queue_.back()));
    queue_.pop_back();
  }
  return answers;
}

void Outbox::recycle(std::unique_ptr<Response> response) {
  if (spare_.size() >= kSpare || response->bytes > kFullBytes / 4) return;
  response->message.Clear();
  response->model = nullptr;
  response->keep.reset();
  response->bytes = 0;
  response->answers = 0;
  response->error = false;
  response->barrier = false;
  spare_.push_back(std::move(response));
}

}  // namespace reelsense::server
