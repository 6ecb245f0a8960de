#include "server/grpc/inference_service.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "server/grpc/infer_call.h"
#include "server/grpc/infer_convert.h"
#include "server/grpc/unary_call.h"
#include "server/models/tensor_contract.h"

namespace reelsense::server {

namespace {

constexpr Scope kInferScope = Scope::kInfer;

const char* platform_of(const ServedModel& model) noexcept {
  return model.tier() == Tier::kEdge ? "openvino" : "reelsense";
}

bool is_served(ModelState state) noexcept {
  return state == ModelState::kReady || state == ModelState::kVanished;
}

inference::DataType data_type_of(const TensorSpec& spec) noexcept {
  return spec.datatype == "BYTES" ? inference::TYPE_STRING : inference::TYPE_FP32;
}

// The shortest text that reads back to the same number.
std::string decimal(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

template <class Tensor>
void describe_tensor(const TensorSpec& spec, Tensor& tensor) {
  tensor.set_name(spec.name);
  tensor.set_datatype(spec.datatype);
  tensor.mutable_shape()->Add(spec.shape.begin(), spec.shape.end());
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::ServerLive(grpc::CallbackServerContext* context,
                                                       const inference::ServerLiveRequest* /*request*/,
                                                       inference::ServerLiveResponse* response) {
  return answer_now(core_, "GRPCInferenceService/ServerLive", context, nullptr, [response] {
    response->set_live(true);
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* InferenceService::ServerReady(grpc::CallbackServerContext* context,
                                                        const inference::ServerReadyRequest* /*request*/,
                                                        inference::ServerReadyResponse* response) {
  return answer_now(core_, "GRPCInferenceService/ServerReady", context, nullptr, [this, response] {
    response->set_ready(core_.services.ready.load() && !core_.draining.load());
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelReady(grpc::CallbackServerContext* context,
                                                       const inference::ModelReadyRequest* request,
                                                       inference::ModelReadyResponse* response) {
  return answer_now(
      core_, "GRPCInferenceService/ModelReady", context, &kInferScope, [this, request, response] {
        response->set_ready(core_.services.models.find(reference_of(request->name(), request->version())) !=
                            nullptr);
        return grpc::Status::OK;
      });
}

grpc::ServerUnaryReactor* InferenceService::ServerMetadata(
    grpc::CallbackServerContext* context, const inference::ServerMetadataRequest* /*request*/,
    inference::ServerMetadataResponse* response) {
  return answer_now(core_, "GRPCInferenceService/ServerMetadata", context, &kInferScope, [this, response] {
    response->set_name("reelsense-server");
    response->set_version(core_.services.version);
    for (const char* extension : {"sequence", "model_configuration", "model_repository(index)"}) {
      response->add_extensions(extension);
    }
    return grpc::Status::OK;
  });
}

grpc::ServerUnaryReactor* InferenceService::ModelMetadata(grpc::CallbackServerContext* context,
                                                          const inference::ModelMetadataRequest* request,
                                                          inference::ModelMetadataResponse* response) {
  return answer_now(
      core_, "GRPCInferenceService/ModelMetadata", context, &kInferScope, [this, request, response] {
        const auto model = core_.services.models.get(reference_of(request->name(), request->version()));
        if (!model) return to_status(model.error());
        describe(*model.value(), *response);
        for (const ModelStatus& status : core_.services.models.list()) {
          if (status.name == model.value()->name() && is_served(status.state))
            response->add_versions(status.version);
        }
        return grpc::Status::OK;
      });
}

grpc::ServerUnaryReactor* InferenceService::ModelInfer(grpc::CallbackServerContext* context,
                                                       const inference::ModelInferRequest* request,
                                                       inference::ModelInferResponse* response) {
  return make_infer_call(core_, context, request, response);
}

grpc::ServerUnaryReactor* InferenceService::ModelConfig(grpc::CallbackServerContext* context,
                                                        const inference::ModelConfigRequest* request,
                                                        inference::ModelConfigResponse* response) {
  return answer_now(
      core_, "GRPCInferenceService/ModelConfig", context, &kInferScope, [this, request, response] {
        const auto model = core_.services.models.get(reference_of(request->name(), request->version()));
        if (!model) return to_status(model.error());
        describe(*model.value(), core_.services.config.limits.windows_per_request,
                 *response->mutable_config());
        return grpc::Status::OK;
      });
}

grpc::ServerUnaryReactor* InferenceService::RepositoryIndex(grpc::CallbackServerContext* context,
                                                            const inference::RepositoryIndexRequest* request,
                                                            inference::RepositoryIndexResponse* response) {
  return answer_now(
      core_, "GRPCInferenceService/RepositoryIndex", context, &kInferScope, [this, request, response] {
        if (!request->repository_name().empty()) {
          return grpc::Status(grpc::NOT_FOUND, "repository_name: there is one repository, without a name");
        }
        describe(core_.services.models.list(), request->ready(), *response);
        return grpc::Status::OK;
      });
}

void describe(const ServedModel& model, inference::ModelMetadataResponse& response) {
  response.set_name(model.name());
  response.set_platform(platform_of(model));
  for (const TensorSpec& spec : inputs_of(model)) describe_tensor(spec, *response.add_inputs());
  for (const TensorSpec& spec : outputs_of(model)) describe_tensor(spec, *response.add_outputs());
  auto& properties = *response.mutable_properties();
  properties["tier"] = name_of(model.tier());
  properties["view"] = std::string(model.schema().name);
  properties["schema_hash"] = model.manifest().schema_hash;
  properties["engine"] = model.engine();
  // How a label is made of a probability: clients that fold windows need it (classify --scope session).
  properties["threshold"] = decimal(model.manifest().threshold);
  properties["uncertain"] =
      decimal(model.manifest().uncertain_low) + "," + decimal(model.manifest().uncertain_high);
}

void describe(const ServedModel& model, std::int64_t max_batch, inference::ModelConfig& config) {
  config.set_name(model.name());
  config.set_platform(platform_of(model));
  config.set_backend(platform_of(model));
  config.set_max_batch_size(
      static_cast<std::int32_t>(std::min<std::int64_t>(max_batch, std::numeric_limits<std::int32_t>::max())));
  for (const TensorSpec& spec : inputs_of(model)) {
    inference::ModelInput& input = *config.add_input();
    input.set_name(spec.name);
    input.set_data_type(data_type_of(spec));
    input.add_dims(spec.shape[1]);
    input.set_optional(!spec.required);
  }
  for (const TensorSpec& spec : outputs_of(model)) {
    inference::ModelOutput& output = *config.add_output();
    output.set_name(spec.name);
    output.set_data_type(data_type_of(spec));
    output.add_dims(spec.shape[1]);
  }
}

void describe(const std::vector<ModelStatus>& models, bool only_ready,
              inference::RepositoryIndexResponse& response) {
  for (const ModelStatus& status : models) {
    if (only_ready && !is_served(status.state)) continue;
    auto& model = *response.add_models();
    model.set_name(status.name);
    model.set_version(status.version);
    model.set_state(is_served(status.state) ? "READY" : "UNAVAILABLE");
    model.set_reason(status.reason.empty() && status.state != ModelState::kReady ? name_of(status.state)
                                                                                 : status.reason);
  }
}

}  // namespace reelsense::server
