// Call and CallHub: what every gRPC call here has in common, and how answers find their way back to it.
//
// The engine calls one listener, the hub, which lives as long as the server. It hands each job to its call at
// once and, when the batch is over, tells every call that had one. A call is reference counted: its reactor
// holds one reference until OnDone, each job in the engine one, each batch that touched it one, each timer
// one. So a job may come back to a call that gRPC is done with, and nothing is touched after it is gone.
//
// Thread safety: all members, unless it says otherwise.
#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_set>

#include "server/services.h"

namespace reelsense::server {

class Call;
struct GrpcCore;

// Of one job: whose it is. Lives until the job came back.
struct Ticket {
  Call* call = nullptr;
};

class CallHub final : public JobListener {
 public:
  // As Engine::submit; the answers go to ticket.call. The caller holds a reference to it.
  SubmitCode submit(Engine& engine, std::unique_ptr<Job>& job, Ticket& ticket);

  void on_done(std::unique_ptr<Job> job) override;
  void on_batch_end() override;

  // Asks every open call to end with `status`.
  void end_all(const grpc::Status& status);
  // Returns when no call is left.
  void wait_empty();
  // Likewise, but not after `limit`.
  void wait_empty(std::chrono::milliseconds limit);
  [[nodiscard]] std::size_t open() const;

 private:
  friend class Call;
  void add(Call* call);
  void remove(Call* call);

  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_set<Call*> calls_;
};

class Call {
 public:
  // `route`: as metrics know it, a literal.
  Call(GrpcCore& core, std::string_view route);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // A job came back, with all its answers. From a worker thread.
  virtual void on_job(std::unique_ptr<Job> /*job*/, Ticket& /*ticket*/) {}
  // Every job of a batch came back: the time to send.
  virtual void on_jobs_end() {}
  // The server stops: answer what was read, then end with `status`.
  virtual void end(const grpc::Status& /*status*/) {}

  void ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref();

 protected:
  virtual ~Call();
  // Counts the call; from OnDone.
  void count(grpc::StatusCode code);

  GrpcCore& core_;

 private:
  friend class CallHub;
  bool try_ref() noexcept;

  const std::string_view route_;
  const std::int64_t begin_ns_;
  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint64_t> batch_{0};  // the last batch that touched it
};

// What the calls share.
struct GrpcCore {
  explicit GrpcCore(Services& its_services) : services(its_services) {}
  Services& services;
  CallHub hub;
  std::atomic<bool> draining{false};  // new calls are refused
};

}  // namespace reelsense::server
