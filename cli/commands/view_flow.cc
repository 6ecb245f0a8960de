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
      idle_ns_(options.idle_timeout_ns),
      active_ns_(options.active_timeout_ns),
      coalescer_(options.coalesce_ns) {
  row_.flow_id = number;
  row_.flow = flow;
}

void SocketFlow::add(const ingest::SocketEvent& event) {
  if (event.bytes == 0) return;
  const std::int64_t time_ns = std::max(event.time_ns, last_ns_);
  const std::int64_t second = time_ns / kSecondNs;
  close_before(second);
  const std::int64_t tick = second * kSecondNs;
  const bool over = first_ns_ < 0 || tick - last_ns_ >= idle_ns_ || tick - first_ns_ >= active_ns_;
  if (!open_ && over) start(time_ns);
  if (!open_) {
    row_.second = second;
    row_.packets_up = row_.packets_down = 0;
    row_.bytes_up = row_.bytes_down = 0;
    state_.open_window(second);
    open_ = true;
  }
  last_ns_ = time_ns;
  state_.add(event.direction, event.bytes, static_cast<std::uint32_t>(time_ns - tick));
  const bool up = event.direction == Direction::kUp;
  ++(up ? row_.packets_up : row_.packets_down);
  (up ? row_.bytes_up : row_.bytes_down) += event.bytes;
}

void SocketFlow::start(std::int64_t time_ns) {
  first_ns_ = time_ns;
  state_.start(time_ns);
}

void SocketFlow::close_before(std::int64_t second) {
  if (open_ && row_.second < second) close_window();
}

void SocketFlow::close_window() {
  state_.close_window(row_.second, features_.data(), bins_.data());
  row_.features = features_.data();
  row_.bins = bins_.data();
  writer_.write(row_);
  open_ = false;
}

void SocketFlow::finish() {
  coalescer_.flush([this](const ingest::SocketEvent& e) { add(e); });
  if (open_) close_window();
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
