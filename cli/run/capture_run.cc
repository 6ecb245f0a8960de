#include "cli/run/capture_run.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

#include "cli/exit_code.h"
#include "cli/output/format.h"
#include "cli/output/terminal.h"

namespace reelsense::cli {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

CaptureRun::CaptureRun(CaptureRunOptions options, Classifier& classifier, Output& out)
    : options_(std::move(options)), classifier_(classifier), out_(out), progress_(options_.progress) {}

int CaptureRun::run() {
  const auto started = std::chrono::steady_clock::now();
  const double cpu_started = cpu_seconds();
  int code = kExitOk;
  begin_input();
  for (const std::string& path : options_.files) {
    code = worse(code, run_file(path));
    if (!options_.joined) end_input(path);
    if (cut_off() || code == kExitUsage) break;
  }
  if (options_.joined) end_input(std::to_string(totals_.files) + " files");
  progress_.clear();
  totals_.cpu_s = cpu_seconds() - cpu_started;
  totals_.elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return code;
}

void CaptureRun::end_input(const std::string& name) {
  classifier_.finish();
  progress_.clear();
  options_.on_end(name);
  if (first_ns_ < last_ns_) totals_.capture_s += static_cast<double>(last_ns_ - first_ns_) * 1e-9;
  begin_input();
}

void CaptureRun::begin_input() noexcept {
  first_ns_ = std::numeric_limits<std::int64_t>::max();
  last_ns_ = std::numeric_limits<std::int64_t>::min();
}

int CaptureRun::run_file(const std::string& path) {
  auto reader = ingest::open_capture(path, {options_.filter});
  if (!reader) {
    progress_.clear();
    print_error(reader.error().message);
    ++totals_.unusable;
    // A filter that does not compile is the command line's fault and would fail for every file.
    return reader.error().code == ErrorCode::kInvalidArgument ? kExitUsage : kExitInput;
  }
  ++totals_.files;
  progress_.start(path);
  run_records(*reader.value());
  const ingest::CaptureStatus& status = reader.value()->status();
  totals_.records += status.records;
  for (std::size_t i = 0; i < totals_.skipped.size(); ++i) totals_.skipped[i] += status.skipped[i];
  progress_.clear();
  return report_damage(path, status);
}

void CaptureRun::run_records(ingest::CaptureReader& reader) {
  std::uint64_t batches = 0;
  while (const std::size_t n = reader.read(records_)) {
    classifier_.add({packets_.data(), parse_batch(n)});
    if (cut_off()) return;
    // A look at the clock every few thousand packets costs nothing.
    if (++batches % 64 == 0) progress_.update(reader.status().bytes_read, reader.status().bytes_total);
  }
}

std::size_t CaptureRun::parse_batch(std::size_t records) {
  std::size_t parsed = 0;
  std::int64_t first = first_ns_;
  std::int64_t last = last_ns_;
  for (std::size_t i = 0; i < records; ++i) {
    const ingest::CaptureRecord& record = records_[i];
    ParsedPacket& packet = packets_[parsed];
    const DropReason reason =
        parse_packet(record.link, {record.data, record.captured_bytes}, record.wire_bytes, packet);
    if (reason != DropReason::kNone) {
      classifier_.count_drop(reason);
      continue;
    }
    packet.time_ns = record.time_ns;
    first = std::min(first, record.time_ns);
    last = std::max(last, record.time_ns);
    ++parsed;
  }
  first_ns_ = first;
  last_ns_ = last;
  return parsed;
}

int CaptureRun::report_damage(const std::string& path, const ingest::CaptureStatus& status) {
  int code = kExitOk;
  const std::string file = path == "-" ? "standard input" : path;
  if (status.truncated_at) {
    print_warning(file + ": cut short inside the record at byte " + std::to_string(*status.truncated_at) +
                  "; the " + grouped(status.records) + " whole records before it were processed");
    code = kExitDamaged;
  }
  if (status.damage) {
    print_warning(file + ": " + *status.damage);
    code = kExitDamaged;
  }
  std::string skipped;
  for (std::size_t i = 0; i < status.skipped.size(); ++i) {
    const auto reason = static_cast<ingest::SkipReason>(i);
    if (reason == ingest::SkipReason::kFiltered || status.skipped[i] == 0) continue;
    skipped += (skipped.empty() ? "" : ", ") + grouped(status.skipped[i]) + " " + ingest::name_of(reason);
  }
  if (!skipped.empty()) print_warning(file + ": records passed over: " + skipped);
  return code;
}

}  // namespace reelsense::cli
