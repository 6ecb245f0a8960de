#include <CLI/CLI.hpp>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "reelsense/features/schema.h"

namespace reelsense::cli {
namespace {

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

std::string version_text(const ModelArguments& models) {
  std::string text = "reelsense " REELSENSE_VERSION "\n";
  text += "schema    " + std::string(kPacketView) + "/v" + std::to_string(kPacketSchemaVersion) + " " +
          packet_schema_hash() + "\n";
  // The kernel is chosen for a model on this machine, so there is none without a model.
  const auto found = bundle::find_model(models.model, models.path());
  const auto loaded = found ? bundle::load_model(found.value()) : Result<bundle::LoadedModel>(found.error());
  text += "model     " + (loaded ? loaded.value().id() : "none: " + loaded.error().message) + "\n";
  if (loaded) text += "kernel    " + std::string(loaded.value().model.model().kernel()) + "\n";
  return text + "compiler  " + compiler() + "\n";
}

}  // namespace

void add_version(CLI::App& app, Runner& runner) {
  auto* command =
      app.add_subcommand("version", "Print the version, feature schema, default model and compiler");
  const auto models = std::make_shared<ModelArguments>();
  models->add_models_dir_to(*command);
  command->footer("Example:\n  reelsense version");
  command->callback([&runner, models] { runner = [models] { return print(version_text(*models)); }; });
}

}  // namespace reelsense::cli
