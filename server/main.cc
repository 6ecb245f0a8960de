// `reelsense-server`: the edge tier as a service.
#include <cstdio>

#include "server/app/command_line.h"
#include "server/app/process.h"
#include "server/metrics/metrics.h"
#include "server/security/api_keys.h"

using namespace reelsense::server;

namespace {

constexpr int kExitConfig = 1;

int print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0
             ? 0
             : kExitConfig;
}

int refuse(const reelsense::Error& error) {
  std::fprintf(stderr, "reelsense-server: %s\n", error.message.c_str());
  return kExitConfig;
}

int new_key(const CommandLine& command) {
  const NewKey made = make_key(command.key_name, command.key_scopes);
  std::fprintf(stderr, "key (shown once): %s\n", made.key.c_str());
  return print(made.entry);
}

}  // namespace

int main(int argc, char** argv) {
  const Parsed parsed = parse_command_line(argc, argv);
  if (!parsed.command) return parsed.exit_code;
  const CommandLine& command = *parsed.command;
  switch (command.task) {
    case Task::kVersion:
      return print("reelsense-server " REELSENSE_VERSION "\n");
    case Task::kReference:
      return print(command.reference == "config" ? config_reference() : Metrics::reference());
    case Task::kNewKey:
      return new_key(command);
    case Task::kPrintConfig: {
      const auto text = print_config(command.sources);
      return text ? print(text.value()) : refuse(text.error());
    }
    case Task::kCheckConfig:
    case Task::kServe:
      break;
  }
  const auto config = load_config(command.sources);
  if (!config) return refuse(config.error());
  if (command.task == Task::kCheckConfig) return print("the configuration is good\n");
  return run_server(config.value(), REELSENSE_VERSION);
}
