// The nodes that are not trees: LinearRegressor, LinearClassifier, Scaler, Imputer, Normalizer.
#include <cmath>
#include <limits>

#include "graph.h"

namespace reelsense::model {
namespace {

bool all_finite(const std::vector<double>& values) {
  for (const double v : values) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

// `values` of one element or of `inputs`, as `inputs` floats.
std::vector<float> spread(const std::vector<double>& values, std::size_t inputs) {
  std::vector<float> out(inputs);
  for (std::size_t i = 0; i < inputs; ++i) out[i] = static_cast<float>(values[values.size() == 1 ? 0 : i]);
  return out;
}

ScoreColumns two_class_output(bool sigmoid) {
  using Kind = PostOp::Kind;
  if (!sigmoid) return {{{{Kind::kSubtractFrom, 1}}, Column{}}, true};
  return {{{{Kind::kNegate, 0}, {Kind::kSigmoid, 0}}, {{Kind::kSigmoid, 0}}}, true};
}

}  // namespace

Result<LinearNode> read_linear(const OnnxNode& node, std::size_t inputs) {
  const bool classifier = node.op_type == "LinearClassifier";
  AttributeReader read(node, 2 * inputs + 2);
  const std::vector<double> coefficients = read.reals("coefficients");
  const std::vector<double> intercepts = read.reals("intercepts");
  const std::string_view transform = read.string("post_transform", "NONE");
  if (classifier) {
    read.two_classes("classlabels_ints");
    read.ignore("multi_class");  // has no effect on two classes
  } else if (read.integer("targets", 1) != 1) {
    read.fail(ErrorCode::kUnsupported, {"more than one target"});
  }
  if (Status status = read.finish(); !status) return status.failure();
  const std::size_t rows = classifier ? intercepts.size() : 1;
  if (rows < 1 || rows > 2 || coefficients.size() != rows * inputs || intercepts.size() > rows) {
    return node.error(ErrorCode::kCorrupt, {"{} coefficients and {} intercepts for {} features",
                                            coefficients.size(), intercepts.size(), inputs});
  }
  if (!all_finite(coefficients) || !all_finite(intercepts)) {
    return node.error(ErrorCode::kCorrupt, {"a coefficient or intercept is not finite"});
  }
  const bool logistic = transform == "LOGISTIC";
  const bool softmax = transform == "SOFTMAX" && rows == 2;
  if (transform != "NONE" && !(classifier && (logistic || softmax))) {
    return node.error(ErrorCode::kUnsupported, {"post_transform {}", in_quotes(transform)});
  }
  LinearNode out;
  // The last row of coefficients is class 1's (or the only one's).
  const std::size_t first = (rows - 1) * inputs;
  for (std::size_t i = 0; i < inputs; ++i) {
    out.linear.coefficients.push_back(coefficients[first + i] - (softmax ? coefficients[i] : 0.0));
  }
  if (!intercepts.empty()) out.linear.intercept = intercepts.back() - (softmax ? intercepts.front() : 0.0);
  if (!classifier) {
    out.output = {{Column{}}, false};
  } else if (rows == 1 || softmax) {
    out.output = two_class_output(logistic || softmax);
  } else {
    out.output.columns = {Column{{PostOp::Kind::kLost, 0}},
                          logistic ? Column{{PostOp::Kind::kSigmoid, 0}} : Column{}};
    // One-against-rest of two classes, as scikit-learn writes it: the rows are opposite, so are the scores.
    bool opposite = logistic && intercepts[0] == -intercepts[1];
    for (std::size_t i = 0; opposite && i < inputs; ++i)
      opposite = coefficients[i] == -coefficients[inputs + i];
    if (opposite) out.output = two_class_output(true);
  }
  return out;
}

Result<PreOp> read_preparation(const OnnxNode& node, std::size_t inputs) {
  AttributeReader read(node, inputs);
  PreOp op;
  const auto fits = [inputs](const std::vector<double>& v) { return v.size() == 1 || v.size() == inputs; };
  bool lengths_fit = true;
  if (node.op_type == "Scaler") {
    const std::vector<double> offset = read.reals("offset");
    const std::vector<double> scale = read.reals("scale");
    if (Status status = read.finish(); !status) return status.failure();
    lengths_fit = fits(offset) && offset.size() == scale.size();
    if (lengths_fit) op = {PreOp::Kind::kScale, spread(offset, inputs), spread(scale, inputs)};
  } else if (node.op_type == "Imputer") {
    const std::vector<double> values = read.reals("imputed_value_floats");
    // The default is 0 by the specification.
    const double replaced = read.real("replaced_value_float", 0.0);
    if (Status status = read.finish(); !status) return status.failure();
    lengths_fit = fits(values);
    const auto kind = std::isnan(replaced) ? PreOp::Kind::kImputeNan : PreOp::Kind::kImputeValue;
    if (lengths_fit) op = {kind, spread(values, inputs), spread({replaced}, inputs)};
  } else {
    const std::string_view norm = read.string("norm", "MAX");
    if (Status status = read.finish(); !status) return status.failure();
    if (norm == "MAX")
      op.kind = PreOp::Kind::kNormalizeMax;
    else if (norm == "L1")
      op.kind = PreOp::Kind::kNormalizeL1;
    else if (norm == "L2")
      op.kind = PreOp::Kind::kNormalizeL2;
    else
      return node.error(ErrorCode::kUnsupported, {"norm {}", in_quotes(norm)});
  }
  if (!lengths_fit) {
    return node.error(ErrorCode::kCorrupt, {"attribute lengths are neither 1 nor {}", inputs});
  }
  return op;
}

}  // namespace reelsense::model
