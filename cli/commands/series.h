// `reelsense features SERIES.npz`: features of recorded packet series, flow by flow, without addresses or a
// capture.
#pragma once

#include <cstdint>
#include <string>

#include "cli/output/feature_writer.h"
#include "cli/output/output.h"

namespace reelsense::cli {

struct SeriesArguments {
  std::uint32_t phase_us = 0;  // where in a second each flow's first packet falls
  double idle_timeout_s = 120;
  double active_timeout_s = 3600;
};

// Writes header and rows, by flow and second. Returns the exit code; problems are told on standard error.
int run_series(const std::string& path, const SeriesArguments& arguments, FeatureWriter& writer, Output& out);

}  // namespace reelsense::cli
