// `reelsense decide`: captures to QoS decisions, the same that an app gets from the C ABI.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/decision_writer.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"
#include "cli/run/decision_sink.h"
#include "cli/run/policy_file.h"
#include "cli/run/summary.h"

namespace reelsense::cli {
namespace {

struct DecideArguments {
  CaptureArguments capture;
  ModelArguments model;
  std::string policy;
  std::string format;
  std::string output;
  std::string colour = "auto";
  bool flows = false;
  bool changes = false;
  bool describe = false;
};

int usage(const std::string& message) {
  print_error(message);
  return kExitUsage;
}

int run_describe(const DecideArguments& arguments) {
  std::string text;
  if (arguments.format.empty() || arguments.format == "text") {
    text = policy_as_text();
  } else if (arguments.format == "markdown") {
    text = policy_as_markdown();
  } else if (arguments.format == "schema") {
    text = policy_as_schema();
  } else {
    return usage("--describe has the formats text, markdown and schema, not " + arguments.format);
  }
  return with_output(arguments.output, [&](Output& out) {
    out.write(text);
    return kExitOk;
  });
}

Terminal terminal_for(const Output& out, const std::string& colour) {
  Terminal terminal = Terminal::of(out);
  if (colour == "always") terminal.colour = true;
  if (colour == "never") terminal.colour = false;
  return terminal;
}

int decide(const DecideArguments& arguments, const UeModel& model, const PolicyOptions& policy, Output& out) {
  const auto& files = arguments.capture.files;
  const Terminal terminal = terminal_for(out, arguments.colour);
  const auto rows = DecisionWriter::create(row_format(arguments.format, terminal), out, terminal);
  DecisionSinkOptions options;
  options.policy = policy;
  options.flows = arguments.flows;
  options.changes = arguments.changes;
  options.flush_seconds = out.is_terminal() || std::find(files.begin(), files.end(), "-") != files.end();
  options.max_sessions = arguments.capture.max_flows;
  options.to_decision = [&model](float probability) { return model.to_decision(probability); };
  DecisionSink sink(out, *rows, options);
  auto classifier = Classifier::create(&model, sink, arguments.capture.classifier_options());
  if (!classifier) return usage(classifier.error().message);
  CaptureRunOptions run_options = arguments.capture.run_options();
  run_options.progress = !out.is_terminal();
  run_options.on_end = [&](const std::string&) { sink.end_input(); };
  rows->write_header();
  if (options.flush_seconds) out.flush();
  CaptureRun run(std::move(run_options), classifier.value(), out);
  const int code = run.run();
  Summary summary;
  summary.stats = classifier.value().stats();
  summary.max_flows = arguments.capture.max_flows;
  summary.refused_windows = sink.refused_windows();
  print_run_warnings(summary);
  return code;
}

int run_decide(const DecideArguments& arguments) {
  if (arguments.describe) return run_describe(arguments);
  if (arguments.capture.files.empty()) return usage("FILE is required (or --describe)");
  if (arguments.format == "text" || arguments.format == "markdown" || arguments.format == "schema") {
    return usage("rows have the formats table, csv and jsonl, not " + arguments.format);
  }
  PolicyOptions policy;
  if (!arguments.policy.empty()) {
    auto read = read_policy(arguments.policy);
    if (!read) {
      print_error(read.error().message);
      return kExitInput;
    }
    policy = read.value();
  }
  const auto model = arguments.model.load();
  if (!model) return kExitInput;
  return with_output(arguments.output,
                     [&](Output& out) { return decide(arguments, model->model, policy, out); });
}

void add_options(CLI::App& command, DecideArguments& arguments) {
  command
      .add_option("--policy", arguments.policy, "Settings that differ from the defaults: a flat JSON object")
      ->type_name("FILE");
  command.add_flag("--flows", arguments.flows,
                   "Also a row a flow and second with its DSCP, before the sessions'");
  command.add_flag("--changes", arguments.changes,
                   "Only rows whose decision differs from the one before, and each session's first");
  command.add_flag("--describe", arguments.describe, "Print the policy's settings instead");
  command
      .add_option(
          "--format", arguments.format,
          "Rows as table, csv or jsonl; default: table on a terminal, else csv. With --describe: text "
          "(default), markdown, or schema, the JSON Schema of --policy")
      ->check(CLI::IsMember({"table", "csv", "jsonl", "text", "markdown", "schema"}))
      ->type_name("FORMAT");
  add_output_to(command, arguments.output);
  command
      .add_option("--color,--colour", arguments.colour,
                  "Colour: auto (a terminal, and NO_COLOR not set), always, never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str()
      ->type_name("WHEN");
}

}  // namespace

void add_decide(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand(
      "decide", "Decide, every second, what an app or network should do for the traffic of captures");
  const auto arguments = std::make_shared<DecideArguments>();
  arguments->capture.add_to(*command);
  command->get_option("FILE")->required(false);
  arguments->model.add_to(*command);
  add_options(*command, *arguments);
  command->footer(
      "A row a client address and second, idle seconds included, until 20 s after its last packet. Columns: "
      "time (start\n"
      "of the second, epoch seconds), kind (session, flow), client_ip, client_port, server_ip, server_port, "
      "protocol,\n"
      "label, confidence, uncertain, bytes_up, bytes_down, prefetch_depth (clips), prefetch_reason, "
      "buffer_target_ms,\n"
      "buffer_reason, max_bitrate_kbps (0: no limit), bitrate_reason, throughput_kbps (the estimate behind "
      "it, 0: not\n"
      "known), dscp (26: AF31, 1: lower effort, 0: default), dscp_reason, changed (0, 1). A session has no "
      "ports, server,\n"
      "protocol and dscp, a flow only these; what a kind has not is empty in CSV and absent in JSON.\n"
      "Reasons: default, video, congested, non-video, uncertain, hold, idle, bulk.\n\n"
      "The rows of a second come when a later packet shows that it is over; from standard input they are "
      "written at once.\n"
      "The same input, model and policy give the same bytes.\n\n"
      "Examples:\n"
      "  reelsense decide trace.pcap\n"
      "  reelsense decide --flows --changes --format jsonl trace.pcap\n"
      "  tcpdump -i wlan0 -s 96 -U -w - | reelsense decide --flows --format jsonl -\n"
      "  reelsense decide --policy my-app.json trace.pcap -o decisions.csv\n"
      "  reelsense decide --describe");
  command->callback([&runner, arguments] { runner = [arguments] { return run_decide(*arguments); }; });
}

}  // namespace reelsense::cli
