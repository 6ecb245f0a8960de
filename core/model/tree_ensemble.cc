// TreeEnsembleRegressor and TreeEnsembleClassifier → Forest.
//
// The meaning is ONNX Runtime's, which is looser written than the ONNX specification: a tree's root is its
// first node in file order, NaN goes to the true branch only where nodes_missing_value_tracks_true says so,
// and a binary classifier whose weights all belong to one class keeps that single score.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "forest.h"
#include "order.h"

namespace reelsense::model {
namespace {

constexpr std::int32_t kNone = -1;

enum class Mode : std::uint8_t { kLeaf, kLessEqual, kLess, kGreaterEqual, kGreater, kUnknown };

Mode mode_of(std::string_view name) noexcept {
  if (name == "LEAF") return Mode::kLeaf;
  if (name == "BRANCH_LEQ") return Mode::kLessEqual;
  if (name == "BRANCH_LT") return Mode::kLess;
  if (name == "BRANCH_GTE") return Mode::kGreaterEqual;
  if (name == "BRANCH_GT") return Mode::kGreater;
  return Mode::kUnknown;
}

// The largest float f with (double)f <= t, so that for every float x: x <= t exactly when x <= f.
float floor_to_float(double t) noexcept {
  if (t > static_cast<double>(std::numeric_limits<float>::max()) && !std::isinf(t)) {
    return std::numeric_limits<float>::max();
  }
  const auto f = static_cast<float>(t);
  return static_cast<double>(f) > t ? std::nextafterf(f, -std::numeric_limits<float>::infinity()) : f;
}

// The largest float f with (double)f < t.
float below_to_float(double t) noexcept {
  const float f = floor_to_float(t);
  return static_cast<double>(f) == t ? std::nextafterf(f, -std::numeric_limits<float>::infinity()) : f;
}

// The node's arrays as the file has them; all nodes_* of one length, all of the votes of another.
struct RawEnsemble {
  std::vector<std::int64_t> tree_ids, node_ids, features, on_true, on_false, missing_true;
  std::vector<double> thresholds;
  std::vector<std::string_view> modes;
  std::vector<std::int64_t> vote_trees, vote_nodes, vote_ids;
  std::vector<double> vote_weights, base_values;
  std::string_view post_transform, aggregate;
  bool classifier = false;

  [[nodiscard]] std::size_t size() const noexcept { return node_ids.size(); }
};

Status check_lengths(const OnnxNode& node, const RawEnsemble& raw) {
  const std::size_t n = raw.size();
  const std::size_t votes = raw.vote_ids.size();
  const char* const of_votes = raw.classifier ? "class" : "target";
  const struct {
    const char* of;
    const char* name;
    std::size_t size, wanted;
  } lengths[] = {{"nodes", "treeids", raw.tree_ids.size(), n},
                 {"nodes", "featureids", raw.features.size(), n},
                 {"nodes", "values", raw.thresholds.size(), n},
                 {"nodes", "modes", raw.modes.size(), n},
                 {"nodes", "truenodeids", raw.on_true.size(), n},
                 {"nodes", "falsenodeids", raw.on_false.size(), n},
                 {of_votes, "treeids", raw.vote_trees.size(), votes},
                 {of_votes, "nodeids", raw.vote_nodes.size(), votes},
                 {of_votes, "weights", raw.vote_weights.size(), votes}};
  if (n == 0) return node.error(ErrorCode::kCorrupt, {"no tree nodes"});
  for (const auto& length : lengths) {
    if (length.size == length.wanted) continue;
    return node.error(ErrorCode::kCorrupt, {"{}_{} has {} elements, expected {}", length.of, length.name,
                                            length.size, length.wanted});
  }
  if (!raw.missing_true.empty() && raw.missing_true.size() != n) {
    return node.error(ErrorCode::kCorrupt, {"nodes_missing_value_tracks_true has {} elements, expected {}",
                                            raw.missing_true.size(), n});
  }
  return ok_status();
}

Result<RawEnsemble> read_arrays(const OnnxNode& node, const ModelLimits& limits) {
  RawEnsemble raw;
  raw.classifier = node.op_type == "TreeEnsembleClassifier";
  AttributeReader read(node, 2 * limits.nodes + limits.trees);
  raw.tree_ids = read.ints("nodes_treeids");
  raw.node_ids = read.ints("nodes_nodeids");
  raw.features = read.ints("nodes_featureids");
  raw.on_true = read.ints("nodes_truenodeids");
  raw.on_false = read.ints("nodes_falsenodeids");
  raw.missing_true = read.ints("nodes_missing_value_tracks_true");
  raw.thresholds = read.reals("nodes_values");
  raw.modes = read.strings("nodes_modes");
  const std::string prefix = raw.classifier ? "class_" : "target_";
  raw.vote_trees = read.ints(prefix + "treeids");
  raw.vote_nodes = read.ints(prefix + "nodeids");
  raw.vote_ids = read.ints(prefix + "ids");
  raw.vote_weights = read.reals(prefix + "weights");
  raw.base_values = read.reals("base_values");
  raw.post_transform = read.string("post_transform", "NONE");
  read.ignore("nodes_hitrates");
  read.ignore("nodes_hitrates_as_tensor");
  if (raw.classifier) {
    read.two_classes("classlabels_int64s");
  } else {
    raw.aggregate = read.string("aggregate_function", "SUM");
    if (raw.aggregate != "SUM" && raw.aggregate != "AVERAGE") {
      read.fail(ErrorCode::kUnsupported,
                {"aggregate_function {} (SUM and AVERAGE are read)", in_quotes(raw.aggregate)});
    }
    if (read.integer("n_targets", 1) != 1) read.fail(ErrorCode::kUnsupported, {"more than one target"});
  }
  if (Status status = read.finish(); !status) return status.failure();
  if (Status status = check_lengths(node, raw); !status) return status.failure();
  return raw;
}

// How votes become one score a leaf and the score becomes the node's output columns.
struct VoteRule {
  bool class_zero = false;  // read votes of class (or target) 0
  bool class_one = false;   // read votes of class 1
  bool difference = false;  // the score is class 1 − class 0
  ScoreColumns output;
};

Result<VoteRule> vote_rule(const OnnxNode& node, const RawEnsemble& raw) {
  bool id[2] = {false, false};
  bool all_positive = true;
  const std::int64_t ids = raw.classifier ? 2 : 1;
  for (std::size_t i = 0; i < raw.vote_ids.size(); ++i) {
    if (raw.vote_ids[i] < 0 || raw.vote_ids[i] >= ids) {
      return node.error(
          ErrorCode::kCorrupt,
          {"{}[{}] = {} is out of range", raw.classifier ? "class_ids" : "target_ids", i, raw.vote_ids[i]});
    }
    id[raw.vote_ids[i]] = true;
    all_positive = all_positive && raw.vote_weights[i] >= 0;
  }
  const bool logistic = raw.post_transform == "LOGISTIC";
  const bool none = raw.post_transform == "NONE";
  const bool both = id[0] && id[1];
  VoteRule rule;
  rule.class_zero = id[0];
  rule.class_one = id[1];
  using Kind = PostOp::Kind;
  if (raw.base_values.size() > (id[1] ? 0 : 1)) {
    return node.error(ErrorCode::kUnsupported, {"base_values of this length for this kind of ensemble"});
  }
  if (!raw.classifier) {
    // ONNX Runtime ignores LOGISTIC for one target, the specification does not: no file should depend on it.
    if (!none)
      return node.error(ErrorCode::kUnsupported,
                        {"post_transform {} (use a Sigmoid node)", in_quotes(raw.post_transform)});
    rule.output = {{Column{}}, false};
  } else if (both && raw.post_transform == "SOFTMAX") {
    rule.difference = true;
    rule.output = {{{{Kind::kNegate, 0}, {Kind::kSigmoid, 0}}, {{Kind::kSigmoid, 0}}}, true};
  } else if (!logistic && !none) {
    return node.error(ErrorCode::kUnsupported, {"post_transform {}", in_quotes(raw.post_transform)});
  } else if (both || id[1]) {
    rule.class_zero = false;
    rule.output.columns = {Column{{Kind::kLost, 0}}, logistic ? Column{{Kind::kSigmoid, 0}} : Column{}};
  } else if (logistic) {
    rule.output = {{{{Kind::kNegate, 0}, {Kind::kSigmoid, 0}}, {{Kind::kSigmoid, 0}}}, true};
  } else {
    rule.output = {{{{all_positive ? Kind::kSubtractFrom : Kind::kNegate, 1}}, Column{}}, all_positive};
  }
  return rule;
}

class ForestBuilder {
 public:
  ForestBuilder(const OnnxNode& node, const RawEnsemble& raw, std::size_t inputs, const ModelLimits& limits)
      : node_(node),
        raw_(raw),
        inputs_(inputs),
        limits_(limits),
        weights_(raw.size(), 0.0),
        voted_(raw.size()) {}

  Result<Forest> build(const VoteRule& rule) {
    Status status = find_trees();
    if (status) status = read_votes(rule);
    for (std::size_t t = 0; status && t < runs_.size(); ++t) status = add_tree(runs_[t]);
    if (!status) return status.failure();
    if (status = quantize(); !status) return status.failure();
    return std::move(forest_);
  }

 private:
  // The nodes [first, first + count) of the file, all of one tree.
  struct Run {
    std::int64_t tree_id;
    std::uint32_t first, count;
  };

  Failure corrupt(const Message& reason) const { return node_.error(ErrorCode::kCorrupt, reason); }
  std::string where(std::size_t i) const {
    return to_text({"tree {} node {}", raw_.tree_ids[i], raw_.node_ids[i]});
  }
  // The same about one node of a tree.
  Failure corrupt_at(std::size_t i, const Message& reason) const {
    return corrupt({"{}{}", where(i), reason});
  }

  Status find_trees();
  Status read_votes(const VoteRule& rule);
  Status add_tree(const Run& run);
  Status add_node(std::size_t i, std::size_t on_true, std::size_t on_false);
  Status quantize();
  // The file position of the node that node i names as a child.
  Result<std::size_t> child(const Run& run, std::size_t i, std::int64_t id) const;
  void attach(std::int32_t parent, bool on_true, std::int32_t value) {
    if (parent == kNone) return;
    TreeNode& node = forest_.nodes[static_cast<std::size_t>(parent)];
    (on_true != swapped_[static_cast<std::size_t>(parent)] ? node.on_true : node.on_false) = value;
  }

  const OnnxNode& node_;
  const RawEnsemble& raw_;
  std::size_t inputs_;
  const ModelLimits& limits_;
  Forest forest_;
  std::vector<Run> runs_;             // in file order
  std::vector<std::uint32_t> by_id_;  // for each tree's run, node id → file position
  std::vector<double> weights_;       // by file position
  std::vector<std::uint8_t> voted_;   // by file position, bit a class
  std::vector<bool> swapped_;         // by forest node: its children were exchanged
  std::vector<double> leaf_values_;
};

Status ForestBuilder::find_trees() {
  const std::size_t n = raw_.size();
  if (n > std::numeric_limits<std::int32_t>::max())
    return node_.error(ErrorCode::kLimit, {"too many tree nodes"});
  for (std::size_t i = 0; i < n; ++i) {
    if (i == 0 || raw_.tree_ids[i] != raw_.tree_ids[i - 1]) {
      if (runs_.size() == limits_.trees) {
        return node_.error(ErrorCode::kLimit, {"more than {} trees", limits_.trees});
      }
      runs_.push_back({raw_.tree_ids[i], static_cast<std::uint32_t>(i), 0});
    }
    ++runs_.back().count;
  }
  by_id_.assign(n, std::numeric_limits<std::uint32_t>::max());
  for (const Run& run : runs_) {
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      const std::int64_t id = raw_.node_ids[i];
      if (id < 0 || id >= run.count) {
        return corrupt({"nodes_nodeids[{}]: {} is outside the tree's {} nodes", i, where(i), run.count});
      }
      std::uint32_t& slot = by_id_[run.first + static_cast<std::size_t>(id)];
      if (slot != std::numeric_limits<std::uint32_t>::max()) return corrupt_at(i, {" appears twice"});
      slot = static_cast<std::uint32_t>(i);
    }
  }
  return ok_status();
}

Status ForestBuilder::read_votes(const VoteRule& rule) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;  // signed ids in the order of unsigned keys
  std::vector<std::uint64_t> keys;
  for (const Run& run : runs_) keys.push_back(static_cast<std::uint64_t>(run.tree_id) ^ kSign);
  const std::vector<std::uint32_t> order = order_of(keys);
  const char* const name = raw_.classifier ? "class_nodeids" : "target_nodeids";
  const auto id = [this](std::uint32_t run) { return runs_[run].tree_id; };
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (id(order[i]) == id(order[i - 1])) {
      return corrupt({"the nodes of tree {} are not contiguous", id(order[i])});
    }
  }
  for (std::size_t v = 0; v < raw_.vote_ids.size(); ++v) {
    const auto found = std::lower_bound(order.begin(), order.end(), raw_.vote_trees[v],
                                        [&](std::uint32_t run, std::int64_t tree) { return id(run) < tree; });
    if (found == order.end() || id(*found) != raw_.vote_trees[v]) {
      return corrupt({"{}[{}] names tree {}, which does not exist", name, v, raw_.vote_trees[v]});
    }
    const Run& run = runs_[*found];
    if (raw_.vote_nodes[v] < 0 || raw_.vote_nodes[v] >= run.count) {
      return corrupt({"{}[{}] names node {} of tree {}, which does not exist", name, v, raw_.vote_nodes[v],
                      run.tree_id});
    }
    const std::size_t i = by_id_[run.first + static_cast<std::size_t>(raw_.vote_nodes[v])];
    if (mode_of(raw_.modes[i]) != Mode::kLeaf)
      return corrupt({"{}[{}]: {} is not a leaf", name, v, where(i)});
    const auto bit = static_cast<std::uint8_t>(1u << raw_.vote_ids[v]);
    if ((voted_[i] & bit) != 0) return corrupt_at(i, {" has two weights for one class or target"});
    voted_[i] = static_cast<std::uint8_t>(voted_[i] | bit);
    if (!std::isfinite(raw_.vote_weights[v])) return corrupt_at(i, {" has a weight that is not finite"});
    if (bit == 1 && rule.class_zero)
      weights_[i] += rule.difference ? -raw_.vote_weights[v] : raw_.vote_weights[v];
    if (bit == 2 && rule.class_one) weights_[i] += raw_.vote_weights[v];
  }
  return ok_status();
}

Result<std::size_t> ForestBuilder::child(const Run& run, std::size_t i, std::int64_t id) const {
  if (id < 0 || id >= run.count) {
    return corrupt_at(i, {" has child {}, which does not exist", id});
  }
  return static_cast<std::size_t>(by_id_[run.first + static_cast<std::size_t>(id)]);
}

// Appends node i in canonical form; its children are attached when they are reached.
Status ForestBuilder::add_node(std::size_t i, std::size_t on_true, std::size_t on_false) {
  const Mode mode = mode_of(raw_.modes[i]);
  if (mode == Mode::kUnknown) {
    return node_.error(ErrorCode::kUnsupported, {"{} has mode {}", where(i), in_quotes(raw_.modes[i])});
  }
  if (raw_.features[i] < 0 || static_cast<std::uint64_t>(raw_.features[i]) >= inputs_) {
    return corrupt(
        {"nodes_featureids[{}]: {} asks for feature {} of {}", i, where(i), raw_.features[i], inputs_});
  }
  const double t = raw_.thresholds[i];
  const bool strict = mode == Mode::kLess || mode == Mode::kGreaterEqual;
  if (std::isnan(t) || (strict && t < -static_cast<double>(std::numeric_limits<float>::max()))) {
    return corrupt({"nodes_values[{}]: {} has a threshold that cannot be compared with", i, where(i)});
  }
  if (on_true == on_false) return corrupt_at(i, {" has one child on both sides"});
  if (forest_.nodes.size() == limits_.nodes) {
    return node_.error(ErrorCode::kLimit, {"more than {} inner tree nodes", limits_.nodes});
  }
  // x >= t is !(x < t), and x < t is x <= the float below t: the children swap, and so does NaN's side.
  const bool swap = mode == Mode::kGreater || mode == Mode::kGreaterEqual;
  const bool missing = !raw_.missing_true.empty() && raw_.missing_true[i] == 1;
  TreeNode node;
  node.threshold = strict ? below_to_float(t) : floor_to_float(t);
  node.feature = static_cast<std::uint32_t>(raw_.features[i]);
  node.missing_true = missing != swap;
  forest_.nodes.push_back(node);
  swapped_.push_back(swap);
  return ok_status();
}

Status ForestBuilder::add_tree(const Run& run) {
  struct Pending {
    std::size_t i;
    std::int32_t parent;
    bool on_true;
  };
  Tree tree;
  tree.first_node = static_cast<std::uint32_t>(forest_.nodes.size());
  tree.first_leaf = static_cast<std::uint32_t>(leaf_values_.size());
  std::vector<bool> seen(run.count);
  std::vector<Pending> stack = {{run.first, kNone, false}};
  std::size_t reached = 0;
  while (!stack.empty()) {
    const Pending next = stack.back();
    stack.pop_back();
    const std::size_t i = next.i;
    if (seen[i - run.first]) return corrupt_at(i, {" is reached twice: a cycle or a shared child"});
    seen[i - run.first] = true;
    ++reached;
    if (mode_of(raw_.modes[i]) == Mode::kLeaf) {
      if (voted_[i] == 0) return corrupt_at(i, {" is a leaf without a weight"});
      attach(next.parent, next.on_true, ~static_cast<std::int32_t>(leaf_values_.size()));
      leaf_values_.push_back(weights_[i]);
      continue;
    }
    Result<std::size_t> on_true = child(run, i, raw_.on_true[i]);
    if (!on_true) return on_true.failure();
    Result<std::size_t> on_false = child(run, i, raw_.on_false[i]);
    if (!on_false) return on_false.failure();
    const auto self = static_cast<std::int32_t>(forest_.nodes.size());
    if (Status status = add_node(i, on_true.value(), on_false.value()); !status) return status;
    attach(next.parent, next.on_true, self);
    // Preorder, the canonical true child first.
    const Pending first = {on_true.value(), self, true};
    const Pending second = {on_false.value(), self, false};
    const bool swap = swapped_.back();
    stack.push_back(swap ? first : second);
    stack.push_back(swap ? second : first);
  }
  if (reached != run.count) {
    const auto lost = std::find(seen.begin(), seen.end(), false) - seen.begin();
    return corrupt_at(run.first + static_cast<std::size_t>(lost), {" is not reachable from the tree's root"});
  }
  tree.node_count = static_cast<std::uint32_t>(forest_.nodes.size()) - tree.first_node;
  tree.leaf_count = static_cast<std::uint32_t>(leaf_values_.size()) - tree.first_leaf;
  forest_.trees.push_back(tree);
  return ok_status();
}

// Turns leaf values into 64-bit fixed point such that no sum over trees exceeds 2^54 units.
Status ForestBuilder::quantize() {
  double largest_sum = 0;
  for (const Tree& tree : forest_.trees) {
    double largest = 0;
    for (std::uint32_t i = 0; i < tree.leaf_count; ++i) {
      largest = std::max(largest, std::fabs(leaf_values_[tree.first_leaf + i]));
    }
    largest_sum += largest;
  }
  const double base = raw_.base_values.empty() ? 0.0 : raw_.base_values[0];
  constexpr double kHuge = 1e300;
  if (!(largest_sum < kHuge) || !(std::fabs(base) < kHuge)) {
    return node_.error(ErrorCode::kCorrupt, {"leaf weights or base_values that are not finite when summed"});
  }
  // The exponent of a double, straight from its bits: largest_sum < 2^(exponent − 1022).
  const auto exponent = static_cast<int>(std::bit_cast<std::uint64_t>(std::max(largest_sum, 1e-290)) >> 52);
  const int shift = 54 - (exponent - 1022);
  const auto power_of_two = [](int e) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(1023 + e) << 52);
  };
  // Two factors, because 2^shift alone may be beyond a double's exponent.
  const double up = power_of_two(shift / 2);
  const double rest = power_of_two(shift - shift / 2);
  forest_.leaves.reserve(leaf_values_.size());
  for (const double value : leaf_values_) {
    const double units = value * up * rest;
    const auto whole = static_cast<std::int64_t>(units);
    const double part = units - static_cast<double>(whole);
    forest_.leaves.push_back(whole + (part >= 0.5 ? 1 : 0) - (part <= -0.5 ? 1 : 0));
  }
  forest_.scale = 1.0 / up / rest;
  forest_.divisor = raw_.aggregate == "AVERAGE" ? static_cast<double>(forest_.trees.size()) : 1.0;
  forest_.base = base;
  return ok_status();
}

}  // namespace

Result<TreeEnsemble> read_tree_ensemble(const OnnxNode& node, std::size_t inputs, const ModelLimits& limits) {
  Result<RawEnsemble> raw = read_arrays(node, limits);
  if (!raw) return raw.failure();
  Result<VoteRule> rule = vote_rule(node, raw.value());
  if (!rule) return rule.failure();
  ForestBuilder builder(node, raw.value(), inputs, limits);
  Result<Forest> forest = builder.build(rule.value());
  if (!forest) return forest.failure();
  return TreeEnsemble{std::move(forest).value(), std::move(rule.value().output)};
}

}  // namespace reelsense::model
