// One label row a flow (or session) and second: as CSV, JSON Lines or a table for people.
//
// Thread safety: none. No allocation a row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cli/output/output.h"
#include "cli/output/terminal.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

enum class RowFormat : std::uint8_t { kTable, kCsv, kJsonl };
// "table", "csv", "jsonl"; else a table on a terminal and CSV in a pipe or file.
RowFormat row_format(std::string_view text, const Terminal& terminal) noexcept;

// What a row says. For a session only the client's address is known: ports, server and protocol stay empty.
struct LabelRow {
  std::int64_t second = 0;
  const FiveTuple* flow = nullptr;
  bool is_session = false;
  std::uint64_t packets_up = 0;
  std::uint64_t packets_down = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  Decision decision;

  static LabelRow of(const WindowRow& row) noexcept {
    return {row.second,       &row.flow,    false,          row.packets_up,
            row.packets_down, row.bytes_up, row.bytes_down, row.decision};
  }
};

inline constexpr std::string_view kLabelColumns =
    "time,client_ip,client_port,server_ip,server_port,protocol,label,confidence,uncertain,packets_up,packets_"
    "down,"
    "bytes_up,bytes_down,model";

class RowWriter {
 public:
  // `model` is the "name@version" that rows carry. `out` must outlive the writer.
  static std::unique_ptr<RowWriter> create(RowFormat format, Output& out, const Terminal& terminal,
                                           std::string_view model);
  virtual ~RowWriter() = default;

  virtual void write_header() = 0;
  virtual void write(const LabelRow& row) = 0;
  // The model of the rows that follow.
  virtual void set_model(std::string_view model) = 0;
};

// Appends "client_ip,client_port,server_ip,server_port,protocol," to a CSV row (kMaxFlowText bytes at most).
inline constexpr std::size_t kMaxFlowText = 128;
char* put_flow_csv(char* to, const FiveTuple& flow) noexcept;
// The same as the members of a JSON object, each followed by a comma.
inline constexpr std::size_t kMaxFlowJson = 256;
char* put_flow_json(char* to, const FiveTuple& flow) noexcept;
// "10.0.0.2:51000", "[2001:db8::1]:443"; without the port where it is 0.
std::string endpoint_text(const Address& address, std::uint16_t port);
// "2026-11-23 07:55:31" in UTC.
std::string utc_text(std::int64_t second);

}  // namespace reelsense::cli
