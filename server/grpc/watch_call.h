// FlowClassifier/Watch: labels as they are given, from the hub's bounded buffer. One write is under way at a
// time; a client that reads slowly misses labels and is told how many. Thread safety: as gRPC's reactors.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>
#include <vector>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/grpc/status.h"

namespace reelsense::server {

class WatchCall final : public grpc::ServerWriteReactor<v1::WatchResponse>, public Call {
 public:
  WatchCall(GrpcCore& core, grpc::CallbackServerContext& context);
  ~WatchCall() override;
  void start(const v1::WatchRequest& request);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void end(const grpc::Status& status) override;

 private:
  grpc::Status make_filter(const v1::WatchRequest& request, WatchFilter& filter);
  // Writes what is buffered, if no write is under way, or finishes.
  void advance();
  bool take();  // into response_; with mutex_ held
  void close(const grpc::Status& status);

  grpc::CallbackServerContext& context_;
  std::mutex mutex_;
  std::shared_ptr<Watcher> watcher_;
  std::vector<Watched> taken_;
  v1::WatchResponse response_;
  bool starting_ = true;
  bool writing_ = false;
  bool over_ = false;
  bool finished_ = false;
  grpc::Status final_;
};

}  // namespace reelsense::server
