// What a run of bench-server found, as a table or one JSON object. Thread safety: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "cli/remote/bench/histogram.h"
#include "cli/remote/remote.h"

namespace reelsense::cli {

struct BenchReport {
  BenchOptions options;
  std::string model;  // that answered the first request
  double measured_s = 0;
  std::uint64_t windows = 0;                    // answered while measuring
  std::uint64_t responses = 0;                  // messages that they came in
  std::uint64_t not_sent = 0;                   // due at --rate, but the client was not free
  std::map<std::string, std::uint64_t> errors;  // windows by what went wrong, over the whole run
  LatencyHistogram latency;
  double client_cpu_s = 0;
  std::optional<double> server_cpu_s;
  std::uint64_t server_bytes = 0;  // resident, at the end
  std::string stopped_early;       // why; empty: it was not
};

std::string report_as_text(const BenchReport& report);
std::string report_as_json(const BenchReport& report);

}  // namespace reelsense::cli
