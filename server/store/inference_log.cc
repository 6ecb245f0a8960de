#include "server/store/inference_log.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "server/base/logger.h"
#include "server/store/log_reader.h"
#include "server/store/log_writer.h"
#include "server/store/waiting_requests.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kQueuedFeedback = 65'536;      // windows
constexpr std::size_t kQueuedObservations = 16'384;  // likewise
constexpr std::uint16_t kOtherModel = UINT16_MAX;    // stored without a name
constexpr auto kIdle = std::chrono::seconds(60);     // then retention looks at the clock

std::uint64_t size_of(const std::filesystem::path& file) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(file, error);
  return error ? 0 : bytes;
}

Error too_much_waits(const char* what, std::size_t most) {
  return {ErrorCode::kLimit, std::string(what) + " of " + std::to_string(most) +
                                 " windows already wait for the disk; try again later"};
}

}  // namespace

struct InferenceLog::Impl {
  Impl(const LogOptions& its_options, const Clock& clock)
      : options(its_options), writer(options, clock), reader(options.file) {}

  template <class Request>
  bool add(WaitingRequests<Request>& waiting, Request& request, std::size_t windows) {
    const std::lock_guard lock(mutex);
    if (!waiting.add(request, windows)) return false;
    wake.notify_one();
    return true;
  }
  void run();
  [[nodiscard]] bool requested() const noexcept { return !feedback.empty() || !observations.empty(); }
  [[nodiscard]] bool urgent() const noexcept;
  void wait(std::unique_lock<std::mutex>& lock);
  void process();
  void reopen(LogWriter::Outcome& outcome);
  void finish(const LogWriter::Outcome& outcome, std::uint64_t flush);

  const LogOptions options;

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable flushed;
  std::vector<LogEntry> queue;
  std::size_t in_flight = 0;  // entries that the writer took and has not stored yet
  WaitingRequests<LogRequest> feedback{kQueuedFeedback};
  WaitingRequests<ObservationRequest> observations{kQueuedObservations};
  std::vector<ModelName> models;
  std::map<ModelName, std::uint16_t> model_indices;
  std::uint64_t flush_asked = 0;
  std::uint64_t flush_done = 0;
  Status flush_status = ok_status();
  bool more_to_delete = false;
  bool stopping = false;
  LogStats stats;

  // The writer thread's.
  LogWriter writer;
  std::vector<LogEntry> batch;
  std::vector<ModelName> batch_models;

  std::mutex reader_mutex;
  LogReader reader;

  std::thread thread;
};

Result<std::unique_ptr<InferenceLog>> InferenceLog::open(const LogOptions& options, const Clock& clock) {
  const std::string name = options.file.string();
  if (name.empty() || name.starts_with(':') || name.starts_with("file:")) {
    return Error{ErrorCode::kInvalidArgument, "inference log: \"" + name + "\" is not the name of a file"};
  }
  if (options.queue_entries == 0) {
    return Error{ErrorCode::kInvalidArgument, "inference log: queue_entries is 0, expected at least 1"};
  }
  auto impl = std::make_unique<Impl>(options, clock);
  if (Status opened = impl->writer.open(); !opened) return opened.error().in("inference log");
  impl->thread = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<InferenceLog>(new InferenceLog(std::move(impl)));
}

InferenceLog::InferenceLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

InferenceLog::~InferenceLog() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_one();
  impl_->thread.join();
  // The last connection that closes must be able to write (it empties the write-ahead log), so the reader
  // goes first.
  impl_->reader.close();
  impl_->writer.close();
}

std::uint16_t InferenceLog::model_index(const std::string& name, const std::string& version,
                                        const std::string& tier) {
  const std::lock_guard lock(impl_->mutex);
  ModelName model{name, version, tier};
  if (const auto found = impl_->model_indices.find(model); found != impl_->model_indices.end())
    return found->second;
  if (impl_->models.size() >= kOtherModel) return kOtherModel;
  const auto index = static_cast<std::uint16_t>(impl_->models.size());
  impl_->models.push_back(model);
  impl_->model_indices.emplace(std::move(model), index);
  return index;
}

std::size_t InferenceLog::append(std::span<const LogEntry> entries) {
  bool notify = false;
  std::size_t taken = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    const std::size_t before = impl_->queue.size();
    taken = std::min(entries.size(), impl_->options.queue_entries - before - impl_->in_flight);
    impl_->queue.insert(impl_->queue.end(), entries.begin(),
                        entries.begin() + static_cast<std::ptrdiff_t>(taken));
    impl_->stats.dropped += entries.size() - taken;
    const std::size_t quarter = impl_->options.queue_entries / 4;
    notify = taken > 0 && (before == 0 || (before < quarter && before + taken >= quarter));
  }
  if (notify) impl_->wake.notify_one();
  return taken;
}

void InferenceLog::feedback(std::vector<FeedbackEntry> entries, std::function<void(Status)> done) {
  const std::size_t windows = entries.size();
  LogRequest request{std::move(entries), std::move(done)};
  if (!impl_->add(impl_->feedback, request, windows)) {
    request.done(too_much_waits("feedback", impl_->feedback.most_windows()));
  }
}

void InferenceLog::observations(ObservationBatch batch,
                                std::function<void(Result<ObservationsStored>)> done) {
  const std::size_t windows = batch.observations.size();
  ObservationRequest request{std::move(batch), std::move(done)};
  if (!impl_->add(impl_->observations, request, windows)) {
    request.done(too_much_waits("observations", impl_->observations.most_windows()));
  }
}

Result<LogPage> InferenceLog::query(const LogQuery& query) {
  Result<LogPage> page = LogPage{};
  {
    const std::lock_guard lock(impl_->reader_mutex);
    page = impl_->reader.query(query);
  }
  if (!page) return page;
  for (LogRow& row : page.value().rows) {
    row.entry.model = row.model.empty() ? kOtherModel : model_index(row.model, row.version, row.tier);
  }
  return page;
}

Result<ObservationPage> InferenceLog::query_observations(const ObservationQuery& query) {
  const std::lock_guard lock(impl_->reader_mutex);
  return impl_->reader.query(query);
}

Status InferenceLog::flush() {
  std::unique_lock lock(impl_->mutex);
  const std::uint64_t mine = ++impl_->flush_asked;
  impl_->wake.notify_one();
  impl_->flushed.wait(lock, [&] { return impl_->flush_done >= mine; });
  return impl_->flush_status;
}

LogStats InferenceLog::stats() const {
  LogStats stats;
  {
    const std::lock_guard lock(impl_->mutex);
    stats = impl_->stats;
    stats.queued = impl_->queue.size() + impl_->in_flight;
  }
  stats.file_bytes = size_of(impl_->options.file) + size_of(impl_->options.file.string() + "-wal");
  return stats;
}

bool InferenceLog::Impl::urgent() const noexcept {
  return stopping || requested() || flush_asked != flush_done || more_to_delete ||
         (!queue.empty() && queue.size() >= options.queue_entries / 4);
}

void InferenceLog::Impl::wait(std::unique_lock<std::mutex>& lock) {
  if (!wake.wait_for(lock, kIdle, [&] { return urgent() || !queue.empty(); })) return;
  wake.wait_for(lock, std::chrono::milliseconds(options.flush_ms), [&] { return urgent(); });
}

void InferenceLog::Impl::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex);
      wait(lock);
      if (stopping && queue.empty() && !requested() && flush_asked == flush_done) break;
    }
    process();
  }
}

void InferenceLog::Impl::process() {
  std::uint64_t flush = 0;
  {
    const std::lock_guard lock(mutex);
    batch.swap(queue);
    feedback.hand_over();
    observations.hand_over();
    in_flight = batch.size();
    for (std::size_t i = batch_models.size(); i < models.size(); ++i) batch_models.push_back(models[i]);
    flush = flush_asked;
  }
  LogWriter::Outcome outcome;
  if (writer.must_open()) reopen(outcome);
  writer.write(batch_models, batch, outcome);
  batch.clear();
  writer.write_feedback(feedback.batch(), outcome);
  writer.write_observations(observations.batch(), outcome);
  feedback.batch().clear();
  observations.batch().clear();
  writer.expire(outcome);
  {
    const std::lock_guard lock(mutex);
    in_flight = 0;
    feedback.finish();
    observations.finish();
  }
  finish(outcome, flush);
}

void InferenceLog::Impl::reopen(LogWriter::Outcome& outcome) {
  // Both, as the reader's locks are on the files that are gone.
  const std::lock_guard lock(reader_mutex);
  reader.close();
  if (Status opened = writer.open(); !opened) {
    ++outcome.failures;
    outcome.status = opened;
  }
}

void InferenceLog::Impl::finish(const LogWriter::Outcome& outcome, std::uint64_t flush) {
  Status status = outcome.status;
  std::uint64_t failures = outcome.failures;
  if (status && flush != flush_done) {
    status = writer.sync();
    failures += status ? 0 : 1;
  }
  const bool stored = outcome.written > 0 || outcome.feedback > 0 || outcome.observations > 0;
  std::string now;
  std::string before;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex);
    stats.written += outcome.written;
    dropped = stats.dropped += outcome.dropped;
    stats.feedback += outcome.feedback;
    stats.observations += outcome.observations;
    stats.observations_deleted += outcome.observations_deleted;
    stats.deleted += outcome.deleted;
    stats.failures += failures;
    before = stats.last_error;
    // Until something can be written again, the last error is the state of things.
    now = !status ? status.error().message : stored ? "" : before;
    stats.last_error = now;
    more_to_delete = outcome.more_to_delete;
    flush_status = status;
    flush_done = flush;
  }
  flushed.notify_all();
  if (!now.empty() && now != before) {
    log_error("inference log failed", {{"reason", now}, {"dropped", dropped}});
  } else if (now.empty() && !before.empty()) {
    log_info("inference log recovered", {{"dropped", dropped}});
  }
}

}  // namespace reelsense::server
