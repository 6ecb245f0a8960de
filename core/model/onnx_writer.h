// Writes small ONNX files for tests: just enough protobuf to say anything, right or wrong.
// Thread safety: none; plain values.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace reelsense::model::testing {

// A protobuf message under construction.
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
    fixed(std::bit_cast<std::uint32_t>(value), 4);
    return *this;
  }
  Message& raw(const std::string& value) {
    out_ += value;
    return *this;
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>(value | 0x80);
    out_ += static_cast<char>(value);
  }
  void fixed(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  [[nodiscard]] const std::string& str() const { return out_; }

 private:
  std::string out_;
};

inline Message attribute(const std::string& name) {
  return Message().bytes(1, name);
}
inline Message ints(const std::string& name, const std::vector<std::int64_t>& values) {
  Message out = attribute(name);
  for (const std::int64_t v : values) out.integer(8, v);
  return out.integer(20, 7);
}
inline Message packed_ints(const std::string& name, const std::vector<std::int64_t>& values) {
  Message packed;
  for (const std::int64_t v : values) packed.varint(static_cast<std::uint64_t>(v));
  return attribute(name).message(8, packed).integer(20, 7);
}
inline Message floats(const std::string& name, const std::vector<float>& values) {
  Message out = attribute(name);
  for (const float v : values) out.real(7, v);
  return out.integer(20, 6);
}
inline Message strings(const std::string& name, const std::vector<std::string>& values) {
  Message out = attribute(name);
  for (const std::string& v : values) out.bytes(9, v);
  return out.integer(20, 8);
}
inline Message integer(const std::string& name, std::int64_t v) {
  return attribute(name).integer(3, v).integer(20, 2);
}
inline Message string(const std::string& name, const std::string& v) {
  return attribute(name).bytes(4, v).integer(20, 3);
}

struct Node {
  std::string op, name;
  std::vector<std::string> inputs, outputs;
  std::vector<Message> attributes;
  std::string domain;

  [[nodiscard]] Message message() const {
    Message out;
    for (const std::string& i : inputs) out.bytes(1, i);
    for (const std::string& o : outputs) out.bytes(2, o);
    out.bytes(3, name).bytes(4, op).bytes(7, domain);
    for (const Message& a : attributes) out.message(5, a);
    return out;
  }
};

// A float tensor value [N, width].
inline Message value(const std::string& name, std::int64_t width, std::int64_t type = 1) {
  const Message shape = Message().message(1, Message().bytes(2, "N")).message(1, Message().integer(1, width));
  const Message tensor = Message().integer(1, type).message(2, shape);
  return Message().bytes(1, name).message(2, Message().message(1, tensor));
}

// A whole file: float input "x" [N, inputs], output "p", the nodes in order.
struct File {
  std::int64_t ir_version = 8, opset = 15, ml_opset = 3;
  std::int64_t inputs = 4;
  std::vector<Node> nodes;
  std::vector<Message> initializers;

  [[nodiscard]] std::string str() const {
    Message graph;
    for (const Node& node : nodes) graph.message(1, node.message());
    graph.bytes(2, "graph");
    for (const Message& tensor : initializers) graph.message(5, tensor);
    graph.message(11, value("x", inputs)).message(12, value("p", 1));
    Message out;
    out.integer(1, ir_version).bytes(2, "test").message(7, graph);
    out.message(8, Message().bytes(1, "").integer(2, opset));
    out.message(8, Message().bytes(1, "ai.onnx.ml").integer(2, ml_opset));
    return out.str();
  }
};

// The arrays of a TreeEnsembleRegressor; every one may be bent before node() is called.
struct Ensemble {
  std::vector<std::int64_t> trees, ids, features, yes, no, missing;
  std::vector<std::string> modes;
  std::vector<float> values;
  std::vector<std::int64_t> vote_trees, vote_nodes, vote_ids;
  std::vector<float> weights;
  std::vector<Message> extra;

  void branch(std::int64_t tree, std::int64_t id, std::int64_t feature, float value, std::int64_t on_true,
              std::int64_t on_false, std::int64_t missing_true = 0) {
    add(tree, id, feature, "BRANCH_LEQ", value, on_true, on_false, missing_true);
  }
  void leaf(std::int64_t tree, std::int64_t id, float weight) {
    add(tree, id, 0, "LEAF", 0, 0, 0, 0);
    vote_trees.push_back(tree);
    vote_nodes.push_back(id);
    vote_ids.push_back(0);
    weights.push_back(weight);
  }
  [[nodiscard]] Node node(const std::string& name = "trees") const {
    Node out{"TreeEnsembleRegressor", name, {"x"}, {"p"}, extra, "ai.onnx.ml"};
    for (const auto& [key, list] : {std::pair{"nodes_treeids", &trees},
                                    {"nodes_nodeids", &ids},
                                    {"nodes_featureids", &features},
                                    {"nodes_truenodeids", &yes},
                                    {"nodes_falsenodeids", &no},
                                    {"nodes_missing_value_tracks_true", &missing},
                                    {"target_treeids", &vote_trees},
                                    {"target_nodeids", &vote_nodes}}) {
      out.attributes.push_back(ints(key, *list));
    }
    out.attributes.push_back(
        packed_ints("target_ids", vote_ids));  // both encodings of a repeated field are valid
    out.attributes.push_back(strings("nodes_modes", modes));
    out.attributes.push_back(floats("nodes_values", values));
    out.attributes.push_back(floats("target_weights", weights));
    return out;
  }

 private:
  void add(std::int64_t tree, std::int64_t id, std::int64_t feature, const std::string& mode, float value,
           std::int64_t on_true, std::int64_t on_false, std::int64_t missing_true) {
    trees.push_back(tree);
    ids.push_back(id);
    features.push_back(feature);
    modes.push_back(mode);
    values.push_back(value);
    yes.push_back(on_true);
    no.push_back(on_false);
    missing.push_back(missing_true);
  }
};

}  // namespace reelsense::model::testing
