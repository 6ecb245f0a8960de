// What a run did, in numbers: for people (text) or programs (one JSON object on a line). Thread safety: plain
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/run/capture_run.h"
#include "cli/run/latency.h"
#include "cli/run/truth.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

struct Summary {
  CaptureRunTotals read;
  ClassifierStats stats;
  std::uint64_t bytes_down = 0;  // of all classified windows
  std::uint64_t video_bytes_down = 0;
  std::uint64_t rows = 0;             // written
  std::uint64_t hidden_rows = 0;      // left out by --min-confidence
  std::uint64_t refused_windows = 0;  // of sessions beyond the table's bound
  std::uint32_t max_flows = 0;
  std::string model;  // "reelsense-ue@0.1.0"
  std::string kernel;
  std::string server;  // URL of the one that labelled; empty: this process did
  Latency latency;
  std::optional<TruthReport> truth;  // when --truth was given
};

std::string summary_as_text(const Summary& summary);
std::string summary_as_json(const Summary& summary);

// One line each for what a user should know even without --summary: evictions, dropped packets, time steps.
void print_run_warnings(const Summary& summary);

}  // namespace reelsense::cli
