#include "cli/output/decision_writer.h"

#include <algorithm>
#include <cstdio>

#include "cli/output/format.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMaxRowText = 768;
constexpr std::string_view kColumns =
    "time,kind,client_ip,client_port,server_ip,server_port,protocol,label,confidence,uncertain,bytes_up,"
    "bytes_down,prefetch_depth,prefetch_reason,buffer_target_ms,buffer_reason,max_bitrate_kbps,bitrate_"
    "reason,"
    "throughput_kbps,dscp,dscp_reason,changed\n";

char* put_count(char* to, std::string_view before, std::uint64_t count) noexcept {
  return put_unsigned(put_text(to, before), count);
}

class CsvWriter : public DecisionWriter {
 public:
  explicit CsvWriter(Output& out) : out_(out) {}

  void write_header() override { out_.write(kColumns); }

  void write(const DecisionRow& row) override {
    char* to = put_signed(out_.reserve(kMaxRowText), row.second);
    if (row.qos != nullptr) {
      to = put_text(put_address(put_text(to, ",session,"), row.flow->client), ",,,,,");
    } else {
      to = put_flow_csv(put_text(to, ",flow,"), *row.flow);
    }
    to = put_text(to, name_of(row.decision.label));
    *to++ = ',';
    to = put_ratio4(to, row.decision.confidence);
    to = put_text(to, row.decision.uncertain ? ",1" : ",0");
    to = put_count(to, ",", row.bytes_up);
    to = put_count(to, ",", row.bytes_down);
    if (row.qos != nullptr) {
      to = put_text(put_count(to, ",", row.qos->prefetch_depth), ",");
      to = put_text(to, name_of(row.qos->prefetch_reason));
      to = put_text(put_count(to, ",", row.qos->buffer_target_ms), ",");
      to = put_text(to, name_of(row.qos->buffer_reason));
      to = put_text(put_count(to, ",", row.qos->max_bitrate_kbps), ",");
      to = put_text(to, name_of(row.qos->bitrate_reason));
      to = put_text(put_count(to, ",", row.qos->throughput_kbps), ",,");
    } else {
      to = put_text(put_count(to, ",,,,,,,,", row.mark.dscp), ",");
      to = put_text(to, name_of(row.mark.reason));
    }
    out_.commit(put_text(to, row.changed ? ",1\n" : ",0\n"));
  }

 private:
  Output& out_;
};

class JsonlWriter : public DecisionWriter {
 public:
  explicit JsonlWriter(Output& out) : out_(out) {}

  void write_header() override {}

  void write(const DecisionRow& row) override {
    char* to = put_signed(put_text(out_.reserve(kMaxRowText), "{\"time\":"), row.second);
    if (row.qos != nullptr) {
      to = put_address(put_text(to, ",\"kind\":\"session\",\"client_ip\":\""), row.flow->client);
      to = put_text(to, "\",");
    } else {
      to = put_flow_json(put_text(to, ",\"kind\":\"flow\","), *row.flow);
    }
    to = put_text(put_text(to, "\"label\":\""), name_of(row.decision.label));
    to = put_ratio4(put_text(to, "\",\"confidence\":"), row.decision.confidence);
    to = put_text(to, row.decision.uncertain ? ",\"uncertain\":true" : ",\"uncertain\":false");
    to = put_count(to, ",\"bytes_up\":", row.bytes_up);
    to = put_count(to, ",\"bytes_down\":", row.bytes_down);
    to = row.qos != nullptr ? put_qos(to, *row.qos) : put_mark(to, row.mark);
    out_.commit(put_text(to, row.changed ? ",\"changed\":true}\n" : ",\"changed\":false}\n"));
  }

 private:
  static char* put_qos(char* to, const Qos& qos) noexcept {
    to = put_count(to, ",\"prefetch_depth\":", qos.prefetch_depth);
    to = put_text(put_text(to, ",\"prefetch_reason\":\""), name_of(qos.prefetch_reason));
    to = put_count(to, "\",\"buffer_target_ms\":", qos.buffer_target_ms);
    to = put_text(put_text(to, ",\"buffer_reason\":\""), name_of(qos.buffer_reason));
    to = put_count(to, "\",\"max_bitrate_kbps\":", qos.max_bitrate_kbps);
    to = put_text(put_text(to, ",\"bitrate_reason\":\""), name_of(qos.bitrate_reason));
    return put_count(to, "\",\"throughput_kbps\":", qos.throughput_kbps);
  }
  static char* put_mark(char* to, FlowPolicy::Mark mark) noexcept {
    to = put_count(to, ",\"dscp\":", mark.dscp);
    return put_text(put_text(put_text(to, ",\"dscp_reason\":\""), name_of(mark.reason)), "\"");
  }

  Output& out_;
};

// For people: a session's decision in words, a flow's mark below it.
class TableWriter : public DecisionWriter {
 public:
  TableWriter(Output& out, const Terminal& terminal) : out_(out), colour_(terminal.colour) {}

  void write_header() override {
    put_line("%-19s  %-26s  %-9s  %-6s  %8s  %8s  %10s  %10s  %9s  %-9s\n", "time (UTC)", "client", "label",
             "conf.", "prefetch", "buffer", "max. rate", "throughput", "down", "reason");
  }

  void write(const DecisionRow& row) override {
    const bool video = row.decision.label == Label::kVideo;
    const char* colour = !colour_ ? "" : video ? "\x1b[38;5;208m" : "\x1b[38;5;38m";
    const char* plain = colour_ ? "\x1b[0m" : "";
    const std::string time = utc_text(row.second);
    const std::string down = bytes_text(row.bytes_down);
    const auto confidence = static_cast<double>(row.decision.confidence);
    const char* doubt = row.decision.uncertain ? " ?" : "  ";
    if (row.qos == nullptr) {
      const std::string mark(dscp_name(row.mark.dscp));
      put_line("%-19s  %-26s  %s%-9s%s  %.2f%s  %-42s  %9s  %-9s%s\n", time.c_str(), client(row).c_str(),
               colour, name_of(row.decision.label), plain, confidence, doubt,
               (mark + " for " + endpoint_text(row.flow->server, row.flow->server_port)).c_str(),
               down.c_str(), name_of(row.mark.reason), row.changed ? " *" : "");
      return;
    }
    const Qos& qos = *row.qos;
    put_line("%-19s  %-26s  %s%-9s%s  %.2f%s  %8u  %6.1f s  %10s  %10s  %9s  %-9s%s\n", time.c_str(),
             client(row).c_str(), colour, name_of(row.decision.label), plain, confidence, doubt,
             qos.prefetch_depth, qos.buffer_target_ms / 1000.0, rate(qos.max_bitrate_kbps, "any").c_str(),
             rate(qos.throughput_kbps, "-").c_str(), down.c_str(), name_of(qos.prefetch_reason),
             row.changed ? " *" : "");
  }

 private:
  static std::string client(const DecisionRow& row) {
    return endpoint_text(row.flow->client, row.qos == nullptr ? row.flow->client_port : 0);
  }
  static std::string rate(std::uint32_t kbps, const char* none) {
    return kbps == 0 ? none : grouped(kbps) + " kb/s";
  }

  template <class... Fields>
  void put_line(const char* format, Fields... fields) {
    char line[400];
    const int n = std::snprintf(line, sizeof line, format, fields...);
    out_.write({line, std::min(static_cast<std::size_t>(n), sizeof line - 1)});
  }

  Output& out_;
  bool colour_;
};

}  // namespace

std::unique_ptr<DecisionWriter> DecisionWriter::create(RowFormat format, Output& out,
                                                       const Terminal& terminal) {
  switch (format) {
    case RowFormat::kTable:
      return std::make_unique<TableWriter>(out, terminal);
    case RowFormat::kJsonl:
      return std::make_unique<JsonlWriter>(out);
    case RowFormat::kCsv:
      break;
  }
  return std::make_unique<CsvWriter>(out);
}

std::string_view dscp_name(std::uint8_t dscp) noexcept {
  if (dscp == kDscpVideo) return "AF31";
  return dscp == kDscpLowerEffort ? "LE" : "default";
}

}  // namespace reelsense::cli
