// Problem: an error as `application/problem+json` (RFC 9457) tells it. One table lists every type; its rows
// are the only statuses of failure the server answers, and the OpenAPI document is held against it. Thread
// safety: plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense::server {

enum class ProblemType : std::uint8_t {
  kInvalidRequest,
  kUnauthorized,
  kForbidden,
  kNotFound,
  kUnknownModel,
  kUnknownFlow,
  kMethodNotAllowed,
  kRequestTimeout,
  kConflict,
  kTooLarge,
  kUnsupportedMediaType,
  kModelRefused,
  kRateLimited,
  kQueueFull,
  kHeaderTooLarge,
  kInternal,
  kLogOff,
  kDraining,
  kBusy,
  kNotReady,
  kDeadline,
  kDiskFull,
};

struct ProblemDefinition {
  ProblemType type;
  std::string_view slug;  // "queue-full": type is "/problems/queue-full"
  int status;
  std::string_view title;
  std::string_view meaning;  // for the documentation
};
std::span<const ProblemDefinition> problem_definitions() noexcept;  // in the order of ProblemType
const ProblemDefinition& definition_of(ProblemType type) noexcept;

struct FieldProblem {
  std::string where;  // "windows[3].features[7]"; empty: the body as a whole
  std::string problem;
};

struct Problem {
  ProblemType type = ProblemType::kInternal;
  std::string detail;
  std::vector<FieldProblem> errors;
  double retry_after_s = 0;  // 0: says nothing of it

  static Problem of(ProblemType type, std::string detail) { return {type, std::move(detail), {}, 0}; }
  // kInvalidRequest with one place that is wrong.
  static Problem at(std::string where, std::string what);
};

// An Error of another part of the server as a problem.
Problem problem_of(const Error& error);

// Appends the document. `open_inference`: also the member "error" that the Open Inference Protocol asks for.
void write_problem(const Problem& problem, std::string_view request_id, bool open_inference,
                   std::string& out);

std::string_view reason_phrase(int status) noexcept;

}  // namespace reelsense::server
