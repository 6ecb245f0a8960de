// ModelInferRequest → Job and Job → ModelInferResponse. Pure. Errors name the tensor or parameter, what was
// found and what was expected. Thread safety: functions without state.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "inference/grpc_predict_v2.pb.h"
#include "server/config/config.h"
#include "server/engine/engine.h"
#include "server/models/tensor_contract.h"

namespace reelsense::server {

// What a request asks for, checked.
struct InferAsk {
  TensorPlan plan;
  bool raw = false;           // values came as bytes, and go so
  std::string sequence_flow;  // the flow's name; empty: no sequence
  bool sequence_start = false;
  bool sequence_end = false;
  std::int64_t timeout_ns = 0;  // 0: none
};

// How a model is named here: "name" or "name@version".
std::string reference_of(const std::string& name, const std::string& version);

grpc::Status read_infer(const inference::ModelInferRequest& request, const ServedModel& model,
                        const Config::Limits& limits, InferAsk& ask);

// Rows and states of a job that is clear, with the one flow of id `flow` (zero: no sequence) at `second`.
void fill_infer_job(const inference::ModelInferRequest& request, const InferAsk& ask,
                    std::shared_ptr<const ServedModel> model, FlowId flow, std::int64_t second, Job& job);

// From a job that is answered.
grpc::Status write_infer(const inference::ModelInferRequest& request, const InferAsk& ask, const Job& job,
                         inference::ModelInferResponse& response);

}  // namespace reelsense::server
