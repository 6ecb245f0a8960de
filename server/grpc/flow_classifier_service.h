// reelsense.v1.FlowClassifier: one reactor a call. Thread safety: as gRPC's services.
#pragma once

#include "reelsense/v1/flow_classifier.grpc.pb.h"
#include "server/grpc/call.h"

namespace reelsense::server {

class FlowClassifierService final : public v1::FlowClassifier::CallbackService {
 public:
  explicit FlowClassifierService(GrpcCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* Classify(grpc::CallbackServerContext* context, const v1::ClassifyRequest* request,
                                     v1::ClassifyResponse* response) override;
  grpc::ServerBidiReactor<v1::ClassifyRequest, v1::ClassifyResponse>* ClassifyStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext* context,
                                                     const v1::WatchRequest* request) override;
  grpc::ServerUnaryReactor* Feedback(grpc::CallbackServerContext* context, const v1::FeedbackRequest* request,
                                     v1::FeedbackResponse* response) override;

 private:
  GrpcCore& core_;
};

}  // namespace reelsense::server
