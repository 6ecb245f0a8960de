// `reelsense tail`: FlowClassifier.Watch as rows.
#include <algorithm>
#include <cstdio>

#include "cli/exit_code.h"
#include "cli/output/format.h"
#include "cli/output/row_writer.h"
#include "cli/output/terminal.h"
#include "cli/remote/connection.h"
#include "cli/run/interrupt.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"

namespace reelsense::cli {
namespace {

char* put_hash(char* to, std::uint64_t hash) noexcept {
  for (int shift = 60; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[(hash >> shift) & 15U];
  return to;
}

class TailWriter {
 public:
  TailWriter(Output& out, const std::string& format)
      : out_(out), terminal_(Terminal::of(out)), format_(row_format(format, terminal_)) {}

  void write_header() {
    if (format_ == RowFormat::kCsv) out_.write("time,flow,label,confidence,uncertain,model\n");
    if (format_ == RowFormat::kTable) {
      out_.write("time (UTC)           flow              label      conf.   model\n");
    }
    out_.flush();
  }

  void write(const v1::WatchedLabel& label) {
    switch (format_) {
      case RowFormat::kCsv:
        return write_csv(label);
      case RowFormat::kJsonl:
        return write_json(label);
      case RowFormat::kTable:
        return write_table(label);
    }
  }

 private:
  static constexpr std::size_t kRowBytes = 256;

  static bool is_video(const v1::WatchedLabel& label) { return label.label() == v1::LABEL_VIDEO; }
  static const char* name(const v1::WatchedLabel& label) {
    return name_of(is_video(label) ? Label::kVideo : Label::kNonVideo);
  }

  void write_csv(const v1::WatchedLabel& label) {
    char* to = put_signed(out_.reserve(kRowBytes), label.second());
    *to++ = ',';
    to = put_hash(to, label.flow_hash());
    *to++ = ',';
    to = put_text(to, name(label));
    *to++ = ',';
    to = put_ratio4(to, label.confidence());
    out_.commit(put_text(to, label.uncertain() ? ",1," : ",0,"));
    out_.write(csv_field(label.model()) + "\n");
  }

  void write_json(const v1::WatchedLabel& label) {
    char* to = put_signed(put_text(out_.reserve(kRowBytes), "{\"time\":"), label.second());
    to = put_hash(put_text(to, ",\"flow\":\""), label.flow_hash());
    to = put_text(put_text(to, "\",\"label\":\""), name(label));
    to = put_ratio4(put_text(to, "\",\"confidence\":"), label.confidence());
    out_.commit(put_text(
        to, label.uncertain() ? ",\"uncertain\":true,\"model\":" : ",\"uncertain\":false,\"model\":"));
    out_.write(json_string(label.model()) + "}\n");
  }

  void write_table(const v1::WatchedLabel& label) {
    char hash[17] = {};
    put_hash(hash, label.flow_hash());
    const char* colour = !terminal_.colour ? "" : is_video(label) ? "\x1b[38;5;208m" : "\x1b[38;5;38m";
    char line[160];
    const int n =
        std::snprintf(line, sizeof line, "%-19s  %s  %s%-9s%s  %.2f%s  ", utc_text(label.second()).c_str(),
                      hash, colour, name(label), terminal_.colour ? "\x1b[0m" : "",
                      static_cast<double>(label.confidence()), label.uncertain() ? " ?" : "  ");
    out_.write({line, static_cast<std::size_t>(n)});
    out_.write(one_line(label.model()) + "\n");
  }

  Output& out_;
  Terminal terminal_;
  RowFormat format_;
};

v1::WatchRequest request_of(const TailOptions& options) {
  v1::WatchRequest request;
  request.set_model(options.model);
  if (options.label == "video") request.set_only(v1::LABEL_VIDEO);
  if (options.label == "non-video") request.set_only(v1::LABEL_NON_VIDEO);
  request.set_max_confidence(options.max_confidence);
  return request;
}

}  // namespace

int run_tail(const TailOptions& options, Output& out) {
  grpc::ClientContext context;
  Interrupt interrupt;
  interrupt.on_signal([&context] { context.TryCancel(); });
  const auto connection = Connection::open(options.server);
  if (!connection) {
    print_error(connection.error().message);
    return kExitUsage;  // a wrong URL or key file; nothing was asked yet
  }
  connection.value().sign(context);
  const auto stub = v1::FlowClassifier::NewStub(connection.value().make_channel());
  const auto stream = stub->Watch(&context, request_of(options));

  TailWriter writer(out, options.format);
  writer.write_header();
  v1::WatchResponse response;
  while (stream->Read(&response)) {
    for (const v1::WatchedLabel& label : response.labels()) writer.write(label);
    if (!out.flush()) context.TryCancel();
    if (response.missed() != 0) {
      print_warning(grouped(response.missed()) + " labels came faster than they were read and were missed");
    }
  }
  const grpc::Status status = stream->Finish();
  if (interrupt.happened() || !out.ok()) return kExitOk;  // a failed output is told by whoever closes it
  if (status.ok()) {
    print_error(options.server.url + ": the server ended the watch");
  } else {
    print_error(error_of(status).in(options.server.url).message);
  }
  return kExitServer;
}

}  // namespace reelsense::cli
