// The loop of classify, flows and features: capture files → parse_packet → Classifier.
//
// Policy for several files: one after another in the order given, each on its own (its flows end with it), or
// joined into one event-time stream. A file that cannot be used is told and passed over; the run goes on and
// its exit code says so. Thread safety: none.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/output/output.h"
#include "cli/output/progress.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::cli {

struct CaptureRunOptions {
  std::vector<std::string> files;
  std::string filter;
  bool joined = false;
  bool progress = true;  // a bar on standard error, if that is a terminal
  // Asked every few hundred packets: true ends the run, as a full disk does.
  std::function<bool()> stop = [] { return false; };
  // After the last row of a file, or once after all of them when joined; `name` says which.
  std::function<void(const std::string& name)> on_end = [](const std::string&) {};
};

// What was read, over all files.
struct CaptureRunTotals {
  std::uint64_t files = 0;  // opened
  std::uint64_t unusable = 0;
  std::uint64_t records = 0;  // handed over by the readers
  std::array<std::uint64_t, static_cast<std::size_t>(ingest::SkipReason::kCount)> skipped{};
  double capture_s = 0;  // from the first to the last packet, summed over files
  double elapsed_s = 0;
  double cpu_s = 0;
};

class CaptureRun {
 public:
  // `classifier` and `out` must outlive the run; `out` is watched, so that a full disk ends the run at once.
  CaptureRun(CaptureRunOptions options, Classifier& classifier, Output& out);

  // Processes every file and finishes the classifier. Returns the exit code; problems are told on standard
  // error.
  int run();

  [[nodiscard]] const CaptureRunTotals& totals() const noexcept { return totals_; }

 private:
  int run_file(const std::string& path);
  void begin_input() noexcept;
  void end_input(const std::string& name);
  [[nodiscard]] bool cut_off() const { return !out_.ok() || options_.stop(); }
  void run_records(ingest::CaptureReader& reader);
  std::size_t parse_batch(std::size_t records);
  int report_damage(const std::string& path, const ingest::CaptureStatus& status);

  // Large enough to hide the classifier's look-ahead, small enough to stay in the first-level cache with its
  // packets.
  static constexpr std::size_t kBatch = 256;

  CaptureRunOptions options_;
  Classifier& classifier_;
  Output& out_;
  Progress progress_;
  CaptureRunTotals totals_;
  std::int64_t first_ns_ = 0;  // earliest and latest time of the present input's packets
  std::int64_t last_ns_ = 0;
  std::array<ingest::CaptureRecord, kBatch> records_;
  std::array<ParsedPacket, kBatch> packets_;
};

}  // namespace reelsense::cli
