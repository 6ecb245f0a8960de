#include "server/http/problem.h"

#include <array>
#include <cassert>

#include "server/http/json_writer.h"

namespace reelsense::server {

namespace {

using enum ProblemType;

constexpr std::array kDefinitions = std::to_array<ProblemDefinition>({
    {kInvalidRequest, "invalid-request", 400, "The request is not valid",
     "Malformed HTTP, JSON or tensors, a missing, unknown or wrong-typed member, a value out of range. "
     "`errors` says "
     "where. Correct the request; it will not succeed as it is."},
    {kUnauthorized, "unauthorized", 401, "Who you are is not known",
     "No API key, or one that is not in the keys file. Send `Authorization: Bearer <key>` or `X-API-Key: "
     "<key>`."},
    {kForbidden, "forbidden", 403, "Your key may not do this", "The key is known but has not the scope."},
    {kNotFound, "not-found", 404, "There is nothing here", "An unknown path, analysis or alias."},
    {kUnknownModel, "unknown-model", 404, "The model is not served",
     "Neither a model, a version nor an alias of that name; `detail` lists what there is."},
    {kUnknownFlow, "unknown-flow", 404, "The flow is not known",
     "Never seen, ended, or without a window for so long that it was forgotten."},
    {kMethodNotAllowed, "method-not-allowed", 405, "The path has no such method",
     "`Allow` lists those it has."},
    {kRequestTimeout, "request-timeout", 408, "The request took too long to arrive",
     "A whole request has `http.read_timeout_s` to arrive."},
    {kConflict, "conflict", 409, "The present state does not allow this",
     "Two requests of one sequence at a time, or labels of an analysis that is not done."},
    {kTooLarge, "too-large", 413, "The body is too large",
     "Over `http.max_body_bytes` or the route's own limit."},
    {kUnsupportedMediaType, "unsupported-media-type", 415, "The body's type is not taken",
     "Another Content-Type than the route takes, or a Content-Encoding."},
    {kModelRefused, "model-refused", 422, "The model failed its checks",
     "Manifest, SHA-256, schema or golden vectors do not agree, or the model does not fit what was asked of "
     "it."},
    {kRateLimited, "rate-limited", 429, "Too many requests for this key",
     "Over the key's requests or windows a second. `Retry-After` says when to come back."},
    {kQueueFull, "queue-full", 429, "The queue is full",
     "More windows wait than `scheduler.queue_windows`. `Retry-After` says when there will be room."},
    {kHeaderTooLarge, "header-too-large", 431, "The header is too large", "Over `http.max_header_bytes`."},
    {kInternal, "internal", 500, "The server failed",
     "A fault of ours; the server's log has it under the request's id."},
    {kLogOff, "log-off", 501, "The inference log is off",
     "`log.file` is empty: there is no feedback and no log."},
    {kDraining, "draining", 503, "The server is shutting down",
     "It finishes what it took and takes nothing new."},
    {kBusy, "busy", 503, "The server is busy", "Too many connections, uploads or log queries at once."},
    {kNotReady, "not-ready", 503, "The server is not ready", "It is starting, draining, or serves no model."},
    {kDeadline, "deadline", 504, "No answer before the deadline",
     "None of the request's windows was answered in `timeout_ms` (or `http.request_timeout_s`)."},
    {kDiskFull, "disk-full", 507, "The disk is full",
     "What was sent could not be stored; nothing of it was."},
});

constexpr bool in_order() {
  for (std::size_t i = 0; i < kDefinitions.size(); ++i) {
    if (static_cast<std::size_t>(kDefinitions[i].type) != i) return false;
  }
  return true;
}
static_assert(in_order());

ProblemType type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return kInvalidRequest;
    case ErrorCode::kNotFound:
      return kNotFound;
    case ErrorCode::kIo:
      return kInternal;
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kMismatch:
      return kModelRefused;
    case ErrorCode::kLimit:
      return kBusy;
  }
  return kInternal;
}

}  // namespace

std::span<const ProblemDefinition> problem_definitions() noexcept {
  return kDefinitions;
}

const ProblemDefinition& definition_of(ProblemType type) noexcept {
  return kDefinitions[static_cast<std::size_t>(type)];
}

Problem Problem::at(std::string where, std::string what) {
  std::string detail = where.empty() ? what : where + ": " + what;
  return {kInvalidRequest, std::move(detail), {{std::move(where), std::move(what)}}, 0};
}

Problem problem_of(const Error& error) {
  return Problem::of(type_of(error.code), error.message);
}

void write_problem(const Problem& problem, std::string_view request_id, bool open_inference,
                   std::string& out) {
  const ProblemDefinition& definition = definition_of(problem.type);
  JsonWriter json(out);
  json.begin_object();
  json.key("type").value("/problems/" + std::string(definition.slug));
  json.field("title", definition.title).field("status", definition.status).field("detail", problem.detail);
  if (open_inference) json.field("error", problem.detail.empty() ? definition.title : problem.detail);
  if (!problem.errors.empty()) {
    json.key("errors").begin_array();
    for (const FieldProblem& error : problem.errors) {
      json.begin_object().field("where", error.where).field("problem", error.problem).end_object();
    }
    json.end_array();
  }
  json.field("request_id", request_id).end_object();
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 303:
      return "See Other";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace reelsense::server
