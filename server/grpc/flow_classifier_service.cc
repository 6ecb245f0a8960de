#include "server/grpc/flow_classifier_service.h"

#include "server/grpc/classify_call.h"
#include "server/grpc/classify_stream.h"
#include "server/grpc/feedback_call.h"
#include "server/grpc/watch_call.h"

namespace reelsense::server {

grpc::ServerUnaryReactor* FlowClassifierService::Classify(grpc::CallbackServerContext* context,
                                                          const v1::ClassifyRequest* request,
                                                          v1::ClassifyResponse* response) {
  return make_classify_call(core_, context, request, response);
}

grpc::ServerBidiReactor<v1::ClassifyRequest, v1::ClassifyResponse>* FlowClassifierService::ClassifyStream(
    grpc::CallbackServerContext* context) {
  auto* call = new server::ClassifyStream(core_, *context);
  call->start();
  return call;
}

grpc::ServerWriteReactor<v1::WatchResponse>* FlowClassifierService::Watch(
    grpc::CallbackServerContext* context, const v1::WatchRequest* request) {
  auto* call = new WatchCall(core_, *context);
  call->start(*request);
  return call;
}

grpc::ServerUnaryReactor* FlowClassifierService::Feedback(grpc::CallbackServerContext* context,
                                                          const v1::FeedbackRequest* request,
                                                          v1::FeedbackResponse* response) {
  return make_feedback_call(core_, context, request, response);
}

}  // namespace reelsense::server
