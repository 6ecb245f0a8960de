#include "server/grpc/unary_call.h"

namespace reelsense::server {

void JobCall::submit() {
  Engine& engine = core_.services.engine;
  {
    const std::lock_guard lock(mutex_);
    running_ = job_.get();
    job_->cancelled.store(cancelled_, std::memory_order_relaxed);
  }
  const SubmitCode code = core_.hub.submit(engine, job_, ticket_);
  if (code == SubmitCode::kAccepted) return;
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
  }
  finish(not_accepted(core_, context_, code));
}

void JobCall::OnCancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (running_ != nullptr) running_->cancelled.store(true, std::memory_order_relaxed);
}

void JobCall::on_job(std::unique_ptr<Job> job, Ticket& /*ticket*/) {
  const std::lock_guard lock(mutex_);
  running_ = nullptr;
  job_ = std::move(job);
}

void JobCall::on_jobs_end() {
  for (const Answer& answer : job_->answers) {
    if (answer.code == AnswerCode::kDeadline) {
      return finish({grpc::DEADLINE_EXCEEDED, "the deadline passed before every window was answered"});
    }
    if (answer.code == AnswerCode::kCancelled) return finish({grpc::CANCELLED, "the call was cancelled"});
  }
  finish(write_answer());
}

}  // namespace reelsense::server
