#include "server/models/forest.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <string>
#include <vector>

namespace reelsense::server {
namespace {

// ---------------------------------------------------------------- what is looked for

// Gather(window, feature) ≤ threshold, ±1, [N, trees, nodes], × path signs = length, × leaf values, summed
// over trees.
struct Subgraph {
  std::shared_ptr<ov::Node> window;
  std::shared_ptr<ov::Node> sum;
  std::vector<std::int64_t> feature;  // [trees · nodes]
  std::vector<float> threshold;       // [trees · nodes]
  std::vector<float> paths;           // [trees, nodes, leaves]
  std::vector<float> length;          // [trees, leaves]
  std::vector<float> leaf;            // [trees, leaves]
  std::size_t trees = 0, nodes = 0, leaves = 0;
};

std::shared_ptr<ov::op::v0::Constant> constant_input(const ov::Node& node, std::size_t i) {
  if (i >= node.get_input_size()) return nullptr;
  return std::dynamic_pointer_cast<ov::op::v0::Constant>(node.get_input_node_shared_ptr(i));
}

// The one node that reads `node`, if it is of type `type`.
std::shared_ptr<ov::Node> only_user(const ov::Node& node, const char* type) {
  const auto users = node.output(0).get_target_inputs();
  if (users.size() != 1) return nullptr;
  const auto user = users.begin()->get_node()->shared_from_this();
  return std::string(user->get_type_name()) == type ? user : nullptr;
}

std::shared_ptr<ov::Node> follow(std::shared_ptr<ov::Node> node, std::initializer_list<const char*> types) {
  for (const char* type : types) {
    if (node) node = only_user(*node, type);
  }
  return node;
}

std::optional<Subgraph> match(const std::shared_ptr<ov::Node>& compare) {
  const auto gather = compare->get_input_node_shared_ptr(0);
  if (std::string(gather->get_type_name()) != "Gather") return std::nullopt;
  const auto threshold = constant_input(*compare, 1);
  const auto feature = constant_input(*gather, 1);
  const auto product = follow(compare, {"Convert", "Multiply", "Subtract", "Reshape", "Transpose", "MatMul"});
  const auto equal = follow(product, {"Equal"});
  const auto value = follow(equal, {"Convert", "MatMul"});
  const auto sum = follow(value, {"ReduceSum"});
  if (!sum || !threshold || !feature) return std::nullopt;
  const auto paths = constant_input(*product, 1);
  const auto length = constant_input(*equal, 1);
  const auto leaf = constant_input(*value, 1);
  if (!paths || !length || !leaf || paths->get_shape().size() != 3) return std::nullopt;
  Subgraph found;
  found.window = gather->get_input_node_shared_ptr(0);
  found.sum = sum;
  found.feature = feature->cast_vector<std::int64_t>();
  found.threshold = threshold->cast_vector<float>();
  found.paths = paths->cast_vector<float>();
  found.length = length->cast_vector<float>();
  found.leaf = leaf->cast_vector<float>();
  found.trees = paths->get_shape()[0];
  found.nodes = paths->get_shape()[1];
  found.leaves = paths->get_shape()[2];
  return found;
}

// ---------------------------------------------------------------- path matrices → trees

// A tree in the order that ONNX wants: nodes by number, children by number, leaves among them.
struct Node {
  bool inner = false;
  std::int64_t feature = 0;
  float threshold = 0;
  float value = 0;
  std::int64_t yes = 0;
  std::int64_t no = 0;
};

class TreeBuilder {
 public:
  TreeBuilder(const Subgraph& graph, std::size_t tree)
      : graph_(graph), tree_(tree), used_(graph.nodes, false) {}

  // Nothing: no tree has these paths.
  std::optional<std::vector<Node>> build() {
    std::vector<std::size_t> leaves;
    for (std::size_t leaf = 0; leaf < graph_.leaves; ++leaf) {
      if (graph_.length[tree_ * graph_.leaves + leaf] >= 0) leaves.push_back(leaf);
    }
    if (leaves.empty() || !grow(leaves)) return std::nullopt;
    return std::move(nodes_);
  }

 private:
  [[nodiscard]] float sign(std::size_t node, std::size_t leaf) const {
    return graph_.paths[(tree_ * graph_.nodes + node) * graph_.leaves + leaf];
  }

  bool grow(const std::vector<std::size_t>& leaves) {
    const std::size_t at = nodes_.size();
    nodes_.emplace_back();
    if (leaves.size() == 1) {
      nodes_[at].value = graph_.leaf[tree_ * graph_.leaves + leaves[0]];
      return true;
    }
    // The root of these leaves is the unused node that all of their paths name.
    for (std::size_t node = 0; node < graph_.nodes; ++node) {
      if (used_[node] ||
          !std::ranges::all_of(leaves, [&](std::size_t leaf) { return sign(node, leaf) != 0; })) {
        continue;
      }
      std::vector<std::size_t> yes, no;
      for (const std::size_t leaf : leaves) (sign(node, leaf) > 0 ? yes : no).push_back(leaf);
      if (yes.empty() || no.empty()) return false;
      used_[node] = true;
      const std::size_t index = tree_ * graph_.nodes + node;
      nodes_[at].inner = true;
      nodes_[at].feature = graph_.feature[index];
      nodes_[at].threshold = graph_.threshold[index];
      nodes_[at].yes = static_cast<std::int64_t>(nodes_.size());
      if (!grow(yes)) return false;
      nodes_[at].no = static_cast<std::int64_t>(nodes_.size());
      return grow(no);
    }
    return false;
  }

  const Subgraph& graph_;
  std::size_t tree_;
  std::vector<bool> used_;
  std::vector<Node> nodes_;
};

// ---------------------------------------------------------------- trees → the ONNX that the native engine
// reads

class Message {
 public:
  Message& integer(std::uint32_t field, std::int64_t value) {
    varint(field << 3);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& bytes(std::uint32_t field, const std::string& value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_ += value;
    return *this;
  }
  Message& message(std::uint32_t field, const Message& value) { return bytes(field, value.out_); }
  Message& real(std::uint32_t field, float value) {
    varint(field << 3 | 5);
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i) out_ += static_cast<char>(bits >> (8 * i));
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  std::string out_;
};

// TreeEnsembleRegressor's parallel arrays.
struct Ensemble {
  std::vector<std::int64_t> tree, node, feature, yes, no, leaf_tree, leaf_node, leaf_target;
  std::vector<std::string> mode;
  std::vector<float> value, leaf_value;

  void add(std::int64_t tree_id, const std::vector<Node>& nodes) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Node& n = nodes[i];
      const auto id = static_cast<std::int64_t>(i);
      tree.push_back(tree_id);
      node.push_back(id);
      feature.push_back(n.feature);
      yes.push_back(n.yes);
      no.push_back(n.no);
      mode.emplace_back(n.inner ? "BRANCH_LEQ" : "LEAF");
      value.push_back(n.inner ? n.threshold : 0.0F);
      if (n.inner) continue;
      leaf_tree.push_back(tree_id);
      leaf_node.push_back(id);
      leaf_target.push_back(0);
      leaf_value.push_back(n.value);
    }
  }

  [[nodiscard]] std::string onnx(std::size_t width) const {
    const auto ints = [](const char* name, const std::vector<std::int64_t>& values) {
      Message out;
      out.bytes(1, name);
      for (const std::int64_t v : values) out.integer(8, v);
      return out.integer(20, 7);
    };
    const auto floats = [](const char* name, const std::vector<float>& values) {
      Message out;
      out.bytes(1, name);
      for (const float v : values) out.real(7, v);
      return out.integer(20, 6);
    };
    Message modes;
    modes.bytes(1, "nodes_modes");
    for (const std::string& m : mode) modes.bytes(9, m);
    modes.integer(20, 8);

    Message op;
    op.bytes(1, "window")
        .bytes(2, "forest")
        .bytes(3, "trees")
        .bytes(4, "TreeEnsembleRegressor")
        .bytes(7, "ai.onnx.ml");
    for (const Message& attribute :
         {ints("nodes_treeids", tree), ints("nodes_nodeids", node), ints("nodes_featureids", feature),
          ints("nodes_truenodeids", yes), ints("nodes_falsenodeids", no), modes,
          floats("nodes_values", value), ints("target_treeids", leaf_tree), ints("target_nodeids", leaf_node),
          ints("target_ids", leaf_target), floats("target_weights", leaf_value),
          Message().bytes(1, "n_targets").integer(3, 1).integer(20, 2)}) {
      op.message(5, attribute);
    }
    const auto tensor = [](const char* name, std::size_t columns) {
      const Message shape = Message()
                                .message(1, Message().bytes(2, "N"))
                                .message(1, Message().integer(1, static_cast<std::int64_t>(columns)));
      const Message type = Message().message(1, Message().integer(1, 1).message(2, shape));
      return Message().bytes(1, name).message(2, type);
    };
    const Message graph = Message()
                              .message(1, op)
                              .bytes(2, "forest")
                              .message(11, tensor("window", width))
                              .message(12, tensor("forest", 1));
    return Message()
        .integer(1, 8)
        .message(7, graph)
        .message(8, Message().bytes(1, "").integer(2, 15))
        .message(8, Message().bytes(1, "ai.onnx.ml").integer(2, 3))
        .text();
  }
};

Result<Model> rebuild(const Subgraph& graph, std::size_t width) {
  const std::size_t cells = graph.trees * graph.nodes;
  const bool fits = graph.feature.size() == cells && graph.threshold.size() == cells &&
                    graph.paths.size() == cells * graph.leaves &&
                    graph.length.size() == graph.trees * graph.leaves &&
                    graph.leaf.size() == graph.trees * graph.leaves;
  if (!fits) return Error{ErrorCode::kCorrupt, "trees: constants of different sizes"};
  Ensemble ensemble;
  for (std::size_t t = 0; t < graph.trees; ++t) {
    const auto nodes = TreeBuilder(graph, t).build();
    if (!nodes)
      return Error{ErrorCode::kCorrupt, "trees: the paths of tree " + std::to_string(t) + " are no tree's"};
    ensemble.add(static_cast<std::int64_t>(t), *nodes);
  }
  const std::string onnx = ensemble.onnx(width);
  return Model::parse({reinterpret_cast<const std::uint8_t*>(onnx.data()), onnx.size()});
}

}  // namespace

Result<std::optional<Model>> extract_forest(const std::shared_ptr<ov::Model>& network) {
  for (const auto& node : network->get_ordered_ops()) {
    if (std::string(node->get_type_name()) != "LessEqual") continue;
    const std::optional<Subgraph> graph = match(node);
    if (!graph) continue;
    const ov::PartialShape input = graph->window->get_output_partial_shape(0);
    if (std::string(graph->window->get_type_name()) != "Parameter" || input.size() != 2 ||
        input[1].is_dynamic())
      continue;
    Result<Model> model = rebuild(*graph, static_cast<std::size_t>(input[1].get_length()));
    if (!model) return model.error();
    const auto parameter = std::make_shared<ov::op::v0::Parameter>(
        ov::element::f32, ov::PartialShape{input[0], ov::Dimension(1)});
    parameter->set_friendly_name("forest");
    parameter->output(0).set_names({"forest"});
    graph->sum->output(0).replace(parameter->output(0));
    network->add_parameters({parameter});
    network->validate_nodes_and_infer_types();
    return std::optional<Model>(std::move(model).value());
  }
  return std::optional<Model>();
}

}  // namespace reelsense::server
