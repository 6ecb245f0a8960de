// The portable kernel: walks the trees node by node, eight trees at a time so that their loads overlap,
// without a branch that depends on the data. Takes any forest; the reference that the other kernels must
// equal.
//
// Invariants: a leaf is a node whose children are itself, so that a walk may take more steps than its tree is
// deep; every child and feature index is in range (the forest was validated).
// Thread safety: immutable after it is built and read_from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "forest.h"

namespace reelsense::model {

struct WalkNode {
  float threshold = 0;              // of a leaf: the bits of its index
  std::uint32_t feature = 0;        // bit 31: NaN goes to child[0]
  std::uint32_t child[2] = {0, 0};  // when x <= threshold, otherwise
};
static_assert(sizeof(WalkNode) == 16);

struct WalkForest {
  static constexpr std::size_t kTrees = 8;
  struct Group {
    std::uint32_t root[kTrees];
    std::uint32_t trees = 0;  // used roots; the rest repeat the first
    std::uint32_t depth = 0;
  };
  std::vector<WalkNode> nodes;
  std::vector<Group> groups;
  std::vector<std::int64_t> leaves;
  std::size_t inputs = 0;

  // Input i is column columns[i] of rows of `width` from now on.
  void read_from(std::span<const std::uint8_t> columns, std::size_t width) noexcept;

  [[nodiscard]] std::int64_t sum(const float* row) const noexcept;
};

WalkForest make_walk_forest(const Forest& forest, std::size_t inputs);

}  // namespace reelsense::model
