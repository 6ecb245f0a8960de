#include "server/grpc/call.h"

#include <algorithm>
#include <vector>

#include "server/grpc/status.h"

namespace reelsense::server {

namespace {

// Calls that had a job in the batch this thread is handing out, each with a reference.
struct Touched {
  CallHub* hub;
  Call* call;
};

struct ThreadBatch {
  std::vector<Touched> touched;
  std::vector<Touched> spare;  // for its capacity
  std::uint64_t number = next();

  // Never twice in the process.
  static std::uint64_t next() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
  }
};

thread_local ThreadBatch t_batch;

}  // namespace

SubmitCode CallHub::submit(Engine& engine, std::unique_ptr<Job>& job, Ticket& ticket) {
  static_assert(sizeof(Ticket*) <= sizeof(job->tag));
  job->listener = this;
  job->tag = reinterpret_cast<std::uintptr_t>(&ticket);
  Call* call = ticket.call;
  call->ref();
  const SubmitCode code = engine.submit(job);
  if (code != SubmitCode::kAccepted) call->unref();
  return code;
}

void CallHub::on_done(std::unique_ptr<Job> job) {
  auto& ticket = *reinterpret_cast<Ticket*>(static_cast<std::uintptr_t>(job->tag));
  Call* call = ticket.call;  // the job's reference is ours now
  call->on_job(std::move(job), ticket);
  if (call->batch_.exchange(t_batch.number, std::memory_order_relaxed) == t_batch.number) {
    call->unref();
  } else {
    t_batch.touched.push_back({this, call});
  }
}

void CallHub::on_batch_end() {
  ThreadBatch& batch = t_batch;
  if (batch.touched.empty()) return;
  // A call that is told may submit again, and so come back here: its list is taken first. Another hub's stay.
  std::vector<Touched> mine = std::move(batch.spare);
  mine.clear();
  std::erase_if(batch.touched, [&](const Touched& one) {
    if (one.hub == this) mine.push_back(one);
    return one.hub == this;
  });
  batch.number = ThreadBatch::next();
  for (const Touched& one : mine) {
    one.call->on_jobs_end();
    one.call->unref();
  }
  batch.spare = std::move(mine);
}

void CallHub::end_all(const grpc::Status& status) {
  std::vector<Call*> open;
  {
    const std::lock_guard lock(mutex_);
    for (Call* call : calls_) {
      if (call->try_ref()) open.push_back(call);
    }
  }
  for (Call* call : open) {
    call->end(status);
    call->unref();
  }
}

void CallHub::wait_empty() {
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return calls_.empty(); });
}

void CallHub::wait_empty(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  empty_.wait_for(lock, limit, [this] { return calls_.empty(); });
}

std::size_t CallHub::open() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

void CallHub::add(Call* call) {
  const std::lock_guard lock(mutex_);
  calls_.insert(call);
}

void CallHub::remove(Call* call) {
  const std::lock_guard lock(mutex_);
  calls_.erase(call);
  if (calls_.empty()) empty_.notify_all();
}

Call::Call(GrpcCore& core, std::string_view route)
    : core_(core), route_(route), begin_ns_(core.services.clock.steady_ns()) {
  core_.hub.add(this);
}

Call::~Call() {
  core_.hub.remove(this);
}

void Call::unref() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool Call::try_ref() noexcept {
  std::uint32_t now = references_.load(std::memory_order_relaxed);
  while (now != 0) {
    if (references_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

void Call::count(grpc::StatusCode code) {
  const std::int64_t took_ns = core_.services.clock.steady_ns() - begin_ns_;
  core_.services.metrics.request(Api::kGrpc, route_, name_of(code), static_cast<double>(took_ns) * 1e-9);
}

}  // namespace reelsense::server
