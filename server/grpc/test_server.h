// TestServer: a whole gRPC server on a free loopback port, with an engine of its own, for the tests of this
// folder. Thread safety: as its parts.
#pragma once

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <thread>

#include "inference/grpc_predict_v2.grpc.pb.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"
#include "server/grpc/grpc_server.h"
#include "server/grpc/test_models.h"

namespace reelsense::server {

struct TestSetup {
  Config config;
  EngineOptions engine;
  bool log = false;

  // Windows wait at the engine until `batch` of them are there.
  void hold_until(std::size_t batch) {
    engine.max_batch = batch;
    engine.max_wait_ns = std::int64_t{3600} * 1'000'000'000;
  }
};

class TestServer {
 public:
  explicit TestServer(const TestSetup& setup = {}) : config_(setup.config), engine_options_(setup.engine) {
    config_.grpc.listen = "127.0.0.1:0";
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("grpc_" + std::to_string(::getpid()) + "_" + std::to_string(next()));
    std::filesystem::create_directories(folder_);
    if (setup.log) {
      LogOptions options;
      options.file = folder_ / "log.sqlite";
      options.flush_ms = 1;
      log_ = take(InferenceLog::open(options, clock_));
    }
    engine_ =
        std::make_unique<Engine>(engine_options_, clock_, std::vector<EngineObserver*>{&watch_, &metrics_});
    auth_ = take(Authenticator::open(config_));
    services_.reset(new Services{config_,
                                 clock_,
                                 test_models(),
                                 *engine_,
                                 log_.get(),
                                 metrics_,
                                 watch_,
                                 *auth_,
                                 limiter_,
                                 reinterpret_cast<Analyses&>(no_analyses_),
                                 "1.2.3",
                                 {true}});
    server_ = take(GrpcServer::start(*services_));
  }
  ~TestServer() {
    server_->stop_accepting();
    engine_->drain(0);  // gives back what waits for a batch to fill
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // a client that does not read takes 64 KiB, no more
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  }
  [[nodiscard]] std::unique_ptr<v1::FlowClassifier::Stub> classifier() const {
    return v1::FlowClassifier::NewStub(channel());
  }
  [[nodiscard]] std::unique_ptr<inference::GRPCInferenceService::Stub> inference() const {
    return inference::GRPCInferenceService::NewStub(channel());
  }

  Engine& engine() { return *engine_; }
  GrpcServer& server() { return *server_; }
  Services& services() { return *services_; }

  // Returns once `condition` holds; what waits for ever is the test runner's to end.
  static void until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  void until_queued(std::size_t windows) {
    until([&] { return engine_->stats().queued_windows == windows; });
  }

 private:
  template <class T>
  static T take(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(result).value();
  }
  static int next() {
    static std::atomic<int> last{0};
    return ++last;
  }

  Config config_;
  EngineOptions engine_options_;
  std::filesystem::path folder_;
  SystemClock clock_;
  WatchHub watch_;
  Metrics metrics_;
  RateLimiter limiter_;
  std::unique_ptr<InferenceLog> log_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Authenticator> auth_;
  std::max_align_t no_analyses_{};  // the gRPC API has none
  std::unique_ptr<Services> services_;
  std::unique_ptr<GrpcServer> server_;
};

// A request of one window of the device's model.
inline v1::ClassifyRequest window_request(const std::string& flow, std::int64_t second,
                                          std::uint64_t request_id = 0) {
  v1::ClassifyRequest request;
  request.set_request_id(request_id);
  add_window(request, *test_model("reelsense-ue"), flow, second, static_cast<std::uint32_t>(second));
  return request;
}

}  // namespace reelsense::server
