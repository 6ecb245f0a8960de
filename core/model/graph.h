// From an ONNX graph to what is computed: features → (preparation) → trees or a linear form → score →
// probability.
//
// The graph is followed from its one float input to its one float output; every value on the way is either
// rows of features, score columns, a constant or the label (which nobody needs). Nodes of a kind the engine
// does not know are refused by name even where only the label needs them. Thread safety: immutable after it
// is built.
#pragma once

#include <variant>
#include <vector>

#include "forest.h"
#include "onnx.h"

namespace reelsense::model {

// The longest row that may be prepared (scaled, imputed): its prepared copy lives on the stack.
inline constexpr std::size_t kMaxPreparedInputs = 4096;

// One preparation of a whole row, in float32 as ONNX Runtime computes it. a and b hold one value for each
// feature.
struct PreOp {
  enum class Kind : std::uint8_t {
    kScale,        // (x − a) · b
    kImputeNan,    // NaN → a
    kImputeValue,  // b → a
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,  // by a
    kNormalizeMax,
    kNormalizeL1,
    kNormalizeL2,
  };
  Kind kind = Kind::kScale;
  std::vector<float> a, b;
};

struct Linear {
  std::vector<double> coefficients;
  double intercept = 0;
};

struct Pipeline {
  std::size_t inputs = 0;
  std::vector<PreOp> preparation;
  std::variant<Forest, Linear> scorer;
  Column post;
};

Result<Pipeline> build_pipeline(const OnnxModel& model, const ModelLimits& limits);

// LinearRegressor and LinearClassifier over rows of `inputs` floats.
struct LinearNode {
  Linear linear;
  ScoreColumns output;
};
Result<LinearNode> read_linear(const OnnxNode& node, std::size_t inputs);

// Scaler, Imputer and Normalizer of features.
Result<PreOp> read_preparation(const OnnxNode& node, std::size_t inputs);

}  // namespace reelsense::model
