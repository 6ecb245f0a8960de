#include "cli/run/summary.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/output/format.h"
#include "cli/output/row_writer.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

using Json = nlohmann::ordered_json;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100.0 * share(part, whole));
  return text;
}

std::string decimals(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double packets_per_second(std::uint64_t records, double seconds) {
  return seconds > 0 ? static_cast<double>(records) / seconds : 0.0;
}

// The counters of `values` that are not zero, by name; kNone-like entries have the count 0.
template <class Reason, class Counters>
Json non_zero(const Counters& values) {
  Json object = Json::object();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) object[name_of(static_cast<Reason>(i))] = values[i];
  }
  return object;
}

std::string list(const Json& counters) {
  std::string text;
  for (const auto& [name, count] : counters.items()) {
    text += (text.empty() ? "" : ", ") + name + " " + grouped(count.get<std::uint64_t>());
  }
  return text.empty() ? "none" : text;
}

std::uint64_t evicted(const ClassifierStats& stats) {
  return stats.ended[static_cast<std::size_t>(FlowEnd::kEvicted)];
}

// Packets that could have counted; ARP and other link chatter is no loss.
std::uint64_t lost(const ClassifierStats& stats) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < stats.dropped.size(); ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (reason != DropReason::kNone && reason != DropReason::kNotIp) sum += stats.dropped[i];
  }
  return sum;
}

Json confusion_as_json(const Confusion& found) {
  return {{"video_windows", found.videos()},
          {"non_video_windows", found.others()},
          {"recall", found.recall()},
          {"specificity", found.specificity()},
          {"f1", found.f1()}};
}

Json truth_as_json(const TruthReport& report) {
  return {{"file", report.file},
          {"windows_not_in_truth", report.unknown},
          {"truth_not_met", report.missed},
          {"active", confusion_as_json(report.active)},
          {"all", confusion_as_json(report.all)}};
}

}  // namespace

std::string summary_as_text(const Summary& s) {
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    char label[16];
    std::snprintf(label, sizeof label, "%-12s", name);
    text += label + value + "\n";
  };
  const ClassifierStats& stats = s.stats;
  line("input", grouped(s.read.files) + (s.read.files == 1 ? " file, " : " files, ") +
                    grouped(s.read.records) + " records over " + decimals(s.read.capture_s, 1) + " s" +
                    (s.read.unusable == 0 ? "" : ", " + grouped(s.read.unusable) + " files not usable"));
  line("packets", grouped(stats.packets) + " in " + grouped(stats.records) + " records, " +
                      grouped(stats.late) + " late, " + grouped(stats.super_packets) +
                      " merged by an offload");
  line("flows", grouped(stats.flows) + ", at most " + grouped(stats.peak_flows) + " at once (table " +
                    grouped(s.max_flows) + "), ended: " + list(non_zero<FlowEnd>(stats.ended)));
  line("windows", grouped(stats.windows) + " classified, " + grouped(stats.idle_windows) + " idle, " +
                      grouped(stats.uncertain_windows) + " uncertain");
  line("video", percent(stats.video_windows, stats.windows) + " of windows, " +
                    percent(s.video_bytes_down, s.bytes_down) + " of down bytes");
  line("rows",
       grouped(s.rows) + " written" +
           (s.hidden_rows == 0 ? "" : ", " + grouped(s.hidden_rows) + " below --min-confidence left out"));
  line("skipped", list(non_zero<ingest::SkipReason>(s.read.skipped)));
  line("dropped", list(non_zero<DropReason>(stats.dropped)));
  line("speed", decimals(packets_per_second(s.read.records, s.read.elapsed_s) * 1e-6, 2) + " M packets/s (" +
                    decimals(packets_per_second(s.read.records, s.read.cpu_s) * 1e-6, 2) +
                    " per CPU-second, " + decimals(s.read.elapsed_s, 3) + " s)");
  line("inference", !s.server.empty() ? "not measured: on the server"
                    : s.latency.rows == 0
                        ? "not measured: no windows"
                        : "p50 " + decimals(s.latency.p50_us, 2) + " us, p99 " +
                              decimals(s.latency.p99_us, 2) + " us a window (one row at a time, on " +
                              grouped(s.latency.rows) + " of these windows)");
  line("model", s.model + (s.server.empty() ? " (kernel " + s.kernel + ")" : " at " + s.server));
  return text;
}

std::string summary_as_json(const Summary& s) {
  const ClassifierStats& stats = s.stats;
  Json document;
  document["files"] = s.read.files;
  document["files_unusable"] = s.read.unusable;
  document["records"] = s.read.records;
  document["capture_seconds"] = s.read.capture_s;
  document["packets"] = stats.packets;
  document["packet_records"] = stats.records;
  document["late"] = stats.late;
  document["super_packets"] = stats.super_packets;
  document["flows"] = stats.flows;
  document["peak_flows"] = stats.peak_flows;
  document["max_flows"] = s.max_flows;
  document["flows_ended"] = non_zero<FlowEnd>(stats.ended);
  document["evictions"] = evicted(stats);
  document["windows"] = stats.windows;
  document["idle_windows"] = stats.idle_windows;
  document["video_windows"] = stats.video_windows;
  document["uncertain_windows"] = stats.uncertain_windows;
  document["video_share_windows"] = share(stats.video_windows, stats.windows);
  document["video_share_bytes_down"] = share(s.video_bytes_down, s.bytes_down);
  document["rows"] = s.rows;
  document["rows_below_min_confidence"] = s.hidden_rows;
  document["session_windows_refused"] = s.refused_windows;
  document["skipped"] = non_zero<ingest::SkipReason>(s.read.skipped);
  document["dropped"] = non_zero<DropReason>(stats.dropped);
  document["time_steps"] = stats.time_steps;
  document["elapsed_s"] = s.read.elapsed_s;
  document["cpu_s"] = s.read.cpu_s;
  document["packets_per_second"] = packets_per_second(s.read.records, s.read.elapsed_s);
  document["packets_per_cpu_second"] = packets_per_second(s.read.records, s.read.cpu_s);
  document["inference"] = {
      {"rows", s.latency.rows}, {"p50_us", s.latency.p50_us}, {"p99_us", s.latency.p99_us}};
  if (s.truth) document["truth"] = truth_as_json(*s.truth);
  document["model"] = s.model;
  if (s.server.empty()) {
    document["kernel"] = s.kernel;
  } else {
    document["server"] = s.server;
  }
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void print_run_warnings(const Summary& s) {
  if (const std::uint64_t n = lost(s.stats); n != 0) {
    Json dropped = non_zero<DropReason>(s.stats.dropped);
    dropped.erase(name_of(DropReason::kNotIp));
    print_warning(grouped(n) + " packets could not be used: " + list(dropped));
  }
  if (const std::uint64_t n = evicted(s.stats); n != 0) {
    print_warning(grouped(n) + " flows were evicted from the full table of " + grouped(s.max_flows) +
                  "; --max-flows makes it larger");
  }
  if (s.stats.time_steps != 0) {
    print_warning("the capture's clock was set anew " + grouped(s.stats.time_steps) +
                  " times; every flow ended there");
  }
  if (s.refused_windows != 0) {
    print_warning(grouped(s.refused_windows) +
                  " windows belong to clients beyond --max-flows and are in no session");
  }
}

}  // namespace reelsense::cli
