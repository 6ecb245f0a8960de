#include "cli/remote/bench/process_usage.h"

#include <unistd.h>

#include <charconv>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>

namespace reelsense::cli {

std::optional<ProcessUsage> parse_process_stat(std::string_view stat, long ticks_per_second,
                                               long page_bytes) {
  // The name in parentheses may hold anything; fields are counted from its end. proc(5): utime 14, stime 15,
  // rss 24.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  stat.remove_prefix(name_end + 1);
  std::uint64_t utime = 0;
  std::uint64_t stime = 0;
  std::uint64_t pages = 0;
  int field = 2;
  while (field < 24) {
    const std::size_t start = stat.find_first_not_of(' ');
    if (start == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(start);
    const std::size_t end = std::min(stat.find(' '), stat.size());
    ++field;
    std::uint64_t* const to = field == 14 ? &utime : field == 15 ? &stime : field == 24 ? &pages : nullptr;
    if (to != nullptr && std::from_chars(stat.data(), stat.data() + end, *to).ec != std::errc{})
      return std::nullopt;
    stat.remove_prefix(end);
  }
  ProcessUsage usage;
  usage.cpu_s = static_cast<double>(utime + stime) / static_cast<double>(ticks_per_second);
  usage.resident_bytes = pages * static_cast<std::uint64_t>(page_bytes);
  return usage;
}

std::optional<ProcessUsage> process_usage(std::uint32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_process_stat(text, sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE));
}

double own_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace reelsense::cli
