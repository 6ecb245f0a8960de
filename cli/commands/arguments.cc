#include "cli/commands/arguments.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>

#include "cli/exit_code.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

std::int64_t to_ns(double seconds) {
  return static_cast<std::int64_t>(std::llround(seconds * 1e9));
}

std::filesystem::path executable() {
  std::error_code code;
  return std::filesystem::read_symlink("/proc/self/exe", code);
}

}  // namespace

void CaptureArguments::add_to(CLI::App& command) {
  command
      .add_option("FILE", files,
                  "Capture files: pcap or pcapng, also gzip- or zstd-compressed; - is standard input")
      ->required();
  command.add_option("--filter", filter, "Only packets that this BPF expression (pcap-filter(7)) matches")
      ->type_name("BPF");
  command.add_flag(
      "--join", joined,
      "Take the files as one capture, in the order given (as tcpdump -C or -G wrote them); without it "
      "flows end with their file");
  command
      .add_option("--max-flows", max_flows, "Flows in the table at most; when it is full, flows are evicted")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--idle-timeout", idle_timeout_s, "Seconds without a packet after which a flow ends")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 86400.0))
      ->type_name("S");
  command.add_option("--active-timeout", active_timeout_s, "Seconds after which a flow ends and starts anew")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 604800.0))
      ->type_name("S");
}

ClassifierOptions CaptureArguments::classifier_options() const {
  ClassifierOptions options;
  options.max_flows = max_flows;
  options.idle_timeout_ns = to_ns(idle_timeout_s);
  options.active_timeout_ns = to_ns(active_timeout_s);
  return options;
}

CaptureRunOptions CaptureArguments::run_options() const {
  CaptureRunOptions options;
  options.files = files;
  options.filter = filter;
  options.joined = joined;
  return options;
}

void ServerArguments::add_to(CLI::App& command, const std::string& server_text, bool required) {
  command.add_option("--server", options.url, server_text)->required(required)->type_name("URL");
  command
      .add_option("--api-key-file", options.api_key_file,
                  "File with the server's API key, instead of $REELSENSE_API_KEY")
      ->type_name("FILE");
  command
      .add_option("--ca", options.ca,
                  "Certificates (PEM) that a grpcs:// server is trusted by, instead of the system's")
      ->type_name("FILE");
  command
      .add_option("--cert", options.certificate,
                  "Certificate (PEM) to show to a grpcs:// server that asks for one")
      ->type_name("FILE");
  command.add_option("--key", options.key, "Private key (PEM) of --cert")->type_name("FILE");
}

void ModelArguments::add_to(CLI::App& command) {
  command
      .add_option("-m,--model", model,
                  "A bundle's folder, a .onnx file, or name[@version] in the models path")
      ->capture_default_str()
      ->type_name("MODEL");
  add_models_dir_to(command);
}

void ModelArguments::add_models_dir_to(CLI::App& command) {
  command
      .add_option(
          "--models-dir", models_dir,
          "Folder with <name>/<version>/ bundles, instead of $REELSENSE_MODELS (folders separated by ':'), "
          "else models/ of the source checkout, ../share/reelsense/models and /usr/share/reelsense/models")
      ->type_name("DIR");
}

std::vector<std::filesystem::path> ModelArguments::path() const {
  return bundle::models_path(models_dir, std::getenv("REELSENSE_MODELS"), executable());
}

std::optional<bundle::LoadedModel> ModelArguments::load() const {
  const auto found = bundle::find_model(model, path());
  if (!found) {
    print_error(found.error().message);
    return std::nullopt;
  }
  auto loaded = bundle::load_model(found.value());
  if (!loaded) {
    print_error(loaded.error().message);
    return std::nullopt;
  }
  return std::move(loaded).value();
}

void add_output_to(CLI::App& command, std::string& path) {
  command.add_option("-o,--output", path, "Write to this file instead of standard output")->type_name("FILE");
}

int with_output(const std::string& path, const std::function<int(Output&)>& body) {
  auto out = Output::open(path);
  if (!out) {
    print_error(out.error().message);
    return kExitOutput;
  }
  const int code = body(out.value());
  if (out.value().close()) return code;
  print_error(out.value().error() + "; the output is incomplete");
  return kExitOutput;
}

int print(const std::string& text) {
  return with_output("-", [&](Output& out) {
    out.write(text);
    return kExitOk;
  });
}

}  // namespace reelsense::cli
