#include "server/models/native_edge.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <new>
#include <openvino/op/constant.hpp>
#include <optional>
#include <random>
#include <string>

namespace reelsense::server {

namespace {

using Constants = std::map<std::string, std::shared_ptr<ov::op::v0::Constant>>;

constexpr std::align_val_t kAlignment{64};
constexpr float kLimit = 3;  // of scaled features; tried by agrees()

// [outputs, inputs] row-major → [outputs / 8, inputs, 8].
void pack(const std::vector<float>& matrix, std::size_t outputs, std::size_t inputs,
          std::vector<float>& out) {
  for (std::size_t o = 0; o < outputs; o += kEdgeOutputs) {
    for (std::size_t i = 0; i < inputs; ++i) {
      for (std::size_t k = 0; k < kEdgeOutputs; ++k) out.push_back(matrix[(o + k) * inputs + i]);
    }
  }
}

// Reads constants by name; once one is missing or has another shape, nothing more is read.
class Reader {
 public:
  explicit Reader(const ov::Model& graph) {
    for (const auto& node : graph.get_ordered_ops()) {
      if (auto constant = std::dynamic_pointer_cast<ov::op::v0::Constant>(node)) {
        constants_.emplace(node->get_friendly_name(), std::move(constant));
      }
    }
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool has(const std::string& name) const { return constants_.count(name) != 0; }
  // Empty: there is none.
  [[nodiscard]] ov::Shape shape_of(const std::string& name) const {
    const auto found = constants_.find(name);
    return found == constants_.end() ? ov::Shape{} : found->second->get_shape();
  }
  template <class T>
  std::vector<T> read(const std::string& name, const ov::Shape& shape) {
    const auto found = constants_.find(name);
    ok_ = ok_ && found != constants_.end() && found->second->get_shape() == shape;
    return ok_ ? found->second->cast_vector<T>() : std::vector<T>(ov::shape_size(shape));
  }

 private:
  Constants constants_;
  bool ok_ = true;
};

std::optional<EdgeShape> shape_of(const Reader& reader) {
  const ov::Shape index = reader.shape_of("scale.index");
  const ov::Shape dense = reader.shape_of("members.0.dense.weight");
  const ov::Shape near = reader.shape_of("members.0.near.weight");
  const ov::Shape far = reader.shape_of("members.0.far.weight");
  const ov::Shape gru = reader.shape_of("members.0.gru.weight_hh_l0");
  if (index.size() != 1 || dense.size() != 2 || near.size() != 3 || far.size() != 3 || gru.size() != 2) {
    return std::nullopt;
  }
  EdgeShape shape;
  while (reader.has("members." + std::to_string(shape.members) + ".dense.weight")) ++shape.members;
  shape.features = index[0];
  shape.dense = dense[0];
  shape.first = near[0];
  shape.second = far[0];
  shape.hidden = gru[1];
  const bool whole = shape.dense % kEdgeOutputs == 0 && shape.first % kEdgeOutputs == 0 &&
                     shape.second % kEdgeOutputs == 0 && shape.hidden % kEdgeOutputs == 0;
  const bool any =
      shape.features > 0 && shape.dense > 0 && shape.first > 0 && shape.second > 0 && shape.hidden > 0;
  return whole && any ? std::optional(shape) : std::nullopt;
}

}  // namespace

struct NativeEdge::Weights {
  EdgePlan plan;
  std::vector<std::uint32_t> index;
  std::vector<float> mean, scale;
  std::vector<EdgeMember> members;
  std::vector<std::vector<float>> held;  // what the layers point at

  const float* hold(std::vector<float> values) { return held.emplace_back(std::move(values)).data(); }
  EdgeLayer layer(const std::vector<float>& matrix, const std::vector<float>& bias, std::size_t inputs) {
    std::vector<float> packed;
    pack(matrix, bias.size(), inputs, packed);
    return {hold(std::move(packed)), hold(bias), bias.size()};
  }

  EdgeMember read_member(Reader& reader, const std::string& name);
  void read_gru(Reader& reader, const std::string& name, EdgeMember& member);
};

EdgeMember NativeEdge::Weights::read_member(Reader& reader, const std::string& name) {
  const EdgeShape& shape = plan.shape;
  EdgeMember member;
  member.dense = layer(reader.read<float>(name + "dense.weight", {shape.dense, shape.features}),
                       reader.read<float>(name + "dense.bias", {shape.dense}), shape.features);
  member.near = layer(reader.read<float>(name + "near.weight", {shape.first, kEdgeChannels, kEdgeNearTaps}),
                      reader.read<float>(name + "near.bias", {shape.first}), kEdgeChannels * kEdgeNearTaps);
  member.far = layer(reader.read<float>(name + "far.weight", {shape.second, shape.first, kEdgeFarTaps}),
                     reader.read<float>(name + "far.bias", {shape.second}), shape.first * kEdgeFarTaps);
  read_gru(reader, name + "gru.", member);
  std::vector<float> head = reader.read<float>(name + "head.weight", {1, shape.joint()});
  head.push_back(reader.read<float>(name + "head.bias", {1})[0]);
  member.head = hold(std::move(head));
  return member;
}

// Reset and update add what is given and what is carried, so they are one layer over both; the fresh value
// needs them apart.
void NativeEdge::Weights::read_gru(Reader& reader, const std::string& name, EdgeMember& member) {
  const std::size_t hidden = plan.shape.hidden;
  const std::size_t encoded = plan.shape.encoded();
  const auto given = reader.read<float>(name + "weight_ih_l0", {3 * hidden, encoded});
  const auto carried = reader.read<float>(name + "weight_hh_l0", {3 * hidden, hidden});
  const auto given_bias = reader.read<float>(name + "bias_ih_l0", {3 * hidden});
  const auto carried_bias = reader.read<float>(name + "bias_hh_l0", {3 * hidden});
  std::vector<float> both, bias;
  for (std::size_t o = 0; o < 2 * hidden; ++o) {
    both.insert(both.end(), &given[o * encoded], &given[o * encoded] + encoded);
    both.insert(both.end(), &carried[o * hidden], &carried[o * hidden] + hidden);
    bias.push_back(given_bias[o] + carried_bias[o]);
  }
  const auto last = [&](const std::vector<float>& values, std::size_t columns) {
    return std::vector<float>(values.end() - static_cast<std::ptrdiff_t>(hidden * columns), values.end());
  };
  member.gates = layer(both, bias, encoded + hidden);
  member.fresh_given = layer(last(given, encoded), last(given_bias, 1), encoded);
  member.fresh_carried = layer(last(carried, hidden), last(carried_bias, 1), hidden);
}

NativeEdge::NativeEdge(std::unique_ptr<Weights> weights) : weights_(std::move(weights)) {}
NativeEdge::~NativeEdge() = default;

const EdgePlan& NativeEdge::plan() const noexcept {
  return weights_->plan;
}

std::unique_ptr<const NativeEdge> NativeEdge::find(const ov::Model& graph, std::size_t width) {
  if (edge_kernels()->run == nullptr || width < 2 * kEdgeBins) return nullptr;
  Reader reader(graph);
  const std::optional<EdgeShape> shape = shape_of(reader);
  if (!shape) return nullptr;
  auto weights = std::make_unique<Weights>();
  EdgePlan& plan = weights->plan;
  plan.shape = *shape;
  plan.width = width;
  plan.limit = kLimit;
  for (const std::int64_t column : reader.read<std::int64_t>("scale.index", {shape->features})) {
    if (column < 0 || static_cast<std::size_t>(column) >= width) return nullptr;
    weights->index.push_back(static_cast<std::uint32_t>(column));
  }
  weights->mean = reader.read<float>("scale.mean", {shape->features});
  weights->scale = reader.read<float>("scale.scale", {shape->features});
  for (std::size_t m = 0; m < shape->members; ++m) {
    weights->members.push_back(weights->read_member(reader, "members." + std::to_string(m) + "."));
  }
  plan.forest_voice = reader.read<float>("forest_voice", {})[0];
  plan.slope = reader.read<float>("slope", {})[0];
  plan.offset = reader.read<float>("offset", {})[0];
  if (!reader.ok()) return nullptr;
  plan.index = weights->index.data();
  plan.mean = weights->mean.data();
  plan.scale = weights->scale.data();
  plan.members = weights->members.data();
  return std::unique_ptr<const NativeEdge>(new NativeEdge(std::move(weights)));
}

bool NativeEdge::agrees(const NamedEdgeKernel& kernel, const Step& reference) const {
  constexpr std::size_t kWindows = 512;
  constexpr double kClose = 1e-5;
  const EdgePlan& own = plan();
  const std::size_t width = own.width;
  const std::size_t state = own.shape.state();
  std::mt19937 random(12);
  const auto drawn = [&](double low, double high) {
    return static_cast<float>(std::uniform_real_distribution<double>(low, high)(random));
  };
  std::vector<float> windows(kWindows * width), states(kWindows * state), forest(kWindows);
  for (std::size_t i = 0; i < kWindows; ++i) {
    float* const window = &windows[i * width];
    // A third of the features beyond the limit at which they are clipped.
    for (std::size_t f = 0; f < own.shape.features; ++f) {
      window[own.index[f]] = own.mean[f] + drawn(-1.5, 1.5) * own.limit / own.scale[f];
    }
    float* const bins = window + width - 2 * kEdgeBins;
    const double octaves = std::array{24.0, 12.0, 4.0, 1.0}[i % 4];  // of the largest bin
    for (std::size_t b = 0; b < 2 * kEdgeBins; ++b) {
      const float bytes = std::exp2(drawn(i % 4 == 3 ? -8 : -1, octaves));
      bins[b] = random() % 3 == 0 || i % 16 == 1 ? 0.0F : i % 8 < 4 ? std::floor(bytes) : bytes;
    }
    if (i % 16 != 2) {  // else a new flow
      for (std::size_t s = 0; s + 1 < state; ++s) states[i * state + s] = drawn(-1, 1);
      states[i * state + state - 1] = drawn(0, 24);
    }
    forest[i] = drawn(-4, 4);
  }
  std::vector<float> probabilities(kWindows), next(kWindows * state), expected(kWindows),
      expected_next(next.size());
  // Blocks of every size, so that lanes beside each other are seen not to mix.
  NativeEdgeRunner runner(*this, kernel);
  for (std::size_t done = 0, part = 1; done < kWindows; done += part, part = part % 67 + 1) {
    part = std::min(part, kWindows - done);
    runner.step(&windows[done * width], &states[done * state], &forest[done], part, &probabilities[done],
                &next[done * state]);
  }
  if (!reference(windows.data(), states.data(), forest.data(), kWindows, expected.data(),
                 expected_next.data())) {
    return false;
  }
  const auto close = [&](float a, float b) { return std::abs(double{a} - double{b}) <= kClose; };
  return std::equal(expected.begin(), expected.end(), probabilities.begin(), close) &&
         std::equal(expected_next.begin(), expected_next.end(), next.begin(), close);
}

void NativeEdgeRunner::Free::operator()(float* memory) const noexcept {
  ::operator delete[](memory, kAlignment);
}

NativeEdgeRunner::NativeEdgeRunner(const NativeEdge& network, const NamedEdgeKernel& kernel)
    : plan_(network.plan()), kernel_(kernel) {
  const std::size_t floats = edge_scratch_floats(plan_.shape);
  scratch_.reset(static_cast<float*>(::operator new[](floats * sizeof(float), kAlignment)));
  std::fill_n(scratch_.get(), floats, 0.0F);
}

void NativeEdgeRunner::step(const float* windows, const float* states, const float* forest, std::size_t n,
                            float* probabilities, float* next_states) noexcept {
  const std::size_t state = plan_.shape.state();
  for (std::size_t done = 0; done < n;) {
    const std::size_t part = std::min(n - done, kernel_.block);
    kernel_.run(plan_, scratch_.get(), windows + done * plan_.width, states + done * state, forest + done,
                part, probabilities + done, next_states + done * state);
    done += part;
  }
}

}  // namespace reelsense::server
