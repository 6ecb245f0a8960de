// What a failure to store is for the client. Thread safety: a function without state.
#pragma once

#include "server/http/problem.h"

namespace reelsense::server {

// A full disk or queue is the operator's to clear and the client's to try again; anything else is a fault of
// ours.
inline Problem storage_problem(const Error& error) {
  const bool full = error.message.find("full") != std::string::npos ||
                    error.message.find("No space left") != std::string::npos;
  if (error.code == ErrorCode::kLimit) {
    Problem problem = Problem::of(ProblemType::kBusy, error.message);
    problem.retry_after_s = 1;
    return problem;
  }
  return Problem::of(full ? ProblemType::kDiskFull : ProblemType::kInternal, error.message);
}

}  // namespace reelsense::server
