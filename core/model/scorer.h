// Scores rows with a pipeline: preparation, the kernel's sum of leaves (or the linear form), post-processing.
//
// Every kernel gives the same bits, because sums of leaves are exact (forest.h) and all else is done here
// once. Thread safety: immutable after construction and read_from. predict* allocates nothing; scratch is on
// the stack.
#pragma once

#include <optional>
#include <span>

#include "binned.h"
#include "graph.h"
#include "kernels.h"
#include "walk.h"

namespace reelsense::model {

class Scorer {
 public:
  explicit Scorer(Pipeline pipeline);

  // Rows are `width` wide from now on, and input i is column columns[i]. Preconditions: as Model::over's.
  void read_from(std::span<const std::uint8_t> columns, std::size_t width);

  // The fastest kernel of this machine that fits the model.
  [[nodiscard]] Kernel best() const noexcept { return best_; }
  [[nodiscard]] bool supports(Kernel kernel) const noexcept;

  // rows: row-major [n, stride] float32. Precondition: supports(kernel).
  void predict(Kernel kernel, const float* rows, std::size_t n, std::size_t stride,
               float* out) const noexcept;

 private:
  struct TreeScale {
    double scale = 1, divisor = 1, base = 0;
  };

  void predict_trees(Kernel kernel, const float* rows, std::size_t n, std::size_t stride,
                     float* out) const noexcept;
  void prepare(const float* row, float* out) const noexcept;
  [[nodiscard]] double linear(const float* row) const noexcept;
  [[nodiscard]] float finish(double raw) const noexcept;

  std::size_t inputs_ = 0;
  std::vector<std::uint8_t> columns_;  // of the inputs, when prepare has to bring them together
  std::vector<PreOp> preparation_;
  Column post_;
  std::vector<double> coefficients_;  // linear models
  double intercept_ = 0;
  TreeScale tree_scale_;  // tree models
  WalkForest walk_;
  std::optional<BinnedForest> binned_;
  bool is_linear_ = false;
  Kernel best_ = Kernel::kPortable;
};

}  // namespace reelsense::model
