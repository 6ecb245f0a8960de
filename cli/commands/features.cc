// `reelsense features`: the feature vectors themselves, of captures or packet series, for training and study.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/describe.h"
#include "cli/commands/series.h"
#include "cli/output/feature_writer.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

struct FeatureArguments {
  CaptureArguments capture;
  SeriesArguments series;
  bool describe = false;
  std::string format;
  std::string output;
  std::string index;
  bool bins = false;
};

class FeatureSink : public ClassifierSink {
 public:
  explicit FeatureSink(FeatureWriter& writer) : writer_(writer) {}
  void on_windows(std::span<const WindowRow> rows) override {
    for (const WindowRow& row : rows) writer_.write(row);
  }

 private:
  FeatureWriter& writer_;
};

int usage(const std::string& message) {
  print_error(message);
  return kExitUsage;
}

int run_describe(const FeatureArguments& arguments) {
  std::string text;
  if (arguments.format.empty() || arguments.format == "text") {
    text = describe_as_text();
  } else if (arguments.format == "json") {
    text = describe_as_json();
  } else if (arguments.format == "markdown") {
    text = describe_as_markdown();
  } else {
    return usage("--describe has the formats text, json and markdown, not " + arguments.format);
  }
  return with_output(arguments.output, [&](Output& out) {
    out.write(text);
    return kExitOk;
  });
}

// Packet series are zip archives; the two bytes cannot begin a capture.
bool is_packet_series(const std::string& path) {
  char magic[2] = {};
  if (path == "-") return false;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  return file && std::fread(magic, 1, 2, file.get()) == 2 && magic[0] == 'P' && magic[1] == 'K';
}

int run_captures(const FeatureArguments& arguments, FeatureWriter& writer, Output& out) {
  FeatureSink sink(writer);
  auto classifier = Classifier::create(nullptr, sink, arguments.capture.classifier_options());
  if (!classifier) return usage(classifier.error().message);
  CaptureRunOptions options = arguments.capture.run_options();
  options.progress = !out.is_terminal();
  writer.write_header();
  CaptureRun run(std::move(options), classifier.value(), out);
  const int code = run.run();
  writer.finish();
  return code;
}

int run_into(const FeatureArguments& arguments, Output& out, Output* index) {
  const bool npy = arguments.format == "npy";
  if (npy && !out.is_seekable()) return usage("--format npy needs --output FILE, a regular file");
  const bool series = is_packet_series(arguments.capture.files.front());
  if (series && arguments.capture.files.size() > 1) return usage("one packet series at a time");
  FeatureWriter writer(out, index, npy ? FeatureFormat::kNpy : FeatureFormat::kCsv, arguments.bins,
                       series ? FeatureIndex::kSeries : FeatureIndex::kCapture);
  if (!series) return run_captures(arguments, writer, out);
  SeriesArguments options = arguments.series;
  options.idle_timeout_s = arguments.capture.idle_timeout_s;
  options.active_timeout_s = arguments.capture.active_timeout_s;
  return run_series(arguments.capture.files.front(), options, writer, out);
}

int run_features(const FeatureArguments& arguments) {
  if (arguments.describe) return run_describe(arguments);
  if (arguments.capture.files.empty()) return usage("FILE is required (or --describe)");
  if (!arguments.format.empty() && arguments.format != "csv" && arguments.format != "npy") {
    return usage("rows have the formats csv and npy, not " + arguments.format);
  }
  return with_output(arguments.output, [&](Output& out) -> int {
    if (arguments.index.empty()) return run_into(arguments, out, nullptr);
    return with_output(arguments.index, [&](Output& index) { return run_into(arguments, out, &index); });
  });
}

}  // namespace

void add_features(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("features", "Write the feature vector of every flow and second");
  const auto arguments = std::make_shared<FeatureArguments>();
  arguments->capture.add_to(*command);
  command->get_option("FILE")->required(false)->description(
      "Capture files (pcap or pcapng, also gzip- or zstd-compressed; - is standard input), or one packet "
      "series (.npz)");
  command->add_flag("--describe", arguments->describe,
                    "Print the feature table instead: names, units, formulas");
  command
      ->add_option(
          "--format", arguments->format,
          "Rows: csv (default) or npy, float32 [rows, features]. With --describe: text (default), json or "
          "markdown")
      ->check(CLI::IsMember({"csv", "npy", "text", "json", "markdown"}))
      ->type_name("FORMAT");
  add_output_to(*command, arguments->output);
  command
      ->add_option("--index", arguments->index, "With npy: also write a CSV file that says what each row is")
      ->type_name("FILE");
  command->add_flag("--bins", arguments->bins, "Add the 50 ms byte bins to each row: 20 down, then 20 up");
  command
      ->add_option("--phase-us", arguments->series.phase_us,
                   "Packet series: where in a second each flow's first packet falls, in microseconds")
      ->capture_default_str()
      ->check(CLI::Range(0, 999'999))
      ->type_name("N");
  command->footer(
      "The index of a capture has the columns time, flow (its number in order of first packets), client_ip,\n"
      "client_port, server_ip, server_port, protocol, packets_up, packets_down, bytes_up, bytes_down; that "
      "of a packet\n"
      "series flow (its place in the series), second (since the flow's own first second), packets_up, "
      "packets_down,\n"
      "bytes_up, bytes_down, by flow and second.\n\n"
      "Examples:\n"
      "  reelsense features trace.pcap -o features.csv\n"
      "  reelsense features trace.pcap --format npy -o rows.npy --index rows.csv\n"
      "  reelsense features series.npz --format npy -o rows.npy --index rows.csv --phase-us 250000\n"
      "  reelsense features --describe --format json");
  command->callback([&runner, arguments] { runner = [arguments] { return run_features(*arguments); }; });
}

}  // namespace reelsense::cli
