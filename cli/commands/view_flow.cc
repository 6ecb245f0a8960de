#include "cli/commands/view_flow.h"

#include <algorithm>
#include <limits>

namespace reelsense::cli {
namespace {

constexpr std::int64_t kPhaseStepNs = 379'000'000;  // apart from the exporter's period of 2 s

std::uint32_t count_of(std::uint64_t packets) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(packets, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

SocketFlow::SocketFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number,
                       const FiveTuple& flow)
    : writer_(writer),
      timeouts_{options.idle_timeout_ns, options.active_timeout_ns},
      coalescer_(options.coalesce_ns) {
  row_.flow_id = number;
  row_.flow = flow;
}

void SocketFlow::add(const ingest::SocketEvent& event) {
  if (event.bytes == 0) return;
  const std::int64_t time_ns = windows_.effective_ns(event.time_ns);
  close_before(time_ns / kSecondNs);
  windows_.add(timeouts_, event.direction, event.bytes, time_ns);
}

void SocketFlow::close_before(std::int64_t second) {
  if (windows_.is_open() && windows_.second() < second) close_window();
}

void SocketFlow::close_window() {
  windows_.close(features_.data(), bins_.data());
  const SocketWindows::Counts& counts = windows_.counts();
  constexpr auto kUp = static_cast<std::size_t>(Direction::kUp);
  constexpr auto kDown = static_cast<std::size_t>(Direction::kDown);
  row_.second = windows_.second();
  row_.packets_up = counts.events[kUp];
  row_.packets_down = counts.events[kDown];
  row_.bytes_up = counts.bytes[kUp];
  row_.bytes_down = counts.bytes[kDown];
  row_.features = features_.data();
  row_.bins = bins_.data();
  writer_.write(row_);
}

void SocketFlow::finish() {
  coalescer_.flush([this](const ingest::SocketEvent& e) { add(e); });
  if (windows_.is_open()) close_window();
}

RecordFlow::RecordFlow(FeatureWriter& writer, const ViewOptions& options, std::uint64_t number,
                       const FiveTuple& flow)
    : writer_(writer), exporter_(options.exporter, static_cast<std::int64_t>(number % 1000) * kPhaseStepNs) {
  row_.flow_id = number;
  row_.flow = flow;
}

void RecordFlow::add(const FlowRecord& record) {
  row_.second = state_.add(record, features_.data());
  row_.packets_up = count_of(record.packets_up);
  row_.packets_down = count_of(record.packets_down);
  row_.bytes_up = record.bytes_up;
  row_.bytes_down = record.bytes_down;
  row_.features = features_.data();
  writer_.write(row_);
}

void RecordFlow::add_packet(std::int64_t time_ns, Direction direction, std::uint32_t bytes,
                            std::uint32_t packets) {
  last_ns_ = std::max(last_ns_, time_ns);
  if (const auto ended = exporter_.add(last_ns_, direction, bytes, packets)) add(*ended);
}

void RecordFlow::finish() {
  if (const auto ended = exporter_.finish()) add(*ended);
}

}  // namespace reelsense::cli
