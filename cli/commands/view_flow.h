// One flow seen as the views socket and record see it: events, packets or records in, feature rows out.
// Thread safety: none.
#pragma once

#include <array>
#include <cstdint>

#include "cli/output/feature_writer.h"
#include "reelsense/classifier/socket_window.h"
#include "reelsense/features/record_state.h"
#include "reelsense/ingest/record_exporter.h"
#include "reelsense/ingest/socket_model.h"

namespace reelsense::cli {

struct ViewOptions {
  std::int64_t idle_timeout_ns = 120 * kSecondNs;     // socket: a connection's features begin anew
  std::int64_t active_timeout_ns = 3600 * kSecondNs;  // likewise
  std::int64_t coalesce_ns = 0;                       // socket, made from packets: how long reads wait
  ingest::ExporterOptions exporter;                   // record, made from packets
};

// The socket view of one connection.
class SocketFlow {
 public:
  SocketFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number, const FiveTuple& flow);

  // One read or write as an app saw it; an event before its connection's latest takes that one's time.
  void add(const ingest::SocketEvent& event);
  // One packet's worth, read when the option says.
  void add_derived(const ingest::SocketEvent& event) {
    if (event.bytes != 0) coalescer_.add(event, [this](const ingest::SocketEvent& e) { add(e); });
  }
  // Writes the open window's row if its second is before `second`.
  void close_before(std::int64_t second);
  void finish();

 private:
  void close_window();

  FeatureWriter& writer_;
  SocketTimeouts timeouts_;
  ingest::ReadCoalescer coalescer_;
  SocketWindows windows_;
  SocketFeatureVector features_{};
  std::array<std::uint32_t, kBinValues> bins_{};
  WindowRow row_;
};

// The record view of one flow.
class RecordFlow {
 public:
  RecordFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number, const FiveTuple& flow);

  void add(const FlowRecord& record);
  // One packet, or several alike, that an exporter saw.
  void add_packet(std::int64_t time_ns, Direction direction, std::uint32_t bytes, std::uint32_t packets);
  void close_before(std::int64_t) {}
  void finish();

 private:
  FeatureWriter& writer_;
  ingest::RecordExporter exporter_;
  RecordState state_;
  RecordFeatureVector features_{};
  WindowRow row_;
  std::int64_t last_ns_ = 0;
};

}  // namespace reelsense::cli
