#include "server/grpc/classify_stream.h"

#include <algorithm>
#include <chrono>

#include "server/grpc/classify_convert.h"

namespace reelsense::server {

namespace {

// Exchanges that are kept for reuse, if they are not large: what one window a message at full speed needs.
constexpr std::size_t kSpare = 256;
constexpr std::size_t kSpareWindows = 64;
constexpr std::size_t kSparePackets = 1024;
// A packet that is held costs memory too, if less than a window.
constexpr std::size_t kPacketsAWindow = 16;
// How long a message waits at most before it is tried again.
constexpr double kLongestHold_s = 0.25;

}  // namespace

ClassifyStream::ClassifyStream(GrpcCore& core, grpc::CallbackServerContext& context)
    : Call(core, "FlowClassifier/ClassifyStream"),
      context_(context),
      most_unwritten_(
          static_cast<std::size_t>(std::max<std::int64_t>(1, core.services.config.grpc.stream_windows))) {
  core_.services.metrics.connections(Api::kGrpc, 1);
}

ClassifyStream::~ClassifyStream() {
  core_.services.metrics.connections(Api::kGrpc, -1);
}

void ClassifyStream::start() {
  grpc::Status status = identify(core_, context_, Scope::kInfer, principal_);
  if (status.ok()) status = admit(core_, context_, *principal_, 0);
  if (status.ok()) {
    deadline_ns_ = deadline_steady_ns(context_, core_.services.clock);
    StartSendInitialMetadata();
  } else {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    final_ = status;
  }
  advance(true);
}

void ClassifyStream::OnReadDone(bool ok) {
  std::unique_ptr<Exchange> exchange;
  {
    const std::lock_guard lock(mutex_);
    exchange = std::move(reading_);
    in_hand_ = true;
    if (!ok) reads_over_ = true;
    if (!ok || ended_ || broken_) exchange.reset();
    read_ += ok ? 1 : 0;
  }
  if (exchange != nullptr) {
    if (grpc::Status status = prepare(*exchange); status.ok()) {
      offer(std::move(exchange));
    } else {
      refuse(std::move(exchange), status);
    }
  }
  advance(true);
}

grpc::Status ClassifyStream::prepare(Exchange& exchange) {
  Services& services = core_.services;
  Job& job = *exchange.job;
  exchange.admitted = false;
  if (!exchange.request.model().empty()) model_ = exchange.request.model();
  auto model = services.models.get(model_);
  if (!model) return to_status(model.error());
  const FlowNamer name{services.engine, principal_->id};
  grpc::Status status = fill_job(exchange.request, std::move(model.value()), services.config.limits, name,
                                 job, exchange.windows);
  if (!status.ok()) return status;
  job.exact = names_version(model_);
  job.deadline_steady_ns = deadline_ns_;
  exchange.cost = std::max<std::size_t>(1, exchange.windows + job.packets.size() / kPacketsAWindow);
  return status;
}

void ClassifyStream::offer(std::unique_ptr<Exchange> exchange) {
  if (const auto wait_s = try_submit(exchange)) hold(std::move(exchange), *wait_s);
}

std::optional<double> ClassifyStream::try_submit(std::unique_ptr<Exchange>& exchange) {
  Services& services = core_.services;
  if (!exchange->admitted) {
    const auto wait_s = services.limiter.admit(*principal_, exchange->windows, services.clock.steady_ns());
    if (wait_s) return wait_s;
    exchange->admitted = true;
  }
  Exchange& running = *exchange;
  std::unique_ptr<Job> job = std::move(running.job);
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || broken_) {
      exchange.reset();
      return std::nullopt;
    }
    running.running = job.get();
    job->cancelled.store(false, std::memory_order_relaxed);
    unwritten_ += running.cost;
    running_.push_back(std::move(exchange));
  }
  const SubmitCode code = core_.hub.submit(services.engine, job, running);
  if (code == SubmitCode::kAccepted) return std::nullopt;
  const std::lock_guard lock(mutex_);
  exchange = std::move(running_.back());  // one message at a time is in hand
  running_.pop_back();
  exchange->running = nullptr;
  exchange->job = std::move(job);
  unwritten_ -= exchange->cost;
  if (code == SubmitCode::kQueueFull) return static_cast<double>(services.engine.retry_after_us()) * 1e-6;
  ended_ = true;
  final_ = draining_status();
  exchange.reset();
  return std::nullopt;
}

void ClassifyStream::hold(std::unique_ptr<Exchange> exchange, double seconds) {
  const auto wait =
      std::chrono::microseconds(static_cast<std::int64_t>(std::clamp(seconds, 0.001, kLongestHold_s) * 1e6));
  const std::lock_guard lock(mutex_);
  if (ended_ || broken_) return;
  held_ = std::move(exchange);
  if (alarm_set_) return;
  alarm_set_ = true;
  ref();
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(std::chrono::system_clock::now() + wait, [this](bool /*expired*/) {
    {
      const std::lock_guard alarm_lock(mutex_);
      alarm_set_ = false;
    }
    on_jobs_end();
    unref();
  });
}

void ClassifyStream::retry() {
  std::unique_ptr<Exchange> exchange;
  {
    const std::lock_guard lock(mutex_);
    if (held_ == nullptr || ended_ || broken_) return;
    exchange = std::move(held_);
    in_hand_ = true;
  }
  offer(std::move(exchange));
  const std::lock_guard lock(mutex_);
  in_hand_ = false;
}

void ClassifyStream::refuse(std::unique_ptr<Exchange> exchange, const grpc::Status& status) {
  core_.services.metrics.refused(Api::kGrpc, "bad_request");
  const std::lock_guard lock(mutex_);
  outbox_.add_error(exchange->request.request_id(), status.error_code(), status.error_message());
  ++unwritten_;
}

void ClassifyStream::on_job(std::unique_ptr<Job> job, Ticket& ticket) {
  const std::lock_guard lock(mutex_);
  auto& exchange = static_cast<Exchange&>(ticket);
  exchange.running = nullptr;
  exchange.job = std::move(job);
  give_out();
}

void ClassifyStream::on_jobs_end() {
  retry();
  advance();
}

void ClassifyStream::OnWriteDone(bool ok) {
  std::uint64_t read = 0;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    unwritten_ -= outbox_.pop();
    if (!ok) give_up();
    read = std::exchange(read_, 0);
  }
  core_.services.metrics.stream_messages(read, ok ? 1 : 0);
  advance();
}

void ClassifyStream::OnCancel() {
  {
    const std::lock_guard lock(mutex_);
    give_up();
  }
  stop_alarm();
  advance();
}

void ClassifyStream::end(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || broken_ || finished_) return;
    ended_ = true;
    final_ = status;
    held_.reset();
  }
  stop_alarm();
  advance();
}

void ClassifyStream::OnDone() {
  core_.services.metrics.stream_messages(read_, 0);
  count(final_.error_code());
  unref();
}

void ClassifyStream::advance(bool out_of_hand) {
  bool started_read = false;
  do {
    v1::ClassifyRequest* read = nullptr;
    const v1::ClassifyResponse* write = nullptr;
    std::optional<grpc::Status> finish;
    {
      const std::lock_guard lock(mutex_);
      if (out_of_hand) in_hand_ = false;
      if (started_read) starting_read_ = false;
      if (!writing_ && !broken_ && !outbox_.empty()) {
        write = &outbox_.begin_write();
        writing_ = true;
      }
      if (may_read()) {
        reading_ = take_spare();
        read = &reading_->request;
        starting_read_ = true;
      }
      if (may_finish()) {
        finished_ = true;
        finish = final_;
      }
    }
    out_of_hand = false;
    if (write != nullptr) StartWrite(write);
    if (read != nullptr) StartRead(read);
    if (finish) Finish(*finish);
    // Once more: what was read meanwhile could not start the next read.
    started_read = read != nullptr;
  } while (started_read);
}

void ClassifyStream::give_up() {
  broken_ = true;
  if (!finished_) final_ = {grpc::CANCELLED, "the call was cancelled"};
  for (const auto& exchange : running_) {
    if (exchange->running != nullptr) exchange->running->cancelled.store(true, std::memory_order_relaxed);
  }
  unwritten_ -= outbox_.drop();
  held_.reset();
}

// Not under the mutex: gRPC might call back at once. Nobody sets another alarm once the stream is over.
void ClassifyStream::stop_alarm() {
  grpc::Alarm* alarm = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (alarm_set_) alarm = alarm_.get();
  }
  if (alarm != nullptr) alarm->Cancel();
}

std::unique_ptr<ClassifyStream::Exchange> ClassifyStream::take_spare() {
  std::unique_ptr<Exchange> exchange;
  if (spare_.empty()) {
    exchange = std::make_unique<Exchange>();
    exchange->call = this;
  } else {
    exchange = std::move(spare_.back());
    spare_.pop_back();
  }
  return exchange;
}

void ClassifyStream::recycle(std::unique_ptr<Exchange> exchange) {
  if (spare_.size() >= kSpare || exchange->windows > kSpareWindows ||
      exchange->job->packets.size() > kSparePackets)
    return;
  exchange->job->clear();
  exchange->job->model.reset();
  spare_.push_back(std::move(exchange));
}

void ClassifyStream::give_out() {
  while (!running_.empty() && running_.front()->running == nullptr) {
    std::unique_ptr<Exchange> exchange = std::move(running_.front());
    running_.pop_front();
    unwritten_ -= exchange->cost;
    if (!broken_) {
      outbox_.add_labels(exchange->request, *exchange->job);
      unwritten_ += exchange->job->answers.size();
    }
    recycle(std::move(exchange));
  }
}

bool ClassifyStream::may_read() const noexcept {
  return reading_ == nullptr && !starting_read_ && !in_hand_ && !reads_over_ && !ended_ && !broken_ &&
         held_ == nullptr && unwritten_ < most_unwritten_;
}

bool ClassifyStream::may_finish() const noexcept {
  const bool over = reads_over_ || ended_ || broken_;
  return over && !finished_ && !starting_read_ && !in_hand_ && !writing_ && held_ == nullptr &&
         running_.empty() && (broken_ || outbox_.empty());
}

}  // namespace reelsense::server
