// GRPCInferenceService/ModelInfer: one request, one job, one response. Thread safety: as gRPC's reactors.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "inference/grpc_predict_v2.pb.h"
#include "server/grpc/call.h"

namespace reelsense::server {

grpc::ServerUnaryReactor* make_infer_call(GrpcCore& core, grpc::CallbackServerContext* context,
                                          const inference::ModelInferRequest* request,
                                          inference::ModelInferResponse* response);

}  // namespace reelsense::server
