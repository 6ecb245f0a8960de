#include "graph.h"

#include <algorithm>
#include <cmath>

namespace reelsense::model {
namespace {

constexpr std::size_t kMaxPostOps = 16;
constexpr std::size_t kMaxPreOps = 16;

struct Value {
  enum class Kind : std::uint8_t { kFeatures, kScores, kConstant, kOther };
  std::string_view name;
  Kind kind = Kind::kOther;
  std::size_t prepared = 0;              // kFeatures: how many preparations it has been through
  ScoreColumns scores;                   // kScores
  const OnnxTensor* constant = nullptr;  // kConstant
};

bool is_any(std::string_view op, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

// Nodes the engine has a meaning for, and those that exporters use to carry the label.
bool known(const OnnxNode& node) {
  if (node.domain == "ai.onnx.ml") {
    return is_any(node.op_type,
                  {"TreeEnsembleRegressor", "TreeEnsembleClassifier", "LinearRegressor", "LinearClassifier",
                   "Scaler", "Imputer", "Normalizer", "ArrayFeatureExtractor"});
  }
  return (node.domain.empty() || node.domain == "ai.onnx") &&
         is_any(node.op_type,
                {"Identity", "Cast", "Sigmoid", "Mul", "Add", "Sub", "Div", "Concat", "ArgMax", "Reshape"});
}

class GraphReader {
 public:
  GraphReader(const OnnxModel& model, const ModelLimits& limits) : model_(model), limits_(limits) {}

  Result<Pipeline> read() {
    Status status = read_input();
    if (status) status = choose_output();
    for (std::size_t i = 0; status && i < model_.nodes.size(); ++i) status = read_node(model_.nodes[i]);
    if (status) status = finish();
    if (!status) return status.failure();
    return std::move(pipeline_);
  }

 private:
  Status read_input();
  Status choose_output();
  Status read_node(const OnnxNode& node);
  Status finish();
  Status check_names(const OnnxNode& node);
  Status read_model_node(const OnnxNode& node);
  Status read_features_node(const OnnxNode& node, const Value& input);
  Status read_scores_node(const OnnxNode& node, const Value& input);
  Status read_arithmetic(const OnnxNode& node);
  Status read_select(const OnnxNode& node, const Value& input);
  Status read_concat(const OnnxNode& node);
  Status add_pre(const OnnxNode& node, const Value& input, PreOp op);

  Value* find(std::string_view name) {
    const auto it =
        std::find_if(values_.begin(), values_.end(), [name](const Value& v) { return v.name == name; });
    return it == values_.end() ? nullptr : &*it;
  }
  void define(std::string_view name, Value::Kind kind, ScoreColumns scores = {}) {
    values_.push_back({name, kind, pipeline_.preparation.size(), std::move(scores), nullptr});
  }
  // There is one chain of preparations: features from before its last link may not be used any more.
  bool is_current(const Value& value) const {
    return value.kind == Value::Kind::kFeatures && value.prepared == pipeline_.preparation.size();
  }
  static Failure unsupported(const OnnxNode& node, const Message& reason) {
    return node.error(ErrorCode::kUnsupported, reason);
  }

  const OnnxModel& model_;
  const ModelLimits& limits_;
  Pipeline pipeline_;
  std::vector<Value> values_;
  std::string_view wanted_;  // the graph output that holds the probability
  bool has_scorer_ = false;
};

Status GraphReader::read_input() {
  for (const OnnxTensor& tensor : model_.initializers) {
    if (find(tensor.name) != nullptr)
      return make_error(ErrorCode::kCorrupt, {"two values named {}", in_quotes(tensor.name)});
    values_.push_back({tensor.name, Value::Kind::kConstant, 0, {}, &tensor});
  }
  if (model_.inputs.size() != 1) {
    return make_error(ErrorCode::kUnsupported, {"{} graph inputs, expected one", model_.inputs.size()});
  }
  const OnnxValue& input = model_.inputs[0];
  if (!input.is_tensor || input.elem_type != kTypeFloat || input.dims.size() != 2 || input.dims[1] < 1) {
    return make_error(ErrorCode::kUnsupported,
                      {"graph input {} is not a float tensor [N, F]", in_quotes(input.name)});
  }
  if (static_cast<std::uint64_t>(input.dims[1]) > limits_.inputs) {
    return make_error(ErrorCode::kLimit, {"graph input {} has {} features, more than {}",
                                          in_quotes(input.name), input.dims[1], limits_.inputs});
  }
  pipeline_.inputs = static_cast<std::size_t>(input.dims[1]);
  define(input.name, Value::Kind::kFeatures);
  return ok_status();
}

Status GraphReader::choose_output() {
  std::size_t candidates = 0;
  for (const OnnxValue& output : model_.outputs) {
    // Labels are int64 or string tensors; a map or sequence comes from a ZipMap, which read_node refuses by
    // name.
    if (output.is_tensor && output.elem_type != kTypeFloat && output.elem_type != kTypeDouble) continue;
    wanted_ = output.name;
    ++candidates;
  }
  if (candidates == 1) return ok_status();
  return make_error(ErrorCode::kUnsupported, {"{} float outputs of the graph, expected one", candidates});
}

Status GraphReader::check_names(const OnnxNode& node) {
  if (node.outputs.empty() || node.inputs.empty()) {
    return node.error(ErrorCode::kCorrupt, {"no inputs or no outputs"});
  }
  for (const std::string_view name : node.inputs) {
    if (find(name) == nullptr) {
      return node.error(ErrorCode::kCorrupt, {"input {} is not defined before it is used", in_quotes(name)});
    }
  }
  for (const std::string_view name : node.outputs) {
    if (find(name) != nullptr)
      return node.error(ErrorCode::kCorrupt, {"output {} is defined twice", in_quotes(name)});
  }
  return ok_status();
}

Status GraphReader::read_node(const OnnxNode& node) {
  if (!known(node)) {
    return unsupported(node, {"operator {} of domain {} is not one that this engine reads",
                              in_quotes(node.op_type), in_quotes(node.domain)});
  }
  if (Status status = check_names(node); !status) return status;
  const bool from_model = node.op_type.starts_with("TreeEnsemble") || node.op_type.starts_with("Linear");
  if (from_model) return read_model_node(node);
  if (is_any(node.op_type, {"Mul", "Add", "Sub", "Div"})) return read_arithmetic(node);
  if (node.op_type == "Concat") return read_concat(node);
  const Value input = *find(node.inputs[0]);
  if (is_any(node.op_type, {"ArgMax", "Reshape"}) || input.kind == Value::Kind::kOther) {
    define(node.outputs[0], Value::Kind::kOther);
    return ok_status();
  }
  if (node.op_type == "ArrayFeatureExtractor") return read_select(node, input);
  if (node.op_type == "Cast") {
    AttributeReader read(node, 1);
    const std::int64_t to = read.integer("to", 0);
    read.ignore("saturate");
    if (Status status = read.finish(); !status) return status;
    if (to != kTypeFloat && to != kTypeDouble) {
      define(node.outputs[0], Value::Kind::kOther);
      return ok_status();
    }
  }
  switch (input.kind) {
    case Value::Kind::kFeatures:
      return read_features_node(node, input);
    case Value::Kind::kScores:
      return read_scores_node(node, input);
    default:
      return unsupported(node, {"applied to a constant"});
  }
}

Status GraphReader::read_model_node(const OnnxNode& node) {
  if (!is_current(*find(node.inputs[0])))
    return unsupported(node, {"its input is not the (last prepared) features"});
  if (has_scorer_) return unsupported(node, {"a second model in one graph"});
  has_scorer_ = true;
  const bool classifier = node.op_type.ends_with("Classifier");
  if (node.inputs.size() != 1 || node.outputs.size() != (classifier ? 2u : 1u)) {
    return node.error(ErrorCode::kCorrupt, {"an unexpected number of inputs or outputs"});
  }
  if (classifier) define(node.outputs[0], Value::Kind::kOther);
  if (node.op_type.starts_with("TreeEnsemble")) {
    Result<TreeEnsemble> trees = read_tree_ensemble(node, pipeline_.inputs, limits_);
    if (!trees) return trees.failure();
    pipeline_.scorer = std::move(trees.value().forest);
    define(node.outputs.back(), Value::Kind::kScores, std::move(trees.value().output));
  } else {
    Result<LinearNode> linear = read_linear(node, pipeline_.inputs);
    if (!linear) return linear.failure();
    pipeline_.scorer = std::move(linear.value().linear);
    define(node.outputs.back(), Value::Kind::kScores, std::move(linear.value().output));
  }
  return ok_status();
}

Status GraphReader::add_pre(const OnnxNode& node, const Value& input, PreOp op) {
  if (has_scorer_ || !is_current(input))
    return unsupported(node, {"not in one line with the nodes before it"});
  if (pipeline_.preparation.size() == kMaxPreOps) return unsupported(node, {"too many preparing nodes"});
  if (pipeline_.inputs > kMaxPreparedInputs) {
    return node.error(ErrorCode::kLimit, {"preparation of more than {} features", kMaxPreparedInputs});
  }
  pipeline_.preparation.push_back(std::move(op));
  return ok_status();
}

Status GraphReader::read_features_node(const OnnxNode& node, const Value& input) {
  if (node.inputs.size() != 1) return node.error(ErrorCode::kCorrupt, {"more than one input"});
  if (is_any(node.op_type, {"Scaler", "Imputer", "Normalizer"})) {
    Result<PreOp> op = read_preparation(node, pipeline_.inputs);
    if (!op) return op.failure();
    if (Status status = add_pre(node, input, std::move(op).value()); !status) return status;
  } else if (!is_any(node.op_type, {"Identity", "Cast"}) || !is_current(input)) {
    return unsupported(node, {"applied to the features"});
  }
  define(node.outputs[0], Value::Kind::kFeatures);
  return ok_status();
}

Status GraphReader::read_scores_node(const OnnxNode& node, const Value& input) {
  if (node.inputs.size() != 1) return node.error(ErrorCode::kCorrupt, {"more than one input"});
  ScoreColumns scores = input.scores;
  if (node.op_type == "Sigmoid") {
    for (Column& column : scores.columns) column.push_back({PostOp::Kind::kSigmoid, 0});
    scores.complementary = false;
  } else if (node.op_type == "Normalizer") {
    AttributeReader read(node, 1);
    const std::string_view norm = read.string("norm", "MAX");
    if (Status status = read.finish(); !status) return status;
    // Two probabilities that sum to one are their own L1 norm.
    if (norm != "L1" || !scores.complementary)
      return unsupported(node, {"normalizes scores that do not sum to one"});
  } else if (node.op_type != "Identity" && node.op_type != "Cast") {
    return unsupported(node, {"applied to the score"});
  }
  define(node.outputs[0], Value::Kind::kScores, std::move(scores));
  return ok_status();
}

// Mul, Add, Sub, Div of features or scores and a constant.
Status GraphReader::read_arithmetic(const OnnxNode& node) {
  if (node.inputs.size() != 2 || !node.attributes.empty()) {
    return node.error(ErrorCode::kCorrupt, {"expected two inputs and no attributes"});
  }
  const bool constant_first = find(node.inputs[0])->kind == Value::Kind::kConstant;
  const Value constant = *find(node.inputs[constant_first ? 0 : 1]);
  const Value input = *find(node.inputs[constant_first ? 1 : 0]);
  const bool on_scores = input.kind == Value::Kind::kScores;
  if (constant.kind != Value::Kind::kConstant || (!on_scores && input.kind != Value::Kind::kFeatures)) {
    return unsupported(node, {"expected features or a score, and a constant"});
  }
  Result<std::vector<double>> numbers = tensor_values(*constant.constant, kMaxConstantValues);
  if (!numbers) return node.error(numbers.error().code, {"{}", numbers.error().message});
  const std::vector<double>& c = numbers.value();
  if (c.size() != 1 && (on_scores || c.size() != pipeline_.inputs || constant.constant->dims.back() == 1)) {
    return unsupported(node, {"a constant of {} elements", c.size()});
  }
  for (const double v : c) {
    if (!std::isfinite(v)) return node.error(ErrorCode::kCorrupt, {"a constant that is not finite"});
  }
  const bool reversed = constant_first && is_any(node.op_type, {"Sub", "Div"});
  if (on_scores) {
    using Kind = PostOp::Kind;
    if (reversed && node.op_type == "Div") return unsupported(node, {"divides a constant by the score"});
    const Kind kind = node.op_type == "Mul"   ? Kind::kMultiply
                      : node.op_type == "Div" ? Kind::kDivide
                      : reversed              ? Kind::kSubtractFrom
                                              : Kind::kAdd;
    const double value = node.op_type == "Sub" && !reversed ? -c[0] : c[0];
    const bool nothing = value == 1 && (kind == Kind::kMultiply || kind == Kind::kDivide);
    ScoreColumns scores = input.scores;
    scores.complementary = scores.complementary && nothing;
    for (Column& column : scores.columns) {
      if (!nothing) column.push_back({kind, value});
    }
    define(node.outputs[0], Value::Kind::kScores, std::move(scores));
    return ok_status();
  }
  using Kind = PreOp::Kind;
  if (reversed) return unsupported(node, {"a constant minus or divided by the features"});
  PreOp op;
  op.kind = node.op_type == "Mul"   ? Kind::kMultiply
            : node.op_type == "Add" ? Kind::kAdd
            : node.op_type == "Sub" ? Kind::kSubtract
                                    : Kind::kDivide;
  for (std::size_t i = 0; i < pipeline_.inputs; ++i)
    op.a.push_back(static_cast<float>(c[c.size() == 1 ? 0 : i]));
  if (Status status = add_pre(node, input, std::move(op)); !status) return status;
  define(node.outputs[0], Value::Kind::kFeatures);
  return ok_status();
}

// ArrayFeatureExtractor(scores, [column]); of anything else it makes labels.
Status GraphReader::read_select(const OnnxNode& node, const Value& input) {
  if (node.inputs.size() != 2) return node.error(ErrorCode::kCorrupt, {"expected two inputs"});
  const Value* index = find(node.inputs[1]);
  if (input.kind != Value::Kind::kScores) {
    define(node.outputs[0], Value::Kind::kOther);
    return ok_status();
  }
  if (index->kind != Value::Kind::kConstant) return unsupported(node, {"the column is not a constant"});
  Result<std::vector<double>> numbers = tensor_values(*index->constant, 1);
  if (!numbers) return node.error(numbers.error().code, {"{}", numbers.error().message});
  const std::vector<Column>& columns = input.scores.columns;
  for (std::size_t i = 0; numbers.value().size() == 1 && i < columns.size(); ++i) {
    if (numbers.value()[0] != static_cast<double>(i)) continue;
    define(node.outputs[0], Value::Kind::kScores, {{columns[i]}, false});
    return ok_status();
  }
  return unsupported(node, {"not one existing column"});
}

Status GraphReader::read_concat(const OnnxNode& node) {
  AttributeReader read(node, 1);
  const std::int64_t axis = read.integer("axis", 0);
  if (Status status = read.finish(); !status) return status;
  if (node.inputs.size() != 2 || (axis != 1 && axis != -1))
    return unsupported(node, {"expected two inputs side by side"});
  ScoreColumns scores;
  for (const std::string_view name : node.inputs) {
    const Value* input = find(name);
    if (input->kind != Value::Kind::kScores || input->scores.columns.size() != 1) {
      return unsupported(node, {"input {} is not one score", in_quotes(name)});
    }
    scores.columns.push_back(input->scores.columns[0]);
  }
  define(node.outputs[0], Value::Kind::kScores, std::move(scores));
  return ok_status();
}

Status GraphReader::finish() {
  const Value* output = find(wanted_);
  const std::string who = to_text({"graph output {}", in_quotes(wanted_)});
  if (output == nullptr) return make_error(ErrorCode::kCorrupt, {"{} is not made by any node", who});
  if (output->kind != Value::Kind::kScores)
    return make_error(ErrorCode::kUnsupported, {"{} is not a score", who});
  pipeline_.post = output->scores.columns.back();
  if (pipeline_.post.size() > kMaxPostOps)
    return make_error(ErrorCode::kUnsupported, {"{} takes too many steps", who});
  for (const PostOp& op : pipeline_.post) {
    if (op.kind == PostOp::Kind::kLost)
      return make_error(ErrorCode::kUnsupported, {"{} is made from class 0's score", who});
    if (op.kind == PostOp::Kind::kDivide && op.value == 0) {
      return make_error(ErrorCode::kCorrupt, {"{} is divided by zero", who});
    }
  }
  return ok_status();
}

}  // namespace

Result<Pipeline> build_pipeline(const OnnxModel& model, const ModelLimits& limits) {
  return GraphReader(model, limits).read();
}

}  // namespace reelsense::model
