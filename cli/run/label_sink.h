// Where classify's labelled windows go, whoever labelled them: rows, sessions, ribbon, summary. Thread
// safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "cli/output/row_writer.h"
#include "cli/ribbon.h"
#include "cli/run/latency.h"
#include "cli/run/session_sink.h"
#include "cli/run/summary.h"
#include "cli/run/truth.h"
#include "reelsense/classifier/classifier.h"

namespace reelsense::cli {

struct LabelSinkOptions {
  bool sessions = false;
  float min_confidence = 0;
  bool flush_seconds = false;  // a live reader waits for each second's rows
  const UeModel* timed =
      nullptr;  // keep a sample to time on this model for the summary; must outlive the sink
  std::uint32_t max_sessions = 0;
  std::function<Decision(float probability)> to_decision;  // of a session's score; needed for sessions
  Truth* truth = nullptr;  // compared with every window, if given; must outlive the sink
};

class LabelSink : public ClassifierSink {
 public:
  // `rows` and `ribbon` may be null; what is given must outlive the sink.
  LabelSink(Output& out, RowWriter* rows, Ribbon* ribbon, const LabelSinkOptions& options);

  void on_windows(std::span<const WindowRow> rows) override;
  void on_flow_end(const FlowSummary& flow) override;
  void on_second_end(std::int64_t k) override;
  // The model ("name@version") that labelled what comes next, where it is not the rows' first one.
  void on_model(std::string_view model);
  // After the last row of an input.
  void end_input();

  // Adds what this sink counted.
  void fill(Summary& summary) const;

 private:
  void emit(std::uint64_t track_id, const LabelRow& row);

  Output& out_;
  RowWriter* rows_;
  Ribbon* ribbon_;
  LabelSinkOptions options_;
  std::optional<SessionTable> sessions_;
  LatencySample latency_;
  std::uint64_t bytes_down_ = 0;
  std::uint64_t video_bytes_down_ = 0;
  std::uint64_t video_windows_ = 0;
  std::uint64_t uncertain_windows_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t hidden_ = 0;
};

}  // namespace reelsense::cli
