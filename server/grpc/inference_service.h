// inference.GRPCInferenceService: the Open Inference Protocol, and of Triton's extensions RepositoryIndex,
// ModelConfig and sequences. Live and ready ask for no key, the rest for scope infer. Thread safety: as
// gRPC's services.
#pragma once

#include "inference/grpc_predict_v2.grpc.pb.h"
#include "server/grpc/call.h"
#include "server/models/served_model.h"

namespace reelsense::server {

class InferenceService final : public inference::GRPCInferenceService::CallbackService {
 public:
  explicit InferenceService(GrpcCore& core) : core_(core) {}

  grpc::ServerUnaryReactor* ServerLive(grpc::CallbackServerContext* context,
                                       const inference::ServerLiveRequest* request,
                                       inference::ServerLiveResponse* response) override;
  grpc::ServerUnaryReactor* ServerReady(grpc::CallbackServerContext* context,
                                        const inference::ServerReadyRequest* request,
                                        inference::ServerReadyResponse* response) override;
  grpc::ServerUnaryReactor* ModelReady(grpc::CallbackServerContext* context,
                                       const inference::ModelReadyRequest* request,
                                       inference::ModelReadyResponse* response) override;
  grpc::ServerUnaryReactor* ServerMetadata(grpc::CallbackServerContext* context,
                                           const inference::ServerMetadataRequest* request,
                                           inference::ServerMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelMetadata(grpc::CallbackServerContext* context,
                                          const inference::ModelMetadataRequest* request,
                                          inference::ModelMetadataResponse* response) override;
  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const inference::ModelInferRequest* request,
                                       inference::ModelInferResponse* response) override;
  grpc::ServerUnaryReactor* ModelConfig(grpc::CallbackServerContext* context,
                                        const inference::ModelConfigRequest* request,
                                        inference::ModelConfigResponse* response) override;
  grpc::ServerUnaryReactor* RepositoryIndex(grpc::CallbackServerContext* context,
                                            const inference::RepositoryIndexRequest* request,
                                            inference::RepositoryIndexResponse* response) override;

 private:
  GrpcCore& core_;
};

// What they answer; pure.
void describe(const ServedModel& model, inference::ModelMetadataResponse& response);
void describe(const ServedModel& model, std::int64_t max_batch, inference::ModelConfig& config);
void describe(const std::vector<ModelStatus>& models, bool only_ready,
              inference::RepositoryIndexResponse& response);

}  // namespace reelsense::server
