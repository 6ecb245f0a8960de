#include "server/config/config_keys.h"

#include <algorithm>
#include <array>

#include "server/config/toml_text.h"

namespace reelsense::server {

namespace {

template <auto kSection, auto kMember>
Field at(Config& config) {
  return &((config.*kSection).*kMember);
}
Field drain_timeout(Config& config) {
  return &config.drain_timeout_s;
}

constexpr double kMi = 1 << 20;
constexpr double kGi = 1 << 30;
constexpr double kDayS = 86'400;

bool is_listen(const std::string& text) {
  return text.empty() || parse_endpoint(text).ok();
}
bool is_not_empty(const std::string& text) {
  return !text.empty();
}
bool is_level(const std::string& text) {
  return text == "debug" || text == "info" || text == "warning" || text == "error";
}
bool is_format(const std::string& text) {
  return text == "text" || text == "json";
}
bool is_hash_key(const std::string& text) {
  return text.empty() ||
         (text.size() == 32 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos);
}

constexpr Rule range(double least, double most) {
  return {least, most};
}
constexpr Rule text(bool (*accepts)(const std::string&), std::string_view expected) {
  return {0, 0, accepts, expected};
}

constexpr std::string_view kListen = R"("host:port", "[IPv6]:port" or "" (off))";
constexpr std::string_view kFile = "a file, or \"\"";

using C = Config;
constexpr auto kTable = std::to_array<ConfigKey>({
    {"server", "drain_timeout_s", drain_timeout, "How long SIGTERM waits for requests to finish, seconds",
     range(0, 3600)},
    {"http", "listen", at<&C::http, &C::Http::listen>, "Address of the REST interface; port 0: any free one",
     text(is_listen, kListen)},
    {"http", "threads", at<&C::http, &C::Http::threads>, "Threads that serve connections", range(1, 256)},
    {"http", "max_connections", at<&C::http, &C::Http::max_connections>,
     "Connections open at once; more are told 503", range(1, 1e6)},
    {"http", "max_header_bytes", at<&C::http, &C::Http::max_header_bytes>,
     "Size of a request's line and headers; more is 431", range(1024, kMi)},
    {"http", "max_body_bytes", at<&C::http, &C::Http::max_body_bytes>,
     "Size of a request's body, captures apart (analyses.max_capture_mib); more is 413", range(1024, kGi)},
    {"http", "idle_timeout_s", at<&C::http, &C::Http::idle_timeout_s>,
     "A connection without a request for so long is closed, seconds", range(0.1, kDayS)},
    {"http", "read_timeout_s", at<&C::http, &C::Http::read_timeout_s>,
     "How long a request may take to arrive once it began, seconds", range(0.1, kDayS)},
    {"http", "write_timeout_s", at<&C::http, &C::Http::write_timeout_s>,
     "How long a client may leave an answer untaken, seconds", range(0.1, kDayS)},
    {"http", "request_timeout_s", at<&C::http, &C::Http::request_timeout_s>,
     "Deadline of a request that names none, seconds", range(0.001, 3600)},
    {"grpc", "listen", at<&C::grpc, &C::Grpc::listen>, "Address of the gRPC interface; port 0: any free one",
     text(is_listen, kListen)},
    {"grpc", "max_message_bytes", at<&C::grpc, &C::Grpc::max_message_bytes>,
     "Size of a message; more is RESOURCE_EXHAUSTED", range(1024, kGi)},
    {"grpc", "max_streams_per_connection", at<&C::grpc, &C::Grpc::max_streams_per_connection>,
     "Calls open at once on one connection", range(1, 1e5)},
    {"grpc", "stream_windows", at<&C::grpc, &C::Grpc::stream_windows>,
     "Windows of one stream that are unanswered or untaken before it is read no further", range(1, 1e6)},
    {"grpc", "reflection", at<&C::grpc, &C::Grpc::reflection>,
     "Offer the reflection service, as grpcurl uses it"},
    {"tls", "certificate", at<&C::tls, &C::Tls::certificate>,
     "PEM certificate chain of the server, for REST and gRPC; empty: no TLS", text(nullptr, kFile)},
    {"tls", "key", at<&C::tls, &C::Tls::key>, "PEM private key of tls.certificate", text(nullptr, kFile)},
    {"tls", "client_ca", at<&C::tls, &C::Tls::client_ca>,
     "PEM certificates; a client must show one that they issued (mTLS)", text(nullptr, kFile)},
    {"auth", "keys_file", at<&C::auth, &C::Auth::keys_file>,
     "TOML file of the API keys' hashes (reelsense-server key new); empty: no API keys",
     text(nullptr, kFile)},
    {"auth", "trust_client_certificates", at<&C::auth, &C::Auth::trust_client_certificates>,
     "A client certificate's common name says who asks, with scopes infer and feedback"},
    {"auth", "insecure_public", at<&C::auth, &C::Auth::insecure_public>,
     "Listen beyond loopback though anybody may then ask for anything"},
    {"limits", "flow_name_bytes", at<&C::limits, &C::Limits::flow_name_bytes>, "Length of a flow's name",
     range(1, 65'536)},
    {"limits", "windows_per_request", at<&C::limits, &C::Limits::windows_per_request>,
     "Windows in one request or message", range(1, 1e6)},
    {"limits", "packets_per_request", at<&C::limits, &C::Limits::packets_per_request>,
     "Packets in one request or message", range(1, 1e7)},
    {"limits", "observations_per_request", at<&C::limits, &C::Limits::observations_per_request>,
     "Observations in one request", range(1, 16'384)},
    {"limits", "windows_per_s", at<&C::limits, &C::Limits::windows_per_s>,
     "Windows a second of each client whose key sets no limit of its own; 0: no limit", range(0, 1e9)},
    {"limits", "requests_per_s", at<&C::limits, &C::Limits::requests_per_s>,
     "Requests a second of each client whose key sets no limit of its own; 0: no limit", range(0, 1e9)},
    {"models", "path", at<&C::models, &C::Models::path>,
     "Folders of name/version/ bundles, first match wins; empty: models/ of the source checkout, "
     "../share/reelsense/models and /usr/share/reelsense/models",
     text(is_not_empty, "a list of folders")},
    {"models", "default_model", at<&C::models, &C::Models::default_model>,
     "Model of a request that names none", text(is_not_empty, "a name, name@version or an alias")},
    {"models", "aliases", at<&C::models, &C::Models::aliases>,
     "Further names of models, each for a name (its highest version) or name@version",
     text(is_not_empty,
          R"(a table of alias = "model" (alias: 1 to 64 characters, no '@', '/', ',', '=', ':' or space))")},
    {"models", "versions_per_name", at<&C::models, &C::Models::versions_per_name>,
     "Versions of a model that are loaded, the highest ones", range(1, 100)},
    {"models", "poll_s", at<&C::models, &C::Models::poll_s>,
     "How often the folders are looked at for new versions, seconds; 0: only when asked", range(0, kDayS)},
    {"scheduler", "workers", at<&C::scheduler, &C::Scheduler::workers>,
     "Inference threads; 0: half of the processors, at least 1", range(0, 256)},
    {"scheduler", "max_batch", at<&C::scheduler, &C::Scheduler::max_batch>,
     "Windows that are computed together at most", range(1, 1024)},
    {"scheduler", "max_wait_ms", at<&C::scheduler, &C::Scheduler::max_wait_ms>,
     "How long a window waits at most for others to join its batch, milliseconds", range(0, 1000)},
    {"scheduler", "queue_windows", at<&C::scheduler, &C::Scheduler::queue_windows>,
     "Windows that may wait; more are refused (429, RESOURCE_EXHAUSTED)", range(1, 16 * kMi)},
    {"flows", "max", at<&C::flows, &C::Flows::max>,
     "Flows whose state is kept; beyond it the one idle longest is forgotten", range(1, 1e7)},
    {"flows", "idle_timeout_s", at<&C::flows, &C::Flows::idle_timeout_s>,
     "A flow without a window for so long is forgotten, seconds", range(0.1, 7 * kDayS)},
    {"flows", "snapshot", at<&C::flows, &C::Flows::snapshot>,
     "File of the flows' state, written at shutdown and read at start; empty: none", text(nullptr, kFile)},
    {"flows", "hash_key", at<&C::flows, &C::Flows::hash_key>,
     "Key under which flows' names are hashed, the same for servers that share snapshots or logs; empty: "
     "random",
     text(is_hash_key, "32 hexadecimal digits, or \"\""), true},
    {"log", "file", at<&C::log, &C::Log::file>,
     "SQLite file of the inference log; empty: none, /v1/feedback and /v1/logs answer 501",
     text(nullptr, kFile)},
    {"log", "retention_days", at<&C::log, &C::Log::retention_days>, "Age at which entries are deleted, days",
     range(0.001, 36'500)},
    {"log", "max_mib", at<&C::log, &C::Log::max_mib>, "Size of the file, MiB; the oldest entries go",
     range(16, kMi)},
    {"log", "queue_entries", at<&C::log, &C::Log::queue_entries>,
     "Entries that may wait to be written; more are dropped and counted", range(1, 16 * kMi)},
    {"log", "flush_ms", at<&C::log, &C::Log::flush_ms>,
     "How long entries wait at most to be written, milliseconds", range(1, 60'000)},
    {"analyses", "max_capture_mib", at<&C::analyses, &C::Analyses::max_capture_mib>, "Size of a capture, MiB",
     range(1, kMi)},
    {"analyses", "running", at<&C::analyses, &C::Analyses::running>, "Analyses at once; others wait",
     range(1, 64)},
    {"analyses", "kept", at<&C::analyses, &C::Analyses::kept>,
     "Finished analyses that are remembered, the newest ones", range(1, 10'000)},
    {"analyses", "folder", at<&C::analyses, &C::Analyses::folder>,
     "Folder for captures while they are read and for their labels; empty: the system's temporary folder",
     text(nullptr, "a folder, or \"\"")},
    {"logging", "level", at<&C::logging, &C::Logging::level>, "What is written to standard error at least",
     text(is_level, R"("debug", "info", "warning" or "error")")},
    {"logging", "format", at<&C::logging, &C::Logging::format>, "Form of these lines",
     text(is_format, R"("text" or "json")")},
});

constexpr auto kSections = std::to_array<ConfigSection>({
    {"server", "The process."},
    {"http", "The REST interface."},
    {"grpc", "The gRPC interface."},
    {"tls", "Encryption of both interfaces."},
    {"auth",
     "Who may ask. An address beyond loopback needs auth.keys_file, tls.client_ca or, said plainly, "
     "auth.insecure_public. With tls.client_ca alone every client with a certificate has the scopes infer "
     "and feedback."},
    {"limits", "How much one request and one client may ask for."},
    {"models", "Which models are served."},
    {"scheduler", "How windows become batches."},
    {"flows", "What is remembered of flows."},
    {"log", "The inference log: what was decided, and what it really was."},
    {"analyses", "Whole captures, labelled in the background."},
    {"logging", "The server's own messages."},
});

std::string with_dashes(std::string_view text) {
  std::string out(text);
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

}  // namespace

std::span<const ConfigKey> config_keys() noexcept {
  return kTable;
}

std::span<const ConfigSection> config_sections() noexcept {
  return kSections;
}

std::string dotted_name(const ConfigKey& key) {
  return std::string(key.section) + "." + std::string(key.name);
}

std::string flag_name(const ConfigKey& key) {
  return with_dashes(key.section) + "." + with_dashes(key.name);
}

std::string variable_name(std::string_view section, std::string_view name) {
  std::string out = "REELSENSE_" + std::string(section) + "_" + std::string(name);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return out;
}

std::string variable_name(const ConfigKey& key) {
  return variable_name(key.section, key.name);
}

std::string expectation(const ConfigKey& key) {
  Config scratch;
  const Field field = key.field(scratch);
  const std::string range = " from " + number_text(key.rule.least) + " to " + number_text(key.rule.most);
  if (std::holds_alternative<std::int64_t*>(field)) return "an integer" + range;
  if (std::holds_alternative<double*>(field)) return "a number" + range;
  if (std::holds_alternative<bool*>(field)) return "true or false";
  return std::string(key.rule.expected);
}

bool is_alias(const std::string& name) noexcept {
  return !name.empty() && name.size() <= 64 && name.find_first_of("@/,=: ") == std::string::npos;
}

}  // namespace reelsense::server
