// A validated tree ensemble in one canonical form, and the sum that every kernel computes.
//
// Every inner node asks `x[feature] <= threshold` in float32, with its own side for NaN; the other
// comparisons of ONNX are rewritten to it exactly (see tree_ensemble.cc). Leaves are 64-bit fixed-point
// numbers: their sum is exact and does not depend on the order, so that every kernel, any lane layout and any
// batch size give the same bits. Rounding a leaf costs at most 2^-55 of the largest sum that the ensemble can
// give.
//
// Invariants: nodes of a tree are in preorder (true child first) and contiguous, leaves are numbered left to
// right over the whole forest, every child index is inside the forest and every node is reached exactly once.
// Thread safety: immutable after it is built.
#pragma once

#include <cstdint>
#include <vector>

#include "onnx.h"
#include "reelsense/model/model.h"

namespace reelsense::model {

struct TreeNode {
  float threshold = 0;
  std::uint32_t feature = 0;
  bool missing_true = false;  // NaN goes to on_true
  std::int32_t on_true = 0;   // ≥ 0: a node of the forest; < 0: leaf ~value
  std::int32_t on_false = 0;
};

struct Tree {
  std::uint32_t first_node = 0;  // the root, when node_count > 0
  std::uint32_t node_count = 0;
  std::uint32_t first_leaf = 0;
  std::uint32_t leaf_count = 0;  // node_count + 1
};

struct Forest {
  std::vector<Tree> trees;
  std::vector<TreeNode> nodes;
  std::vector<std::int64_t> leaves;
  double scale = 1;    // of one unit of a leaf
  double divisor = 1;  // number of trees for an average
  double base = 0;

  [[nodiscard]] double raw(std::int64_t sum) const noexcept {
    return static_cast<double>(sum) * scale / divisor + base;
  }
};

// What is done to the raw score, in double, to make one column of the node's output.
struct PostOp {
  // kLost marks a column that the engine did not keep (class 0's own score); a graph that uses it is refused.
  enum class Kind : std::uint8_t { kSigmoid, kNegate, kAdd, kSubtractFrom, kMultiply, kDivide, kLost };
  Kind kind = Kind::kSigmoid;
  double value = 0;
};
using Column = std::vector<PostOp>;

struct ScoreColumns {
  std::vector<Column> columns;  // one, or those of class 0 and class 1
  bool complementary = false;   // two probabilities that sum to one
};

struct TreeEnsemble {
  Forest forest;
  ScoreColumns output;
};

// Reads a TreeEnsembleRegressor or TreeEnsembleClassifier node over rows of `inputs` floats.
Result<TreeEnsemble> read_tree_ensemble(const OnnxNode& node, std::size_t inputs, const ModelLimits& limits);

}  // namespace reelsense::model
