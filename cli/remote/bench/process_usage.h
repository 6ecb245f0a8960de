// Processor time and memory of another process, from /proc. Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace reelsense::cli {

struct ProcessUsage {
  double cpu_s = 0;  // user and system, all threads
  std::uint64_t resident_bytes = 0;
};

// Nothing if there is no such process.
std::optional<ProcessUsage> process_usage(std::uint32_t pid);
// The same from the text of /proc/PID/stat.
std::optional<ProcessUsage> parse_process_stat(std::string_view stat, long ticks_per_second, long page_bytes);

// Of this process.
double own_cpu_seconds();

}  // namespace reelsense::cli
