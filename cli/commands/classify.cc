// `reelsense classify`: the main job, captures to labels.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/terminal.h"
#include "cli/ribbon.h"
#include "cli/run/label_sink.h"
#include "cli/run/summary.h"

namespace reelsense::cli {
namespace {

struct ClassifyArguments {
  CaptureArguments capture;
  ModelArguments model;
  std::string format;
  std::string output;
  std::string scope = "flow";
  std::string colour = "auto";
  std::string summary;
  std::string truth;
  bool ribbon = false;
  std::size_t top = 20;
  float min_confidence = 0;
};

Terminal terminal_for(const Output& out, const std::string& colour) {
  Terminal terminal = Terminal::of(out);
  if (colour == "always") terminal.colour = true;
  if (colour == "never") terminal.colour = false;
  return terminal;
}

void print_summary(const ClassifyArguments& arguments, const Summary& summary) {
  print_run_warnings(summary);
  if (summary.truth && arguments.summary != "json") {
    const std::string text = truth_as_text(*summary.truth);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  if (arguments.summary.empty()) return;
  const std::string text = arguments.summary == "json" ? summary_as_json(summary) : summary_as_text(summary);
  std::fwrite(text.data(), 1, text.size(), stderr);
}

LabelSinkOptions sink_options(const ClassifyArguments& arguments, const Output& out, Truth* truth) {
  const auto& files = arguments.capture.files;
  LabelSinkOptions options;
  options.sessions = arguments.scope == "session";
  options.min_confidence = arguments.min_confidence;
  options.flush_seconds = out.is_terminal() || std::find(files.begin(), files.end(), "-") != files.end();
  options.latency = !arguments.summary.empty();
  options.max_sessions = arguments.capture.max_flows;
  options.truth = truth;
  return options;
}

// Rows go to `rows_to` (null: nowhere), the ribbon (if asked for) to standard output.
int classify(const ClassifyArguments& arguments, const bundle::LoadedModel& model, Truth* truth,
             Output* rows_to, Output* ribbon_to) {
  Output& main = rows_to != nullptr ? *rows_to : *ribbon_to;
  const Terminal terminal = terminal_for(main, arguments.colour);
  std::unique_ptr<RowWriter> rows;
  if (rows_to != nullptr) {
    rows = RowWriter::create(row_format(arguments.format, terminal), *rows_to, terminal, model.id());
  }
  Ribbon ribbon(arguments.top);
  LabelSink sink(model.model, main, rows.get(), ribbon_to != nullptr ? &ribbon : nullptr,
                 sink_options(arguments, main, truth));
  auto classifier = Classifier::create(&model.model, sink, arguments.capture.classifier_options());
  if (!classifier) {
    print_error(classifier.error().message);
    return kExitUsage;
  }
  CaptureRunOptions options = arguments.capture.run_options();
  options.progress = rows_to == nullptr || !rows_to->is_terminal();
  options.on_end = [&](const std::string& name) {
    sink.end_input();
    if (ribbon_to == nullptr) return;
    ribbon_to->write(ribbon.draw(name, terminal_for(*ribbon_to, arguments.colour)) + "\n");
    ribbon_to->flush();
  };
  if (rows) rows->write_header();
  CaptureRun run(std::move(options), classifier.value(), main);
  const int code = run.run();
  main.flush();  // so that on a terminal the summary comes after the last row

  Summary summary;
  summary.read = run.totals();
  summary.stats = classifier.value().stats();
  summary.max_flows = arguments.capture.max_flows;
  summary.model = model.id();
  summary.kernel = model.model.model().kernel();
  sink.fill(summary);
  print_summary(arguments, summary);
  return code;
}

int run_classify(const ClassifyArguments& arguments) {
  if (!arguments.summary.empty() && arguments.summary != "text" && arguments.summary != "json") {
    print_error("--summary=" + arguments.summary + ": text or json");
    return kExitUsage;
  }
  const auto model = arguments.model.load();
  if (!model) return kExitInput;
  std::optional<Truth> truth;
  if (!arguments.truth.empty()) {
    auto read = Truth::read(arguments.truth);
    if (!read) {
      print_error(read.error().message);
      return kExitInput;
    }
    truth = std::move(read).value();
  }
  Truth* const known = truth ? &*truth : nullptr;
  const bool has_file = !arguments.output.empty() && arguments.output != "-";
  if (!arguments.ribbon) {
    return with_output(arguments.output,
                       [&](Output& out) { return classify(arguments, *model, known, &out, nullptr); });
  }
  return with_output("-", [&](Output& picture) -> int {
    if (!has_file) return classify(arguments, *model, known, nullptr, &picture);
    return with_output(arguments.output,
                       [&](Output& rows) { return classify(arguments, *model, known, &rows, &picture); });
  });
}

void add_output_options(CLI::App& command, ClassifyArguments& arguments) {
  command
      .add_option("--format", arguments.format,
                  "Rows as table, csv or jsonl; default: table on a terminal, else csv")
      ->check(CLI::IsMember({"table", "csv", "jsonl"}))
      ->type_name("FORMAT");
  add_output_to(command, arguments.output);
  command
      .add_option(
          "--scope", arguments.scope,
          "flow: a row a flow and second with packets. session: a row a client address and second, also "
          "through idle seconds (at most 20 s after its last packet)")
      ->check(CLI::IsMember({"flow", "session"}))
      ->capture_default_str()
      ->type_name("SCOPE");
  command
      .add_option("--min-confidence", arguments.min_confidence,
                  "Leave out rows whose label is less certain than this; the summary counts them")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("C");
  command.add_flag(
      "--ribbon", arguments.ribbon,
      "Draw a ribbon a flow (or session) instead of rows, a cell a second; with -o FILE the rows still go "
      "to the file");
  command.add_option("--top", arguments.top, "The ribbon shows this many flows, by bytes")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--color,--colour", arguments.colour,
                  "Colour: auto (a terminal, and NO_COLOR not set), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str()
      ->type_name("WHEN");
  command.add_flag(
      "--summary{text}", arguments.summary,
      "Print counts, speed and inference latency on standard error when done; --summary=json as one JSON "
      "object");
  command
      .add_option(
          "--truth", arguments.truth,
          "Compare the labels of flows with the truth in this CSV file (columns time, the five-tuple, "
          "label; the lab's truth.csv) and print recall, specificity and F1 on standard error")
      ->type_name("FILE");
}

}  // namespace

void add_classify(CLI::App& app, Runner& runner) {
  auto* command =
      app.add_subcommand("classify", "Label every flow and second of captures as video or non-video");
  const auto arguments = std::make_shared<ClassifyArguments>();
  arguments->capture.add_to(*command);
  arguments->model.add_to(*command);
  add_output_options(*command, *arguments);
  command->footer(
      "Columns: time (start of the second, epoch seconds), client_ip, client_port, server_ip, server_port, "
      "protocol\n"
      "(tcp, udp, ... or a number), label (video, non-video), confidence (0.5 to 1), uncertain (0, 1), "
      "packets_up,\n"
      "packets_down, bytes_up, bytes_down, model (name@version). Rows come in the order of their seconds. In "
      "scope\n"
      "session ports, server and protocol are empty (null in jsonl). IP addresses of IPv6 follow RFC "
      "5952.\n\n"
      "Several files are processed one after another. One that cannot be used is told and passed over, and "
      "the exit\n"
      "status is 2.\n\n"
      "Examples:\n"
      "  reelsense classify trace.pcap --ribbon --summary\n"
      "  reelsense classify trace.pcapng.zst -o labels.csv --summary=json\n"
      "  reelsense classify trace.pcap --truth truth.csv -o labels.csv\n"
      "  reelsense classify --filter 'udp port 443' --format jsonl day-*.pcap\n"
      "  tcpdump -i wlan0 -s 96 -w - | reelsense classify -");
  command->callback([&runner, arguments] { runner = [arguments] { return run_classify(*arguments); }; });
}

}  // namespace reelsense::cli
