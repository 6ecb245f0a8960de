// The command line of `reelsense-server`. Thread safety: none.
#pragma once

#include <optional>
#include <string>

#include "server/config/config.h"

namespace reelsense::server {

enum class Task : std::uint8_t {
  kServe,
  kCheckConfig,
  kPrintConfig,
  kReference,  // a page of the documentation
  kNewKey,
  kVersion,
};

struct CommandLine {
  Task task = Task::kServe;
  ConfigSources sources;
  std::string reference;  // "config", "metrics"
  std::string key_name;   // kNewKey
  std::uint8_t key_scopes = 0;
};

// What to do, or the exit code if that is to stop here (help was shown, or a usage error told).
struct Parsed {
  std::optional<CommandLine> command;
  int exit_code = 0;
};
Parsed parse_command_line(int argc, char** argv);

}  // namespace reelsense::server
