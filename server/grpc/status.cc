#include "server/grpc/status.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace reelsense::server {

namespace {

constexpr std::array<std::string_view, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

std::string_view view_of(grpc::string_ref text) noexcept {
  return {text.data(), text.size()};
}

std::string_view metadata_of(const grpc::CallbackServerContext& context, const char* key) {
  const auto& all = context.client_metadata();
  const auto found = all.find(key);
  return found == all.end() ? std::string_view() : view_of(found->second);
}

// Common name of the client's certificate; gRPC showed it only if it was verified.
std::string certificate_name_of(const grpc::CallbackServerContext& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return {};
  const std::vector<grpc::string_ref> names = auth->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
  return names.empty() ? std::string() : std::string(view_of(names.front()));
}

void retry_after(grpc::CallbackServerContext& context, double seconds) {
  const auto ms = static_cast<std::int64_t>(std::ceil(std::clamp(seconds, 0.001, 3600.0) * 1000));
  context.AddTrailingMetadata("retry-after-ms", std::to_string(ms));
}

grpc::StatusCode code_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return grpc::INVALID_ARGUMENT;
    case ErrorCode::kNotFound:
      return grpc::NOT_FOUND;
    case ErrorCode::kIo:
      return grpc::UNAVAILABLE;
    case ErrorCode::kCorrupt:
      return grpc::DATA_LOSS;
    case ErrorCode::kUnsupported:
      return grpc::UNIMPLEMENTED;
    case ErrorCode::kMismatch:
      return grpc::FAILED_PRECONDITION;
    case ErrorCode::kLimit:
      return grpc::RESOURCE_EXHAUSTED;
  }
  return grpc::INTERNAL;
}

const char* name_of(Scope scope) noexcept {
  switch (scope) {
    case Scope::kInfer:
      return "infer";
    case Scope::kFeedback:
      return "feedback";
    case Scope::kAdmin:
      return "admin";
  }
  return "";
}

}  // namespace

std::string_view name_of(grpc::StatusCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < kCodes.size() ? kCodes[index] : kCodes[grpc::UNKNOWN];
}

grpc::Status to_status(const Error& error) {
  return {code_of(error.code), error.message};
}

grpc::Status invalid_argument(std::string message) {
  return {grpc::INVALID_ARGUMENT, message};
}

grpc::Status draining_status() {
  return {grpc::UNAVAILABLE, "the server is draining; ask another one"};
}

std::string_view api_key_of(const grpc::CallbackServerContext& context) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = metadata_of(context, "authorization");
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
  if (authorization.size() > kBearer.size() &&
      std::equal(kBearer.begin(), kBearer.end(), authorization.begin(), same)) {
    return authorization.substr(kBearer.size());
  }
  return metadata_of(context, "x-api-key");
}

grpc::Status identify(GrpcCore& core, const grpc::CallbackServerContext& context, Scope scope,
                      PrincipalPtr& principal) {
  if (core.draining.load(std::memory_order_relaxed)) return draining_status();
  const AuthResult result =
      core.services.auth.authenticate(api_key_of(context), certificate_name_of(context));
  if (result.code != AuthCode::kOk) {
    core.services.metrics.refused(Api::kGrpc, "auth");
    return {grpc::UNAUTHENTICATED,
            result.code == AuthCode::kMissing
                ? "an API key is needed: \"authorization: Bearer …\" or \"x-api-key: …\" in the metadata"
                : "the API key or the certificate is not known"};
  }
  if (!result.principal->may(scope)) {
    core.services.metrics.refused(Api::kGrpc, "auth");
    return {grpc::PERMISSION_DENIED, std::string("the key has no scope \"") + name_of(scope) + "\""};
  }
  principal = result.principal;
  return grpc::Status::OK;
}

grpc::Status admit(GrpcCore& core, grpc::CallbackServerContext& context, const Principal& principal,
                   std::size_t windows) {
  const auto wait_s = core.services.limiter.admit(principal, windows, core.services.clock.steady_ns());
  if (!wait_s) return grpc::Status::OK;
  core.services.metrics.refused(Api::kGrpc, "rate_limit");
  retry_after(context, *wait_s);
  return {grpc::RESOURCE_EXHAUSTED, "the rate limit is reached; retry-after-ms says when to ask again"};
}

grpc::Status not_accepted(GrpcCore& core, grpc::CallbackServerContext& context, SubmitCode code) {
  if (code == SubmitCode::kDraining) {
    core.services.metrics.refused(Api::kGrpc, "draining");
    return draining_status();
  }
  core.services.metrics.refused(Api::kGrpc, "queue_full");
  retry_after(context, static_cast<double>(core.services.engine.retry_after_us()) * 1e-6);
  return {grpc::RESOURCE_EXHAUSTED, "the queue is full; retry-after-ms says when to ask again"};
}

std::int64_t deadline_steady_ns(const grpc::CallbackServerContext& context, const Clock& clock) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return 0;
  const auto left =
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - std::chrono::system_clock::now());
  // Years away is as good as none; the sum must not overflow.
  constexpr std::int64_t kFar = std::int64_t{10} * 365 * 86'400 * 1'000'000'000;
  if (left.count() > kFar) return 0;
  return std::max<std::int64_t>(1, clock.steady_ns() + left.count());
}

}  // namespace reelsense::server
