// `reelsense features --view socket|record`: rows of captures, packet series and logs.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/view_flow.h"
#include "cli/output/output.h"
#include "reelsense/ingest/event_log.h"

namespace reelsense::cli {

struct ViewRun {
  View view = View::kSocket;
  ViewOptions options;
  std::vector<std::string> files;
  std::string filter;           // captures
  std::uint32_t max_flows = 0;  // flows beyond it are not seen
  std::uint32_t phase_us = 0;   // series
};

// Each writes header and rows and returns the exit code; problems are told on standard error.
// Captures: one after another, each on its own; rows in the order in which their windows or records end.
int run_view_captures(const ViewRun& run, FeatureWriter& writer, Output& out);
// One packet series: by flow and second.
int run_view_series(const ViewRun& run, FeatureWriter& writer, Output& out);
// One log of the run's view: flows numbered in order of their first lines.
int run_view_log(const ViewRun& run, FeatureWriter& writer, Output& out);

}  // namespace reelsense::cli
