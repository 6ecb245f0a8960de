// The layout of the vector kernels: features become small integers, trees become byte lanes.
//
// Each feature's distinct thresholds, sorted, cut its range into bins; a row is first turned into bin numbers
// (bytes), and `x <= t` becomes `bin(x) <= index of t`, exactly. A feature with more than 254 thresholds
// takes several columns, each for its own stretch of them.
//
// Sixty-four trees then run side by side, one in each byte lane. `leaf` starts at 0, the leftmost leaf; nodes
// are taken in preorder, and a node whose comparison fails moves `leaf` from the first leaf of its left
// subtree (`from`) to the first leaf of its right one (`to`), if leaf is still there, which it is exactly
// when the node is on the row's path. After the last node leaf is the exit leaf: no branches, no gathers,
// four loads a step for 64 trees.
//
// A missing value has bin 255 (above every index: right) in the first 64 columns and bin 0 (never above:
// left) in the second 64; a node whose NaN goes to the true branch reads the second.
//
// Invariants: columns < 128, bins and indices ≤ 254, every leaf number below its group's stride; a padding
// step has rank 255 and never fires; both groups of a pair (2k, 2k+1) have equally many steps. Thread safety:
// immutable after it is built.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "forest.h"

namespace reelsense::model {

inline constexpr std::size_t kLanes = 64;
inline constexpr std::size_t kMaxAxes = 64;
inline constexpr std::size_t kMaxBinEdges = 254;
inline constexpr std::size_t kEdgeBlock = 16;
inline constexpr std::uint8_t kMissingBin = 255;

struct BinnedForest {
  struct alignas(64) Step {
    std::uint8_t column[kLanes];
    std::uint8_t rank[kLanes];
    std::uint8_t from[kLanes];
    std::uint8_t to[kLanes];
  };
  struct alignas(64) EdgeBlock {
    float edge[kEdgeBlock];
  };
  struct Axis {
    std::uint32_t feature;
    // blocks[first] holds the last edge of each following block, blocks[first + 1…] the edges, padded with
    // +∞.
    std::uint32_t first_block;
  };
  struct Group {
    std::uint32_t first_step, steps;
    std::uint32_t trees;       // lanes in use, from lane 0
    std::uint32_t first_leaf;  // leaves[first_leaf + lane·stride + leaf]
    std::uint32_t stride;
  };

  std::vector<Axis> axes;
  std::vector<EdgeBlock> blocks;
  std::vector<Group> groups;
  std::vector<Step> steps;
  std::vector<std::int64_t> leaves;
};

// Nothing when the forest does not fit: more than 64 columns, or a tree of more than 256 leaves.
std::optional<BinnedForest> make_binned_forest(const Forest& forest);

// What the exit leaves of one group add to a row's sum.
inline std::int64_t add_leaves(const BinnedForest& forest, const BinnedForest::Group& group,
                               const std::uint8_t* leaf) noexcept {
  const std::int64_t* lane = forest.leaves.data() + group.first_leaf;
  std::int64_t sum = 0;
  for (std::uint32_t t = 0; t < group.trees; ++t, lane += group.stride) sum += lane[leaf[t]];
  return sum;
}

// The kernels: sums[r] = the leaf sum of row r, for n rows of at least the forest's features. Precondition:
// the processor has the instructions (kernels.h says).
void sum_avx512(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
                std::int64_t* sums) noexcept;
void sum_avx2(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
              std::int64_t* sums) noexcept;
void sum_neon(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
              std::int64_t* sums) noexcept;

}  // namespace reelsense::model
