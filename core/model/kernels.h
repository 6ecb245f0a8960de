// Which ways of scoring this machine has. Private to core/model, and the seam by which tests choose one.
// Thread safety: pure functions.
#pragma once

#include <cstdint>

// Full unrolling of loops with a constant count, so that arrays of vectors stay in registers at -O2 too.
#if defined(__clang__)
#define REELSENSE_UNROLL _Pragma("unroll")
#else
#define REELSENSE_UNROLL _Pragma("GCC unroll 16")
#endif

namespace reelsense::model {

enum class Kernel : std::uint8_t { kPortable, kAvx2, kAvx512, kNeon };

inline constexpr Kernel kAllKernels[] = {Kernel::kPortable, Kernel::kAvx2, Kernel::kAvx512, Kernel::kNeon};

const char* kernel_name(Kernel kernel) noexcept;
// Whether this processor (and this build) can run it.
bool machine_has(Kernel kernel) noexcept;

}  // namespace reelsense::model
