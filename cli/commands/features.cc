// `reelsense features`: the feature vectors themselves, of captures or packet series, for training and study.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/commands/describe.h"
#include "cli/commands/series.h"
#include "cli/commands/view_run.h"
#include "cli/output/feature_writer.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

struct FeatureArguments {
  CaptureArguments capture;
  SeriesArguments series;
  std::string view = "packet";
  double coalesce_ms = 0;
  bool one_way = false;
  bool active_timeout_given = false;
  bool idle_timeout_given = false;
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
  const ViewSchema& schema = *find_view(arguments.view);
  std::string text;
  if (arguments.format.empty() || arguments.format == "text") {
    text = describe_as_text(schema);
  } else if (arguments.format == "json") {
    text = describe_as_json(schema);
  } else if (arguments.format == "markdown") {
    text = describe_as_markdown(schema);
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

// A record's exporter has timeouts of its own where none were asked for.
ViewRun view_run(const FeatureArguments& arguments, View view) {
  const auto to_ns = [](double seconds) { return static_cast<std::int64_t>(std::llround(seconds * 1e9)); };
  ViewRun run;
  run.view = view;
  run.files = arguments.capture.files;
  run.filter = arguments.capture.filter;
  run.max_flows = arguments.capture.max_flows;
  run.phase_us = arguments.series.phase_us;
  run.options.idle_timeout_ns = to_ns(arguments.capture.idle_timeout_s);
  run.options.active_timeout_ns = to_ns(arguments.capture.active_timeout_s);
  run.options.coalesce_ns = to_ns(arguments.coalesce_ms * 1e-3);
  run.options.exporter.one_way = arguments.one_way;
  if (arguments.active_timeout_given) run.options.exporter.active_timeout_ns = run.options.active_timeout_ns;
  if (arguments.idle_timeout_given) run.options.exporter.idle_timeout_ns = run.options.idle_timeout_ns;
  return run;
}

int run_other_view(const FeatureArguments& arguments, const ViewSchema& schema, bool series,
                   FeatureWriter& writer, Output& out) {
  const ViewRun run = view_run(arguments, schema.view);
  if (series) return run_view_series(run, writer, out);
  const std::string& path = run.files.front();
  const auto log = path == "-" ? std::nullopt : ingest::log_kind(path);
  if (!log) return run_view_captures(run, writer, out);
  if ((*log == ingest::LogKind::kRecords) != (schema.view == View::kRecord)) {
    return usage(path + ": a log of the other view than --view " + arguments.view);
  }
  return run_view_log(run, writer, out);
}

int run_into(const FeatureArguments& arguments, Output& out, Output* index) {
  const ViewSchema& schema = *find_view(arguments.view);
  if (schema.view == View::kRecord && arguments.bins) return usage("records have no 50 ms bins: --bins");
  if (schema.view != View::kPacket && arguments.capture.joined) return usage("--join needs --view packet");
  const bool npy = arguments.format == "npy";
  if (npy && !out.is_seekable()) return usage("--format npy needs --output FILE, a regular file");
  const std::string& first = arguments.capture.files.front();
  const bool series = is_packet_series(first);
  const bool log = first != "-" && ingest::log_kind(first).has_value();
  if (log && schema.view == View::kPacket) return usage(first + ": a log of another view: pass --view");
  if ((series || log) && arguments.capture.files.size() > 1)
    return usage("one packet series or log at a time");
  FeatureWriter writer(out, index, npy ? FeatureFormat::kNpy : FeatureFormat::kCsv, arguments.bins,
                       series || log ? FeatureIndex::kSeries : FeatureIndex::kCapture, schema);
  if (schema.view != View::kPacket) return run_other_view(arguments, schema, series, writer, out);
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
      "series (.npz), or one log (.csv) of the view");
  command
      ->add_option("--view", arguments->view,
                   "How the traffic is seen: packet, socket (bytes that an app reads and writes) or record "
                   "(NetFlow, IPFIX); of captures and series, sockets and records are derived")
      ->capture_default_str()
      ->check(CLI::IsMember({"packet", "socket", "record"}))
      ->type_name("VIEW");
  command
      ->add_option("--coalesce-ms", arguments->coalesce_ms,
                   "View socket, derived: what arrives is read at the next multiple of this many ms")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1000.0))
      ->type_name("MS");
  command->add_flag("--one-way", arguments->one_way,
                    "View record, derived: the exporter sees only packets towards the client");
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
      "A socket log has the header time_ns,connection,direction,bytes; a record log\n"
      "start_ns,end_ns,flow,bytes_up,bytes_down,packets_up,packets_down. Their flows are numbered in order "
      "of\n"
      "first lines. With --view record, --active-timeout (60 unless given) and --idle-timeout (15 unless "
      "given) "
      "are the\nexporter's, and a row's time is the second in which its record ends.\n\n"
      "Examples:\n"
      "  reelsense features trace.pcap -o features.csv\n"
      "  reelsense features trace.pcap --format npy -o rows.npy --index rows.csv\n"
      "  reelsense features series.npz --format npy -o rows.npy --index rows.csv --phase-us 250000\n"
      "  reelsense features --view socket events.csv\n"
      "  reelsense features --view record --active-timeout 5 trace.pcap\n"
      "  reelsense features --describe --view socket --format json");
  command->callback([&runner, arguments, command] {
    arguments->active_timeout_given = command->count("--active-timeout") != 0;
    arguments->idle_timeout_given = command->count("--idle-timeout") != 0;
    runner = [arguments] { return run_features(*arguments); };
  });
}

}  // namespace reelsense::cli
