// `reelsense model`: which bundles there are, what they say, whether they are whole.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ModelCommandArguments {
  ModelArguments models;
  bool json = false;
};

std::string float_text(float value) {
  char text[kMaxFloatText];
  return {text, put_float(text, value)};
}

int run_list(const ModelCommandArguments& arguments) {
  Json list = Json::array();
  std::string text;
  char line[512];
  for (const bundle::BundleRef& bundle : bundle::list_bundles(arguments.models.path())) {
    // A damaged manifest is listed too, so that it can be found.
    const auto manifest = bundle::load_manifest(bundle.directory);
    const std::string tier = manifest ? manifest.value().tier : "?";
    const std::string note = manifest ? manifest.value().description : manifest.error().message;
    list.push_back({{"name", bundle.name},
                    {"version", bundle.version.text()},
                    {"tier", tier},
                    {"folder", bundle.directory.string()},
                    {"note", note}});
    std::snprintf(line, sizeof line, "%-20s %-12s %-7s %s\n", bundle.name.c_str(),
                  bundle.version.text().c_str(), tier.c_str(), bundle.directory.c_str());
    text += line;
    if (!manifest) print_warning(note);
  }
  if (list.empty()) {
    std::string where;
    for (const auto& folder : arguments.models.path()) where += (where.empty() ? "" : ", ") + folder.string();
    print_warning("no model bundles in: " + where);
  }
  std::snprintf(line, sizeof line, "%-20s %-12s %-7s %s\n", "name", "version", "tier", "folder");
  return print(arguments.json ? list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                              : line + text);
}

Json to_json(const bundle::LoadedModel& loaded) {
  const Model& engine = loaded.model.model();
  const ModelInfo& info = engine.info();
  Json document;
  document["file"] = loaded.file.string();
  document["name"] = loaded.model.name();
  document["version"] = loaded.model.version();
  document["kind"] = info.trees != 0 ? "trees" : "linear";
  document["trees"] = info.trees;
  document["nodes"] = info.nodes;
  document["leaves"] = info.leaves;
  document["inputs"] = info.inputs;
  document["features"] = Json::array();
  for (const std::uint8_t feature : loaded.model.features()) {
    document["features"].push_back(loaded.model.schema().features[feature].name);
  }
  document["threshold"] = loaded.model.threshold();
  document["uncertain"] = {loaded.model.uncertain_low(), loaded.model.uncertain_high()};
  document["producer"] = info.producer;
  document["opset"] = info.opset;
  document["kernel"] = engine.kernel();
  document["metadata"] = Json::object();
  for (const auto& [key, value] : info.metadata) document["metadata"][key] = value;
  document["manifest"] = loaded.manifest ? Json::parse(loaded.manifest->json) : Json(nullptr);
  return document;
}

// The first level of a free-form object of the manifest; deeper values as compact JSON.
void add_object(std::string& text, const Json& manifest, const char* key) {
  text += std::string(key) + "\n";
  for (const auto& [name, value] : manifest[key].items()) {
    std::string shown = value.is_string() ? value.get<std::string>()
                                          : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (shown.size() > 160) shown = shown.substr(0, 157) + "...";
    text += "  " + name + ": " + shown + "\n";
  }
}

std::string to_text(const bundle::LoadedModel& loaded) {
  const Model& engine = loaded.model.model();
  const ModelInfo& info = engine.info();
  std::string text = loaded.id() + "\n";
  const auto line = [&](const char* name, const std::string& value) {
    char label[24];
    std::snprintf(label, sizeof label, "  %-13s ", name);
    text += label + value + "\n";
  };
  line("file", loaded.file.string());
  if (loaded.manifest) {
    if (!loaded.manifest->description.empty()) line("description", loaded.manifest->description);
    line("tier, view", loaded.manifest->tier + ", " + loaded.manifest->view);
    line("trained on", "data " + loaded.manifest->training_digest);
    line("source commit", loaded.manifest->source_commit.empty() ? "-" : loaded.manifest->source_commit);
  }
  line("schema hash", std::string(info.find("reelsense.schema_hash")));
  line("engine", (info.trees != 0 ? grouped(info.trees) + " trees, " + grouped(info.leaves) + " leaves"
                                  : std::string("linear")) +
                     ", kernel " + engine.kernel() + ", opset " + std::to_string(info.opset));
  line("threshold", float_text(loaded.model.threshold()) + ", uncertain between " +
                        float_text(loaded.model.uncertain_low()) + " and " +
                        float_text(loaded.model.uncertain_high()));
  std::string features;
  for (const std::uint8_t feature : loaded.model.features()) {
    features += (features.empty() ? "" : ", ") + std::string(loaded.model.schema().features[feature].name);
  }
  line("features", std::to_string(info.inputs) + ": " + features);
  if (loaded.manifest) {
    const Json manifest = Json::parse(loaded.manifest->json);
    for (const char* key : {"metrics", "calibration", "files"}) add_object(text, manifest, key);
  }
  return text;
}

int run_inspect(const ModelCommandArguments& arguments) {
  const auto loaded = arguments.models.load();
  if (!loaded) return kExitInput;
  return print(arguments.json ? to_json(*loaded).dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                              : to_text(*loaded));
}

int run_verify(const ModelCommandArguments& arguments) {
  const auto found = bundle::find_model(arguments.models.model, arguments.models.path());
  if (!found) {
    print_error(found.error().message);
    return kExitInput;
  }
  std::error_code code;
  if (!std::filesystem::is_directory(found.value(), code)) {
    print_error(found.value().string() + ": a bundle's folder is verified, not a file");
    return kExitInput;
  }
  std::string text;
  bool good = true;
  for (const bundle::Check& check : bundle::verify_bundle(found.value())) {
    good = good && !check.problem;
    text += (check.problem ? "FAILED  " : "ok      ") + check.what + "\n";
    if (check.problem) print_error(check.problem->message);
  }
  const int printed = print(text);
  return printed != kExitOk ? printed : good ? kExitOk : kExitInput;
}

using ModelRun = int (*)(const ModelCommandArguments&);

void add_one(CLI::App& model, Runner& runner, const char* name, const char* text, const char* footer,
             ModelRun run) {
  auto* command = model.add_subcommand(name, text);
  const auto arguments = std::make_shared<ModelCommandArguments>();
  if (run != run_list) {
    command
        ->add_option("MODEL", arguments->models.model,
                     "A bundle's folder, a .onnx file, or name[@version] in the models path")
        ->capture_default_str();
  }
  arguments->models.add_models_dir_to(*command);
  if (run != run_verify) command->add_flag("--json", arguments->json, "Print JSON");
  command->footer(footer);
  command->callback([&runner, arguments, run] { runner = [arguments, run] { return run(*arguments); }; });
}

}  // namespace

void add_model(CLI::App& app, Runner& runner) {
  auto* model = app.add_subcommand("model", "List, inspect and verify model bundles");
  model->require_subcommand(1);
  add_one(*model, runner, "list", "List the bundles in the models path", "Example:\n  reelsense model list",
          run_list);
  add_one(*model, runner, "inspect", "Print what a model is, reads and was measured at",
          "Examples:\n  reelsense model inspect\n  reelsense model inspect reelsense-ue@1.0.0 --json",
          run_inspect);
  add_one(*model, runner, "verify",
          "Check a bundle: manifest, SHA-256 of every file, model graph, schema and metadata",
          "Example:\n  reelsense model verify models/reelsense-ue/1.0.0", run_verify);
}

}  // namespace reelsense::cli
