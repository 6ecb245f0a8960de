#include "reelsense/ingest/record_exporter.h"

namespace reelsense::ingest {
namespace {

constexpr std::int64_t kScanNs = 2'000'000'000;

}  // namespace

bool RecordExporter::ends_before(std::int64_t time_ns) const noexcept {
  if (time_ns - record_.end_ns >= options_.idle_timeout_ns) return true;
  // The first look at which the record is old enough.
  const std::int64_t old = record_.start_ns + options_.active_timeout_ns - phase_ns_;
  const std::int64_t look = (old + kScanNs - 1) / kScanNs * kScanNs + phase_ns_;
  return time_ns > look;
}

std::optional<FlowRecord> RecordExporter::add(std::int64_t time_ns, Direction direction, std::uint32_t bytes,
                                              std::uint32_t packets) noexcept {
  if (options_.one_way && direction == Direction::kUp) return std::nullopt;
  std::optional<FlowRecord> ended;
  if (open_ && ends_before(time_ns)) ended = finish();
  if (!open_) {
    record_ = {};
    record_.start_ns = time_ns;
    open_ = true;
  }
  record_.end_ns = time_ns;
  if (direction == Direction::kUp) {
    record_.bytes_up += bytes;
    record_.packets_up += packets;
  } else {
    record_.bytes_down += bytes;
    record_.packets_down += packets;
  }
  return ended;
}

std::optional<FlowRecord> RecordExporter::finish() noexcept {
  if (!open_) return std::nullopt;
  open_ = false;
  return record_;
}

}  // namespace reelsense::ingest
