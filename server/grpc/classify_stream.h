// FlowClassifier/ClassifyStream: many requests, answers gathered into few responses.
//
// One read, one write and any number of jobs are under way. A read message becomes a job at once; jobs that
// came back fill the next response, which is written when a batch is over and no write is under way: the
// busier the stream, the more labels a response holds. A job that is back before an earlier one waits for it:
// the two may have a flow in common. What was read and is not written yet is bounded by grpc.stream_windows:
// over it nothing more is read, and so a client that does not read is not read from either. A full queue and
// a rate limit hold the last message back, and with it the stream, until they let it in.
//
// Thread safety: as gRPC's reactors; everything behind one mutex, which is never held while gRPC is called.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/grpc/outbox.h"
#include "server/grpc/status.h"

namespace reelsense::server {

class ClassifyStream final : public grpc::ServerBidiReactor<v1::ClassifyRequest, v1::ClassifyResponse>,
                             public Call {
 public:
  ClassifyStream(GrpcCore& core, grpc::CallbackServerContext& context);
  ~ClassifyStream() override;
  void start();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void on_job(std::unique_ptr<Job> job, Ticket& ticket) override;
  void on_jobs_end() override;
  void end(const grpc::Status& status) override;

 private:
  // A message that was read, and its job.
  struct Exchange : Ticket {
    v1::ClassifyRequest request;
    std::unique_ptr<Job> job = std::make_unique<Job>();  // null while the engine has it
    Job* running = nullptr;                              // likewise
    std::size_t windows = 0;
    std::size_t cost = 0;   // of unanswered_
    bool admitted = false;  // by the rate limit
  };

  grpc::Status prepare(Exchange& exchange);
  void offer(std::unique_ptr<Exchange> exchange);
  // Seconds until the rate limit or the queue lets it in; nothing: the engine has it, or the stream is over.
  std::optional<double> try_submit(std::unique_ptr<Exchange>& exchange);
  void hold(std::unique_ptr<Exchange> exchange, double seconds);
  void retry();
  void refuse(std::unique_ptr<Exchange> exchange, const grpc::Status& status);
  // Starts whatever can go on: a write, a read, the end. `out_of_hand`: the message in hand was dealt with.
  void advance(bool out_of_hand = false);
  void stop_alarm();

  // The next are called with mutex_ held.
  std::unique_ptr<Exchange> take_spare();
  void recycle(std::unique_ptr<Exchange> exchange);
  void give_out();
  void give_up();
  [[nodiscard]] bool may_read() const noexcept;
  [[nodiscard]] bool may_finish() const noexcept;

  grpc::CallbackServerContext& context_;
  PrincipalPtr principal_;
  std::int64_t deadline_ns_ = 0;
  const std::size_t most_unwritten_;
  std::string model_;  // as the client named it last; of the reading side only

  std::mutex mutex_;
  std::unique_ptr<Exchange> reading_;              // while a read is under way
  std::deque<std::unique_ptr<Exchange>> running_;  // as they were read; not the engine's are answered
  std::vector<std::unique_ptr<Exchange>> spare_;
  std::unique_ptr<Exchange> held_;
  std::unique_ptr<grpc::Alarm> alarm_;
  Outbox outbox_;
  std::size_t unwritten_ = 0;  // windows and errors that were read and whose answers are not written
  std::uint64_t read_ = 0;     // messages, since metrics were told
  bool alarm_set_ = false;
  bool in_hand_ =
      true;  // a message is neither read, held nor running: no other may be read, nor the stream finish
  bool starting_read_ = false;  // decided, StartRead not called yet: the stream must not finish meanwhile
  bool writing_ = false;
  bool reads_over_ = false;  // half-closed
  bool ended_ = false;       // nothing more is taken, the rest is answered
  bool broken_ = false;      // cancelled, or a write failed: nothing is answered any more
  bool finished_ = false;
  grpc::Status final_;
};

}  // namespace reelsense::server
