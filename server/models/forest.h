// Trees of the edge network, taken out of its OpenVINO graph and run by the native engine.
//
// The network carries its trees as tensor operations (ADR 9): a hundred thousand multiplications that ask
// what a few hundred comparisons answer. extract_forest() finds that subgraph by its shape, rebuilds the
// trees, and leaves a parameter "forest" [B, 1] in its place. Whether the two agree is not taken on trust: a
// model's golden vectors are answered with the result. Thread safety: pure functions.
#pragma once

#include <memory>
#include <openvino/core/model.hpp>
#include <optional>

#include "reelsense/base/result.h"
#include "reelsense/model/model.h"

namespace reelsense::server {

// The trees' logit [N] from windows [N, width]: Model::predict_batch. Nothing: `network` has no such subgraph
// and is unchanged. kCorrupt: it has, but its constants are no trees.
Result<std::optional<Model>> extract_forest(const std::shared_ptr<ov::Model>& network);

}  // namespace reelsense::server
