#include "server/grpc/feedback_call.h"

#include "server/grpc/classify_convert.h"
#include "server/grpc/unary_call.h"

namespace reelsense::server {

namespace {

class FeedbackCall final : public UnaryCall {
 public:
  FeedbackCall(GrpcCore& core, grpc::CallbackServerContext& context, v1::FeedbackResponse& response)
      : UnaryCall(core, "FlowClassifier/Feedback", context), response_(response) {}

  void start(const v1::FeedbackRequest& request) {
    std::vector<FeedbackEntry> entries;
    if (grpc::Status status = prepare(request, entries); !status.ok()) return finish(status);
    std::uint64_t matched = 0;
    for (const FeedbackEntry& entry : entries) matched += entry.label_video ? 1 : 0;
    response_.set_stored(entries.size());
    response_.set_matched(matched);
    if (entries.empty()) return finish(grpc::Status::OK);
    core_.services.log->feedback(std::move(entries), [this](const Status& stored) {
      if (!stored) response_.Clear();
      finish(stored ? grpc::Status::OK : to_status(stored.error()));
    });
  }

 private:
  grpc::Status prepare(const v1::FeedbackRequest& request, std::vector<FeedbackEntry>& entries) {
    Services& services = core_.services;
    PrincipalPtr principal;
    if (grpc::Status status = identify(core_, context_, Scope::kFeedback, principal); !status.ok())
      return status;
    if (services.log == nullptr) {
      return {grpc::UNIMPLEMENTED,
              "this server keeps no inference log (log.file is empty), so no feedback either"};
    }
    const Config::Limits& limits = services.config.limits;
    if (request.truths_size() > limits.windows_per_request) {
      return invalid_argument("truths: " + std::to_string(request.truths_size()) +
                              " in one request, at most " + std::to_string(limits.windows_per_request));
    }
    entries.reserve(static_cast<std::size_t>(request.truths_size()));
    for (int i = 0; i < request.truths_size(); ++i) {
      const std::string where = "truths[" + std::to_string(i) + "].";
      if (grpc::Status status = read_truth(request.truths(i), where, principal->id, entries.emplace_back());
          !status.ok()) {
        return status;
      }
    }
    return admit(core_, context_, *principal, 0);
  }

  grpc::Status read_truth(const v1::Truth& truth, const std::string& where, std::uint32_t principal,
                          FeedbackEntry& entry) {
    Services& services = core_.services;
    if (grpc::Status status = check_flow_name(truth.flow(), services.config.limits, where + "flow");
        !status.ok()) {
      return status;
    }
    if (truth.second() < 0 || truth.second() > kEndOfTimeS) {
      return invalid_argument(where + "second: " + std::to_string(truth.second()) + ", expected 0 to " +
                              std::to_string(kEndOfTimeS));
    }
    if (truth.truth() != v1::LABEL_VIDEO && truth.truth() != v1::LABEL_NON_VIDEO) {
      return invalid_argument(where + "truth: " + std::to_string(truth.truth()) +
                              ", expected LABEL_VIDEO or LABEL_NON_VIDEO");
    }
    const FlowId flow = services.engine.flow_id(principal, truth.flow());
    entry.flow = flow.high;
    entry.second = truth.second();
    entry.truth_video = truth.truth() == v1::LABEL_VIDEO;
    Decision decision;
    if (services.engine.remembered(flow, truth.second(), decision, entry.model)) {
      entry.label_video = decision.label == Label::kVideo;
      entry.confidence = decision.confidence;
    }
    return grpc::Status::OK;
  }

  v1::FeedbackResponse& response_;
};

}  // namespace

grpc::ServerUnaryReactor* make_feedback_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                             const v1::FeedbackRequest* request,
                                             v1::FeedbackResponse* response) {
  auto* call = new FeedbackCall(core, *context, *response);
  call->start(*request);
  return call;
}

}  // namespace reelsense::server
