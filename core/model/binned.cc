#include "binned.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "order.h"

namespace reelsense::model {
namespace {

// A feature's distinct thresholds, and the columns of each stretch of kMaxBinEdges.
struct FeatureEdges {
  std::vector<float> edges;
  std::vector<std::size_t> axes;
};

constexpr float kPadding = std::numeric_limits<float>::infinity();

// A key whose order is the numbers' own, −0 just before 0. Precondition: not NaN.
std::uint64_t key_of(float number) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffU : 0x80000000U);
}

void sort(std::vector<float>& numbers) {
  std::vector<std::uint64_t> keys;
  for (const float number : numbers) keys.push_back(key_of(number));
  std::vector<float> sorted;
  for (const std::uint32_t i : order_of(keys)) sorted.push_back(numbers[i]);
  numbers = std::move(sorted);
}

// One column: some of a feature's edges.
struct Stretch {
  std::uint32_t feature;
  const float* edges;
  std::size_t count;
};

void add_blocks(BinnedForest& out, const Stretch& stretch) {
  const auto [feature, edges, count] = stretch;
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

// Precondition: stretches are sorted, the longest first, and there is one.
void add_octets(BinnedForest& out, const std::vector<Stretch>& stretches) {
  // Blocks cost an axis about as much as this many rows do, however many edges it has.
  constexpr std::size_t kRowsOfBlocks = 8;
  for (std::size_t first = 0; first < stretches.size(); first += kOctet) {
    const std::size_t rows = (stretches[first].count + kOctetUnroll - 1) / kOctetUnroll * kOctetUnroll;
    const std::size_t start = out.edge_rows.size();
    out.octet_rows.push_back(static_cast<std::uint32_t>(rows));
    out.edge_rows.resize(start + rows);
    for (std::size_t lane = 0; lane < kOctet; ++lane) {
      const bool used = first + lane < stretches.size();
      const Stretch& stretch = stretches[used ? first + lane : first];
      out.octet_features.push_back(stretch.feature);
      for (std::size_t i = 0; i < rows; ++i) {
        out.edge_rows[start + i].edge[lane] = used && i < stretch.count ? stretch.edges[i] : kPadding;
      }
    }
  }
  if (out.edge_rows.size() <= kRowsOfBlocks * stretches.size()) return;
  out.octet_features.clear();
  out.octet_rows.clear();
  out.edge_rows = {};
}

// Fills axes, blocks and octets; false when there are too many axes.
bool add_axes(const Forest& forest, std::vector<FeatureEdges>& features, BinnedForest& out) {
  for (const TreeNode& node : forest.nodes) {
    if (node.feature >= features.size()) features.resize(node.feature + 1);
    features[node.feature].edges.push_back(node.threshold);
  }
  std::vector<Stretch> stretches;
  for (std::size_t f = 0; f < features.size(); ++f) {
    std::vector<float>& edges = features[f].edges;
    sort(edges);
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    for (std::size_t i = 0; i < edges.size(); i += kMaxBinEdges) {
      if (stretches.size() == kMaxAxes) return false;
      stretches.push_back(
          {static_cast<std::uint32_t>(f), edges.data() + i, std::min(kMaxBinEdges, edges.size() - i)});
    }
  }
  // Octets take as many rows as their longest axis. A feature's stretches stay in order: only its last is
  // short.
  std::vector<std::uint64_t> keys;
  for (const Stretch& stretch : stretches) keys.push_back(~std::uint64_t{stretch.count});
  std::vector<Stretch> sorted;
  for (const std::uint32_t i : order_of(keys)) sorted.push_back(stretches[i]);
  for (const Stretch& stretch : sorted) {
    features[stretch.feature].axes.push_back(out.axes.size());
    add_blocks(out, stretch);
  }
  if (!sorted.empty()) add_octets(out, sorted);
  return true;
}

// Writes one tree into lane `lane` of the group's steps, and its leaves.
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
    const std::size_t axis = feature.axes[index / kMaxBinEdges];
    BinnedForest::Step& step = out.steps[group.first_step + i];
    step.column[lane] = static_cast<std::uint8_t>(axis + (node.missing_true ? kReadsMissingAsTrue : 0));
    step.rank[lane] = to_signed(index % kMaxBinEdges);
    step.from[lane] = first_leaf[i];
    step.to[lane] = leaf_of(node.on_false);
  }
  out.first_leaf[out.groups.size() * kLanes + lane] = static_cast<std::uint32_t>(out.leaves.size());
  const auto leaves = forest.leaves.begin() + tree.first_leaf;
  out.leaves.insert(out.leaves.end(), leaves, leaves + tree.leaf_count);
}

// Fills table from column.
void add_tables([[maybe_unused]] BinnedForest::Step& step) noexcept {
#if defined(__x86_64__)
  constexpr std::uint8_t kElsewhere = 0x80;
  constexpr std::size_t kTable = 16;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::size_t axis = step.column[lane] % kReadsMissingAsTrue;
    for (std::size_t t = 0; t < std::size(step.table); ++t) {
      step.table[t][lane] = axis / kTable == t ? static_cast<std::uint8_t>(axis % kTable) : kElsewhere;
    }
  }
#endif
}

}  // namespace

void BinnedForest::read_from(std::span<const std::uint8_t> columns) noexcept {
  for (Axis& axis : axes) axis.feature = columns[axis.feature];
  for (std::uint32_t& feature : octet_features) feature = columns[feature];
}

std::optional<BinnedForest> make_binned_forest(const Forest& forest) {
  constexpr std::uint32_t kMaxLeaves = 256;
  BinnedForest out;
  std::vector<FeatureEdges> features;
  if (!add_axes(forest, features, out)) return std::nullopt;
  // Trees of like size together: a group takes as many steps as its largest tree.
  std::vector<std::uint64_t> keys;
  for (const Tree& tree : forest.trees) keys.push_back(~std::uint64_t{tree.node_count});
  std::vector<Tree> trees;
  for (const std::uint32_t i : order_of(keys)) trees.push_back(forest.trees[i]);
  if (trees.empty() || trees[0].leaf_count > kMaxLeaves) return std::nullopt;
  out.leaves.push_back(0);  // of lanes without a tree
  for (std::size_t i = 0; i < trees.size(); i += kLanes) {
    BinnedForest::Group group;
    group.first_step = static_cast<std::uint32_t>(out.steps.size());
    // AVX-512 runs two groups in step.
    const bool second = out.groups.size() % 2 == 1;
    group.steps = second ? out.groups.back().steps : trees[i].node_count;
    group.trees = static_cast<std::uint32_t>(std::min(kLanes, trees.size() - i));
    group.steps_of_half[0] = trees[i].node_count;
    group.steps_of_half[1] = group.trees > kLanes / 2 ? trees[i + kLanes / 2].node_count : 0;
    BinnedForest::Step padding{};
    std::fill(std::begin(padding.rank), std::end(padding.rank), to_signed(255));
    out.steps.resize(out.steps.size() + group.steps, padding);
    out.first_leaf.resize(out.first_leaf.size() + kLanes, 0);
    for (std::size_t lane = 0; lane < group.trees; ++lane) {
      add_tree(forest, trees[i + lane], features, group, lane, out);
    }
    out.groups.push_back(group);
  }
  for (BinnedForest::Step& step : out.steps) add_tables(step);
  return out;
}

}  // namespace reelsense::model
