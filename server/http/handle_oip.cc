// /v2: the Open Inference Protocol, with Triton's binary tensor, sequence and repository index extensions.
#include "server/http/handlers.h"
#include "server/http/json_writer.h"
#include "server/http/tensor_reader.h"

namespace reelsense::server {

namespace {

struct InferState final : HandlerState {
  InferRequest request;
};

// The model that the path names; null: answered.
std::shared_ptr<const ServedModel> named_model(Exchange& exchange) {
  const Request& request = exchange.request();
  std::optional<std::string> reference = request.parameter(0);
  if (reference && !request.parameters[1].empty()) {
    const std::optional<std::string> version = request.parameter(1);
    reference = version ? std::optional(*reference + "@" + *version) : std::nullopt;
  }
  if (!reference) {
    exchange.fail(Problem::at("model", "broken percent-encoding"));
    return nullptr;
  }
  auto found = exchange.services().models.get(*reference);
  if (!found.ok()) {
    exchange.fail(Problem::of(ProblemType::kUnknownModel, found.error().message));
    return nullptr;
  }
  return std::move(found).value();
}

void write_tensor(JsonWriter& json, std::string_view name, std::string_view datatype, std::size_t columns) {
  json.begin_object().field("name", name).field("datatype", datatype);
  json.key("shape").begin_array().value(-1).value(columns).end_array().end_object();
}

// What keeps an answer from being given whole; the protocol has no word for a row that failed.
std::optional<Problem> problem_of_rows(const Job& job, const InferRequest& request) {
  for (std::size_t row = 0; row < job.answers.size(); ++row) {
    switch (job.answers[row].code) {
      case AnswerCode::kOk:
        break;
      case AnswerCode::kRepeated:
      case AnswerCode::kOutOfOrder:
        return Problem::of(ProblemType::kConflict,
                           "another request of sequence " + request.sequence + " was answered in between");
      case AnswerCode::kInvalid:
        return Problem::at("inputs[0][" + std::to_string(row) + "]", "NaN or infinite values");
      case AnswerCode::kDeadline:
        return Problem::of(ProblemType::kDeadline, "not answered in time");
      case AnswerCode::kCancelled:
        return Problem::of(ProblemType::kDraining, "the server is shutting down");
      case AnswerCode::kInternal:
      case AnswerCode::kPending:
        return Problem::of(ProblemType::kInternal, "the model failed");
    }
  }
  return std::nullopt;
}

void answer_infer(Exchange& exchange, Job& job) {
  const InferRequest& request = exchange.state<InferState>().request;
  const ModelShape shape = shape_of(*job.model);
  std::optional<Problem> problem = problem_of_rows(job, request);
  const bool stateless = shape.state_width != 0 && request.sequence.empty();
  if (!problem && stateless && job.next_states.size() != request.rows * shape.state_width) {
    problem = Problem::of(ProblemType::kInternal, "the model gave no states");
  }
  if (problem) return exchange.fail(std::move(*problem));
  const std::size_t json_bytes =
      write_infer(request, shape, job.model->name(), job.model->version(), job, exchange.body());
  if (json_bytes == 0) return exchange.send(200);
  exchange.add_header("Inference-Header-Content-Length", std::to_string(json_bytes));
  exchange.send(200, "application/octet-stream");
}

// One row of a sequence is the next second of a flow that the server remembers.
std::optional<Problem> enter_sequence(Exchange& exchange, const InferRequest& request, Job& job) {
  Engine& engine = exchange.services().engine;
  Job::Flow& flow = job.flows.front();
  flow.id = engine.flow_id(exchange.principal(), "oip/" + request.sequence);
  flow.end = request.sequence_end;
  if (request.sequence_start) {
    engine.forget(flow.id);
    return std::nullopt;
  }
  const std::unique_ptr<FlowView> view = engine.find(flow.id);
  if (!view) {
    return Problem::at("parameters",
                       "sequence " + request.sequence +
                           " is not known: its first request has sequence_start true, and without a "
                           "request for flows.idle_timeout_s it is forgotten");
  }
  job.answers.front().second = view->last_second + 1;
  return std::nullopt;
}

// Reads the body into `job`; nothing: go on.
std::optional<Problem> read_request(Exchange& exchange, const ServedModel& model, InferRequest& request,
                                    Job& job) {
  const Head& head = exchange.request().head;
  const std::string_view body = exchange.request().body;
  std::size_t json_bytes = body.size();
  if (!head.infer_header_bytes.empty()) {
    const auto bytes = parse_count(head.infer_header_bytes, body.size());
    if (!bytes) {
      return Problem::at("Inference-Header-Content-Length",
                         "an integer from 0 to the body's length is expected");
    }
    json_bytes = static_cast<std::size_t>(*bytes);
  }
  const auto most = static_cast<std::size_t>(exchange.services().config.limits.windows_per_request);
  request.clear();
  std::optional<Problem> problem =
      read_infer(exchange.json(), body, json_bytes, shape_of(model), most, request, job);
  exchange.json().trim();
  if (problem) return problem;
  job.flows.emplace_back();
  job.answers.resize(request.rows);
  return std::nullopt;
}

}  // namespace

void handle_live(Exchange& exchange) {
  JsonWriter(exchange.body()).begin_object().field("live", true).end_object();
  exchange.send(200);
}

void handle_ready(Exchange& exchange) {
  Services& services = exchange.services();
  if (!services.ready.load() || exchange.is_draining() || !services.models.find("")) {
    Problem problem = Problem::of(ProblemType::kNotReady, "the server takes no requests now");
    problem.retry_after_s = 1;
    return exchange.fail(std::move(problem));
  }
  JsonWriter(exchange.body()).begin_object().field("ready", true).end_object();
  exchange.send(200);
}

void handle_server_metadata(Exchange& exchange) {
  JsonWriter json(exchange.body());
  json.begin_object().field("name", "reelsense").field("version", exchange.services().version);
  json.key("extensions")
      .begin_array()
      .value("binary_tensor_data")
      .value("sequence")
      .value("model_repository_index");
  json.end_array().end_object();
  exchange.send(200);
}

void handle_model_metadata(Exchange& exchange) {
  const std::shared_ptr<const ServedModel> model = named_model(exchange);
  if (!model) return;
  const ModelShape shape = shape_of(*model);
  JsonWriter json(exchange.body());
  json.begin_object().field("name", model->name()).key("versions").begin_array();
  for (const ModelStatus& status : exchange.services().models.list()) {
    if (status.name == model->name() && status.model) json.value(status.version);
  }
  json.end_array().field("platform", model->tier() == Tier::kEdge ? "openvino" : "reelsense_core");
  json.key("inputs").begin_array();
  write_tensor(json, input_name(shape), "FP32", shape.width());
  if (shape.state_width != 0) write_tensor(json, "state", "FP32", shape.state_width);
  json.end_array().key("outputs").begin_array();
  for (const OutputTensor tensor : outputs_of(shape)) {
    write_tensor(json, name_of(tensor), datatype_of(tensor),
                 tensor == OutputTensor::kNextState ? shape.state_width : 1);
  }
  json.end_array().end_object();
  exchange.send(200);
}

void handle_model_ready(Exchange& exchange) {
  const std::shared_ptr<const ServedModel> model = named_model(exchange);
  if (!model) return;
  JsonWriter(exchange.body()).begin_object().field("name", model->name()).field("ready", true).end_object();
  exchange.send(200);
}

void handle_repository_index(Exchange& exchange) {
  JsonWriter json(exchange.body());
  json.begin_array();
  for (const ModelStatus& status : exchange.services().models.list()) {
    json.begin_object().field("name", status.name).field("version", status.version);
    json.field("state", status.model ? "READY" : "UNAVAILABLE").field("reason", status.reason).end_object();
  }
  json.end_array();
  exchange.send(200);
}

void handle_infer(Exchange& exchange) {
  std::shared_ptr<const ServedModel> model = named_model(exchange);
  if (!model) return;
  std::unique_ptr<Job> job = exchange.take_job();
  InferRequest& request = exchange.state<InferState>().request;
  std::optional<Problem> problem = read_request(exchange, *model, request, *job);
  if (!problem) problem = exchange.over_limit(request.rows);
  if (!problem && !request.sequence.empty()) problem = enter_sequence(exchange, request, *job);
  if (problem) {
    exchange.give_back(std::move(job));
    return exchange.fail(std::move(*problem));
  }
  if (!exchange.deadline(request.timeout_us, job->deadline_steady_ns))
    return exchange.give_back(std::move(job));
  job->model = std::move(model);
  job->exact = !exchange.request().parameters[1].empty() || names_version(exchange.request().parameters[0]);
  exchange.submit(std::move(job), answer_infer);
}

}  // namespace reelsense::server
