// The answer of POST /v1/classify. Pure. Thread safety: functions without state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/engine/engine.h"
#include "server/http/problem.h"

namespace reelsense::server {

// A problem if not one window has an answer and all for the same reason: deadline, a failed model, shutting
// down.
std::optional<Problem> problem_of_answers(const Job& job);

// Appends {"model": …, "labels": […]}: one entry for each of job.answers, in their order. `request`: the body
// whose flow names Job::Flow::tag points into.
void write_labels(const Job& job, std::string_view request, std::string& out);

}  // namespace reelsense::server
