// The native edge network against OpenVINO, on the released model.
#include "server/models/native_edge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <openvino/op/constant.hpp>
#include <openvino/openvino.hpp>

#include "server/models/forest.h"
#include "server/models/served_model.h"

namespace reelsense::server {
namespace {

const std::filesystem::path kEdge =
    std::filesystem::path(REELSENSE_SOURCE_DIR) / "models/reelsense-edge/1.0.0";
constexpr std::size_t kWidth = 88;
constexpr std::size_t kState = 65;

std::shared_ptr<ov::Model> read_graph() {
  static ov::Core core;
  return core.read_model((kEdge / "model.onnx").string());
}

// What the graph, whose trees were taken out, says by OpenVINO.
NativeEdge::Step reference_of(const std::shared_ptr<ov::Model>& graph) {
  static ov::Core core;
  auto request =
      std::make_shared<ov::InferRequest>(core.compile_model(graph, "CPU", ov::inference_num_threads(1),
                                                            ov::hint::inference_precision(ov::element::f32))
                                             .create_infer_request());
  return [request](const float* windows, const float* states, const float* forest, std::size_t n,
                   float* probabilities, float* next_states) {
    const auto set = [&](const char* name, const float* values, std::size_t columns) {
      ov::Tensor tensor(ov::element::f32, {n, columns});
      std::copy_n(values, n * columns, tensor.data<float>());
      request->set_tensor(name, tensor);
    };
    set("window", windows, kWidth);
    set("state", states, kState);
    const ov::Shape shape = request->get_compiled_model().input("forest").get_partial_shape().get_min_shape();
    ov::Tensor tensor(ov::element::f32, shape.size() == 1 ? ov::Shape{n} : ov::Shape{n, 1});
    std::copy_n(forest, n, tensor.data<float>());
    request->set_tensor("forest", tensor);
    request->infer();
    std::copy_n(request->get_tensor("probability").data<float>(), n, probabilities);
    std::copy_n(request->get_tensor("next_state").data<float>(), n * kState, next_states);
    return ok_status();
  };
}

std::shared_ptr<ov::Node> constant(const ov::Model& graph, const std::string& name) {
  for (const auto& node : graph.get_ordered_ops()) {
    if (node->get_friendly_name() == name) return node;
  }
  return nullptr;
}

TEST(NativeEdge, ReleasedNetwork_IsFoundWithItsSizes) {
  if (edge_kernels()->run == nullptr) GTEST_SKIP() << "this processor has no kernel";
  const auto native = NativeEdge::find(*read_graph(), kWidth);
  ASSERT_TRUE(native);
  const EdgeShape& shape = native->plan().shape;
  EXPECT_EQ(shape.members, 4U);
  EXPECT_EQ(shape.features, 35U);
  EXPECT_EQ(shape.state(), kState);
}

TEST(NativeEdge, EveryKernel_AgreesWithOpenVino) {
  if (edge_kernels()->run == nullptr) GTEST_SKIP() << "this processor has no kernel";
  const auto native = NativeEdge::find(*read_graph(), kWidth);
  ASSERT_TRUE(native);
  const auto graph = read_graph();
  ASSERT_TRUE(extract_forest(graph).value().has_value());
  const NativeEdge::Step reference = reference_of(graph);
  for (const NamedEdgeKernel* kernel = edge_kernels(); kernel->run != nullptr; ++kernel) {
    EXPECT_TRUE(native->agrees(*kernel, reference)) << kernel->name;
  }
}

std::shared_ptr<ov::op::v0::Constant> float_constant(const std::shared_ptr<ov::Node>& node) {
  const auto found = std::dynamic_pointer_cast<ov::op::v0::Constant>(node);
  return found && found->get_element_type() == ov::element::f32 ? found : nullptr;
}

void add_to(const std::shared_ptr<ov::op::v0::Constant>& constant, std::size_t element, float value) {
  std::vector<float> values = constant->cast_vector<float>();
  values[element] += value;
  const auto changed = ov::op::v0::Constant::create(ov::element::f32, constant->get_shape(), values);
  constant->output(0).replace(changed->output(0));
}

// Bounds, slopes and scales that no name shows: the kernel has them written into it. Of some kinds one
// constant matters and another cannot (a share is never over 1), so one of each kind must be told apart.
TEST(NativeEdge, NetworkWithAnotherScalar_IsToldApart) {
  if (edge_kernels()->run == nullptr) GTEST_SKIP() << "this processor has no kernel";
  const auto native = NativeEdge::find(*read_graph(), kWidth);
  ASSERT_TRUE(native);
  const auto without_trees = [] {
    const auto graph = read_graph();
    EXPECT_TRUE(extract_forest(graph).value().has_value());
    return graph;
  };
  std::map<std::string, std::vector<std::size_t>> kinds;  // places in the order of operations
  const auto operations = without_trees()->get_ordered_ops();
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto found = float_constant(operations[i]);
    if (!found || ov::shape_size(found->get_shape()) != 1) continue;
    const float value = found->cast_vector<float>()[0];
    if (std::abs(value) > 1e30F) continue;  // no bound at all
    const std::string user = found->output(0).get_target_inputs().begin()->get_node()->get_type_name();
    kinds[user + " " + std::to_string(value)].push_back(i);
  }
  for (const char* kind : {"Maximum -3.000000", "Minimum 3.000000", "Maximum -1.000000", "Minimum 1.000000",
                           "Greater 0.000000", "Divide 10.000000", "Divide 0.693147", "Divide 4.000000"}) {
    EXPECT_TRUE(kinds.count(kind)) << kind;
  }
  for (const auto& [kind, places] : kinds) {
    bool told = false;
    for (std::size_t i = 0; i < places.size() && !told; ++i) {
      const auto graph = without_trees();
      const auto scalar = float_constant(graph->get_ordered_ops()[places[i]]);
      ASSERT_TRUE(scalar);
      const float value = scalar->cast_vector<float>()[0];
      add_to(scalar, 0, std::abs(value) < 0.1F ? 0.02F : 0.02F * value);
      told = !native->agrees(*edge_kernels(), reference_of(graph));
    }
    EXPECT_TRUE(told) << kind;
  }
}

TEST(NativeEdge, NetworkWithAnotherWeight_IsToldApart) {
  if (edge_kernels()->run == nullptr) GTEST_SKIP() << "this processor has no kernel";
  const auto native = NativeEdge::find(*read_graph(), kWidth);
  ASSERT_TRUE(native);
  for (const char* name : {"members.1.gru.bias_hh_l0", "members.2.far.bias", "members.3.head.bias"}) {
    const auto graph = read_graph();
    (void)extract_forest(graph);
    const auto weight = float_constant(constant(*graph, name));
    ASSERT_TRUE(weight) << name;
    add_to(weight, 0, 0.01F);
    EXPECT_FALSE(native->agrees(*edge_kernels(), reference_of(graph))) << name;
  }
}

TEST(NativeEdge, OtherNamesOrShapes_AreAnotherNetwork) {
  for (const char* name : {"scale.mean", "members.0.near.weight", "members.3.gru.bias_hh_l0", "slope"}) {
    const auto graph = read_graph();
    constant(*graph, name)->set_friendly_name("renamed");
    EXPECT_FALSE(NativeEdge::find(*graph, kWidth)) << name;
  }
  EXPECT_FALSE(NativeEdge::find(*read_graph(), 40));
}

TEST(NativeEdge, ReleasedBundle_IsServedByIt) {
  if (edge_kernels()->run == nullptr) GTEST_SKIP() << "this processor has no kernel";
  const auto model = load_served_model(kEdge);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model.value()->engine(), testing::HasSubstr("native network"));
}

}  // namespace
}  // namespace reelsense::server
