#include "server/app/process.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "server/analyses/analyses.h"
#include "server/base/logger.h"
#include "server/grpc/grpc_server.h"
#include "server/http/http_server.h"
#include "server/metrics/log_sink.h"
#include "server/services.h"

namespace reelsense::server {

namespace fs = std::filesystem;

namespace {

constexpr int kExitStart = 2;
constexpr double kNsPerS = 1e9;

std::int64_t to_ns(double seconds) noexcept {
  return static_cast<std::int64_t>(seconds * kNsPerS);
}

// SIGTERM, SIGINT and SIGHUP are for one thread that waits for them; a closed socket is an error, no signal.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a full quota is an error of the write
  return signals;
}

// As many connections as are configured need as many file handles.
void raise_file_limit(std::int64_t connections) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(2 * connections + 1024);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < static_cast<rlim_t>(connections)) {
    log_warning("few_file_handles", {{"limit", limit.rlim_cur}, {"http.max_connections", connections}});
  }
}

Result<std::array<std::uint8_t, 16>> hash_key_of(const Config& config) {
  std::array<std::uint8_t, 16> key{};
  const std::string& hex = config.flows.hash_key;
  if (hex.empty()) {
    if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1)
      return Error{ErrorCode::kIo, "no random bytes"};
    return key;
  }
  for (std::size_t i = 0; i < key.size(); ++i) {
    key[i] = static_cast<std::uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  }
  return key;
}

EngineOptions engine_options(const Config& config, const std::array<std::uint8_t, 16>& key) {
  EngineOptions options;
  const auto processors = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  const std::int64_t workers =
      config.scheduler.workers > 0 ? config.scheduler.workers : std::max<std::int64_t>(1, processors / 2);
  options.workers = static_cast<std::size_t>(workers);
  options.max_batch = static_cast<std::size_t>(config.scheduler.max_batch);
  options.max_wait_ns = static_cast<std::int64_t>(config.scheduler.max_wait_ms * 1e6);
  options.queue_windows = static_cast<std::size_t>(config.scheduler.queue_windows);
  options.max_flows = static_cast<std::size_t>(config.flows.max);
  options.idle_timeout_ns = to_ns(config.flows.idle_timeout_s);
  options.hash_key = key;
  options.hash_key_fixed = !config.flows.hash_key.empty();
  return options;
}

std::vector<fs::path> models_path_of(const Config& config) {
  if (!config.models.path.empty()) return {config.models.path.begin(), config.models.path.end()};
  std::error_code ignored;
  return bundle::models_path("", nullptr, fs::read_symlink("/proc/self/exe", ignored));
}

ModelRepositoryOptions repository_options(const Config& config, Engine& engine) {
  ModelRepositoryOptions options;
  options.path = models_path_of(config);
  options.default_model = config.models.default_model;
  options.aliases = config.models.aliases;
  options.versions_per_name = static_cast<std::size_t>(config.models.versions_per_name);
  options.poll_s = config.models.poll_s;
  options.prepare = [&engine](const std::shared_ptr<const ServedModel>& model) {
    return engine.prepare(model);
  };
  return options;
}

void tell_model(Engine& engine, const ModelStatus& status) {
  const std::string id = status.name + "@" + status.version;
  switch (status.state) {
    case ModelState::kReady:
      log_info("model_ready", {{"model", id}, {"engine", status.model->engine()}});
      break;
    case ModelState::kFailed:
      log_error("model_refused", {{"model", id}, {"reason", status.reason}});
      break;
    case ModelState::kVanished:
      log_warning("model_vanished", {{"model", id}});
      break;
    case ModelState::kUnloaded:
      if (status.model) engine.retire(*status.model);
      log_info("model_unloaded", {{"model", id}});
      break;
  }
}

// A snapshot is for one start: later ones would find flows that went on since.
void restore_flows(const Config& config, Engine& engine, const ModelRepository& models) {
  const fs::path file = config.flows.snapshot;
  std::error_code code;
  if (file.empty() || !fs::exists(file, code)) return;
  const Result<std::size_t> taken = engine.restore(file, models);
  if (!taken) {
    log_warning("snapshot_refused", {{"reason", taken.error().message}});
    return;
  }
  fs::remove(file, code);
  log_info("snapshot_restored", {{"flows", taken.value()}});
}

void save_flows(const Config& config, const Engine& engine) {
  if (config.flows.snapshot.empty()) return;
  const Status saved = engine.save(config.flows.snapshot);
  if (saved) {
    log_info("snapshot_saved", {{"flows", engine.stats().live_flows}});
  } else {
    log_error("snapshot_failed", {{"reason", saved.error().message}});
  }
}

Result<std::unique_ptr<InferenceLog>> open_log(const Config& config, const Clock& clock) {
  if (config.log.file.empty()) return std::unique_ptr<InferenceLog>();
  LogOptions options;
  options.file = config.log.file;
  options.retention_days = config.log.retention_days;
  options.max_bytes = static_cast<std::uint64_t>(config.log.max_mib) << 20;
  options.queue_entries = static_cast<std::size_t>(config.log.queue_entries);
  options.flush_ms = static_cast<std::int64_t>(config.log.flush_ms);
  return InferenceLog::open(options, clock);
}

// Blocks until a signal asks for the end.
void wait_for_end(const sigset_t& signals, Authenticator& auth) {
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) {
      log_info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return;
    }
    const Status reloaded = auth.reload();
    if (reloaded) {
      log_info("keys_reloaded");
    } else {
      log_error("keys_not_reloaded", {{"reason", reloaded.error().message}});
    }
  }
}

int failed(const Error& error) {
  log_error("not_started", {{"reason", error.message}});
  return kExitStart;
}

// What is made here lives until the function returns, in reverse.
int serve(const Config& config, const std::string& version, const sigset_t& signals) {
  SystemClock clock;
  auto log = open_log(config, clock);
  if (!log) return failed(log.error());
  auto auth = Authenticator::open(config);
  if (!auth) return failed(auth.error());
  const auto key = hash_key_of(config);
  if (!key) return failed(key.error());

  Metrics metrics;
  WatchHub watch;
  std::vector<EngineObserver*> observers{&metrics, &watch};
  std::unique_ptr<LogSink> sink;
  if (log.value()) {
    sink = std::make_unique<LogSink>(*log.value(), clock);
    observers.push_back(sink.get());
  }
  Engine engine(engine_options(config, key.value()), clock, observers);
  auto models = ModelRepository::open(repository_options(config, engine));
  if (!models) return failed(models.error());
  for (const ModelStatus& status : models.value()->list()) tell_model(engine, status);
  models.value()->on_event([&engine](const ModelStatus& status) { tell_model(engine, status); });
  restore_flows(config, engine, *models.value());

  Analyses analyses(config, clock, engine);
  RateLimiter limiter;
  Services services{config, clock,         *models.value(), engine,   log.value().get(), metrics,
                    watch,  *auth.value(), limiter,         analyses, version,           {false}};
  std::unique_ptr<HttpServer> http;
  if (!config.http.listen.empty()) {
    auto started = HttpServer::start(services);
    if (!started) return failed(started.error());
    http = std::move(started).value();
  }
  std::unique_ptr<GrpcServer> grpc;
  if (!config.grpc.listen.empty()) {
    auto started = GrpcServer::start(services);
    if (!started) return failed(started.error());
    grpc = std::move(started).value();
  }
  services.ready = true;
  log_info("serving", {{"version", version},
                       {"http_port", http ? http->port() : 0},
                       {"grpc_port", grpc ? grpc->port() : 0},
                       {"tls", !config.tls.certificate.empty()},
                       {"authentication", auth.value()->required()},
                       {"inference_log", config.log.file}});

  wait_for_end(signals, *auth.value());
  services.ready = false;
  if (http) http->stop_accepting();
  if (grpc) grpc->stop_accepting();
  engine.drain(to_ns(config.drain_timeout_s));
  if (grpc) grpc->stop(std::chrono::milliseconds(static_cast<std::int64_t>(config.drain_timeout_s * 1000)));
  if (http) http->stop(std::chrono::nanoseconds(to_ns(config.drain_timeout_s)));
  save_flows(config, engine);
  log_info("stopped", {{"windows", engine.stats().windows}});
  return 0;
}

}  // namespace

int run_server(const Config& config, const std::string& version) {
  if (Status status = configure_logging(config.logging.level, config.logging.format); !status) {
    return failed(status.error());
  }
  const sigset_t signals = block_signals();
  raise_file_limit(config.http.max_connections);
  return serve(config, version, signals);
}

}  // namespace reelsense::server
