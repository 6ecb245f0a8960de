// `reelsense bench-server`: what a server can do, measured with the windows of captures.
#include <CLI/CLI.hpp>
#include <unordered_map>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

struct BenchArguments {
  CaptureArguments capture;
  ServerArguments server;
  BenchOptions bench;
  std::string mode = "stream";
  std::string output;
};

// Keeps windows by flow, up to a bound; more variety than that makes no difference to a server.
class SampleSink : public ClassifierSink {
 public:
  static constexpr std::size_t kMaxWindows = 65'536;

  void on_windows(std::span<const WindowRow> rows) override {
    for (const WindowRow& row : rows) {
      if (windows_ == kMaxWindows) return;
      ++windows_;
      const auto [at, added] = places_.try_emplace(row.flow_id, sample_.size());
      if (added) sample_.emplace_back();
      sample_[at->second].push_back(
          {{row.features, row.features + kFeatureCount}, {row.bins, row.bins + kBinValues}});
    }
  }
  [[nodiscard]] bool full() const noexcept { return windows_ == kMaxWindows; }
  [[nodiscard]] const TrafficSample& sample() const noexcept { return sample_; }

 private:
  TrafficSample sample_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
  std::size_t windows_ = 0;
};

// What cannot be, in words; empty: all fits.
std::string contradiction(const BenchOptions& bench) {
  if (bench.in_flight < bench.windows_per_message)
    return "--in-flight is less than one message of --windows-per-message";
  if (bench.clients < bench.threads) return "--threads is more than --clients";
  return {};
}

int run_bench_server(const BenchArguments& arguments) {
  BenchOptions bench = arguments.bench;
  bench.server = arguments.server.options;
  bench.mode = arguments.mode == "rest"    ? LoadMode::kRest
               : arguments.mode == "unary" ? LoadMode::kUnary
                                           : LoadMode::kStream;
  if (const std::string problem = contradiction(bench); !problem.empty()) {
    print_error(problem);
    return kExitUsage;
  }
  SampleSink sink;
  auto classifier = Classifier::create(nullptr, sink, arguments.capture.classifier_options());
  if (!classifier) {
    print_error(classifier.error().message);
    return kExitUsage;
  }
  return with_output(arguments.output, [&](Output& out) -> int {
    CaptureRunOptions options = arguments.capture.run_options();
    options.stop = [&sink] { return sink.full(); };
    CaptureRun run(std::move(options), classifier.value(), out);
    const int code = run.run();
    if (code != kExitOk && code != kExitDamaged) return code;
    if (sink.sample().empty()) {
      print_error("no windows in the captures; the load is made of theirs");
      return kExitInput;
    }
    return run_bench(bench, sink.sample(), out);
  });
}

void add_load_options(CLI::App& command, BenchArguments& arguments) {
  BenchOptions& bench = arguments.bench;
  command.add_option("--mode", arguments.mode, "stream or unary (gRPC), or rest (HTTP/1.1, an http:// URL)")
      ->check(CLI::IsMember({"stream", "unary", "rest"}))
      ->capture_default_str()
      ->type_name("MODE");
  command
      .add_option("-m,--model", bench.model,
                  "Model to ask for: name, name@version or alias; default: the server's")
      ->type_name("MODEL");
  command.add_option("--windows-per-message", bench.windows_per_message, "Windows in each request")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--clients", bench.clients, "Connections, each with one stream in mode stream")
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str()
      ->type_name("C");
  command.add_option("--flows", bench.flows, "Virtual flows of each client, whose windows come in turn")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str()
      ->type_name("F");
  command
      .add_option("--rate", bench.rate,
                  "Windows a second, of all clients together, sent whether or not earlier ones were "
                  "answered; 0: each "
                  "client sends as soon as --in-flight allows")
      ->check(CLI::Range(0.0, 1e8))
      ->capture_default_str()
      ->type_name("R");
  command
      .add_option("--in-flight", bench.in_flight,
                  "Windows of a client that may wait for answers; mode rest sends one request at a time")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str()
      ->type_name("W");
  command.add_option("--duration", bench.duration_s, "Seconds to measure")
      ->check(CLI::Range(0.1, 86'400.0))
      ->capture_default_str()
      ->type_name("S");
  command.add_option("--warmup", bench.warmup_s, "Seconds of load before")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str()
      ->type_name("S");
  command.add_option("--threads", bench.threads, "Threads that make the load")
      ->check(CLI::Range(1, 256))
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--server-pid", bench.server_pid,
                  "Process of the server, on this machine: its processor time and memory are told too")
      ->type_name("PID");
  command.add_flag("--json", bench.json, "Print one JSON object instead of a table");
}

}  // namespace

void add_bench_server(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("bench-server", "Measure a reelsense-server under load");
  const auto arguments = std::make_shared<BenchArguments>();
  arguments->capture.add_to(*command);
  arguments->server.add_to(
      *command, "The server: grpc://host:port, grpcs://host:port, or http://host:port for --mode rest", true);
  add_load_options(*command, *arguments);
  add_output_to(*command, arguments->output);
  command->footer(
      "The captures' windows are made once; each virtual flow then sends those of one of their flows, over "
      "and over,\n"
      "with rising seconds. A first request is checked before anything is timed. Latency is of each window: "
      "with\n"
      "--rate from the moment at which it was due, else from the moment at which it was sent, to its "
      "label.\n\n"
      "Examples:\n"
      "  reelsense bench-server --server localhost:8081 tests/captures/*.pcap\n"
      "  reelsense bench-server --server localhost:8081 --server-pid \"$(pidof reelsense-server)\" \\\n"
      "    --windows-per-message 1 --clients 16 --duration 20 trace.pcap\n"
      "  reelsense bench-server --server http://localhost:8080 --mode rest --rate 5000 --json trace.pcap");
  command->callback([&runner, arguments] { runner = [arguments] { return run_bench_server(*arguments); }; });
}

}  // namespace reelsense::cli
