// FlowClassifier/Classify: one request, one job, one response. Thread safety: as gRPC's reactors.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/grpc/call.h"

namespace reelsense::server {

grpc::ServerUnaryReactor* make_classify_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                             const v1::ClassifyRequest* request,
                                             v1::ClassifyResponse* response);

}  // namespace reelsense::server
