// The AVX2 kernel: 32 trees in a register. See binned.h for the method.
#include "binned.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

#define REELSENSE_AVX2 __attribute__((target("avx2,popcnt,bmi")))

namespace reelsense::model {
namespace {

constexpr std::size_t kHalf = 32;   // lanes of one register
constexpr std::size_t kTable = 16;  // columns that one byte shuffle can look up

// The bins of one row: what nodes whose NaN goes right look up, and left.
struct Bins {
  alignas(64) std::uint8_t right[kMaxAxes];
  alignas(64) std::uint8_t left[kMaxAxes];
  bool missing = false;
};

REELSENSE_AVX2 inline unsigned count_below(__m256 x, const BinnedForest::EdgeBlock& block) noexcept {
  const __m256i low = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_load_ps(block.edge), _CMP_GT_OQ));
  const __m256i high = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_load_ps(block.edge + 8), _CMP_GT_OQ));
  // Two mask bits an edge.
  const auto mask = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_packs_epi32(low, high)));
  return static_cast<unsigned>(__builtin_popcount(mask)) / 2;
}

REELSENSE_AVX2 inline void bin_row(const BinnedForest& forest, const float* row, Bins& bins) noexcept {
  const BinnedForest::EdgeBlock* const blocks = forest.blocks.data();
  bool missing = false;
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const BinnedForest::Axis axis = forest.axes[a];
    const float value = row[axis.feature];
    const __m256 x = _mm256_set1_ps(value);
    const BinnedForest::EdgeBlock* const block = blocks + axis.first_block;
    const unsigned full = count_below(x, *block);
    bins.right[a] = static_cast<std::uint8_t>(full * kEdgeBlock + count_below(x, block[1 + full]));
    missing |= value != value;
  }
  bins.missing = missing;
  if (!missing) return;
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const float value = row[forest.axes[a].feature];
    bins.left[a] = bins.right[a];
    if (value == value) continue;
    bins.right[a] = kMissingBin;
    bins.left[a] = 0;
  }
}

template <int kTables>
struct Tables {
  __m256i table[kTables];
};

template <int kTables>
REELSENSE_AVX2 inline Tables<kTables> load_tables(const std::uint8_t* bins) noexcept {
  Tables<kTables> out;
  REELSENSE_UNROLL
  for (int i = 0; i < kTables; ++i) {
    const auto* from = reinterpret_cast<const __m128i*>(bins + kTable * static_cast<std::size_t>(i));
    out.table[i] = _mm256_broadcastsi128_si256(_mm_load_si128(from));
  }
  return out;
}

// bins[column] for 32 columns below kTables · 16; bits 4 and 5 of a column choose the table, and are moved to
// the sign bit of their byte for the blend. Bit 6 is ignored.
template <int kTables>
REELSENSE_AVX2 inline __m256i look_up(const Tables<kTables>& tables, __m256i column) noexcept {
  const __m256i index = _mm256_and_si256(column, _mm256_set1_epi8(15));
  const __m256i bit4 = _mm256_slli_epi16(column, 3);
  const __m256i bit5 = _mm256_slli_epi16(column, 2);
  const __m256i low = _mm256_blendv_epi8(_mm256_shuffle_epi8(tables.table[0], index),
                                         _mm256_shuffle_epi8(tables.table[1], index), bit4);
  __m256i high = _mm256_shuffle_epi8(tables.table[2], index);
  if constexpr (kTables == 4)
    high = _mm256_blendv_epi8(high, _mm256_shuffle_epi8(tables.table[3], index), bit4);
  return _mm256_blendv_epi8(low, high, bit5);
}

REELSENSE_AVX2 inline __m256i load(const std::uint8_t* from) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

template <int kTables, bool kMissing>
REELSENSE_AVX2 inline void exit_leaves(const BinnedForest& forest, const BinnedForest::Group& group,
                                       const Bins& bins, std::uint8_t* out) noexcept {
  const Tables<kTables> right = load_tables<kTables>(bins.right);
  const Tables<kTables> left = load_tables<kTables>(kMissing ? bins.left : bins.right);
  const BinnedForest::Step* const steps = forest.steps.data() + group.first_step;
  for (std::size_t half = 0; half < group.trees; half += kHalf) {
    __m256i leaf = _mm256_setzero_si256();
    for (std::uint32_t s = 0; s < group.steps; ++s) {
      const BinnedForest::Step& step = steps[s];
      const __m256i column = load(step.column + half);
      const __m256i rank = load(step.rank + half);
      __m256i bin = look_up<kTables>(right, column);
      if constexpr (kMissing) {
        bin = _mm256_blendv_epi8(bin, look_up<kTables>(left, column), _mm256_slli_epi16(column, 1));
      }
      const __m256i holds = _mm256_cmpeq_epi8(_mm256_max_epu8(bin, rank), rank);
      const __m256i here = _mm256_cmpeq_epi8(leaf, load(step.from + half));
      leaf = _mm256_blendv_epi8(leaf, load(step.to + half), _mm256_andnot_si256(holds, here));
    }
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + half), leaf);
  }
}

template <int kTables>
REELSENSE_AVX2 inline std::int64_t sum_row(const BinnedForest& forest, const Bins& bins) noexcept {
  alignas(64) std::uint8_t leaf[kLanes];
  std::int64_t sum = 0;
  for (const BinnedForest::Group& group : forest.groups) {
    if (bins.missing) {
      exit_leaves<kTables, true>(forest, group, bins, leaf);
    } else {
      exit_leaves<kTables, false>(forest, group, bins, leaf);
    }
    sum += add_leaves(forest, group, leaf);
  }
  return sum;
}

}  // namespace

REELSENSE_AVX2 void sum_avx2(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
                             std::int64_t* sums) noexcept {
  Bins bins{};
  for (std::size_t i = 0; i < n; ++i) {
    bin_row(forest, rows + i * stride, bins);
    sums[i] = forest.axes.size() <= 3 * kTable ? sum_row<3>(forest, bins) : sum_row<4>(forest, bins);
  }
}

}  // namespace reelsense::model

#endif  // __x86_64__
