// The arm64 kernel: 16 trees in a register, columns looked up by one four-register table. See binned.h for
// the method.
#include "binned.h"

#if defined(__aarch64__)

#include <arm_neon.h>

namespace reelsense::model {
namespace {

constexpr std::size_t kQuarter = 16;  // lanes of one register

struct Bins {
  alignas(16) std::uint8_t right[kMaxAxes];  // what nodes whose NaN goes right look up
  alignas(16) std::uint8_t left[kMaxAxes];
};

inline unsigned count_below(float32x4_t x, const BinnedForest::EdgeBlock& block) noexcept {
  uint32x4_t below = vdupq_n_u32(0);
  for (std::size_t i = 0; i < kEdgeBlock; i += 4)
    below = vsubq_u32(below, vcgtq_f32(x, vld1q_f32(block.edge + i)));
  return vaddvq_u32(below);
}

inline void bin_row(const BinnedForest& forest, const float* row, Bins& bins) noexcept {
  const BinnedForest::EdgeBlock* const blocks = forest.blocks.data();
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const BinnedForest::Axis axis = forest.axes[a];
    const float value = row[axis.feature];
    const float32x4_t x = vdupq_n_f32(value);
    const BinnedForest::EdgeBlock* const block = blocks + axis.first_block;
    const unsigned full = count_below(x, *block);
    const auto bin = static_cast<std::uint8_t>(full * kEdgeBlock + count_below(x, block[1 + full]));
    const bool missing = value != value;
    bins.right[a] = missing ? kMissingBin : bin;
    bins.left[a] = missing ? std::uint8_t{0} : bin;
  }
}

inline uint8x16x4_t load_table(const std::uint8_t* bins) noexcept {
  return {{vld1q_u8(bins), vld1q_u8(bins + 16), vld1q_u8(bins + 32), vld1q_u8(bins + 48)}};
}

inline void exit_leaves(const BinnedForest& forest, const BinnedForest::Group& group, const Bins& bins,
                        std::uint8_t* out) noexcept {
  const uint8x16x4_t right = load_table(bins.right);
  const uint8x16x4_t left = load_table(bins.left);
  const uint8x16_t other_table = vdupq_n_u8(64);
  const BinnedForest::Step* const steps = forest.steps.data() + group.first_step;
  for (std::size_t quarter = 0; quarter < group.trees; quarter += kQuarter) {
    uint8x16_t leaf = vdupq_n_u8(0);
    for (std::uint32_t s = 0; s < group.steps; ++s) {
      const BinnedForest::Step& step = steps[s];
      const uint8x16_t column = vld1q_u8(step.column + quarter);
      // An index beyond a table gives 0, or with tbx what was there: each column is found in exactly one of
      // them.
      const uint8x16_t bin = vqtbx4q_u8(vqtbl4q_u8(right, column), left, veorq_u8(column, other_table));
      const uint8x16_t fails = vcgtq_u8(bin, vld1q_u8(step.rank + quarter));
      const uint8x16_t here = vceqq_u8(leaf, vld1q_u8(step.from + quarter));
      leaf = vbslq_u8(vandq_u8(fails, here), vld1q_u8(step.to + quarter), leaf);
    }
    vst1q_u8(out + quarter, leaf);
  }
}

}  // namespace

void sum_neon(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
              std::int64_t* sums) noexcept {
  Bins bins{};
  alignas(16) std::uint8_t leaf[kLanes];
  for (std::size_t i = 0; i < n; ++i) {
    bin_row(forest, rows + i * stride, bins);
    sums[i] = 0;
    for (const BinnedForest::Group& group : forest.groups) {
      exit_leaves(forest, group, bins, leaf);
      sums[i] += add_leaves(forest, group, leaf);
    }
  }
}

}  // namespace reelsense::model

#endif  // __aarch64__
