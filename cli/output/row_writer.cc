#include "cli/output/row_writer.h"

#include <cstdio>
#include <ctime>

#include "cli/output/format.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMaxRowText = 512;  // without the model's name

char* put_count(char* to, std::string_view before, std::uint64_t count) noexcept {
  return put_unsigned(put_text(to, before), count);
}

class CsvWriter : public RowWriter {
 public:
  CsvWriter(Output& out, std::string_view model) : out_(out) { set_model(model); }

  void set_model(std::string_view model) override { tail_ = "," + csv_field(model) + "\n"; }

  void write_header() override {
    out_.write(kLabelColumns);
    out_.write("\n");
  }

  void write(const LabelRow& row) override {
    char* to = out_.reserve(kMaxRowText + tail_.size());
    to = put_signed(to, row.second);
    *to++ = ',';
    to = row.is_session ? put_text(put_address(to, row.flow->client), ",,,,,") : put_flow_csv(to, *row.flow);
    to = put_text(to, row.decision.label == Label::kVideo ? "video," : "non-video,");
    to = put_ratio4(to, row.decision.confidence);
    to = put_text(to, row.decision.uncertain ? ",1" : ",0");
    to = put_count(to, ",", row.packets_up);
    to = put_count(to, ",", row.packets_down);
    to = put_count(to, ",", row.bytes_up);
    to = put_count(to, ",", row.bytes_down);
    out_.commit(put_text(to, tail_));
  }

 private:
  Output& out_;
  std::string tail_;
};

class JsonlWriter : public RowWriter {
 public:
  JsonlWriter(Output& out, std::string_view model) : out_(out) { set_model(model); }

  void set_model(std::string_view model) override { tail_ = ",\"model\":" + json_string(model) + "}\n"; }

  void write_header() override {}

  void write(const LabelRow& row) override {
    char* to = out_.reserve(kMaxRowText + tail_.size());
    to = put_signed(put_text(to, "{\"time\":"), row.second);
    *to++ = ',';
    if (row.is_session) {
      to = put_address(put_text(to, "\"client_ip\":\""), row.flow->client);
      to = put_text(to, "\",\"client_port\":null,\"server_ip\":null,\"server_port\":null,\"protocol\":null,");
    } else {
      to = put_flow_json(to, *row.flow);
    }
    to =
        put_text(to, row.decision.label == Label::kVideo ? "\"label\":\"video\"" : "\"label\":\"non-video\"");
    to = put_ratio4(put_text(to, ",\"confidence\":"), row.decision.confidence);
    to = put_text(to, row.decision.uncertain ? ",\"uncertain\":true" : ",\"uncertain\":false");
    to = put_count(to, ",\"packets_up\":", row.packets_up);
    to = put_count(to, ",\"packets_down\":", row.packets_down);
    to = put_count(to, ",\"bytes_up\":", row.bytes_up);
    to = put_count(to, ",\"bytes_down\":", row.bytes_down);
    out_.commit(put_text(to, tail_));
  }

 private:
  Output& out_;
  std::string tail_;
};

// For people: times in UTC, endpoints in one column, colour by label.
class TableWriter : public RowWriter {
 public:
  TableWriter(Output& out, const Terminal& terminal) : out_(out), colour_(terminal.colour) {}

  void set_model(std::string_view) override {}  // has no such column

  void write_header() override {
    char line[256];
    const int n = std::snprintf(line, sizeof line, "%-19s  %-9s  %-6s  %-26s  %-26s  %-5s  %9s  %9s\n",
                                "time (UTC)", "label", "conf.", "client", "server", "proto", "down", "up");
    out_.write({line, static_cast<std::size_t>(n)});
  }

  void write(const LabelRow& row) override {
    const bool video = row.decision.label == Label::kVideo;
    char protocol[16];
    *(row.is_session ? put_text(protocol, "any") : put_protocol(protocol, row.flow->protocol)) = '\0';
    const std::string client = endpoint_text(row.flow->client, row.is_session ? 0 : row.flow->client_port);
    const std::string server = row.is_session ? "" : endpoint_text(row.flow->server, row.flow->server_port);
    char line[320];
    const int n = std::snprintf(
        line, sizeof line, "%-19s  %s%-9s%s  %.2f%s  %-26s  %-26s  %-5s  %9s  %9s\n",
        utc_text(row.second).c_str(),
        !colour_ ? ""
        : video  ? "\x1b[38;5;208m"
                 : "\x1b[38;5;38m",
        name_of(row.decision.label), colour_ ? "\x1b[0m" : "", static_cast<double>(row.decision.confidence),
        row.decision.uncertain ? " ?" : "  ", client.c_str(), server.c_str(), protocol,
        bytes_text(row.bytes_down).c_str(), bytes_text(row.bytes_up).c_str());
    out_.write({line, static_cast<std::size_t>(n)});
  }

 private:
  Output& out_;
  bool colour_;
};

}  // namespace

RowFormat row_format(std::string_view text, const Terminal& terminal) noexcept {
  if (text == "jsonl") return RowFormat::kJsonl;
  if (text == "csv") return RowFormat::kCsv;
  return text == "table" || terminal.is_terminal ? RowFormat::kTable : RowFormat::kCsv;
}

std::unique_ptr<RowWriter> RowWriter::create(RowFormat format, Output& out, const Terminal& terminal,
                                             std::string_view model) {
  switch (format) {
    case RowFormat::kTable:
      return std::make_unique<TableWriter>(out, terminal);
    case RowFormat::kJsonl:
      return std::make_unique<JsonlWriter>(out, model);
    case RowFormat::kCsv:
      break;
  }
  return std::make_unique<CsvWriter>(out, model);
}

char* put_flow_csv(char* to, const FiveTuple& flow) noexcept {
  to = put_address(to, flow.client);
  *to++ = ',';
  to = put_unsigned(to, flow.client_port);
  *to++ = ',';
  to = put_address(to, flow.server);
  *to++ = ',';
  to = put_unsigned(to, flow.server_port);
  *to++ = ',';
  to = put_protocol(to, flow.protocol);
  *to++ = ',';
  return to;
}

char* put_flow_json(char* to, const FiveTuple& flow) noexcept {
  to = put_address(put_text(to, "\"client_ip\":\""), flow.client);
  to = put_unsigned(put_text(to, "\",\"client_port\":"), flow.client_port);
  to = put_address(put_text(to, ",\"server_ip\":\""), flow.server);
  to = put_unsigned(put_text(to, "\",\"server_port\":"), flow.server_port);
  to = put_protocol(put_text(to, ",\"protocol\":\""), flow.protocol);
  return put_text(to, "\",");
}

std::string endpoint_text(const Address& address, std::uint16_t port) {
  const std::string text = address_text(address);
  if (port == 0) return text;
  const bool is_ipv6 = text.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + text + "]:" : text + ":") + std::to_string(port);
}

std::string utc_text(std::int64_t second) {
  const auto time = static_cast<std::time_t>(second);
  std::tm parts{};
  char text[32];
  if (gmtime_r(&time, &parts) == nullptr ||
      std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
    return std::to_string(second);
  }
  return text;
}

}  // namespace reelsense::cli
