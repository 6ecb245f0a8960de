#include "server/models/merge_members.h"

#include <map>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convolution.hpp>
#include <openvino/op/group_conv.hpp>
#include <openvino/op/reduce_mean.hpp>
#include <openvino/op/relu.hpp>
#include <openvino/op/variadic_split.hpp>
#include <optional>
#include <string>
#include <vector>

namespace reelsense::server {
namespace {

using Constant = ov::op::v0::Constant;
using Convolution = ov::op::v1::Convolution;

// Convolution with its bias and Relu.
struct Layer {
  std::shared_ptr<Convolution> convolution;
  std::shared_ptr<Constant> weights;  // [out, in, taps]
  std::shared_ptr<Constant> bias;     // out values
  std::shared_ptr<ov::Node> relu;
};

struct Chain {
  Layer near;
  Layer far;
  std::shared_ptr<ov::op::v1::ReduceMean> mean;
};

// The one reader of `node` beside those that only ask for its shape.
template <class Op>
std::shared_ptr<Op> reader(const std::shared_ptr<ov::Node>& node) {
  std::shared_ptr<ov::Node> found;
  for (const auto& input : node->output(0).get_target_inputs()) {
    const auto user = input.get_node()->shared_from_this();
    if (std::string(user->get_type_name()) == "ShapeOf") continue;
    if (found) return nullptr;
    found = user;
  }
  return std::dynamic_pointer_cast<Op>(found);
}

// A constant, or one that is only given another shape.
std::shared_ptr<Constant> constant_of(std::shared_ptr<ov::Node> node) {
  if (std::string(node->get_type_name()) == "Reshape") node = node->get_input_node_shared_ptr(0);
  return std::dynamic_pointer_cast<Constant>(node);
}

std::optional<Layer> layer_at(const std::shared_ptr<Convolution>& convolution) {
  Layer layer;
  layer.convolution = convolution;
  layer.weights = std::dynamic_pointer_cast<Constant>(convolution->get_input_node_shared_ptr(1));
  const auto add = reader<ov::op::v1::Add>(convolution);
  if (!layer.weights || layer.weights->get_shape().size() != 3 || !add) return std::nullopt;
  layer.bias = constant_of(add->get_input_node_shared_ptr(1));
  layer.relu = reader<ov::op::v0::Relu>(add);
  if (!layer.bias || !layer.relu) return std::nullopt;
  if (ov::shape_size(layer.bias->get_shape()) != layer.weights->get_shape()[0]) return std::nullopt;
  return layer;
}

std::optional<Chain> chain_at(const std::shared_ptr<Convolution>& convolution) {
  const auto near = layer_at(convolution);
  if (!near) return std::nullopt;
  const auto second = reader<Convolution>(near->relu);
  if (!second) return std::nullopt;
  const auto far = layer_at(second);
  if (!far) return std::nullopt;
  const auto mean = reader<ov::op::v1::ReduceMean>(far->relu);
  if (!mean || mean->get_keep_dims() || !constant_of(mean->get_input_node_shared_ptr(1))) return std::nullopt;
  return Chain{*near, *far, mean};
}

bool alike(const Layer& a, const Layer& b) {
  return a.weights->get_shape() == b.weights->get_shape() &&
         a.convolution->get_strides() == b.convolution->get_strides() &&
         a.convolution->get_pads_begin() == b.convolution->get_pads_begin() &&
         a.convolution->get_pads_end() == b.convolution->get_pads_end() &&
         a.convolution->get_dilations() == b.convolution->get_dilations() &&
         a.convolution->get_auto_pad() == b.convolution->get_auto_pad();
}

bool alike(const Chain& a, const Chain& b) {
  return alike(a.near, b.near) && alike(a.far, b.far) &&
         constant_of(a.mean->get_input_node_shared_ptr(1))->cast_vector<std::int64_t>() ==
             constant_of(b.mean->get_input_node_shared_ptr(1))->cast_vector<std::int64_t>();
}

// The constants of all chains, one after another, under `shape`.
template <class Member>
std::shared_ptr<Constant> joined(const std::vector<Chain>& chains, const ov::Shape& shape, Member member) {
  std::vector<float> values;
  for (const Chain& chain : chains) {
    const std::vector<float> own = member(chain)->template cast_vector<float>();
    values.insert(values.end(), own.begin(), own.end());
  }
  return Constant::create(ov::element::f32, shape, values);
}

ov::Output<ov::Node> biased(const ov::Output<ov::Node>& sum, const std::shared_ptr<Constant>& bias) {
  return std::make_shared<ov::op::v0::Relu>(std::make_shared<ov::op::v1::Add>(sum, bias));
}

void merge(const std::vector<Chain>& chains) {
  const std::size_t members = chains.size();
  const ov::Shape near = chains[0].near.weights->get_shape();
  const ov::Shape far = chains[0].far.weights->get_shape();
  const Convolution& first = *chains[0].near.convolution;
  const Convolution& second = *chains[0].far.convolution;
  const auto near_sum = std::make_shared<Convolution>(
      first.input_value(0),
      joined(chains, {members * near[0], near[1], near[2]}, [](const Chain& c) { return c.near.weights; }),
      first.get_strides(), first.get_pads_begin(), first.get_pads_end(), first.get_dilations(),
      first.get_auto_pad());
  const auto hidden =
      biased(near_sum, joined(chains, {1, members * near[0], 1}, [](const Chain& c) { return c.near.bias; }));
  const auto far_sum = std::make_shared<ov::op::v1::GroupConvolution>(
      hidden, joined(chains, {members, far[0], far[1], far[2]}, [](const Chain& c) { return c.far.weights; }),
      second.get_strides(), second.get_pads_begin(), second.get_pads_end(), second.get_dilations(),
      second.get_auto_pad());
  const auto shape =
      biased(far_sum, joined(chains, {1, members * far[0], 1}, [](const Chain& c) { return c.far.bias; }));
  const auto mean = std::make_shared<ov::op::v1::ReduceMean>(shape, chains[0].mean->input_value(1), false);
  const auto parts = std::make_shared<ov::op::v1::VariadicSplit>(
      mean, Constant::create(ov::element::i64, {}, std::vector<std::int64_t>{1}),
      Constant::create(ov::element::i64, {members},
                       std::vector<std::int64_t>(members, static_cast<std::int64_t>(far[0]))));
  for (std::size_t i = 0; i < members; ++i) chains[i].mean->output(0).replace(parts->output(i));
}

}  // namespace

std::size_t merge_members(const std::shared_ptr<ov::Model>& network) {
  std::map<ov::Output<ov::Node>, std::vector<Chain>> by_input;
  for (const auto& node : network->get_ordered_ops()) {
    const auto convolution = std::dynamic_pointer_cast<Convolution>(node);
    if (!convolution) continue;
    if (const auto chain = chain_at(convolution)) by_input[convolution->input_value(0)].push_back(*chain);
  }
  std::size_t merged = 0;
  for (const auto& [input, chains] : by_input) {
    bool same = chains.size() > 1;
    for (const Chain& chain : chains) same = same && alike(chain, chains[0]);
    if (!same) continue;
    merge(chains);
    merged += chains.size();
  }
  if (merged > 0) network->validate_nodes_and_infer_types();
  return merged;
}

}  // namespace reelsense::server
