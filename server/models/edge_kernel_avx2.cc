// The kernel with AVX2 and FMA: built with its instructions (server/CMakeLists.txt), called only where they
// exist.
#include "server/models/edge_kernel.h"

// clang-tidy 14 crashes on conditions over vectors.
#if defined(REELSENSE_EDGE_KERNELS) && !defined(__clang_analyzer__)

namespace reelsense::server {

namespace {
constexpr std::size_t kLanes = 8;
constexpr std::size_t kMostVectors = 2;
}  // namespace

#include "server/models/edge_kernel_code.h"

void run_edge_avx2(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
                   const float* forest, std::size_t n, float* probabilities, float* next_states) {
  run_block(plan, scratch, windows, states, forest, n, probabilities, next_states);
}

}  // namespace reelsense::server

#endif
