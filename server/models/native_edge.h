// NativeEdge: the edge network without an inference engine (ADR 12), for networks that look as those do which
// `reelsense_training.edge` exports.
//
// Its weights are found in the graph by their names. That nothing else differs is not looked at but tried:
// agrees() holds it against the graph's own answers, and whoever loads a model must ask. Thread safety:
// NativeEdge is immutable; a NativeEdgeRunner is one thread's.
#pragma once

#include <functional>
#include <memory>
#include <openvino/core/model.hpp>
#include <vector>

#include "reelsense/base/result.h"
#include "server/models/edge_kernel.h"

namespace reelsense::server {

class NativeEdge {
 public:
  // Null if the graph is another kind of network, or this processor has no kernel. `graph` as it was read,
  // with its names; `width`: of a window.
  static std::unique_ptr<const NativeEdge> find(const ov::Model& graph, std::size_t width);
  ~NativeEdge();

  [[nodiscard]] const EdgePlan& plan() const noexcept;
  // One second of n windows, with the sums of the trees [n].
  using Step = std::function<Status(const float* windows, const float* states, const float* forest,
                                    std::size_t n, float* probabilities, float* next_states)>;
  // True if `reference` says the same within 1e-5 of windows, states and sums that are drawn to reach every
  // branch: clipped features, empty bins, new and old flows.
  [[nodiscard]] bool agrees(const NamedEdgeKernel& kernel, const Step& reference) const;

 private:
  struct Weights;
  explicit NativeEdge(std::unique_ptr<Weights> weights);
  std::unique_ptr<Weights> weights_;
};

class NativeEdgeRunner {
 public:
  // Both must outlive it.
  NativeEdgeRunner(const NativeEdge& network, const NamedEdgeKernel& kernel);

  // windows [n, width], states [n, S], forest [n] → probabilities [n], next_states [n, S].
  void step(const float* windows, const float* states, const float* forest, std::size_t n,
            float* probabilities, float* next_states) noexcept;

 private:
  struct Free {
    void operator()(float* memory) const noexcept;
  };
  const EdgePlan& plan_;
  NamedEdgeKernel kernel_;
  std::unique_ptr<float[], Free> scratch_;
};

}  // namespace reelsense::server
