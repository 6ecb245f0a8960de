#include "server/models/edge_kernel.h"

#include <iterator>

namespace reelsense::server {

// Defined in sources that are built with the instructions of their names.
void run_edge_avx512(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
                     const float* forest, std::size_t n, float* probabilities, float* next_states);
void run_edge_avx2(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
                   const float* forest, std::size_t n, float* probabilities, float* next_states);

std::size_t edge_scratch_floats(const EdgeShape& shape) noexcept {
  const std::size_t rows = shape.features + 2 * kEdgeBins + 1 + kEdgeChannels * (kEdgeBins + 4) +
                           shape.first * (kEdgeNearOut + 2) + shape.members * shape.joint() +
                           4 * shape.hidden + 1;
  return 2 * rows * kEdgeMostBlock;  // a half for each block size
}

const NamedEdgeKernel* edge_kernels() noexcept {
  static const auto kernels = [] {
    struct Kernels {
      NamedEdgeKernel list[3] = {};
    } found;
#ifdef REELSENSE_EDGE_KERNELS
    NamedEdgeKernel* next = std::begin(found.list);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      *next++ = {"avx512", run_edge_avx512, 32};
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      *next++ = {"avx2", run_edge_avx2, 16};
#endif
    return found;
  }();
  return kernels.list;
}

}  // namespace reelsense::server
