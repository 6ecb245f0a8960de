// `reelsense flows`: one row a flow, when it ends.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/commands/arguments.h"
#include "cli/commands/commands.h"
#include "cli/output/format.h"
#include "cli/output/row_writer.h"
#include "cli/output/terminal.h"
#include "cli/run/summary.h"

namespace reelsense::cli {
namespace {

constexpr std::string_view kFlowColumns =
    "start,duration,client_ip,client_port,server_ip,server_port,protocol,packets_up,packets_down,bytes_up,"
    "bytes_down,"
    "windows,idle_windows,video_windows,video_share,label,end,model";

struct FlowArguments {
  CaptureArguments capture;
  ModelArguments model;
  std::string format;
  std::string output;
};

class FlowSink : public ClassifierSink {
 public:
  FlowSink(Output& out, RowFormat format, bool live, const std::string& model)
      : out_(out),
        format_(format),
        live_(live),
        csv_model_(csv_field(model)),
        json_model_(json_string(model)) {
    if (format_ == RowFormat::kCsv) out_.write(std::string(kFlowColumns) + "\n");
    if (format_ == RowFormat::kTable) {
      put_line("%-19s  %9s  %-9s %6s  %-26s  %-26s  %-5s  %9s  %9s  %s\n", "start (UTC)", "duration", "label",
               "video", "client", "server", "proto", "down", "up", "end");
    }
  }

  void on_windows(std::span<const WindowRow>) override {}
  void on_second_end(std::int64_t) override {
    if (live_) out_.flush();
  }
  void on_flow_end(const FlowSummary& flow) override {
    switch (format_) {
      case RowFormat::kCsv:
        return write_csv(flow);
      case RowFormat::kJsonl:
        return write_json(flow);
      case RowFormat::kTable:
        return write_table(flow);
    }
  }

 private:
  // Half and more of the classified windows makes a flow video.
  static bool is_video(const FlowSummary& flow) noexcept {
    return flow.windows != 0 && 2 * flow.video_windows >= flow.windows;
  }
  static float video_share(const FlowSummary& flow) noexcept {
    return flow.windows == 0 ? 0.0F
                             : static_cast<float>(flow.video_windows) / static_cast<float>(flow.windows);
  }
  static const char* label(const FlowSummary& flow) noexcept {
    return name_of(is_video(flow) ? Label::kVideo : Label::kNonVideo);
  }

  void write_csv(const FlowSummary& flow) {
    char* to = out_.reserve(kRowBytes + csv_model_.size());
    to = put_time_us(to, flow.first_ns);
    *to++ = ',';
    to = put_time_us(to, flow.last_ns - flow.first_ns);
    *to++ = ',';
    to = put_flow_csv(to, flow.flow);
    const std::uint64_t counts[] = {flow.packets_up, flow.packets_down, flow.bytes_up,     flow.bytes_down,
                                    flow.windows,    flow.idle_windows, flow.video_windows};
    for (const std::uint64_t count : counts) {
      to = put_unsigned(to, count);
      *to++ = ',';
    }
    to = put_ratio4(to, video_share(flow));
    *to++ = ',';
    to = put_text(to, label(flow));
    *to++ = ',';
    to = put_text(to, name_of(flow.reason));
    *to++ = ',';
    to = put_text(to, csv_model_);
    *to++ = '\n';
    out_.commit(to);
  }

  void write_json(const FlowSummary& flow) {
    char* to = out_.reserve(kRowBytes + json_model_.size());
    to = put_time_us(put_text(to, "{\"start\":"), flow.first_ns);
    to = put_time_us(put_text(to, ",\"duration\":"), flow.last_ns - flow.first_ns);
    *to++ = ',';
    to = put_flow_json(to, flow.flow);
    const std::pair<const char*, std::uint64_t> counts[] = {{"\"packets_up\":", flow.packets_up},
                                                            {",\"packets_down\":", flow.packets_down},
                                                            {",\"bytes_up\":", flow.bytes_up},
                                                            {",\"bytes_down\":", flow.bytes_down},
                                                            {",\"windows\":", flow.windows},
                                                            {",\"idle_windows\":", flow.idle_windows},
                                                            {",\"video_windows\":", flow.video_windows}};
    for (const auto& [name, count] : counts) to = put_unsigned(put_text(to, name), count);
    to = put_ratio4(put_text(to, ",\"video_share\":"), video_share(flow));
    to = put_text(put_text(to, ",\"label\":\""), label(flow));
    to = put_text(put_text(to, "\",\"end\":\""), name_of(flow.reason));
    to = put_text(put_text(to, "\",\"model\":"), json_model_);
    out_.commit(put_text(to, "}\n"));
  }

  void write_table(const FlowSummary& flow) {
    char protocol[16];
    *put_protocol(protocol, flow.flow.protocol) = '\0';
    char duration[32];
    std::snprintf(duration, sizeof duration, "%.3f s",
                  static_cast<double>(flow.last_ns - flow.first_ns) * 1e-9);
    char share[16];
    std::snprintf(share, sizeof share, "%.0f %%", 100.0 * static_cast<double>(video_share(flow)));
    put_line("%-19s  %9s  %-9s %6s  %-26s  %-26s  %-5s  %9s  %9s  %s\n",
             utc_text(flow.first_ns / kSecondNs).c_str(), duration, label(flow), share,
             endpoint_text(flow.flow.client, flow.flow.client_port).c_str(),
             endpoint_text(flow.flow.server, flow.flow.server_port).c_str(), protocol,
             bytes_text(flow.bytes_down).c_str(), bytes_text(flow.bytes_up).c_str(), name_of(flow.reason));
  }

  template <class... Fields>
  void put_line(const char* format, Fields... fields) {
    char line[400];
    const int n = std::snprintf(line, sizeof line, format, fields...);
    out_.write({line, std::min(static_cast<std::size_t>(n), sizeof line - 1)});
  }

  static constexpr std::size_t kRowBytes = 768;

  Output& out_;
  RowFormat format_;
  bool live_;
  std::string csv_model_;
  std::string json_model_;
};

int run_flows(const FlowArguments& arguments) {
  const auto model = arguments.model.load();
  if (!model) return kExitInput;
  return with_output(arguments.output, [&](Output& out) -> int {
    const bool live = out.is_terminal() ||
                      std::count(arguments.capture.files.begin(), arguments.capture.files.end(), "-") != 0;
    FlowSink sink(out, row_format(arguments.format, Terminal::of(out)), live, model->id());
    auto classifier = Classifier::create(&model->model, sink, arguments.capture.classifier_options());
    if (!classifier) {
      print_error(classifier.error().message);
      return kExitUsage;
    }
    CaptureRunOptions options = arguments.capture.run_options();
    options.progress = !out.is_terminal();
    CaptureRun run(std::move(options), classifier.value(), out);
    const int code = run.run();
    Summary summary;
    summary.stats = classifier.value().stats();
    summary.max_flows = arguments.capture.max_flows;
    print_run_warnings(summary);
    return code;
  });
}

}  // namespace

void add_flows(CLI::App& app, Runner& runner) {
  auto* command = app.add_subcommand("flows", "List the flows of captures, a row each");
  const auto arguments = std::make_shared<FlowArguments>();
  arguments->capture.add_to(*command);
  arguments->model.add_to(*command);
  command
      ->add_option("--format", arguments->format,
                   "Rows as table, csv or jsonl; default: table on a terminal, else csv")
      ->check(CLI::IsMember({"table", "csv", "jsonl"}))
      ->type_name("FORMAT");
  add_output_to(*command, arguments->output);
  command->footer(
      "Columns: start (epoch seconds), duration (s, first to last packet), the five-tuple, packets_up, "
      "packets_down,\n"
      "bytes_up, bytes_down, windows (seconds with packets), idle_windows, video_windows, video_share (of "
      "windows),\n"
      "label (video from a share of one half), end (finished, idle, active, reopened, evicted, time_step or "
      "end),\n"
      "model. A row is written when its flow ends.\n\n"
      "Examples:\n"
      "  reelsense flows trace.pcap\n"
      "  reelsense flows --format jsonl day-*.pcap -o flows.jsonl");
  command->callback([&runner, arguments] { runner = [arguments] { return run_flows(*arguments); }; });
}

}  // namespace reelsense::cli
