#include "server/grpc/infer_convert.h"

#include <bit>
#include <cstring>

#include "server/grpc/status.h"

namespace reelsense::server {

namespace {

// Tensors travel little-endian and are copied as they are.
static_assert(std::endian::native == std::endian::little);

using Request = inference::ModelInferRequest;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

grpc::Status read_bool(const Parameters& parameters, const char* name, bool& value) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return grpc::Status::OK;
  if (!found->second.has_bool_param())
    return invalid_argument(std::string("parameter ") + name + ": expected a bool");
  value = found->second.bool_param();
  return grpc::Status::OK;
}

grpc::Status read_sequence(const Parameters& parameters, const Config::Limits& limits, InferAsk& ask) {
  const auto found = parameters.find("sequence_id");
  if (found == parameters.end()) return grpc::Status::OK;
  const inference::InferParameter& id = found->second;
  std::string text;
  if (id.has_string_param()) {
    text = id.string_param();
  } else if (id.has_int64_param() && id.int64_param() != 0) {
    text = std::to_string(id.int64_param());
  } else if (id.has_uint64_param() && id.uint64_param() != 0) {
    text = std::to_string(id.uint64_param());
  } else if (!id.has_int64_param() && !id.has_uint64_param()) {
    return invalid_argument("parameter sequence_id: expected an integer or a string");
  }
  if (text.empty()) return grpc::Status::OK;  // 0 and "": no sequence, as Triton has it
  ask.sequence_flow = "oip/" + text;
  if (ask.sequence_flow.size() > static_cast<std::size_t>(limits.flow_name_bytes)) {
    return invalid_argument("parameter sequence_id: " + std::to_string(text.size()) +
                            " bytes, expected at most " + std::to_string(limits.flow_name_bytes - 4));
  }
  if (grpc::Status status = read_bool(parameters, "sequence_start", ask.sequence_start); !status.ok())
    return status;
  return read_bool(parameters, "sequence_end", ask.sequence_end);
}

// Microseconds, as Triton's clients say it.
grpc::Status read_timeout(const Parameters& parameters, InferAsk& ask) {
  constexpr std::int64_t kMost_us = std::int64_t{86'400} * 1'000'000;
  const auto found = parameters.find("timeout");
  if (found == parameters.end()) return grpc::Status::OK;
  if (!found->second.has_int64_param() || found->second.int64_param() < 0) {
    return invalid_argument("parameter timeout: expected microseconds, an integer that is not negative");
  }
  ask.timeout_ns = std::min(found->second.int64_param(), kMost_us) * 1000;
  return grpc::Status::OK;
}

grpc::Status check_parameters(const Request& request) {
  for (const char* refused : {"shared_memory_region", "classification"}) {
    const auto given = [&](const auto& tensor) { return tensor.parameters().contains(refused); };
    for (const auto& input : request.inputs()) {
      if (given(input))
        return invalid_argument("input \"" + input.name() + "\": " + refused + " is not supported");
    }
    for (const auto& output : request.outputs()) {
      if (given(output))
        return invalid_argument("output \"" + output.name() + "\": " + refused + " is not supported");
    }
  }
  return grpc::Status::OK;
}

grpc::Status check_values(const Request& request, const InferAsk& ask, std::size_t index,
                          std::size_t elements) {
  const Request::InferInputTensor& input = request.inputs(static_cast<int>(index));
  const auto wrong = [&](std::size_t found, std::size_t expected, const char* what) {
    return invalid_argument("input \"" + input.name() + "\": " + std::to_string(found) + " " + what +
                            ", expected " + std::to_string(expected));
  };
  if (ask.raw) {
    if (input.has_contents()) {
      return invalid_argument("input \"" + input.name() +
                              "\": has contents beside raw_input_contents, expected one");
    }
    const std::size_t bytes = request.raw_input_contents(static_cast<int>(index)).size();
    return bytes == elements * sizeof(float)
               ? grpc::Status::OK
               : wrong(bytes, elements * sizeof(float), "bytes of raw contents");
  }
  const auto values = static_cast<std::size_t>(input.contents().fp32_contents_size());
  return values == elements ? grpc::Status::OK : wrong(values, elements, "values in contents.fp32_contents");
}

const void* values_of(const Request& request, bool raw, std::size_t index) {
  const int i = static_cast<int>(index);
  return raw ? static_cast<const void*>(request.raw_input_contents(i).data())
             : static_cast<const void*>(request.inputs(i).contents().fp32_contents().data());
}

// One output: its values as the request's form.
class OutputWriter {
 public:
  OutputWriter(inference::ModelInferResponse& response, const TensorSpec& spec, std::size_t batch, bool raw)
      : output_(*response.add_outputs()), bytes_(raw ? response.add_raw_output_contents() : nullptr) {
    output_.set_name(spec.name);
    output_.set_datatype(spec.datatype);
    output_.add_shape(static_cast<std::int64_t>(batch));
    output_.add_shape(spec.shape[1]);
  }

  void add(const float* values, std::size_t n) {
    if (bytes_ != nullptr) {
      bytes_->append(reinterpret_cast<const char*>(values), n * sizeof(float));
    } else {
      output_.mutable_contents()->mutable_fp32_contents()->Add(values, values + n);
    }
  }
  void add(std::string_view text) {
    if (bytes_ == nullptr) {
      output_.mutable_contents()->add_bytes_contents(text.data(), text.size());
      return;
    }
    const auto length = static_cast<std::uint32_t>(text.size());
    bytes_->append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
  }

 private:
  inference::ModelInferResponse::InferOutputTensor& output_;
  std::string* bytes_;
};

grpc::Status failure_of(const Answer& answer, std::size_t row) {
  const std::string where = "row " + std::to_string(row) + ": ";
  switch (answer.code) {
    case AnswerCode::kOk:
      return grpc::Status::OK;
    case AnswerCode::kInvalid:
      return invalid_argument(where + "NaN or infinite values");
    case AnswerCode::kRepeated:
    case AnswerCode::kOutOfOrder:
      return {grpc::ABORTED,
              "another request of this sequence was answered meanwhile; a sequence asks one at a time"};
    case AnswerCode::kDeadline:
      return {grpc::DEADLINE_EXCEEDED, "the deadline passed before every row was answered"};
    case AnswerCode::kCancelled:
      return {grpc::CANCELLED, "the call was cancelled"};
    case AnswerCode::kInternal:
    case AnswerCode::kPending:
      return {grpc::INTERNAL, where + "the model failed; the server's log says why"};
  }
  return {grpc::INTERNAL, where + "no answer"};
}

}  // namespace

std::string reference_of(const std::string& name, const std::string& version) {
  return version.empty() ? name : name + "@" + version;
}

grpc::Status read_infer(const Request& request, const ServedModel& model, const Config::Limits& limits,
                        InferAsk& ask) {
  if (grpc::Status status = read_sequence(request.parameters(), limits, ask); !status.ok()) return status;
  if (grpc::Status status = read_timeout(request.parameters(), ask); !status.ok()) return status;
  if (grpc::Status status = check_parameters(request); !status.ok()) return status;
  ask.raw = request.raw_input_contents_size() > 0;
  if (ask.raw && request.raw_input_contents_size() != request.inputs_size()) {
    return invalid_argument("raw_input_contents: " + std::to_string(request.raw_input_contents_size()) +
                            ", expected one for each of " + std::to_string(request.inputs_size()) +
                            " inputs");
  }
  std::vector<TensorGiven> inputs;
  for (const auto& input : request.inputs()) {
    inputs.push_back({input.name(),
                      input.datatype(),
                      {input.shape().data(), static_cast<std::size_t>(input.shape_size())}});
  }
  std::vector<std::string_view> outputs;
  for (const auto& output : request.outputs()) outputs.emplace_back(output.name());
  auto plan = plan_tensors(model, inputs, outputs, !ask.sequence_flow.empty(),
                           static_cast<std::size_t>(limits.windows_per_request));
  if (!plan) return to_status(plan.error());
  ask.plan = std::move(plan.value());
  if (grpc::Status status = check_values(request, ask, ask.plan.rows_input, ask.plan.rows_elements);
      !status.ok()) {
    return status;
  }
  if (ask.plan.state_input < 0) return grpc::Status::OK;
  return check_values(request, ask, static_cast<std::size_t>(ask.plan.state_input), ask.plan.state_elements);
}

void fill_infer_job(const Request& request, const InferAsk& ask, std::shared_ptr<const ServedModel> model,
                    FlowId flow, std::int64_t second, Job& job) {
  const std::size_t states = ask.plan.batch * model->state_width();
  job.model = std::move(model);
  job.flows.emplace_back().id = flow;
  job.flows.back().end = ask.sequence_end;
  for (std::size_t i = 0; i < ask.plan.batch; ++i) job.add_window(0, second);
  std::memcpy(job.rows.data(), values_of(request, ask.raw, ask.plan.rows_input),
              ask.plan.rows_elements * sizeof(float));
  if (!ask.sequence_flow.empty() || states == 0) return;
  job.states.assign(states, 0.0F);
  job.next_states.assign(states, 0.0F);
  if (ask.plan.state_input < 0) return;
  std::memcpy(job.states.data(), values_of(request, ask.raw, static_cast<std::size_t>(ask.plan.state_input)),
              states * sizeof(float));
}

grpc::Status write_infer(const Request& request, const InferAsk& ask, const Job& job,
                         inference::ModelInferResponse& response) {
  for (std::size_t i = 0; i < job.answers.size(); ++i) {
    if (grpc::Status status = failure_of(job.answers[i], i); !status.ok()) return status;
  }
  const ServedModel& model = job.flows[0].model != nullptr ? *job.flows[0].model : *job.model;
  response.set_model_name(model.name());
  response.set_model_version(model.version());
  response.set_id(request.id());
  for (const TensorSpec& spec : ask.plan.outputs) {
    OutputWriter writer(response, spec, ask.plan.batch, ask.raw);
    for (const Answer& answer : job.answers) {
      if (spec.role == TensorRole::kProbability) writer.add(&answer.decision.probability, 1);
      if (spec.role == TensorRole::kConfidence) writer.add(&answer.decision.confidence, 1);
      if (spec.role == TensorRole::kLabel) writer.add(name_of(answer.decision.label));
    }
    if (spec.role == TensorRole::kNextState) writer.add(job.next_states.data(), job.next_states.size());
  }
  return grpc::Status::OK;
}

}  // namespace reelsense::server
