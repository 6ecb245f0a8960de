#include "walk.h"

#include <algorithm>
#include <bit>

#include "kernels.h"
#include "order.h"

namespace reelsense::model {
namespace {

constexpr std::uint32_t kMissingTrue = 1u << 31;

template <bool kHasNan>
std::int64_t sum_rows(const WalkForest& forest, const float* row) noexcept {
  constexpr std::size_t kTrees = WalkForest::kTrees;
  const WalkNode* const nodes = forest.nodes.data();
  std::int64_t sum = 0;
  for (const WalkForest::Group& group : forest.groups) {
    std::uint32_t at[kTrees];
    REELSENSE_UNROLL
    for (std::size_t t = 0; t < kTrees; ++t) at[t] = group.root[t];
    for (std::uint32_t level = 0; level < group.depth; ++level) {
      REELSENSE_UNROLL
      for (std::size_t t = 0; t < kTrees; ++t) {
        const WalkNode& node = nodes[at[t]];
        const float x = row[node.feature & ~kMissingTrue];
        bool on_true = x <= node.threshold;
        if constexpr (kHasNan) on_true |= (x != x) & (node.feature >= kMissingTrue);
        at[t] = node.child[on_true ? 0 : 1];
      }
    }
    for (std::uint32_t t = 0; t < group.trees; ++t) {
      sum += forest.leaves[std::bit_cast<std::uint32_t>(nodes[at[t]].threshold)];
    }
  }
  return sum;
}

// Appends one tree, its leaves as nodes that lead to themselves; returns its root and depth.
struct Placed {
  std::uint32_t root, depth;
};
Placed place(const Forest& forest, const Tree& tree, std::vector<WalkNode>& nodes) {
  const auto first = static_cast<std::uint32_t>(nodes.size());
  const std::uint32_t leaf_base = first + tree.node_count;
  const auto target = [&](std::int32_t child) {
    return child >= 0 ? first + static_cast<std::uint32_t>(child) - tree.first_node
                      : leaf_base + static_cast<std::uint32_t>(~child) - tree.first_leaf;
  };
  std::vector<std::uint32_t> depth(tree.node_count, 0);
  std::uint32_t deepest = tree.node_count == 0 ? 0 : 1;
  for (std::uint32_t i = 0; i < tree.node_count; ++i) {
    const TreeNode& node = forest.nodes[tree.first_node + i];
    nodes.push_back({node.threshold,
                     node.feature | (node.missing_true ? kMissingTrue : 0),
                     {target(node.on_true), target(node.on_false)}});
    // Preorder: a parent's depth is known before its children's.
    for (const std::int32_t child : {node.on_true, node.on_false}) {
      if (child < 0) continue;
      const std::uint32_t below = depth[i] + 1;
      depth[static_cast<std::uint32_t>(child) - tree.first_node] = below;
      deepest = std::max(deepest, below + 1);
    }
  }
  for (std::uint32_t i = 0; i < tree.leaf_count; ++i) {
    nodes.push_back({std::bit_cast<float>(tree.first_leaf + i), 0, {leaf_base + i, leaf_base + i}});
  }
  return {first, deepest};
}

}  // namespace

void WalkForest::read_from(std::span<const std::uint8_t> columns, std::size_t width) noexcept {
  inputs = width;
  // A leaf has feature 0; which column it reads does not matter.
  for (WalkNode& node : nodes) {
    node.feature = columns[node.feature & ~kMissingTrue] | (node.feature & kMissingTrue);
  }
}

std::int64_t WalkForest::sum(const float* row) const noexcept {
  bool has_nan = false;
  for (std::size_t i = 0; i < inputs; ++i) has_nan |= row[i] != row[i];
  return has_nan ? sum_rows<true>(*this, row) : sum_rows<false>(*this, row);
}

WalkForest make_walk_forest(const Forest& forest, std::size_t inputs) {
  WalkForest out;
  out.inputs = inputs;
  out.leaves = forest.leaves;
  out.nodes.reserve(forest.nodes.size() + forest.leaves.size());
  std::vector<Placed> placed;
  for (const Tree& tree : forest.trees) placed.push_back(place(forest, tree, out.nodes));
  // Trees of like depth together: a group takes as many steps as its deepest tree.
  std::vector<std::uint64_t> keys;
  for (const Placed& tree : placed) keys.push_back(~std::uint64_t{tree.depth});
  const std::vector<std::uint32_t> order = order_of(keys);
  for (std::size_t i = 0; i < placed.size(); i += WalkForest::kTrees) {
    WalkForest::Group group;
    group.depth = placed[order[i]].depth;
    for (std::size_t t = 0; t < WalkForest::kTrees; ++t) {
      const bool used = i + t < placed.size();
      group.root[t] = placed[order[used ? i + t : i]].root;
      group.trees += used ? 1 : 0;
    }
    out.groups.push_back(group);
  }
  return out;
}

}  // namespace reelsense::model
