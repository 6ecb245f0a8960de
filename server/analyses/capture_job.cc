#include "server/analyses/capture_job.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "reelsense/classifier/classifier.h"
#include "reelsense/ingest/capture.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kJobWindows = 256;
constexpr std::size_t kBatch = 256;
constexpr std::size_t kOutputBuffer = 1 << 16;

std::string protocol_name(std::uint8_t protocol) {
  if (protocol == kProtocolTcp) return "tcp";
  if (protocol == kProtocolUdp) return "udp";
  if (protocol == kProtocolSctp) return "sctp";
  return std::to_string(protocol);
}

}  // namespace

// Windows go to the engine a few hundred at a time; their rows are written when the labels are back, so in
// order.
class CaptureJob::Sink final : public ClassifierSink, public JobListener {
 public:
  Sink(CaptureJob& owner, std::FILE* out)
      : owner_(owner),
        out_(out),
        prefix_(owner.capture_.filename().string() + "/"),
        job_(std::make_unique<Job>()) {
    begin();
  }

  void on_windows(std::span<const WindowRow> rows) override {
    for (const WindowRow& row : rows) {
      if (failed_) return;
      const auto flow = static_cast<std::uint32_t>(job_->flows.size());
      Job::Flow asked;
      asked.id = owner_.engine_.flow_id(owner_.principal_, prefix_ + std::to_string(row.flow_id));
      job_->flows.push_back(asked);
      float* const to = job_->add_window(flow, row.second);
      std::memcpy(to, row.features, kFeatureCount * sizeof(float));
      for (std::size_t i = 0; i < owner_.model_->bins(); ++i)
        to[kFeatureCount + i] = static_cast<float>(row.bins[i]);
      rows_.push_back(row);
      if (rows_.size() == kJobWindows) flush();
    }
  }

  void on_flow_end(const FlowSummary& flow) override {
    Job::Flow ended;
    ended.id = owner_.engine_.flow_id(owner_.principal_, prefix_ + std::to_string(flow.flow_id));
    ended.end = true;
    job_->flows.push_back(ended);  // after its windows in this job, and the engine forgets after all of them
    if (job_->flows.size() >= 4 * kJobWindows) flush();
  }

  void on_done(std::unique_ptr<Job> job) override {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  void on_batch_end() override {
    const std::lock_guard lock(mutex_);
    back_ = true;
    came_.notify_one();
  }

  // Labels for what was gathered.
  void flush() {
    if (failed_ || job_->flows.empty()) return;
    if (!submit()) return;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [&] { return back_; });
      back_ = false;
    }
    for (std::size_t i = 0; i < rows_.size() && !failed_; ++i) write(rows_[i], job_->answers[i]);
    rows_.clear();
    begin();
  }

  [[nodiscard]] const std::optional<Error>& failed() const noexcept { return failed_; }
  [[nodiscard]] AnalysisView::Summary& summary() noexcept { return summary_; }

 private:
  void begin() {
    job_->clear();
    job_->model = owner_.model_;
    job_->exact = true;  // one version for the whole capture
    job_->principal = owner_.principal_;
    job_->listener = this;
  }

  // Other clients' windows come first when the queue is full: an analysis can wait.
  bool submit() {
    while (true) {
      if (owner_.cancelled_) {
        failed_ = Error{ErrorCode::kInvalidArgument, "cancelled"};
        return false;
      }
      switch (owner_.engine_.submit(job_)) {
        case SubmitCode::kAccepted:
          return true;
        case SubmitCode::kDraining:
          failed_ = Error{ErrorCode::kLimit, "the server shut down before the analysis was done"};
          return false;
        case SubmitCode::kQueueFull:
          std::this_thread::sleep_for(std::chrono::microseconds(owner_.engine_.retry_after_us()));
      }
    }
  }

  void write(const WindowRow& row, const Answer& answer) {
    if (answer.code != AnswerCode::kOk) {
      failed_ = Error{ErrorCode::kIo, std::string("a window was not labelled: ") + name_of(answer.code)};
      return;
    }
    const Decision& decision = answer.decision;
    const bool video = decision.label == Label::kVideo;
    ++summary_.windows;
    summary_.video_windows += video ? 1 : 0;
    summary_.uncertain_windows += decision.uncertain ? 1 : 0;
    summary_.bytes_down += row.bytes_down;
    summary_.video_bytes_down += video ? row.bytes_down : 0;
    const int written = std::fprintf(
        out_, "%llu,%s,%lld,%s,%.4f,%d,%u,%u,%llu,%llu\n", static_cast<unsigned long long>(row.flow_id),
        protocol_name(row.flow.protocol).c_str(), static_cast<long long>(row.second), name_of(decision.label),
        static_cast<double>(decision.confidence), decision.uncertain ? 1 : 0, row.packets_up,
        row.packets_down, static_cast<unsigned long long>(row.bytes_up),
        static_cast<unsigned long long>(row.bytes_down));
    if (written < 0) failed_ = Error{ErrorCode::kIo, owner_.labels_.string() + ": " + std::strerror(errno)};
  }

  CaptureJob& owner_;
  std::FILE* out_;
  std::string prefix_;  // the upload's name is random: flows of two analyses never meet
  std::vector<WindowRow> rows_;
  std::unique_ptr<Job> job_;
  AnalysisView::Summary summary_;
  std::optional<Error> failed_;
  std::mutex mutex_;
  std::condition_variable came_;
  bool back_ = false;
};

CaptureJob::CaptureJob(Engine& engine, std::shared_ptr<const ServedModel> model, std::uint32_t principal,
                       std::filesystem::path capture, std::filesystem::path labels)
    : engine_(engine),
      model_(std::move(model)),
      principal_(principal),
      capture_(std::move(capture)),
      labels_(std::move(labels)) {}

Result<CaptureJob::Outcome> CaptureJob::run() {
  const auto started = std::chrono::steady_clock::now();
  auto reader = ingest::open_capture(capture_.string());
  if (!reader) {
    // The upload's own path says nothing to whoever sent it.
    Error error = reader.error();
    if (error.message.starts_with(capture_.string()))
      error.message.replace(0, capture_.string().size(), "the capture");
    return error;
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(labels_.c_str(), "we"), std::fclose);
  if (!out) return Error{ErrorCode::kIo, labels_.string() + ": " + std::strerror(errno)};
  std::setvbuf(out.get(), nullptr, _IOFBF, kOutputBuffer);
  std::fputs("flow,protocol,second,label,confidence,uncertain,packets_up,packets_down,bytes_up,bytes_down\n",
             out.get());

  Sink sink(*this, out.get());
  Result<Classifier> classifier = Classifier::create(nullptr, sink);
  if (!classifier) return classifier.error();
  std::vector<ingest::CaptureRecord> records(kBatch);
  std::vector<ParsedPacket> packets(kBatch);
  std::int64_t first_ns = INT64_MAX;
  std::int64_t last_ns = INT64_MIN;
  while (const std::size_t n = reader.value()->read(records)) {
    std::size_t parsed = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const ingest::CaptureRecord& record = records[i];
      ParsedPacket& packet = packets[parsed];
      const DropReason reason =
          parse_packet(record.link, {record.data, record.captured_bytes}, record.wire_bytes, packet);
      if (reason != DropReason::kNone) {
        classifier.value().count_drop(reason);
        continue;
      }
      packet.time_ns = record.time_ns;
      first_ns = std::min(first_ns, record.time_ns);
      last_ns = std::max(last_ns, record.time_ns);
      ++parsed;
    }
    classifier.value().add({packets.data(), parsed});
    if (sink.failed()) return *sink.failed();
    const ingest::CaptureStatus& status = reader.value()->status();
    if (status.bytes_total > 0) {
      progress_ = static_cast<double>(status.bytes_read) / static_cast<double>(status.bytes_total);
    }
  }
  classifier.value().finish();
  sink.flush();
  if (sink.failed()) return *sink.failed();
  if (std::fflush(out.get()) != 0)
    return Error{ErrorCode::kIo, labels_.string() + ": " + std::strerror(errno)};

  Outcome outcome;
  outcome.summary = sink.summary();
  const ClassifierStats& stats = classifier.value().stats();
  outcome.summary.packets = stats.packets;
  for (const std::uint64_t dropped : stats.dropped) outcome.summary.skipped += dropped;
  outcome.summary.flows = stats.flows;
  if (first_ns < last_ns) outcome.summary.capture_s = static_cast<double>(last_ns - first_ns) * 1e-9;
  outcome.summary.elapsed_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  const ingest::CaptureStatus& status = reader.value()->status();
  for (const std::uint64_t skipped : status.skipped) outcome.summary.skipped += skipped;
  if (status.truncated_at) {
    outcome.warning = "cut short inside the record at byte " + std::to_string(*status.truncated_at);
  }
  if (status.damage) outcome.warning += (outcome.warning.empty() ? "" : "; ") + *status.damage;
  progress_ = 1;
  return outcome;
}

}  // namespace reelsense::server
