// A bundle's golden.json, answered by the model as the server will run it. Thread safety: pure functions.
#pragma once

#include <filesystem>

#include "server/models/served_model.h"

namespace reelsense::server {

// Every row and sequence, within 1e-5 (docs/reference/model-bundle.md), alone and in batches. kMismatch names
// the row, what came out and what was expected; kCorrupt: golden.json is not what it should be.
Status answer_golden(const ServedModel& model, const std::filesystem::path& folder);

}  // namespace reelsense::server
