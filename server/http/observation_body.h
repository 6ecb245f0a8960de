// The body of POST /v1/observations, as rs_feedback_peek makes it, read into a batch for the store.
//
// Pure: tests and the fuzzer run it alone. Unknown keys, keys given twice and values out of range are refused
// with their place; members may come in any order. Thread safety: a function without state; one parser a
// thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "reelsense/features/view.h"
#include "server/http/json_parser.h"
#include "server/http/problem.h"
#include "server/store/observations.h"

namespace reelsense::server {

inline constexpr std::size_t kMostModelBytes = 64;  // of "name@version"
inline constexpr std::size_t kMostSdkBytes = 32;
// Of the randomised response; beyond it a truth says nothing, or everything.
inline constexpr double kLeastEpsilon = 0.1;
inline constexpr double kMostEpsilon = 10;

// `body` must have kJsonPadding readable bytes behind it. `most`: observations in one request. The schema
// hash must be that of this build's features of the view, or the codes would mean something else.
std::optional<Problem> read_observation_batch(JsonParser& parser, std::string_view body, std::size_t most,
                                              ObservationBatch& batch);

// ViewSchema::hash(), computed once.
const std::string& schema_hash(const ViewSchema& schema);

// "name@version", as models are called: letters, digits, '-', '_', '.', '+' around one '@'.
bool is_model_id(std::string_view text) noexcept;

}  // namespace reelsense::server
