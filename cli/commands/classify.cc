// `reelsense classify`: the main job, captures to labels, by a model here or on a server.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"
#include "cli/ribbon.h"
#include "cli/run/interrupt.h"
#include "cli/run/label_sink.h"
#include "cli/run/remote_sink.h"
#include "cli/run/summary.h"

namespace reelsense::cli {
namespace {

struct ClassifyArguments {
  CaptureArguments capture;
  ModelArguments model;
  bool model_given = false;
  ServerArguments server;
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

// Who labels: this process by a model, or a server.
struct Labeller {
  std::string id;  // "name@version", at the start
  std::function<Decision(float)> to_decision;
  const UeModel* model = nullptr;
  LabelStream* stream = nullptr;  // of the server; then `model` is null
  const Interrupt* interrupt = nullptr;
  std::string server;

  [[nodiscard]] bool interrupted() const { return interrupt != nullptr && interrupt->happened(); }
};

// Rows go to `rows` (null: nowhere), the ribbon (if asked for) to standard output.
struct Outputs {
  Output* rows = nullptr;
  Output* ribbon = nullptr;
  Truth* truth = nullptr;

  [[nodiscard]] Output& main() const { return rows != nullptr ? *rows : *ribbon; }
};

LabelSinkOptions sink_options(const ClassifyArguments& arguments, const Labeller& labeller,
                              const Outputs& to) {
  const auto& files = arguments.capture.files;
  LabelSinkOptions options;
  options.sessions = arguments.scope == "session";
  options.to_decision = labeller.to_decision;
  options.min_confidence = arguments.min_confidence;
  options.flush_seconds =
      to.main().is_terminal() || std::find(files.begin(), files.end(), "-") != files.end();
  if (!arguments.summary.empty()) options.timed = labeller.model;
  options.max_sessions = arguments.capture.max_flows;
  options.truth = to.truth;
  return options;
}

// Ends the stream; tells why it ended early.
int close_remote(RemoteSink& remote, const Labeller& labeller) {
  const Status closed = remote.close();
  if (closed || labeller.interrupted()) return kExitOk;
  const std::uint64_t labelled = remote.windows_labelled();
  print_error(closed.error().in(labeller.server).message +
              (labelled == 0 ? "" : "; " + grouped(labelled) + " windows were labelled before"));
  return kExitServer;
}

int classify(const ClassifyArguments& arguments, const Labeller& labeller, const Outputs& to) {
  Output& main = to.main();
  const Terminal terminal = terminal_for(main, arguments.colour);
  std::unique_ptr<RowWriter> rows;
  if (to.rows != nullptr) {
    rows = RowWriter::create(row_format(arguments.format, terminal), *to.rows, terminal, labeller.id);
  }
  Ribbon ribbon(arguments.top);
  const LabelSinkOptions labelled = sink_options(arguments, labeller, to);
  LabelSink sink(main, rows.get(), to.ribbon != nullptr ? &ribbon : nullptr, labelled);
  std::optional<RemoteSink> remote;
  if (labeller.stream != nullptr) {
    RemoteSinkOptions options;
    options.wait_for_seconds = labelled.flush_seconds;
    remote.emplace(*labeller.stream, sink, options);
  }
  ClassifierSink& windows_to = remote ? static_cast<ClassifierSink&>(*remote) : sink;
  auto classifier = Classifier::create(labeller.model, windows_to, arguments.capture.classifier_options());
  if (!classifier) {
    print_error(classifier.error().message);
    return kExitUsage;
  }
  CaptureRunOptions options = arguments.capture.run_options();
  options.progress = to.rows == nullptr || !to.rows->is_terminal();
  options.stop = [&] { return labeller.interrupted() || (remote && remote->failed()); };
  options.on_end = [&](const std::string& name) {
    remote ? remote->end_input() : sink.end_input();
    if (to.ribbon == nullptr || (remote && remote->failed())) return;
    to.ribbon->write(ribbon.draw(name, terminal_for(*to.ribbon, arguments.colour)) + "\n");
    to.ribbon->flush();
  };
  if (rows) rows->write_header();
  CaptureRun run(std::move(options), classifier.value(), main);
  const int code = run.run();
  main.flush();  // so that on a terminal the summary comes after the last row
  if (remote) {
    if (const int remote_code = close_remote(*remote, labeller); remote_code != kExitOk) return remote_code;
    if (labeller.interrupted()) return code;
  }

  Summary summary;
  summary.read = run.totals();
  summary.stats = classifier.value().stats();
  summary.max_flows = arguments.capture.max_flows;
  summary.model = remote && !remote->model().empty() ? remote->model() : labeller.id;
  if (labeller.model != nullptr) summary.kernel = labeller.model->model().kernel();
  summary.server = labeller.server;
  sink.fill(summary);
  print_summary(arguments, summary);
  return code;
}

int classify_to_outputs(const ClassifyArguments& arguments, const Labeller& labeller, Truth* truth) {
  const bool has_file = !arguments.output.empty() && arguments.output != "-";
  if (!arguments.ribbon) {
    return with_output(arguments.output, [&](Output& out) {
      return classify(arguments, labeller, {&out, nullptr, truth});
    });
  }
  return with_output("-", [&](Output& picture) -> int {
    if (!has_file) return classify(arguments, labeller, {nullptr, &picture, truth});
    return with_output(arguments.output, [&](Output& rows) {
      return classify(arguments, labeller, {&rows, &picture, truth});
    });
  });
}

int classify_locally(const ClassifyArguments& arguments, Truth* truth) {
  const auto model = arguments.model.load();
  if (!model) return kExitInput;
  Labeller labeller;
  labeller.id = model->id();
  labeller.model = &model->model;
  labeller.to_decision = [&model](float probability) { return model->model.to_decision(probability); };
  return classify_to_outputs(arguments, labeller, truth);
}

int classify_on_server(const ClassifyArguments& arguments, Truth* truth) {
  Interrupt interrupt;
  auto opened =
      open_label_stream(arguments.server.options, arguments.model_given ? arguments.model.model : "",
                        arguments.scope == "session");
  if (!opened) {
    if (interrupt.happened()) interrupt.end_process();
    print_error(opened.error().message);
    return opened.error().code == ErrorCode::kInvalidArgument ? kExitUsage : kExitServer;
  }
  Labeller labeller;
  labeller.id = opened.value().model.id;
  labeller.to_decision = opened.value().model.to_decision;
  labeller.stream = opened.value().stream.get();
  labeller.interrupt = &interrupt;
  labeller.server = arguments.server.options.url;
  interrupt.on_signal([&labeller] { labeller.stream->cancel(); });
  const int code = classify_to_outputs(arguments, labeller, truth);
  interrupt.on_signal(nullptr);
  if (interrupt.happened()) interrupt.end_process();
  return code;
}

int run_classify(const ClassifyArguments& arguments) {
  if (!arguments.summary.empty() && arguments.summary != "text" && arguments.summary != "json") {
    print_error("--summary=" + arguments.summary + ": text or json");
    return kExitUsage;
  }
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
  return arguments.server.options.url.empty() ? classify_locally(arguments, known)
                                              : classify_on_server(arguments, known);
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
  command->get_option("--model")->description(
      "A bundle's folder, a .onnx file, or name[@version] in the models path; with --server a name, "
      "name@version or alias there, else the server's own default");
  arguments->server.add_to(
      *command,
      "Let a reelsense-server label the windows: host:port, grpc://host:port or, with TLS, "
      "grpcs://host:port; it sees sizes and times of packets, no addresses",
      false);
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
      "  tcpdump -i wlan0 -s 96 -w - | reelsense classify -\n"
      "  reelsense classify trace.pcap --server localhost:8081 --model reelsense-edge");
  command->callback([&runner, arguments, command] {
    arguments->model_given = command->count("--model") != 0;
    runner = [arguments] { return run_classify(*arguments); };
  });
}

}  // namespace reelsense::cli
