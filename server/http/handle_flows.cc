// /v1/flows and /v1/feedback.
#include "server/http/handlers.h"
#include "server/http/json_writer.h"
#include "server/http/storage_problem.h"

namespace reelsense::server {

namespace {

// The flow that the path names; nothing: answered.
std::optional<FlowId> named_flow(Exchange& exchange) {
  const std::optional<std::string> name = exchange.request().parameter(0);
  const auto most = static_cast<std::size_t>(exchange.services().config.limits.flow_name_bytes);
  if (!name) {
    exchange.fail(Problem::at("flow", "broken percent-encoding"));
    return std::nullopt;
  }
  if (name->size() > most) {
    exchange.fail(
        Problem::at("flow", std::to_string(name->size()) + " bytes; at most " + std::to_string(most)));
    return std::nullopt;
  }
  return exchange.services().engine.flow_id(exchange.principal(), *name);
}

void unknown_flow(Exchange& exchange) {
  exchange.fail(Problem::of(ProblemType::kUnknownFlow, "no flow of that name is known to your key"));
}

void write_flow(const FlowView& view, std::string& out) {
  std::string hash;
  append_hex(view.hash, hash);
  JsonWriter json(out);
  json.begin_object().field("hash", hash).field("model", view.model).field("generation", view.generation);
  json.field("windows", view.windows)
      .field("first_second", view.first_second)
      .field("last_second", view.last_second);
  json.field("idle_s", static_cast<double>(view.idle_ns) / 1e9).key("last").begin_array();
  for (const FlowView::Past& past : view.last) {
    json.begin_object().field("second", past.second).field("label", name_of(past.decision.label));
    json.field("confidence", past.decision.confidence).field("probability", past.decision.probability);
    json.field("uncertain", past.decision.uncertain).end_object();
  }
  json.end_array().end_object();
}

}  // namespace

void handle_flow(Exchange& exchange) {
  const std::optional<FlowId> id = named_flow(exchange);
  if (!id) return;
  const std::unique_ptr<FlowView> view = exchange.services().engine.find(*id);
  if (!view) return unknown_flow(exchange);
  write_flow(*view, exchange.body());
  exchange.send(200);
}

void handle_flow_delete(Exchange& exchange) {
  const std::optional<FlowId> id = named_flow(exchange);
  if (!id) return;
  if (!exchange.services().engine.forget(*id)) return unknown_flow(exchange);
  exchange.send_empty(204);
}

void handle_feedback(Exchange& exchange) {
  Services& services = exchange.services();
  if (services.log == nullptr) {
    exchange.fail(Problem::of(ProblemType::kLogOff, "log.file is empty: feedback cannot be stored"));
    return;
  }
  std::vector<TruthIn> truths;
  std::optional<Problem> problem =
      read_feedback(exchange.json(), exchange.request().body, exchange.rules(nullptr), truths);
  exchange.json().trim();
  if (problem) return exchange.fail(std::move(*problem));
  std::vector<FeedbackEntry> entries;
  entries.reserve(truths.size());
  std::size_t matched = 0;
  for (const TruthIn& truth : truths) {
    FeedbackEntry& entry = entries.emplace_back();
    entry.flow = truth.flow.high;
    entry.second = truth.second;
    entry.truth_video = truth.video;
    Decision decision;
    if (!services.engine.remembered(truth.flow, truth.second, decision, entry.model)) continue;
    entry.label_video = decision.label == Label::kVideo;
    entry.confidence = decision.confidence;
    ++matched;
  }
  const auto answer = [stored = entries.size(), matched](Exchange& done) {
    JsonWriter(done.body()).begin_object().field("stored", stored).field("matched", matched).end_object();
    done.send(200);
  };
  if (entries.empty()) return answer(exchange);
  auto later = std::make_shared<Later>(exchange.later());
  services.log->feedback(std::move(entries), [later, answer](const Status& status) {
    if (status.ok()) {
      (*later)(answer);
    } else {
      (*later)([problem = storage_problem(status.error())](Exchange& done) { done.fail(problem); });
    }
  });
}

}  // namespace reelsense::server
