// `reelsense features --describe`: the feature table of core/features/schema.h for people and programs.
#pragma once

#include <string>

#include "reelsense/features/view.h"

namespace reelsense::cli {

std::string describe_as_text(const ViewSchema& schema);
std::string describe_as_json(const ViewSchema& schema);
// docs/reference/features.md is this text.
std::string describe_as_markdown(const ViewSchema& schema);

}  // namespace reelsense::cli
