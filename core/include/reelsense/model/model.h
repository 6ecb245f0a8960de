// The native inference engine: reads model.onnx itself and scores feature vectors.
//
// Reads what the project's exporters and their tools emit: TreeEnsembleRegressor/Classifier (and their
// LightGBM and skl2onnx forms), LinearRegressor/Classifier, Scaler, Imputer, Normalizer, arithmetic with
// constants, sigmoid (Sigmoid node or LOGISTIC post-transform), SOFTMAX of two classes, Cast, Identity, and
// plumbing around them; every other node is refused by name. Answers are ONNX Runtime's to 1e-5, and have the
// same bits on every machine: leaves are summed as fixed-point integers, and nothing depends on libm.
//
// Thread safety: a Model is immutable; every const member may be called from any number of threads at once.
// predict* allocates nothing and cannot fail. A Model owns all its memory; the bytes given to parse may go
// away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense {

struct ModelInfo {
  std::size_t inputs = 0;  // F, floats per row
  std::size_t trees = 0;   // 0 for a linear model
  std::size_t nodes = 0;   // inner nodes of all trees
  std::size_t leaves = 0;
  std::string producer;    // the file's producer_name
  std::int64_t opset = 0;  // default-domain opset
  // The file's metadata_props in file order (reelsense.name, reelsense.schema_hash, … see
  // docs/reference/model-bundle.md).
  std::vector<std::pair<std::string, std::string>> metadata;

  // The value of `key`, or an empty view.
  [[nodiscard]] std::string_view find(std::string_view key) const noexcept;
};

// Bounds on what parse accepts, checked before memory is taken.
struct ModelLimits {
  std::size_t file_bytes = 64u << 20;
  std::size_t inputs = 4096;
  std::size_t trees = 10'000;
  std::size_t nodes = 2'000'000;
};

class Model {
 public:
  // Parses an ONNX ModelProto. Errors name the node and the reason: kCorrupt (cut, out-of-range, cyclic or
  // unreachable tree nodes, lengths that disagree), kUnsupported (a node, attribute or shape the engine does
  // not read), kLimit.
  static Result<Model> parse(std::span<const std::uint8_t> onnx, const ModelLimits& limits = {});

  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  // The same model over wider rows: input i is then column columns[i], so that no caller has to copy a row's
  // inputs together. Preconditions: info().inputs columns, each below `width`; width ≤ kMaxWidth.
  static constexpr std::size_t kMaxWidth = 256;
  [[nodiscard]] Model over(std::span<const std::uint8_t> columns, std::size_t width) &&;

  [[nodiscard]] const ModelInfo& info() const noexcept;

  // Probability of the positive class (video) of one row of info().inputs floats (or over's width). NaN is a
  // missing value and follows the model's default direction; a linear model without an Imputer answers NaN to
  // it.
  [[nodiscard]] float predict(const float* row) const noexcept;

  // The same for n rows, row-major [n, stride] float32 with stride ≥ a row's width, into out[n]. Every row's
  // result has the same bits as predict's.
  void predict_batch(const float* rows, std::size_t n, std::size_t stride, float* out) const noexcept;

  // Which kernel predict uses for this model on this machine: "avx512", "avx2", "neon", "portable". The
  // vector kernels take trees of up to 256 leaves over up to 64 features in use; all else is "portable".
  [[nodiscard]] const char* kernel() const noexcept;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;  // const but in over
};

}  // namespace reelsense
