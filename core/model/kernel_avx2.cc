// The AVX2 kernel: 32 trees in a register. See binned.h for the method.
#include "binned.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "kernels.h"

#define REELSENSE_AVX2 __attribute__((target("avx2,popcnt,bmi")))

namespace reelsense::model {
namespace {

constexpr std::size_t kHalf = 32;  // lanes of one register
constexpr std::size_t kUnroll = 4;
constexpr std::size_t kTable = 16;  // columns that one byte shuffle can look up

// The bins of one row: what nodes whose NaN goes right look up, and left.
struct Bins {
  alignas(64) std::int8_t right[kMaxAxes];
  alignas(64) std::int8_t left[kMaxAxes];
  bool missing;
};

// Columns beyond the last axis are loaded too, and never looked up. Written out: `Bins{}` is a slow string
// store.
REELSENSE_AVX2 inline void clear(Bins& bins) noexcept {
  REELSENSE_UNROLL
  for (std::size_t i = 0; i < kMaxAxes; i += 32) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(bins.right + i), _mm256_setzero_si256());
    _mm256_store_si256(reinterpret_cast<__m256i*>(bins.left + i), _mm256_setzero_si256());
  }
}

REELSENSE_AVX2 inline unsigned count_below(__m256 x, const BinnedForest::EdgeBlock& block) noexcept {
  const __m256i low = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_load_ps(block.edge), _CMP_GT_OQ));
  const __m256i high = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_load_ps(block.edge + 8), _CMP_GT_OQ));
  // Two mask bits an edge.
  const auto mask = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_packs_epi32(low, high)));
  return static_cast<unsigned>(__builtin_popcount(mask)) / 2;
}

REELSENSE_AVX2 inline bool bin_by_blocks(const BinnedForest& forest, const float* row,
                                         std::int8_t* bins) noexcept {
  const BinnedForest::EdgeBlock* const blocks = forest.blocks.data();
  bool missing = false;
  for (std::size_t a = 0; a < forest.axes.size(); ++a) {
    const BinnedForest::Axis axis = forest.axes[a];
    const float value = row[axis.feature];
    const __m256 x = _mm256_set1_ps(value);
    const BinnedForest::EdgeBlock* const block = blocks + axis.first_block;
    const unsigned full = count_below(x, *block);
    bins[a] = to_signed(full * kEdgeBlock + count_below(x, block[1 + full]));
    missing |= value != value;
  }
  return missing;
}

REELSENSE_AVX2 inline bool bin_by_octets(const BinnedForest& forest, const float* row,
                                         std::int8_t* bins) noexcept {
  const std::uint32_t* f = forest.octet_features.data();
  const BinnedForest::EdgeRow* edges = forest.edge_rows.data();
  __m256 missing = _mm256_setzero_ps();
  for (const std::uint32_t rows : forest.octet_rows) {
    // Eight plain loads: gathers are slow where processors are guarded against leaks through them.
    const __m256 x = _mm256_setr_ps(row[f[0]], row[f[1]], row[f[2]], row[f[3]], row[f[4]], row[f[5]],
                                    row[f[6]], row[f[7]]);
    missing = _mm256_or_ps(missing, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    __m256i bin = _mm256_set1_epi32(to_signed(0));
    for (const BinnedForest::EdgeRow* const end = edges + rows; edges != end; edges += kOctetUnroll) {
      REELSENSE_UNROLL
      for (std::size_t i = 0; i < kOctetUnroll; ++i) {
        const __m256 above = _mm256_cmp_ps(x, _mm256_load_ps(edges[i].edge), _CMP_GT_OQ);
        bin = _mm256_sub_epi32(bin, _mm256_castps_si256(above));
      }
    }
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(bin), _mm256_extracti128_si256(bin, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(bins), _mm_packs_epi16(words, words));
    f += kOctet;
    bins += kOctet;
  }
  return _mm256_movemask_ps(missing) != 0;
}

REELSENSE_AVX2 inline void bin_row(const BinnedForest& forest, const float* row, Bins& bins) noexcept {
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

template <typename T>
REELSENSE_AVX2 inline __m256i load(const T* from) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

// 16 columns a table.
template <int kTables>
struct Tables {
  __m256i table[kTables];
};

template <int kTables>
REELSENSE_AVX2 inline Tables<kTables> load_tables(const std::int8_t* bins) noexcept {
  Tables<kTables> out;
  REELSENSE_UNROLL
  for (int i = 0; i < kTables; ++i) {
    const auto* from = reinterpret_cast<const __m128i*>(bins + kTable * static_cast<std::size_t>(i));
    out.table[i] = _mm256_broadcastsi128_si256(_mm_load_si128(from));
  }
  return out;
}

// The bins of 32 columns below kTables · 16: each is in one table, and the shuffles of the others give 0.
template <int kTables>
REELSENSE_AVX2 inline __m256i look_up(const Tables<kTables>& tables, const BinnedForest::Step& step,
                                      std::size_t half) noexcept {
  __m256i bin = _mm256_shuffle_epi8(tables.table[0], load(step.table[0] + half));
  REELSENSE_UNROLL
  for (int i = 1; i < kTables; ++i) {
    bin = _mm256_or_si256(bin, _mm256_shuffle_epi8(tables.table[i], load(step.table[i] + half)));
  }
  return bin;
}

// The places of the lowest eight of 16 exit leaves.
REELSENSE_AVX2 inline void store_eight(__m128i leaf, const std::uint32_t* first_leaf,
                                       std::uint32_t* out) noexcept {
  const __m256i base = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first_leaf));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), _mm256_add_epi32(base, _mm256_cvtepu8_epi32(leaf)));
}

REELSENSE_AVX2 inline void store_places(__m256i leaf, const std::uint32_t* first_leaf,
                                        std::uint32_t* out) noexcept {
  const __m128i low = _mm256_castsi256_si128(leaf);
  const __m128i high = _mm256_extracti128_si256(leaf, 1);
  store_eight(low, first_leaf, out);
  store_eight(_mm_srli_si128(low, 8), first_leaf + 8, out + 8);
  store_eight(high, first_leaf + 16, out + 16);
  store_eight(_mm_srli_si128(high, 8), first_leaf + 24, out + 24);
}

template <int kTables, bool kMissing>
REELSENSE_AVX2 inline __m256i take(__m256i leaf, const BinnedForest::Step& step, std::size_t half,
                                   const Tables<kTables>& right, const Tables<kTables>& left) noexcept {
  __m256i bin = look_up<kTables>(right, step, half);
  if constexpr (kMissing) {
    const __m256i reads_left =
        _mm256_slli_epi16(load(step.column + half), 1);  // kReadsMissingAsTrue: the top bit
    bin = _mm256_blendv_epi8(bin, look_up<kTables>(left, step, half), reads_left);
  }
  const __m256i fails = _mm256_cmpgt_epi8(bin, load(step.rank + half));
  const __m256i here = _mm256_cmpeq_epi8(leaf, load(step.from + half));
  return _mm256_blendv_epi8(leaf, load(step.to + half), _mm256_and_si256(fails, here));
}

// Not inlined: with its four forms in one function, compilers run out of registers.
template <int kTables, bool kMissing>
REELSENSE_AVX2 __attribute__((noinline)) std::int64_t sum_row(const BinnedForest& forest,
                                                              const Bins& bins) noexcept {
  const Tables<kTables> right = load_tables<kTables>(bins.right);
  const Tables<kTables> left = load_tables<kTables>(kMissing ? bins.left : bins.right);
  alignas(64) std::uint32_t places[kLanes];
  const std::uint32_t* first_leaf = forest.first_leaf.data();
  std::int64_t sum = 0;
  for (const BinnedForest::Group& group : forest.groups) {
    for (std::size_t half = 0; half < group.trees; half += kHalf) {
      const BinnedForest::Step* step = forest.steps.data() + group.first_step;
      const std::uint32_t steps = group.steps_of_half[half / kHalf];
      __m256i leaf = _mm256_setzero_si256();
      for (std::uint32_t i = steps / kUnroll; i != 0; --i, step += kUnroll) {
        REELSENSE_UNROLL
        for (std::size_t u = 0; u < kUnroll; ++u)
          leaf = take<kTables, kMissing>(leaf, step[u], half, right, left);
      }
      for (std::uint32_t i = steps % kUnroll; i != 0; --i, ++step) {
        leaf = take<kTables, kMissing>(leaf, *step, half, right, left);
      }
      store_places(leaf, first_leaf + half, places + half);
    }
    sum += add_leaves(forest, group, places);
    first_leaf += kLanes;
  }
  return sum;
}

template <int kTables>
REELSENSE_AVX2 inline std::int64_t sum_row(const BinnedForest& forest, const Bins& bins) noexcept {
  return bins.missing ? sum_row<kTables, true>(forest, bins) : sum_row<kTables, false>(forest, bins);
}

}  // namespace

REELSENSE_AVX2 void sum_avx2(const BinnedForest& forest, const float* rows, std::size_t n, std::size_t stride,
                             std::int64_t* sums) noexcept {
  Bins bins;
  clear(bins);
  for (std::size_t i = 0; i < n; ++i) {
    bin_row(forest, rows + i * stride, bins);
    sums[i] = forest.axes.size() <= 3 * kTable ? sum_row<3>(forest, bins) : sum_row<4>(forest, bins);
  }
}

}  // namespace reelsense::model

#endif  // __x86_64__
