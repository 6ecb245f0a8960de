#include "server/grpc/infer_call.h"

#include "server/grpc/infer_convert.h"
#include "server/grpc/unary_call.h"

namespace reelsense::server {

namespace {

class InferCall final : public JobCall {
 public:
  InferCall(GrpcCore& core, grpc::CallbackServerContext& context, const inference::ModelInferRequest& request,
            inference::ModelInferResponse& response)
      : JobCall(core, "GRPCInferenceService/ModelInfer", context), request_(request), response_(response) {}

  void start() {
    if (grpc::Status status = prepare(); !status.ok()) return finish(status);
    submit();
  }

 private:
  grpc::Status prepare() {
    Services& services = core_.services;
    PrincipalPtr principal;
    if (grpc::Status status = identify(core_, context_, Scope::kInfer, principal); !status.ok())
      return status;
    auto model = services.models.get(reference_of(request_.model_name(), request_.model_version()));
    if (!model) return to_status(model.error());
    if (grpc::Status status = read_infer(request_, *model.value(), services.config.limits, ask_);
        !status.ok()) {
      return status;
    }
    if (grpc::Status status = admit(core_, context_, *principal, ask_.plan.batch); !status.ok())
      return status;
    FlowId flow;
    std::int64_t second = 0;
    if (!ask_.sequence_flow.empty()) {
      flow = services.engine.flow_id(principal->id, ask_.sequence_flow);
      if (grpc::Status status = find_second(flow, second); !status.ok()) return status;
    }
    fill_infer_job(request_, ask_, std::move(model.value()), flow, second, *job_);
    job_->exact = !request_.model_version().empty();
    job_->principal = principal->id;
    job_->deadline_steady_ns = deadline_steady_ns(context_, services.clock);
    if (ask_.timeout_ns > 0) {
      const std::int64_t limit = services.clock.steady_ns() + ask_.timeout_ns;
      const std::int64_t deadline = job_->deadline_steady_ns;
      job_->deadline_steady_ns = deadline == 0 ? limit : std::min(deadline, limit);
    }
    return grpc::Status::OK;
  }

  // A sequence counts its own seconds.
  grpc::Status find_second(FlowId flow, std::int64_t& second) {
    Engine& engine = core_.services.engine;
    if (ask_.sequence_start) {
      engine.forget(flow);
      return grpc::Status::OK;
    }
    const std::unique_ptr<FlowView> view = engine.find(flow);
    if (view == nullptr) {
      return invalid_argument(
          "parameter sequence_id: not known; its first request says sequence_start, and it is forgotten when "
          "idle");
    }
    second = view->last_second + 1;
    return grpc::Status::OK;
  }

  grpc::Status write_answer() override { return write_infer(request_, ask_, *job_, response_); }

  const inference::ModelInferRequest& request_;
  inference::ModelInferResponse& response_;
  InferAsk ask_;
};

}  // namespace

grpc::ServerUnaryReactor* make_infer_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                          const inference::ModelInferRequest* request,
                                          inference::ModelInferResponse* response) {
  auto* call = new InferCall(core, *context, *request, *response);
  call->start();
  return call;
}

}  // namespace reelsense::server
