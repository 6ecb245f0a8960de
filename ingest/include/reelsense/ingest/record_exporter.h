// RecordExporter: the records that a NetFlow or IPFIX exporter would send of one flow, made from its packets.
//
// The model follows softflowd and pmacct: a record starts at a packet; the exporter looks at its flows every
// 2 s, at a phase that differs by flow, and sends a record that began at least the active timeout ago; 15 s
// (the idle timeout) without a packet end it too. A record's end is its last packet's time, so records align
// to nothing and last from the active timeout to 2 s more. Thread safety: none.
#pragma once

#include <cstdint>
#include <optional>

#include "reelsense/features/record_state.h"
#include "reelsense/flow/flow_key.h"

namespace reelsense::ingest {

struct ExporterOptions {
  std::int64_t active_timeout_ns = 60'000'000'000;
  std::int64_t idle_timeout_ns = 15'000'000'000;
  bool one_way = false;  // sees only down packets
};

class RecordExporter {
 public:
  // phase_ns: when the exporter looks, modulo its period.
  RecordExporter(const ExporterOptions& options, std::int64_t phase_ns) noexcept
      : options_(options), phase_ns_(phase_ns) {}

  // One packet, at a time not before the last one's. Returns the record that ended before it, if one did.
  std::optional<FlowRecord> add(std::int64_t time_ns, Direction direction, std::uint32_t bytes,
                                std::uint32_t packets = 1) noexcept;
  // The record that is still open, if there is one.
  std::optional<FlowRecord> finish() noexcept;

 private:
  [[nodiscard]] bool ends_before(std::int64_t time_ns) const noexcept;

  ExporterOptions options_;
  std::int64_t phase_ns_;
  bool open_ = false;
  FlowRecord record_;
};

}  // namespace reelsense::ingest
