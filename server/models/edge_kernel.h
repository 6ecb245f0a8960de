// The edge network as arithmetic on a block of windows, one window a vector lane (ADR 12).
//
// Two builds of one source (edge_kernel_code.h), for processors with AVX-512 and with AVX2 and FMA; elsewhere
// there is none and OpenVINO runs the network. Only plain types here: the builds' own flags must not reach
// code that others share. Thread safety: pure functions; a scratch is one thread's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace reelsense::server {

inline constexpr std::size_t kEdgeBins = 20;       // a direction
inline constexpr std::size_t kEdgeChannels = 6;    // views of the bins that the convolutions see
inline constexpr std::size_t kEdgeNearTaps = 5;    // stride 2, padding 2
inline constexpr std::size_t kEdgeNearOut = 10;    // positions
inline constexpr std::size_t kEdgeFarTaps = 3;     // stride 2, padding 1
inline constexpr std::size_t kEdgeFarOut = 5;      // positions
inline constexpr std::size_t kEdgeOutputs = 8;     // of a layer that are summed side by side
inline constexpr std::size_t kEdgeMostBlock = 32;  // windows of a block, of any kernel

// Sizes of one member, and how many there are.
struct EdgeShape {
  std::size_t members = 0;
  std::size_t features = 0;  // that are read
  std::size_t dense = 0;
  std::size_t first = 0;  // outputs of the near and of the far convolution
  std::size_t second = 0;
  std::size_t hidden = 0;
  [[nodiscard]] std::size_t encoded() const noexcept { return dense + second; }
  [[nodiscard]] std::size_t joint() const noexcept { return encoded() + hidden; }
  [[nodiscard]] std::size_t state() const noexcept { return members * hidden + 1; }
};

// A sum of inputs for each output: weights [outputs / 8, inputs, 8], bias [outputs].
struct EdgeLayer {
  const float* weights = nullptr;
  const float* bias = nullptr;
  std::size_t outputs = 0;  // a multiple of 8
};

struct EdgeMember {
  EdgeLayer dense;              // features
  EdgeLayer near;               // channels × taps
  EdgeLayer far;                // first × taps
  EdgeLayer gates;              // dense, second, hidden → reset, update
  EdgeLayer fresh_given;        // dense, second
  EdgeLayer fresh_carried;      // hidden
  const float* head = nullptr;  // [joint], then its bias
};

struct EdgePlan {
  EdgeShape shape;
  const std::uint32_t* index = nullptr;  // [features], columns of the window
  const float* mean = nullptr;
  const float* scale = nullptr;
  const EdgeMember* members = nullptr;
  std::size_t width = 0;   // of a window; its last 2 · kEdgeBins values are the bins
  float limit = 0;         // of scaled features, either way
  float forest_voice = 0;  // probability = sigmoid(slope · (mean of logits + voice · forest) + offset)
  float slope = 0;
  float offset = 0;
};

// Floats that a kernel works in; 64-byte aligned, zeros at first.
std::size_t edge_scratch_floats(const EdgeShape& shape) noexcept;

// n windows, at most a block [n, width] with states [n, S] and trees' sums [n] → probabilities [n], next
// states [n, S].
using EdgeKernel = void (*)(const EdgePlan& plan, float* scratch, const float* windows, const float* states,
                            const float* forest, std::size_t n, float* probabilities, float* next_states);

struct NamedEdgeKernel {
  const char* name = nullptr;  // "avx512"
  EdgeKernel run = nullptr;
  std::size_t block = 0;  // windows that it takes at once
};
// Those that this processor runs, the fastest first; null after the last.
const NamedEdgeKernel* edge_kernels() noexcept;

}  // namespace reelsense::server
