// FlowClassifier/Feedback: finishes when the truths are on the disk. Thread safety: as gRPC's reactors.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/grpc/call.h"

namespace reelsense::server {

grpc::ServerUnaryReactor* make_feedback_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                             const v1::FeedbackRequest* request,
                                             v1::FeedbackResponse* response);

}  // namespace reelsense::server
