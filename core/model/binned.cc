#include "binned.h"

#include <algorithm>
#include <limits>

namespace reelsense::model {
namespace {

constexpr std::uint8_t kReadsMissingAsTrue = 64;  // added to a column

// A feature's distinct thresholds, and where its columns begin.
struct FeatureEdges {
  std::vector<float> edges;
  std::size_t first_axis = 0;
};

void add_axis(BinnedForest& out, std::uint32_t feature, const float* edges, std::size_t count) {
  constexpr float kPadding = std::numeric_limits<float>::infinity();
  const auto first = static_cast<std::uint32_t>(out.blocks.size());
  // A value above all edges of every full block may look at the block after them.
  const std::size_t blocks = count / kEdgeBlock + 1;
  out.blocks.resize(first + 1 + blocks);
  for (std::size_t i = 0; i < kEdgeBlock; ++i) {
    const std::size_t last = i * kEdgeBlock + kEdgeBlock - 1;
    out.blocks[first].edge[i] = last < count ? edges[last] : kPadding;
  }
  for (std::size_t i = 0; i < blocks * kEdgeBlock; ++i) {
    out.blocks[first + 1 + i / kEdgeBlock].edge[i % kEdgeBlock] = i < count ? edges[i] : kPadding;
  }
  out.axes.push_back({feature, first});
}

// Fills axes and blocks; false when there are too many.
bool add_axes(const Forest& forest, std::vector<FeatureEdges>& features, BinnedForest& out) {
  for (const TreeNode& node : forest.nodes) {
    if (node.feature >= features.size()) features.resize(node.feature + 1);
    features[node.feature].edges.push_back(node.threshold);
  }
  for (std::size_t f = 0; f < features.size(); ++f) {
    std::vector<float>& edges = features[f].edges;
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    features[f].first_axis = out.axes.size();
    for (std::size_t i = 0; i < edges.size(); i += kMaxBinEdges) {
      if (out.axes.size() == kMaxAxes) return false;
      add_axis(out, static_cast<std::uint32_t>(f), edges.data() + i,
               std::min(kMaxBinEdges, edges.size() - i));
    }
  }
  return true;
}

// Writes one tree into lane `lane` of the group's steps and its leaves into the lane's row.
void add_tree(const Forest& forest, const Tree& tree, const std::vector<FeatureEdges>& features,
              const BinnedForest::Group& group, std::size_t lane, BinnedForest& out) {
  // The first leaf of each node's subtree, counted from the tree's first; children come after their parent.
  std::vector<std::uint8_t> first_leaf(tree.node_count);
  const auto leaf_of = [&](std::int32_t child) {
    if (child < 0) return static_cast<std::uint8_t>(static_cast<std::uint32_t>(~child) - tree.first_leaf);
    return first_leaf[static_cast<std::uint32_t>(child) - tree.first_node];
  };
  for (std::uint32_t i = tree.node_count; i-- > 0;)
    first_leaf[i] = leaf_of(forest.nodes[tree.first_node + i].on_true);
  for (std::uint32_t i = 0; i < tree.node_count; ++i) {
    const TreeNode& node = forest.nodes[tree.first_node + i];
    const FeatureEdges& feature = features[node.feature];
    const auto found = std::lower_bound(feature.edges.begin(), feature.edges.end(), node.threshold);
    const auto index = static_cast<std::size_t>(found - feature.edges.begin());
    const std::size_t axis = feature.first_axis + index / kMaxBinEdges;
    BinnedForest::Step& step = out.steps[group.first_step + i];
    step.column[lane] = static_cast<std::uint8_t>(axis + (node.missing_true ? kReadsMissingAsTrue : 0));
    step.rank[lane] = static_cast<std::uint8_t>(index % kMaxBinEdges);
    step.from[lane] = first_leaf[i];
    step.to[lane] = leaf_of(node.on_false);
  }
  for (std::uint32_t i = 0; i < tree.leaf_count; ++i) {
    out.leaves[group.first_leaf + lane * group.stride + i] = forest.leaves[tree.first_leaf + i];
  }
}

}  // namespace

std::optional<BinnedForest> make_binned_forest(const Forest& forest) {
  constexpr std::uint32_t kMaxLeaves = 256;
  BinnedForest out;
  std::vector<FeatureEdges> features;
  if (!add_axes(forest, features, out)) return std::nullopt;
  std::vector<Tree> trees = forest.trees;
  // Trees of like size together: a group takes as many steps as its largest tree.
  std::stable_sort(trees.begin(), trees.end(),
                   [](const Tree& a, const Tree& b) { return a.node_count > b.node_count; });
  if (trees.empty() || trees[0].leaf_count > kMaxLeaves) return std::nullopt;
  for (std::size_t i = 0; i < trees.size(); i += kLanes) {
    BinnedForest::Group group;
    group.first_step = static_cast<std::uint32_t>(out.steps.size());
    // The kernels run two groups in step.
    const bool second = out.groups.size() % 2 == 1;
    group.steps = second ? out.groups.back().steps : trees[i].node_count;
    group.trees = static_cast<std::uint32_t>(std::min(kLanes, trees.size() - i));
    group.first_leaf = static_cast<std::uint32_t>(out.leaves.size());
    group.stride = trees[i].leaf_count;
    BinnedForest::Step padding{};
    std::fill(std::begin(padding.rank), std::end(padding.rank), std::uint8_t{255});
    out.steps.resize(out.steps.size() + group.steps, padding);
    out.leaves.resize(out.leaves.size() + kLanes * group.stride);
    for (std::size_t lane = 0; lane < group.trees; ++lane) {
      add_tree(forest, trees[i + lane], features, group, lane, out);
    }
    out.groups.push_back(group);
  }
  return out;
}

}  // namespace reelsense::model
