#include "server/app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "server/security/principal.h"

extern char** environ;

namespace reelsense::server {
namespace {

constexpr int kExitUsage = 1;
constexpr std::string_view kPrefix = "REELSENSE_";

std::map<std::string, std::string> our_environment() {
  std::map<std::string, std::string> ours;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && text.starts_with(kPrefix)) {
      ours.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return ours;
}

std::uint8_t scopes_of(const std::vector<std::string>& names) {
  std::uint8_t scopes = 0;
  for (const std::string& name : names) {
    if (name == "infer") scopes |= static_cast<std::uint8_t>(Scope::kInfer);
    if (name == "feedback") scopes |= static_cast<std::uint8_t>(Scope::kFeedback);
    if (name == "admin") scopes |= static_cast<std::uint8_t>(Scope::kAdmin);
  }
  return scopes;
}

// Values of flags live as long as the parser.
struct Flags {
  std::vector<std::pair<std::string, std::string>> names;  // name, meaning
  std::vector<std::string> values;
};

void add_config_flags(CLI::App& app, Flags& flags) {
  flags.names = config_flags();
  flags.values.resize(flags.names.size());
  for (std::size_t i = 0; i < flags.names.size(); ++i) {
    const auto& [name, meaning] = flags.names[i];
    app.add_option("--" + name, flags.values[i], meaning)->type_name("VALUE")->group("Configuration");
  }
}

}  // namespace

Parsed parse_command_line(int argc, char** argv) {
  CLI::App app{
      "Labels encrypted traffic as video or non-video, per flow and second: REST, gRPC and the Open "
      "Inference "
      "Protocol over the models of both tiers."};
  app.name("reelsense-server");
  CommandLine command;
  std::string file;
  bool check = false, print = false, version = false;
  app.add_option("-c,--config", file,
                 "Configuration file (TOML); docs/reference/server-configuration.md lists every key")
      ->type_name("FILE");
  app.add_flag("--check-config", check, "Check the configuration, say what is wrong with it, and exit");
  app.add_flag("--print-config", print,
               "Print the whole configuration in effect, and where each value is from");
  app.add_flag("--version", version, "Print the version");
  app.add_option("--reference", command.reference, "Print a page of the reference documentation")
      ->check(CLI::IsMember({"config", "metrics"}))
      ->type_name("PAGE");
  Flags flags;
  add_config_flags(app, flags);

  CLI::App* const key = app.add_subcommand("key", "API keys");
  key->require_subcommand(1);
  CLI::App* const fresh =
      key->add_subcommand("new", "Make a key: prints it once, and the entry for auth.keys_file");
  std::vector<std::string> scopes = {"infer", "feedback"};
  fresh->add_option("--name", command.key_name, "Whose key it is")->required()->type_name("NAME");
  fresh->add_option("--scope", scopes, "infer, feedback, admin; repeat for several")
      ->check(CLI::IsMember({"infer", "feedback", "admin"}))
      ->capture_default_str()
      ->type_name("SCOPE");

  app.footer(
      "A value is taken from, later wins: defaults, the file, the environment "
      "(REELSENSE_SCHEDULER_MAX_BATCH=32), flags\n"
      "(--scheduler.max-batch 32). SIGTERM drains and ends; SIGHUP reads the API keys again.\n\n"
      "Examples:\n"
      "  reelsense-server                                     on loopback, with the shipped models\n"
      "  reelsense-server -c /etc/reelsense/server.toml --check-config\n"
      "  reelsense-server --http.listen 127.0.0.1:9000 --log.file ''\n"
      "  reelsense-server key new --name collector-7 --scope infer >> keys.toml");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return {std::nullopt, code == 0 ? 0 : kExitUsage};
  }
  command.sources.file = file;
  command.sources.environment = our_environment();
  for (std::size_t i = 0; i < flags.names.size(); ++i) {
    const auto* const option = app.get_option("--" + flags.names[i].first);
    if (option->count() > 0) command.sources.flags.emplace_back(flags.names[i].first, flags.values[i]);
  }
  if (fresh->parsed()) {
    command.task = Task::kNewKey;
    command.key_scopes = scopes_of(scopes);
  } else if (version) {
    command.task = Task::kVersion;
  } else if (!command.reference.empty()) {
    command.task = Task::kReference;
  } else if (print) {
    command.task = Task::kPrintConfig;
  } else if (check) {
    command.task = Task::kCheckConfig;
  }
  return {command, 0};
}

}  // namespace reelsense::server
