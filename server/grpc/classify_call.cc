#include "server/grpc/classify_call.h"

#include "server/grpc/classify_convert.h"
#include "server/grpc/unary_call.h"

namespace reelsense::server {

namespace {

class ClassifyCall final : public JobCall {
 public:
  ClassifyCall(GrpcCore& core, grpc::CallbackServerContext& context, const v1::ClassifyRequest& request,
               v1::ClassifyResponse& response)
      : JobCall(core, "FlowClassifier/Classify", context), request_(request), response_(response) {}

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
    const auto model = services.models.get(request_.model());
    if (!model) return to_status(model.error());
    std::size_t windows = 0;
    const FlowNamer name{services.engine, principal->id};
    if (grpc::Status status = fill_job(request_, model.value(), services.config.limits, name, *job_, windows);
        !status.ok()) {
      return status;
    }
    if (grpc::Status status = admit(core_, context_, *principal, windows); !status.ok()) return status;
    job_->exact = names_version(request_.model());
    job_->deadline_steady_ns = deadline_steady_ns(context_, services.clock);
    return grpc::Status::OK;
  }

  grpc::Status write_answer() override {
    const ServedModel* model = job_->model.get();
    response_.mutable_labels()->Reserve(static_cast<int>(job_->answers.size()));
    for (std::size_t i = 0; i < job_->answers.size(); ++i) {
      write_label(request_, *job_, i, *response_.add_labels());
    }
    for (const Job::Flow& flow : job_->flows) {
      if (flow.model == nullptr) continue;
      model = flow.model.get();
      break;
    }
    response_.set_model(model->id());
    return grpc::Status::OK;
  }

  const v1::ClassifyRequest& request_;
  v1::ClassifyResponse& response_;
};

}  // namespace

grpc::ServerUnaryReactor* make_classify_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                             const v1::ClassifyRequest* request,
                                             v1::ClassifyResponse* response) {
  auto* call = new ClassifyCall(core, *context, *request, *response);
  call->start();
  return call;
}

}  // namespace reelsense::server
