// The QoS policy as a file and as pages. Thread safety: pure functions.
#pragma once

#include <string>

#include "reelsense/base/result.h"
#include "reelsense/policy/policy_options.h"

namespace reelsense::cli {

// Reads a flat JSON object {"setting": number, …}; what it leaves out keeps its default. "$schema" and
// "comment" may be there, as strings. The error names the file, the setting and what was expected.
Result<PolicyOptions> read_policy(const std::string& path);

// Every setting with its unit, range, default and meaning: for a terminal, as docs/reference/qos-policy.md,
// and as a JSON Schema (draft 2020-12) of the file.
std::string policy_as_text();
std::string policy_as_markdown();
std::string policy_as_schema();

}  // namespace reelsense::cli
