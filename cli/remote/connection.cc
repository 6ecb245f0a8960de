#include "cli/remote/connection.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "cli/output/terminal.h"
#include "inference/grpc_predict_v2.grpc.pb.h"
#include "reelsense/bundle/bundle.h"
#include "reelsense/v1/flow_classifier.grpc.pb.h"

namespace reelsense::cli {
namespace {

constexpr std::size_t kMaxKeyBytes = 4096;
constexpr std::size_t kMaxPemBytes = 1 << 20;
constexpr int kConnectTimeoutMs = 5000;

Result<std::string> read_text(const std::string& path, std::size_t limit) {
  const auto bytes = bundle::read_file(path, limit);
  if (!bytes) return Error{ErrorCode::kInvalidArgument, bytes.error().message};
  return std::string(bytes.value().begin(), bytes.value().end());
}

Result<std::string> read_api_key(const std::string& file) {
  std::string key;
  std::string where = "REELSENSE_API_KEY";
  if (!file.empty()) {
    auto text = read_text(file, kMaxKeyBytes);
    if (!text) return text.error();
    key = std::move(text).value();
    where = file;
  } else if (const char* set = std::getenv("REELSENSE_API_KEY")) {
    key = set;
  }
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r' || key.back() == ' ')) key.pop_back();
  if (key.empty() && !file.empty())
    return Error{ErrorCode::kInvalidArgument, where + ": empty, expected an API key"};
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < '\x7f'; })) {
    return Error{ErrorCode::kInvalidArgument,
                 where + ": not an API key: expected one line of printable ASCII without spaces"};
  }
  return key;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> make_credentials(const ServerOptions& options,
                                                                   UrlScheme scheme) {
  const bool any = !options.ca.empty() || !options.certificate.empty() || !options.key.empty();
  if (scheme != UrlScheme::kGrpcTls) {
    if (any) {
      return Error{ErrorCode::kInvalidArgument, options.url + ": --ca, --cert and --key need a grpcs:// URL"};
    }
    return grpc::InsecureChannelCredentials();
  }
  if (options.certificate.empty() != options.key.empty()) {
    return Error{ErrorCode::kInvalidArgument, options.url + ": --cert and --key belong together"};
  }
  grpc::SslCredentialsOptions tls;
  const std::pair<const std::string*, std::string*> files[] = {{&options.ca, &tls.pem_root_certs},
                                                               {&options.certificate, &tls.pem_cert_chain},
                                                               {&options.key, &tls.pem_private_key}};
  for (const auto& [path, to] : files) {
    if (path->empty()) continue;
    auto text = read_text(*path, kMaxPemBytes);
    if (!text) return text.error();
    *to = std::move(text).value();
  }
  return grpc::SslCredentials(tls);
}

std::optional<float> number(std::string_view text) {
  float value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The rule of UeModel::to_decision, from the threshold and the uncertain band ("low,high") in the metadata.
std::function<Decision(float)> decision_rule(
    const google::protobuf::Map<std::string, std::string>& properties) {
  const auto threshold_text = properties.find("threshold");
  const auto uncertain_text = properties.find("uncertain");
  if (threshold_text == properties.end() || uncertain_text == properties.end()) return nullptr;
  const std::string& band = uncertain_text->second;
  const std::size_t comma = band.find(',');
  if (comma == std::string::npos) return nullptr;
  const auto threshold = number(threshold_text->second);
  const auto low = number(std::string_view(band).substr(0, comma));
  const auto high = number(std::string_view(band).substr(comma + 1));
  if (!threshold || !low || !high) return nullptr;
  return [threshold = *threshold, low = *low, high = *high](float probability) {
    const bool video = probability >= threshold;
    Decision decision;
    decision.probability = probability;
    decision.label = video ? Label::kVideo : Label::kNonVideo;
    decision.confidence = std::max(0.5F, video ? probability : 1.0F - probability);
    decision.uncertain = probability > low && probability < high;
    return decision;
  };
}

std::chrono::system_clock::time_point hello_deadline() {
  return std::chrono::system_clock::now() + kHelloTimeout;
}

}  // namespace

Result<Connection> Connection::open(const ServerOptions& options) {
  // What goes wrong is told by the commands, in one line; the library's own log is for who asks for it.
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
  Connection connection;
  auto url = parse_server_url(options.url);
  if (!url) return url.error();
  connection.url_ = std::move(url).value();
  auto key = read_api_key(options.api_key_file);
  if (!key) return key.error();
  connection.api_key_ = std::move(key).value();
  auto credentials = make_credentials(options, connection.url_.scheme);
  if (!credentials) return credentials.error();
  connection.credentials_ = std::move(credentials).value();
  if (!connection.api_key_.empty() && connection.url_.scheme != UrlScheme::kGrpcTls &&
      !connection.url_.is_loopback()) {
    print_warning(options.url + ": the API key goes over the network unencrypted; grpcs:// encrypts it");
  }
  return connection;
}

std::shared_ptr<grpc::Channel> Connection::make_channel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   kConnectTimeoutMs);  // also how long a connection may take
  if (url_.is_loopback()) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(url_.authority(), credentials_, arguments);
}

void Connection::sign(grpc::ClientContext& context) const {
  if (!api_key_.empty()) context.AddMetadata("authorization", "Bearer " + api_key_);
}

std::string code_name(int code) {
  static constexpr const char* kNames[] = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  if (code >= 0 && static_cast<std::size_t>(code) < std::size(kNames)) return kNames[code];
  return "code " + std::to_string(code);
}

std::string one_line(std::string text) {
  constexpr std::size_t kLongest = 500;
  if (text.size() > kLongest) text.resize(kLongest);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return text;
}

Error error_of(const grpc::Status& status) {
  const std::string said = one_line(status.error_message());
  const auto code = status.error_code();
  if (code == grpc::StatusCode::UNAVAILABLE)
    return {ErrorCode::kIo, "the server cannot be reached or is going down: " + said};
  if (code == grpc::StatusCode::DEADLINE_EXCEEDED)
    return {ErrorCode::kIo, "the server did not answer in time: " + said};
  if (code == grpc::StatusCode::UNIMPLEMENTED)
    return {ErrorCode::kUnsupported, "not a Reelsense server: " + said};
  if (code == grpc::StatusCode::UNAUTHENTICATED) {
    return {ErrorCode::kIo,
            "the server asks who this is: pass --api-key-file or set REELSENSE_API_KEY (" + said + ")"};
  }
  if (code == grpc::StatusCode::NOT_FOUND) return {ErrorCode::kNotFound, said};
  return {ErrorCode::kIo, said + " (" + code_name(static_cast<int>(code)) + ")"};
}

Result<ServedModelInfo> ask_for_model(const Connection& connection,
                                      const std::shared_ptr<grpc::Channel>& channel, const std::string& model,
                                      bool need_decision) {
  const std::string& url = connection.url().text;
  v1::ClassifyRequest request;
  request.set_model(model);
  v1::ClassifyResponse response;
  grpc::ClientContext context;
  connection.sign(context);
  context.set_deadline(hello_deadline());
  const grpc::Status status = v1::FlowClassifier::NewStub(channel)->Classify(&context, request, &response);
  if (!status.ok()) return error_of(status).in(url);
  ServedModelInfo info;
  info.id = one_line(response.model());
  if (info.id.empty())
    return Error{ErrorCode::kCorrupt, url + ": the server does not name the model that it would use"};
  if (!need_decision) return info;

  const std::size_t at = info.id.find('@');
  inference::ModelMetadataRequest ask;
  ask.set_name(info.id.substr(0, at));
  if (at != std::string::npos) ask.set_version(info.id.substr(at + 1));
  inference::ModelMetadataResponse metadata;
  grpc::ClientContext second;
  connection.sign(second);
  second.set_deadline(hello_deadline());
  const grpc::Status told =
      inference::GRPCInferenceService::NewStub(channel)->ModelMetadata(&second, ask, &metadata);
  if (!told.ok()) return error_of(told).in(url);
  info.to_decision = decision_rule(metadata.properties());
  if (!info.to_decision) {
    return Error{ErrorCode::kUnsupported, url + ": the server's metadata of " + info.id +
                                              " lacks threshold and uncertain, which --scope session needs"};
  }
  return info;
}

}  // namespace reelsense::cli
