// The arm64 kernel: 16 trees in a register, columns looked up by one table of three or four registers. See
// binned.h for the method.
#include "binned.h"

#if defined(__aarch64__)

#include <arm_neon.h>

namespace reelsense::model {
namespace {

// The bins of one row: what nodes whose NaN goes right look up, and left.
struct Bins {
  alignas(16) std::int8_t right[kMaxAxes];
  alignas(16) std::int8_t left[kMaxAxes];
  bool missing = false;
};

inline unsigned count_below(float32x4_t x, const BinnedForest::EdgeBlock& block) noexcept {
  uint32x4_t below = vdupq_n_u32(0);
  for (std::size_t i = 0; i < kEdgeBlock; i += 4)
    below = vsubq_u32(below, vcgtq_f32(x, vld1q_f32(block.edge + i)));
  return vaddvq_u32(below);
}

inline bool bin_by_blocks(const BinnedForest& forest, const float* row, std::int8_t* bins) noexcept {
  const BinnedForest::EdgeBlock* const blocks = forest.blocks.data();
  bool missing = false;
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const BinnedForest::Axis axis = forest.axes[a];
    const float value = row[axis.feature];
    const float32x4_t x = vdupq_n_f32(value);
    const BinnedForest::EdgeBlock* const block = blocks + axis.first_block;
    const unsigned full = count_below(x, *block);
    bins[a] = to_signed(full * kEdgeBlock + count_below(x, block[1 + full]));
    missing |= value != value;
  }
  return missing;
}

inline bool bin_by_octets(const BinnedForest& forest, const float* row, std::int8_t* bins) noexcept {
  const std::uint32_t* f = forest.octet_features.data();
  const BinnedForest::EdgeRow* edges = forest.edge_rows.data();
  uint32x4_t numbers = vdupq_n_u32(~0u);
  for (const std::uint32_t rows : forest.octet_rows) {
    const float low_values[4] = {row[f[0]], row[f[1]], row[f[2]], row[f[3]]};
    const float high_values[4] = {row[f[4]], row[f[5]], row[f[6]], row[f[7]]};
    const float32x4_t low = vld1q_f32(low_values);
    const float32x4_t high = vld1q_f32(high_values);
    numbers = vandq_u32(numbers, vandq_u32(vceqq_f32(low, low), vceqq_f32(high, high)));
    uint32x4_t low_bin = vdupq_n_u32(0);
    uint32x4_t high_bin = vdupq_n_u32(0);
    for (const BinnedForest::EdgeRow* const end = edges + rows; edges != end; edges += kOctetUnroll) {
      REELSENSE_UNROLL
      for (std::size_t i = 0; i < kOctetUnroll; ++i) {
        low_bin = vsubq_u32(low_bin, vcgtq_f32(low, vld1q_f32(edges[i].edge)));
        high_bin = vsubq_u32(high_bin, vcgtq_f32(high, vld1q_f32(edges[i].edge + 4)));
      }
    }
    const uint8x8_t bin = vmovn_u16(vcombine_u16(vmovn_u32(low_bin), vmovn_u32(high_bin)));
    vst1_s8(bins, vreinterpret_s8_u8(veor_u8(bin, vdup_n_u8(0x80))));  // 128 less
    f += kOctet;
    bins += kOctet;
  }
  return vminvq_u32(numbers) == 0;
}

inline void bin_row(const BinnedForest& forest, const float* row, Bins& bins) noexcept {
  bins.missing = forest.edge_rows.empty() ? bin_by_blocks(forest, row, bins.right)
                                          : bin_by_octets(forest, row, bins.right);
  if (!bins.missing) return;
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const float value = row[forest.axes[a].feature];
    bins.left[a] = bins.right[a];
    if (value == value) continue;
    bins.right[a] = kMissingRight;
    bins.left[a] = kMissingLeft;
  }
}

// Up to 64 columns, 16 a register; look-ups in three are quicker than in four.
template <int kTables>
struct Tables;
template <>
struct Tables<3> {
  explicit Tables(const std::int8_t* bins) noexcept
      : table{{vld1q_s8(bins), vld1q_s8(bins + 16), vld1q_s8(bins + 32)}} {}
  [[nodiscard]] int8x16_t look_up(uint8x16_t column) const noexcept { return vqtbl3q_s8(table, column); }
  int8x16x3_t table;
};
template <>
struct Tables<4> {
  explicit Tables(const std::int8_t* bins) noexcept
      : table{{vld1q_s8(bins), vld1q_s8(bins + 16), vld1q_s8(bins + 32), vld1q_s8(bins + 48)}} {}
  [[nodiscard]] int8x16_t look_up(uint8x16_t column) const noexcept { return vqtbl4q_s8(table, column); }
  int8x16x4_t table;
};

// The places of 16 exit leaves.
inline void store_places(uint8x16_t leaf, const std::uint32_t* first_leaf, std::uint32_t* out) noexcept {
  const uint16x8_t low = vmovl_u8(vget_low_u8(leaf));
  const uint16x8_t high = vmovl_high_u8(leaf);
  vst1q_u32(out, vaddw_u16(vld1q_u32(first_leaf), vget_low_u16(low)));
  vst1q_u32(out + 4, vaddw_high_u16(vld1q_u32(first_leaf + 4), low));
  vst1q_u32(out + 8, vaddw_u16(vld1q_u32(first_leaf + 8), vget_low_u16(high)));
  vst1q_u32(out + 12, vaddw_high_u16(vld1q_u32(first_leaf + 12), high));
}

static_assert(kLanes == 16 && sizeof(BinnedForest::Step) == 64, "a step is one load of four registers");

template <int kTables, bool kMissing>
std::int64_t sum_row(const BinnedForest& forest, const Bins& bins) noexcept {
  const Tables<kTables> right(bins.right);
  const Tables<kTables> left(kMissing ? bins.left : bins.right);
  const uint8x16_t side = vdupq_n_u8(kReadsMissingAsTrue);
  const std::uint32_t* first_leaf = forest.first_leaf.data();
  std::int64_t sum = 0;
  for (const BinnedForest::Group& group : forest.groups) {
    const BinnedForest::Step* step = forest.steps.data() + group.first_step;
    uint8x16_t leaf = vdupq_n_u8(0);
    for (const BinnedForest::Step* const end = step + group.steps_of_half[0]; step != end; ++step) {
      const uint8x16x4_t all = vld1q_u8_x4(step->column);  // and rank, from, to
      const uint8x16_t place = vbicq_u8(all.val[0], side);
      int8x16_t bin = right.look_up(place);
      if constexpr (kMissing) bin = vbslq_s8(vtstq_u8(all.val[0], side), left.look_up(place), bin);
      const uint8x16_t fails = vcgtq_s8(bin, vreinterpretq_s8_u8(all.val[1]));
      const uint8x16_t here = vceqq_u8(leaf, all.val[2]);
      leaf = vbslq_u8(vandq_u8(fails, here), all.val[3], leaf);
    }
    std::uint32_t places[kLanes];
    store_places(leaf, first_leaf, places);
    sum += add_leaves(forest, group, places);
    first_leaf += kLanes;
  }
  return sum;
}

}  // namespace

void sum_neon(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
              std::int64_t* sums) noexcept {
  const bool three = forest.axes.size() <= 48;
  Bins bins{};
  for (std::size_t i = 0; i < n; ++i) {
    bin_row(forest, rows + i * stride, bins);
    if (bins.missing) {
      sums[i] = three ? sum_row<3, true>(forest, bins) : sum_row<4, true>(forest, bins);
    } else {
      sums[i] = three ? sum_row<3, false>(forest, bins) : sum_row<4, false>(forest, bins);
    }
  }
}

}  // namespace reelsense::model

#endif  // __aarch64__
