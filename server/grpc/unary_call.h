// UnaryCall: a unary call that is a Call. A class derived from it decides its answer in start() or later, and
// finishes once. Thread safety: as gRPC's reactors.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>

#include "server/grpc/status.h"

namespace reelsense::server {

class UnaryCall : public grpc::ServerUnaryReactor, public Call {
 public:
  void OnDone() final {
    count(code_);
    unref();
  }

 protected:
  UnaryCall(GrpcCore& core, std::string_view route, grpc::CallbackServerContext& context)
      : Call(core, route), context_(context) {}

  // Exactly once. Nothing of the call may be touched afterwards without a reference.
  void finish(const grpc::Status& status) {
    code_ = status.error_code();
    if (code_ == grpc::INVALID_ARGUMENT) core_.services.metrics.refused(Api::kGrpc, "bad_request");
    Finish(status);
  }

  grpc::CallbackServerContext& context_;

 private:
  grpc::StatusCode code_ = grpc::OK;
};

// A unary call of one job: submits it, takes it back, and hands over to write_answer() when its batch is
// over.
class JobCall : public UnaryCall {
 public:
  void OnCancel() final;
  void on_job(std::unique_ptr<Job> job, Ticket& ticket) final;
  void on_jobs_end() final;

 protected:
  using UnaryCall::UnaryCall;

  // Hands job_ to the engine, or finishes the call if it cannot.
  void submit();
  // The response from job_, which is answered.
  virtual grpc::Status write_answer() = 0;

  std::unique_ptr<Job> job_ = std::make_unique<Job>();

 private:
  Ticket ticket_{this};
  std::mutex mutex_;
  Job* running_ = nullptr;  // at the engine
  bool cancelled_ = false;
};

// Calls `answer()`, which fills the response, if the caller may; `scope` null: anybody may.
template <class Answer>
grpc::ServerUnaryReactor* answer_now(GrpcCore& core, std::string_view route,
                                     grpc::CallbackServerContext* context, const Scope* scope,
                                     Answer answer) {
  class Immediate final : public UnaryCall {
   public:
    Immediate(GrpcCore& its_core, std::string_view its_route, grpc::CallbackServerContext& its_context,
              const Scope* its_scope, Answer& its_answer)
        : UnaryCall(its_core, its_route, its_context) {
      PrincipalPtr principal;
      grpc::Status status;
      if (its_scope != nullptr) status = identify(its_core, its_context, *its_scope, principal);
      if (status.ok() && principal != nullptr) status = admit(its_core, its_context, *principal, 0);
      finish(status.ok() ? its_answer() : status);
    }
  };
  return new Immediate(core, route, *context, scope, answer);
}

}  // namespace reelsense::server
