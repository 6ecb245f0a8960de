// `reelsense features --describe`: the feature table of core/features/schema.h for people and programs.
#pragma once

#include <string>

namespace reelsense::cli {

std::string describe_as_text();
std::string describe_as_json();
// docs/reference/features.md is this text.
std::string describe_as_markdown();

}  // namespace reelsense::cli
