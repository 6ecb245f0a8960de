// The AVX-512 kernel (needs VBMI for the byte look-ups; Ice Lake, Zen 4 and later). See binned.h for the
// method.
#include "binned.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "kernels.h"

#define REELSENSE_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,popcnt,bmi,bmi2")))

namespace reelsense::model {
namespace {

// The bins of one row: column c in lane c, for nodes whose NaN goes right, and left.
struct Bins {
  __m512i right, left;
};

REELSENSE_AVX512 inline std::uint64_t missing_axes(const float* values) noexcept {
  std::uint64_t missing = 0;
  for (unsigned i = 0; i < kMaxAxes / 16; ++i) {
    const __m512 x = _mm512_loadu_ps(values + 16 * i);
    missing |= static_cast<std::uint64_t>(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q)) << (16 * i);
  }
  return missing;
}

REELSENSE_AVX512 inline Bins bin_row(const BinnedForest& forest, const float* row) noexcept {
  alignas(64) std::int8_t bin[kMaxAxes] = {};
  alignas(64) float value[kMaxAxes] = {};
  const BinnedForest::EdgeBlock* const blocks = forest.blocks.data();
  const std::size_t axes = forest.axes.size();
  for (std::size_t a = 0; a < axes; ++a) {
    const BinnedForest::Axis axis = forest.axes[a];
    value[a] = row[axis.feature];
    const __m512 x = _mm512_set1_ps(row[axis.feature]);
    const BinnedForest::EdgeBlock* const block = blocks + axis.first_block;
    const auto full = static_cast<unsigned>(
        __builtin_popcount(_mm512_cmp_ps_mask(x, _mm512_load_ps(block->edge), _CMP_GT_OQ)));
    const auto rest = static_cast<unsigned>(
        __builtin_popcount(_mm512_cmp_ps_mask(x, _mm512_load_ps(block[1 + full].edge), _CMP_GT_OQ)));
    bin[a] = to_signed(full * kEdgeBlock + rest);
  }
  const __mmask64 missing = missing_axes(value);
  const __m512i bins = _mm512_load_si512(bin);
  return {_mm512_mask_blend_epi8(missing, bins, _mm512_set1_epi8(kMissingRight)),
          _mm512_mask_blend_epi8(missing, bins, _mm512_set1_epi8(kMissingLeft))};
}

// The places of 64 exit leaves.
REELSENSE_AVX512 inline void store_places(__m512i leaf, const std::uint32_t* first_leaf,
                                          std::uint32_t* out) noexcept {
  alignas(64) std::uint8_t leaves[kLanes];
  _mm512_store_si512(leaves, leaf);
  REELSENSE_UNROLL
  for (std::size_t i = 0; i < kLanes; i += 16) {
    const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(leaves + i));
    const __m512i base = _mm512_loadu_si512(first_leaf + i);
    // With a mask of all lanes: GCC 12 takes the plain form for a use of an uninitialised value.
    const __m512i leaf_32 = _mm512_maskz_cvtepu8_epi32(__mmask16{0xffff}, sixteen);
    _mm512_store_si512(out + i, _mm512_add_epi32(base, leaf_32));
  }
}

// Runs kGroups groups of the same length, kRows rows at once; out[g][r] are the places of their exit leaves,
// whose first are at first_leaf.
template <int kGroups, int kRows>
REELSENSE_AVX512 inline void exit_leaves(const BinnedForest::Step* first, const BinnedForest::Step* second,
                                         std::uint32_t steps, const Bins* bins,
                                         const std::uint32_t* first_leaf,
                                         std::uint32_t (*out)[kRows][kLanes]) noexcept {
  __m512i leaf[kGroups][kRows];
  REELSENSE_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    REELSENSE_UNROLL
    for (int r = 0; r < kRows; ++r) leaf[g][r] = _mm512_setzero_si512();
  }
  for (std::uint32_t s = 0; s < steps; ++s) {
    REELSENSE_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const BinnedForest::Step& step = (g == 0 ? first : second)[s];
      const __m512i column = _mm512_load_si512(step.column);
      const __m512i rank = _mm512_load_si512(step.rank);
      const __m512i from = _mm512_load_si512(step.from);
      const __m512i to = _mm512_load_si512(step.to);
      REELSENSE_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const __m512i bin = _mm512_permutex2var_epi8(bins[r].right, column, bins[r].left);
        const __mmask64 fails = _mm512_cmpgt_epi8_mask(bin, rank);
        const __mmask64 moves = _mm512_mask_cmpeq_epu8_mask(fails, leaf[g][r], from);
        leaf[g][r] = _mm512_mask_mov_epi8(leaf[g][r], moves, to);
      }
    }
  }
  REELSENSE_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    REELSENSE_UNROLL
    for (int r = 0; r < kRows; ++r)
      store_places(leaf[g][r], first_leaf + kLanes * static_cast<std::size_t>(g), out[g][r]);
  }
}

template <int kRows>
REELSENSE_AVX512 inline void sum_rows(const BinnedForest& forest, const float* rows, std::size_t stride,
                                      std::int64_t* sums) noexcept {
  Bins bins[kRows];
  for (int r = 0; r < kRows; ++r) {
    bins[r] = bin_row(forest, rows + static_cast<std::size_t>(r) * stride);
    sums[r] = 0;
  }
  const BinnedForest::Step* const steps = forest.steps.data();
  const std::vector<BinnedForest::Group>& groups = forest.groups;
  const std::uint32_t* const first_leaf = forest.first_leaf.data();
  alignas(64) std::uint32_t places[2][kRows][kLanes];
  std::size_t g = 0;
  // Two groups at once hide the latency of the mask; several rows hide it by themselves.
  constexpr int kTogether = kRows == 1 ? 2 : 1;
  for (; g + kTogether <= groups.size(); g += kTogether) {
    exit_leaves<kTogether, kRows>(steps + groups[g].first_step, steps + groups[g + kTogether - 1].first_step,
                                  groups[g].steps, bins, first_leaf + kLanes * g, places);
    for (int i = 0; i < kTogether; ++i) {
      for (int r = 0; r < kRows; ++r)
        sums[r] += add_leaves(forest, groups[g + static_cast<std::size_t>(i)], places[i][r]);
    }
  }
  if (g < groups.size()) {
    exit_leaves<1, kRows>(steps + groups[g].first_step, nullptr, groups[g].steps, bins,
                          first_leaf + kLanes * g, places);
    for (int r = 0; r < kRows; ++r) sums[r] += add_leaves(forest, groups[g], places[0][r]);
  }
}

}  // namespace

REELSENSE_AVX512 void sum_avx512(const BinnedForest& forest, const float* rows, std::size_t n,
                                 std::size_t stride, std::int64_t* sums) noexcept {
  constexpr std::size_t kBlock = 4;
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) sum_rows<kBlock>(forest, rows + i * stride, stride, sums + i);
  for (; i < n; ++i) sum_rows<1>(forest, rows + i * stride, stride, sums + i);
}

}  // namespace reelsense::model

#endif  // __x86_64__
