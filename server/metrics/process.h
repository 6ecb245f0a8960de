// What the operating system says of this process, for the metrics that every Prometheus exporter has.
// Thread safety: pure functions.
#pragma once

#include <optional>

namespace reelsense::server {

// Nothing where the system does not tell (no /proc).
struct ProcessStats {
  std::optional<double> resident_bytes;
  std::optional<double> cpu_seconds;
  std::optional<double> open_fds;
  std::optional<double> max_fds;
  std::optional<double> start_time_seconds;  // since the epoch
};
ProcessStats process_stats();

}  // namespace reelsense::server
