// One row a session and second, or a flow and second, with what the QoS policy decided: as CSV, JSON Lines or
// a table for people. Thread safety: none. No allocation a row but in a table.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cli/output/output.h"
#include "cli/output/row_writer.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/policy/qos_policy.h"

namespace reelsense::cli {

// A session's row has qos, a flow's has mark. Of a session only the client is known.
struct DecisionRow {
  std::int64_t second = 0;
  const FiveTuple* flow = nullptr;
  Decision decision;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  const Qos* qos = nullptr;
  FlowPolicy::Mark mark;
  bool changed = false;  // the decision differs from the one before
};

class DecisionWriter {
 public:
  // `out` must outlive the writer.
  static std::unique_ptr<DecisionWriter> create(RowFormat format, Output& out, const Terminal& terminal);
  virtual ~DecisionWriter() = default;

  virtual void write_header() = 0;
  virtual void write(const DecisionRow& row) = 0;
};

// "AF31", "LE", "default".
std::string_view dscp_name(std::uint8_t dscp) noexcept;

}  // namespace reelsense::cli
