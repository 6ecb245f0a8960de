#include "server/grpc/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <limits>

#include "server/base/logger.h"
#include "server/grpc/call.h"
#include "server/grpc/credentials.h"
#include "server/grpc/flow_classifier_service.h"
#include "server/grpc/inference_service.h"
#include "server/grpc/status.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kQuotaBytes = std::size_t{256} << 20;  // of all connections' buffers
constexpr int kLookaheadBytes = 512 << 10;  // of a stream or call that is not read; not grown by measuring
constexpr int kPingMs = 60'000;             // to a connection that is quiet
constexpr int kPingTimeoutMs = 20'000;      // for the answer; then it is closed
constexpr int kFastestPingMs = 10'000;      // that a client may send
constexpr int kHandshakeMs = 15'000;
constexpr auto kOthersGrace = std::chrono::milliseconds(100);  // at the end, for what is not of our services
constexpr int kIdleMs = 30 * 60'000;  // without a call; clients connect again by themselves

// Linking reflection enables it for every server of the process: it is taken out again where it is not
// wanted.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; });
  }
};

// What the libraries print themselves at a client's malformed bytes would be lines of another form, with
// addresses; where it came from is enough.
void redirect_library_logs() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    log_debug("grpc_message", {{"file", std::string_view(line->file)}, {"line", line->line}});
  });
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel /*level*/, const char* file, int line, const std::string& /*text*/) {
        log_debug("protobuf_message", {{"file", std::string_view(file)}, {"line", line}});
      });
}

int to_int(std::int64_t value) {
  return static_cast<int>(std::clamp<std::int64_t>(value, 1, std::numeric_limits<int>::max()));
}

// gRPC's spelling of "host:port"; IPv6 addresses keep their brackets.
std::string address_of(const Endpoint& endpoint) {
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

void set_limits(grpc::ServerBuilder& builder, const Config::Grpc& config) {
  builder.SetMaxReceiveMessageSize(to_int(config.max_message_bytes));
  builder.SetResourceQuota(grpc::ResourceQuota("reelsense").Resize(kQuotaBytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, to_int(config.max_streams_per_connection));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kFastestPingMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port that is taken is an error
}

}  // namespace

struct GrpcServer::Impl {
  explicit Impl(Services& services) : core(services), classifier(core), inference(core) {}

  GrpcCore core;
  FlowClassifierService classifier;
  InferenceService inference;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  std::mutex stopping;
  bool stopped = false;
};

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(Services& services) {
  const Config& config = services.config;
  const Result<Endpoint> endpoint = parse_endpoint(config.grpc.listen);
  if (!endpoint) return endpoint.error().in("grpc.listen");
  const auto credentials = make_credentials(config.tls);
  if (!credentials) return credentials.error();

  redirect_library_logs();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto impl = std::make_unique<Impl>(services);
  grpc::ServerBuilder builder;
  set_limits(builder, config.grpc);
  if (!config.grpc.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  const std::string address = address_of(endpoint.value());
  builder.AddListeningPort(address, credentials.value(), &impl->port);
  builder.RegisterService(&impl->classifier);
  builder.RegisterService(&impl->inference);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port <= 0) {
    return Error{ErrorCode::kIo, "grpc.listen: cannot listen on " + address +
                                     " (is the port taken, the address this host's?)"};
  }
  impl->server->GetHealthCheckService()->SetServingStatus(true);
  for (const char* name :
       {v1::FlowClassifier::service_full_name(), inference::GRPCInferenceService::service_full_name()}) {
    impl->server->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() {
  stop(std::chrono::milliseconds(0));
}

int GrpcServer::port() const noexcept {
  return impl_->port;
}

void GrpcServer::stop_accepting() {
  impl_->core.draining.store(true);
  impl_->server->GetHealthCheckService()->SetServingStatus(false);
}

void GrpcServer::stop(std::chrono::milliseconds grace) {
  const std::lock_guard lock(impl_->stopping);
  if (impl_->stopped) return;
  impl_->stopped = true;
  stop_accepting();
  impl_->core.hub.end_all(draining_status());
  // Health and reflection streams are not ours and stay open as long as their clients like: no reason to
  // wait.
  impl_->core.hub.wait_empty(grace);
  impl_->server->Shutdown(std::chrono::system_clock::now() + kOthersGrace);
  impl_->server->Wait();
  impl_->core.hub.wait_empty();
}

}  // namespace reelsense::server
