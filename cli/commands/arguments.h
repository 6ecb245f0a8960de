// Options that several subcommands share, and how they become objects. Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/output/output.h"
#include "cli/remote/remote.h"
#include "cli/run/capture_run.h"
#include "reelsense/bundle/bundle.h"
#include "reelsense/classifier/classifier.h"

namespace CLI {
class App;  // its header is slow to compile; only definitions of options need it
}

namespace reelsense::cli {

struct CaptureArguments {
  std::vector<std::string> files;
  std::string filter;
  bool joined = false;
  std::uint32_t max_flows = ClassifierOptions{}.max_flows;
  double idle_timeout_s = 120;
  double active_timeout_s = 3600;

  // FILE…, --filter, --join, --max-flows, --idle-timeout, --active-timeout
  void add_to(CLI::App& command);
  [[nodiscard]] ClassifierOptions classifier_options() const;
  [[nodiscard]] CaptureRunOptions run_options() const;
};

// How to reach a server.
struct ServerArguments {
  ServerOptions options;

  // --server, --api-key-file, --ca, --cert, --key
  void add_to(CLI::App& command, const std::string& server_text, bool required);
};

struct ModelArguments {
  std::string model = std::string(bundle::kDefaultModel);
  std::string models_dir;

  // --model, --models-dir
  void add_to(CLI::App& command);
  void add_models_dir_to(CLI::App& command);
  [[nodiscard]] std::vector<std::filesystem::path> path() const;
  // Finds and loads; on failure tells why on standard error and returns nothing (the exit code is
  // kExitInput).
  [[nodiscard]] std::optional<bundle::LoadedModel> load() const;
};

// -o,--output
void add_output_to(CLI::App& command, std::string& path);

// Opens `path` and calls `body`; then closes the output and turns a failed write into kExitOutput.
int with_output(const std::string& path, const std::function<int(Output&)>& body);

// Writes `text` to standard output.
int print(const std::string& text);

}  // namespace reelsense::cli
