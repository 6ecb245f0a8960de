#include "cli/remote/bench/report.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/output/format.h"

namespace reelsense::cli {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(LoadMode mode) {
  return mode == LoadMode::kRest ? "rest" : mode == LoadMode::kUnary ? "unary" : "stream";
}

double per(double value, double by) {
  return by > 0 ? value / by : 0;
}

std::string rounded(double value) {
  return grouped(static_cast<std::uint64_t>(std::llround(value)));
}

std::string decimals(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string milliseconds(std::int64_t ns) {
  return decimals(static_cast<double>(ns) * 1e-6, 3) + " ms";
}

struct Quantile {
  const char* name;
  double share;
};
constexpr Quantile kQuantiles[] = {{"p50", 0.50}, {"p90", 0.90}, {"p99", 0.99}, {"p99.9", 0.999}};

std::string latency_text(const LatencyHistogram& latency) {
  if (latency.count() == 0) return "nothing measured";
  std::string text;
  for (const Quantile& q : kQuantiles)
    text += std::string(q.name) + " " + milliseconds(latency.quantile_ns(q.share)) + ", ";
  return text + "max " + milliseconds(latency.max_ns());
}

}  // namespace

std::string report_as_text(const BenchReport& r) {
  const BenchOptions& o = r.options;
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    char label[32];
    std::snprintf(label, sizeof label, "%-24s", name);
    text += label + value + "\n";
  };
  line("server", o.server.url + ", " + r.model);
  line("load", std::string(name_of(o.mode)) + ", " + grouped(o.clients) + " clients of " + grouped(o.flows) +
                   " flows, " + grouped(o.windows_per_message) + " windows a message, " +
                   (o.rate > 0 ? rounded(o.rate) + " windows/s asked for" : "as fast as answered") + ", " +
                   grouped(o.mode == LoadMode::kRest ? o.windows_per_message : o.in_flight) +
                   " in flight a client");
  const auto windows = static_cast<double>(r.windows);
  line("windows/s", rounded(per(windows, r.measured_s)) + "  (" + grouped(r.windows) + " in " +
                        decimals(r.measured_s, 1) + " s)");
  if (r.server_cpu_s) {
    line("per server CPU-second", rounded(per(windows, *r.server_cpu_s)) + "  (" +
                                      decimals(per(*r.server_cpu_s, r.measured_s), 2) + " processors, " +
                                      bytes_text(r.server_bytes) + " resident)");
  }
  line("latency of a window", latency_text(r.latency));
  line("windows a response", decimals(per(windows, static_cast<double>(r.responses)), 1));
  line("client", decimals(per(r.client_cpu_s, r.measured_s), 2) + " processors");
  if (r.not_sent != 0) {
    line("not sent",
         grouped(r.not_sent) + " windows that were due: the rate could not be held with this --in-flight");
  }
  for (const auto& [what, count] : r.errors) line("failed", grouped(count) + " windows: " + what);
  if (r.errors.empty()) line("failed", "none");
  if (!r.stopped_early.empty()) line("ended early", r.stopped_early);
  return text;
}

std::string report_as_json(const BenchReport& r) {
  const BenchOptions& o = r.options;
  const auto windows = static_cast<double>(r.windows);
  Json document = {{"server", o.server.url},
                   {"model", r.model},
                   {"mode", name_of(o.mode)},
                   {"clients", o.clients},
                   {"flows_per_client", o.flows},
                   {"windows_per_message", o.windows_per_message},
                   {"rate", o.rate},
                   {"in_flight", o.mode == LoadMode::kRest ? o.windows_per_message : o.in_flight},
                   {"measured_s", r.measured_s},
                   {"windows", r.windows},
                   {"windows_per_s", per(windows, r.measured_s)},
                   {"windows_per_response", per(windows, static_cast<double>(r.responses))},
                   {"client_cpu_s", r.client_cpu_s}};
  if (r.server_cpu_s) {
    document["server_cpu_s"] = *r.server_cpu_s;
    document["windows_per_server_cpu_s"] = per(windows, *r.server_cpu_s);
    document["server_resident_bytes"] = r.server_bytes;
  }
  Json latency = {{"windows", r.latency.count()}};
  for (const Quantile& q : kQuantiles)
    latency[q.name] = static_cast<double>(r.latency.quantile_ns(q.share)) * 1e-6;
  latency["max"] = static_cast<double>(r.latency.max_ns()) * 1e-6;
  document["latency_ms"] = latency;
  document["windows_not_sent"] = r.not_sent;
  document["failed"] = r.errors;
  if (!r.stopped_early.empty()) document["ended_early"] = r.stopped_early;
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace reelsense::cli
