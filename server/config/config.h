// Config: everything an operator can set, and where each value came from.
//
// One table (config_keys.cc) lists every key with its type, default, range and meaning; the TOML reader, the
// flags
// (--scheduler.max-batch 32), the environment (REELSENSE_SCHEDULER_MAX_BATCH), --print-config, the
// documentation and the check are made from it. Order, later wins: defaults, file, environment, flags. Errors
// name the key, the file and line (or the flag, or the variable), what was found and what was expected.
// Thread safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense::server {

struct Config {
  struct Http {
    std::string listen = "127.0.0.1:8080";  // "host:port"; port 0: any free one; empty: REST is off
    std::int64_t threads = 1;
    std::int64_t max_connections = 20'000;
    std::int64_t max_header_bytes = 16 << 10;
    std::int64_t max_body_bytes = 16 << 20;
    double idle_timeout_s = 75;     // of a kept-alive connection between requests
    double read_timeout_s = 20;     // for a whole request to arrive once it began
    double write_timeout_s = 20;    // for an answer to be taken
    double request_timeout_s = 10;  // deadline of a request that names none
  } http;
  struct Grpc {
    std::string listen = "127.0.0.1:8081";
    std::int64_t max_message_bytes = 4 << 20;
    std::int64_t max_streams_per_connection = 100;
    std::int64_t stream_windows =
        4096;  // of one stream not answered or not taken yet; then it is read no further
    bool reflection = true;
  } grpc;
  struct Tls {
    std::string certificate;  // PEM chain; empty: no TLS
    std::string key;          // PEM
    std::string client_ca;    // PEM; clients must show a certificate of it (mTLS)
  } tls;
  struct Auth {
    std::string keys_file;         // TOML, see docs; empty: no API keys
    bool insecure_public = false;  // listen beyond loopback without authentication all the same
    bool trust_client_certificates =
        false;  // mTLS subject's common name is the principal, scope infer and feedback
  } auth;
  struct Limits {
    std::int64_t flow_name_bytes = 256;
    std::int64_t windows_per_request = 4096;
    std::int64_t packets_per_request = 200'000;
    std::int64_t observations_per_request = 1000;
    double windows_per_s = 0;  // per principal that has no limit of its own; 0: none
    double requests_per_s = 0;
  } limits;
  struct Models {
    std::vector<std::string> path;  // folders; empty: where `reelsense` looks
    std::string default_model = "reelsense-edge";
    std::map<std::string, std::string> aliases;
    std::int64_t versions_per_name = 3;
    double poll_s = 5;
  } models;
  struct Scheduler {
    std::int64_t workers = 0;  // inference threads; 0: half of the processors, at least 1
    std::int64_t max_batch = 128;
    double max_wait_ms = 1;
    std::int64_t queue_windows = 65'536;
  } scheduler;
  struct Flows {
    std::int64_t max = 200'000;
    double idle_timeout_s = 120;
    std::string snapshot;  // file; written at shutdown, read at start; empty: none
    std::string hash_key;  // 32 hex digits; empty: random (a snapshot brings its own)
  } flows;
  struct Log {
    std::string file =
        "reelsense-server.sqlite";  // empty: no inference log, /v1/feedback and /v1/logs answer 501
    double retention_days = 30;
    std::int64_t max_mib = 4096;
    std::int64_t queue_entries = 262'144;
    double flush_ms = 200;
  } log;
  struct Analyses {
    std::int64_t max_capture_mib = 512;
    std::int64_t running = 1;  // at once; others wait
    std::int64_t kept = 64;    // finished ones that are remembered
    std::string folder;        // for uploads while they are read; empty: the system's temporary folder
  } analyses;
  struct Logging {
    std::string level = "info";   // debug, info, warning, error
    std::string format = "text";  // text, json
  } logging;
  double drain_timeout_s = 10;  // [server] drain_timeout_s
};

struct ConfigSources {
  std::filesystem::path file;                              // empty: none
  std::map<std::string, std::string> environment;          // REELSENSE_… variables only
  std::vector<std::pair<std::string, std::string>> flags;  // "scheduler.max-batch" → "32", in the order given
};

Result<Config> load_config(const ConfigSources& sources);

// The whole configuration as TOML that load_config reads back to the same, with a comment a key saying where
// its value is from ("default", "file", "environment", "flag"). Secrets (hash_key) are shown as "…".
Result<std::string> print_config(const ConfigSources& sources);

// The reference page of every key, Markdown.
std::string config_reference();
// Every flag's name ("scheduler.max-batch"), for --help and completion, with its one-line meaning.
std::vector<std::pair<std::string, std::string>> config_flags();

// "host:port" with an IPv4, [IPv6] or host name → parts.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};
Result<Endpoint> parse_endpoint(const std::string& text);
bool is_loopback(const Endpoint& endpoint) noexcept;  // "localhost", 127.0.0.0/8, ::1

}  // namespace reelsense::server
