// The layout of the vector kernels: features become small integers, trees become byte lanes.
//
// Each feature's distinct thresholds, sorted, cut its range into bins; a row is first turned into bin numbers
// (bytes), and `x <= t` becomes `bin(x) <= index of t`, exactly. A feature with more than 254 thresholds
// takes several columns, each for its own stretch of them.
//
// Trees then run side by side, one in each byte lane. `leaf` starts at 0, the leftmost leaf; nodes
// are taken in preorder, and a node whose comparison fails moves `leaf` from the first leaf of its left
// subtree (`from`) to the first leaf of its right one (`to`), if leaf is still there, which it is exactly
// when the node is on the row's path. After the last node leaf is the exit leaf: no branches, no gathers,
// four loads a step.
//
// Bins and indices are stored as signed bytes, 128 less, because AVX2 compares only those. A missing value
// has bin 255 (above every index: right) in the first 64 columns and bin 0 (never above: left) in the second
// 64; a node whose NaN goes to the true branch reads the second.
//
// Binning has two forms. By octets: eight axes side by side, each of their edges compared with all eight at
// once; nothing to add up across lanes, which is the cheapest while features have few edges. By blocks: one
// axis at a time, first among every sixteenth edge, then among sixteen.
//
// Invariants: columns < 128, bins and indices ≤ 254 (before 128 is taken), every leaf number below its tree's
// number of leaves; a padding step has rank 255 and never fires, so that an unused lane stays at leaf 0,
// whose place is one leaf of zero; both groups of a pair (2k, 2k+1) have equally many steps. Thread safety:
// immutable after it is built and read_from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "forest.h"
#include "kernels.h"

namespace reelsense::model {

// One AVX-512 register, two AVX2 ones. Arm's have 16 bytes, and one load there takes the four of a step.
#if defined(__aarch64__)
inline constexpr std::size_t kLanes = 16;
#else
inline constexpr std::size_t kLanes = 64;
#endif
inline constexpr std::size_t kMaxAxes = 64;
inline constexpr std::size_t kMaxBinEdges = 254;
inline constexpr std::size_t kEdgeBlock = 16;
inline constexpr std::size_t kOctet = 8;
inline constexpr std::size_t kOctetUnroll = 8;  // an octet's rows are padded to a multiple of it

inline constexpr std::int8_t to_signed(std::size_t bin) noexcept {
  return static_cast<std::int8_t>(static_cast<int>(bin) - 128);
}
inline constexpr std::int8_t kMissingRight = to_signed(255);
inline constexpr std::int8_t kMissingLeft = to_signed(0);
inline constexpr std::uint8_t kReadsMissingAsTrue = 64;  // added to a column

struct BinnedForest {
  struct alignas(64) Step {
    std::uint8_t column[kLanes];
    std::int8_t rank[kLanes];
    std::uint8_t from[kLanes];
    std::uint8_t to[kLanes];
#if defined(__x86_64__)
    // For AVX2, whose byte shuffle looks up 16 columns: column in table[column / 16], counted from its first;
    // a byte that yields 0 in the other tables.
    std::uint8_t table[kMaxAxes / 16][kLanes];
#endif
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
  // edges[i] of eight axes, +∞ beyond an axis's last.
  struct alignas(32) EdgeRow {
    float edge[kOctet];
  };
  struct Group {
    std::uint32_t first_step, steps;
    std::uint32_t trees;             // lanes in use, from lane 0
    std::uint32_t steps_of_half[2];  // what the first and the second half of the lanes need of them
  };

  std::vector<Axis> axes;  // those with most edges first
  std::vector<EdgeBlock> blocks;
  // By octets; empty when blocks are cheaper. octet_features: eight an octet, the last filled up with any.
  std::vector<std::uint32_t> octet_features;
  std::vector<std::uint32_t> octet_rows;
  std::vector<EdgeRow> edge_rows;
  std::vector<Group> groups;
  std::vector<Step> steps;
  std::vector<std::uint32_t> first_leaf;  // of lane t of group g: [g·kLanes + t]; leaves[first_leaf + leaf]
  std::vector<std::int64_t> leaves;

  // Feature i is column columns[i] of the rows from now on.
  void read_from(std::span<const std::uint8_t> columns) noexcept;
};

// Nothing when the forest does not fit: more than 64 columns, or a tree of more than 256 leaves.
std::optional<BinnedForest> make_binned_forest(const Forest& forest);

// What the exit leaves of one group add to a row's sum; place = first_leaf + leaf of each lane.
inline std::int64_t add_leaves(const BinnedForest& forest, const BinnedForest::Group& group,
                               const std::uint32_t* place) noexcept {
  constexpr std::size_t kTogether = 8;  // unused lanes add zero
  const std::int64_t* const leaves = forest.leaves.data();
  std::int64_t sum = 0;
  for (const std::uint32_t* const end = place + group.trees; place < end; place += kTogether) {
    REELSENSE_UNROLL
    for (std::size_t i = 0; i < kTogether; ++i) {
      sum += leaves[place[i]];
      // Compilers turn scattered loads into vectors, at several times the instructions: keep the sum in one
      // register.
      __asm__("" : "+r"(sum));
    }
  }
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
