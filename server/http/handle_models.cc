// /v1/models and /v1/aliases.
#include "server/http/handlers.h"
#include "server/http/json_writer.h"

namespace reelsense::server {

namespace {

void write_model(const ModelStatus& status, JsonWriter& json) {
  json.begin_object().field("name", status.name).field("version", status.version);
  json.field("id", status.name + "@" + status.version).field("state", name_of(status.state));
  if (!status.reason.empty()) json.field("reason", status.reason);
  if (status.model) {
    const ServedModel& model = *status.model;
    const bundle::Manifest& manifest = model.manifest();
    json.field("description", manifest.description).field("tier", name_of(model.tier()));
    json.field("view", model.schema().name).field("engine", model.engine());
    json.field("schema_hash", manifest.schema_hash).field("bins", model.bins());
    json.field("state_width", model.state_width()).field("threshold", manifest.threshold);
    json.key("uncertain")
        .begin_array()
        .value(manifest.uncertain_low)
        .value(manifest.uncertain_high)
        .end_array();
    json.key("features").begin_array();
    for (const FeatureDefinition& feature : model.schema().features) json.value(feature.name);
    json.end_array();
  }
  json.end_object();
}

struct NamedVersion {
  std::string model;
  std::string version;
};

// Of the path; nothing: answered.
std::optional<NamedVersion> named_version(Exchange& exchange) {
  std::optional<std::string> model = exchange.request().parameter(0);
  std::optional<std::string> version = exchange.request().parameter(1);
  if (model && version) return NamedVersion{std::move(*model), std::move(*version)};
  exchange.fail(Problem::at("model", "broken percent-encoding"));
  return std::nullopt;
}

// Loading reads and compiles a model: not on an io thread. Answers with the list as it is then.
void change_models(Exchange& exchange, std::function<Status(ModelRepository&)> change) {
  ModelRepository& models = exchange.services().models;
  exchange.in_background([&models, change = std::move(change)]() -> std::function<void(Exchange&)> {
    const Status status = change(models);
    if (status.ok()) return handle_models;
    return [problem = problem_of(status.error())](Exchange& done) { done.fail(problem); };
  });
}

}  // namespace

void handle_models(Exchange& exchange) {
  ModelRepository& models = exchange.services().models;
  JsonWriter json(exchange.body());
  json.begin_object().key("models").begin_array();
  for (const ModelStatus& status : models.list()) write_model(status, json);
  json.end_array().key("aliases").begin_object();
  for (const auto& [alias, reference] : models.aliases()) json.any_key(alias).value(reference);
  json.end_object();
  if (const auto model = models.find("")) json.field("default", model->id());
  json.end_object();
  exchange.send(200);
}

void handle_model_load(Exchange& exchange) {
  if (std::optional<NamedVersion> named = named_version(exchange)) {
    change_models(exchange,
                  [named](ModelRepository& models) { return models.load(named->model, named->version); });
  }
}

void handle_model_unload(Exchange& exchange) {
  if (std::optional<NamedVersion> named = named_version(exchange)) {
    change_models(exchange,
                  [named](ModelRepository& models) { return models.unload(named->model, named->version); });
  }
}

void handle_models_rescan(Exchange& exchange) {
  change_models(exchange, [](ModelRepository& models) {
    models.rescan();
    return ok_status();
  });
}

void handle_alias_put(Exchange& exchange) {
  const std::optional<std::string> alias = exchange.request().parameter(0);
  if (!alias) return exchange.fail(Problem::at("alias", "broken percent-encoding"));
  std::string reference;
  std::optional<Problem> problem = read_alias(exchange.json(), exchange.request().body, reference);
  if (problem) return exchange.fail(std::move(*problem));
  const Status status = exchange.services().models.set_alias(*alias, reference);
  if (!status.ok()) {
    const bool unknown = status.error().code == ErrorCode::kNotFound;
    return exchange.fail(unknown ? Problem::of(ProblemType::kUnknownModel, status.error().message)
                                 : problem_of(status.error()));
  }
  JsonWriter(exchange.body()).begin_object().field("alias", *alias).field("model", reference).end_object();
  exchange.send(200);
}

void handle_alias_delete(Exchange& exchange) {
  const std::optional<std::string> alias = exchange.request().parameter(0);
  if (!alias) return exchange.fail(Problem::at("alias", "broken percent-encoding"));
  const Status status = exchange.services().models.remove_alias(*alias);
  if (!status.ok()) return exchange.fail(problem_of(status.error()));
  exchange.send_empty(204);
}

}  // namespace reelsense::server
