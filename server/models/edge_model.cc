#include "server/models/edge_model.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <openvino/openvino.hpp>

#include "reelsense/features/schema.h"
#include "server/base/logger.h"
#include "server/models/forest.h"
#include "server/models/merge_members.h"
#include "server/models/native_edge.h"

namespace reelsense::server {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBins = 2 * kBinsPerWindow;
// Batch sizes that are compiled; what is between goes to the next one.
constexpr std::array<std::size_t, 8> kSizes = {1, 2, 4, 8, 16, 32, 64, 128};

// One for the process: it owns the plugins.
ov::Core& core() {
  static ov::Core instance;
  return instance;
}

struct Network {
  std::shared_ptr<ov::Model> graph;  // batch dimension open; never compiled itself
  std::optional<Model> forest;
  std::unique_ptr<const NativeEdge> native;  // null: OpenVINO runs the graph
  NamedEdgeKernel kernel = {};               // of `native`
  std::size_t width = 0;
  std::size_t state = 0;
};

class NativeScorer final : public Scorer {
 public:
  explicit NativeScorer(std::shared_ptr<const Network> network)
      : network_(std::move(network)), runner_(*network_->native, network_->kernel) {}

  Status step(const float* windows, const float* states, std::size_t n, float* probabilities,
              float* next_states) override {
    forest_.resize(n);
    network_->forest->predict_batch(windows, n, network_->width, forest_.data());
    runner_.step(windows, states, forest_.data(), n, probabilities, next_states);
    return ok_status();
  }

 private:
  std::shared_ptr<const Network> network_;
  NativeEdgeRunner runner_;
  std::vector<float> forest_;
};

class OpenVinoScorer final : public Scorer {
 public:
  OpenVinoScorer(std::shared_ptr<const Network> network, std::size_t max_batch)
      : network_(std::move(network)), max_batch_(max_batch) {}

  // Step with sums of the trees [n] that are given. Throws what OpenVINO throws.
  void step_beside(const float* windows, const float* states, const float* forest, std::size_t n,
                   float* probabilities, float* next_states) {
    for (std::size_t done = 0; done < n;) {
      const std::size_t part = std::min(n - done, kSizes.back());
      run(windows + done * network_->width, states + done * network_->state,
          forest == nullptr ? nullptr : forest + done, part, probabilities + done,
          next_states + done * network_->state);
      done += part;
    }
  }

  Status step(const float* windows, const float* states, std::size_t n, float* probabilities,
              float* next_states) override {
    try {
      step_beside(windows, states, nullptr, n, probabilities, next_states);
    } catch (const std::exception& error) {
      return Error{ErrorCode::kIo, std::string("OpenVINO: ") + error.what()};
    }
    return ok_status();
  }

  // Compiles the sizes up to max_batch, so that no request waits for it.
  void warm_up() {
    for (const std::size_t size : kSizes) {
      request_for(size);
      if (size >= max_batch_) break;
    }
  }

 private:
  struct Request {
    std::size_t size = 0;
    ov::CompiledModel compiled;
    ov::InferRequest infer;
    float* window = nullptr;
    float* state = nullptr;
    float* forest = nullptr;
    const float* probability = nullptr;
    const float* next_state = nullptr;
  };

  Request& request_for(std::size_t n) {
    const std::size_t size = *std::lower_bound(kSizes.begin(), kSizes.end(), n);
    Request& request = requests_[size];
    if (request.size == 0) compile(request, size);
    return request;
  }

  void compile(Request& request, std::size_t size) {
    const auto graph = network_->graph->clone();
    std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
    for (const auto& input : graph->inputs()) {
      ov::PartialShape shape = input.get_partial_shape();
      shape[0] = static_cast<std::int64_t>(size);
      shapes[input] = shape;
    }
    graph->reshape(shapes);
    // A scorer is one thread's: no pool of OpenVINO's own, and float32 as the bundle's golden vectors want
    // it.
    request.compiled = core().compile_model(graph, "CPU", ov::inference_num_threads(1), ov::num_streams(1),
                                            ov::hint::inference_precision(ov::element::f32),
                                            ov::hint::enable_cpu_pinning(false));
    request.infer = request.compiled.create_infer_request();
    request.window = request.infer.get_tensor("window").data<float>();
    request.state = request.infer.get_tensor("state").data<float>();
    if (network_->forest) request.forest = request.infer.get_tensor("forest").data<float>();
    std::fill_n(request.window, size * network_->width, 0.0F);
    std::fill_n(request.state, size * network_->state, 0.0F);
    request.infer.infer();
    request.probability = request.infer.get_tensor("probability").data<float>();
    request.next_state = request.infer.get_tensor("next_state").data<float>();
    request.size = size;
  }

  void run(const float* windows, const float* states, const float* forest, std::size_t n,
           float* probabilities, float* next_states) {
    Request& request = request_for(n);
    std::memcpy(request.window, windows, n * network_->width * sizeof(float));
    std::memcpy(request.state, states, n * network_->state * sizeof(float));
    if (forest != nullptr) {
      std::memcpy(request.forest, forest, n * sizeof(float));
    } else if (network_->forest) {
      network_->forest->predict_batch(windows, n, network_->width, request.forest);
    }
    request.infer.infer();
    std::memcpy(probabilities, request.probability, n * sizeof(float));
    std::memcpy(next_states, request.next_state, n * network_->state * sizeof(float));
  }

  std::shared_ptr<const Network> network_;
  std::size_t max_batch_;
  std::map<std::size_t, Request> requests_;
};

class EdgeModel final : public ServedModel {
 public:
  EdgeModel(const bundle::Manifest& manifest, std::shared_ptr<const Network> network)
      : ServedModel(manifest, Tier::kEdge, view_schema(View::kPacket), kBins, network->state),
        network_(std::move(network)) {}

  [[nodiscard]] Result<std::unique_ptr<Scorer>> make_scorer(std::size_t max_batch) const override {
    if (network_->native) return std::unique_ptr<Scorer>(std::make_unique<NativeScorer>(network_));
    try {
      auto scorer = std::make_unique<OpenVinoScorer>(network_, max_batch);
      scorer->warm_up();
      return std::unique_ptr<Scorer>(std::move(scorer));
    } catch (const std::exception& error) {
      return Error{ErrorCode::kIo, id() + ": OpenVINO does not compile it: " + error.what()};
    }
  }

  [[nodiscard]] std::string engine() const override {
    std::string text = std::string("OpenVINO ") + ov::get_openvino_version().buildNumber;
    if (network_->native) text = std::string("native network (") + network_->kernel.name + ")";
    if (network_->forest) text += std::string(" + native trees (") + network_->forest->kernel() + ")";
    return text;
  }

 private:
  std::shared_ptr<const Network> network_;
};

// Uses the native network if it says what the graph says. `found`: in the graph as it was read.
void choose_engine(const std::shared_ptr<Network>& network, std::unique_ptr<const NativeEdge> found,
                   const std::string& name) {
  if (!found || !network->forest || found->plan().shape.state() != network->state) return;
  OpenVinoScorer graph(network, kSizes.back());
  const NativeEdge::Step reference = [&](const float* windows, const float* states, const float* forest,
                                         std::size_t n, float* probabilities, float* next_states) {
    graph.step_beside(windows, states, forest, n, probabilities, next_states);
    return ok_status();
  };
  for (const NamedEdgeKernel* kernel = edge_kernels(); kernel->run != nullptr; ++kernel) {
    if (!found->agrees(*kernel, reference)) {
      log_warning("native_network_differs", {{"model", name}, {"kernel", kernel->name}});
      continue;
    }
    network->native = std::move(found);
    network->kernel = *kernel;
    network->graph.reset();
    return;
  }
}

// [?, columns] float32 under that name, or what it is instead.
std::optional<std::size_t> columns_of(const ov::Output<ov::Node>& port) {
  const ov::PartialShape& shape = port.get_partial_shape();
  if (port.get_element_type() != ov::element::f32 || shape.rank().is_dynamic() || shape.size() != 2 ||
      shape[1].is_dynamic() || shape[1].get_length() <= 0) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(shape[1].get_length());
}

Status check_ports(Network& network, const fs::path& file) {
  const auto wrong = [&](const std::string& what) {
    return Error{ErrorCode::kMismatch,
                 file.string() + ": " + what + "; expected inputs window [?, " +
                     std::to_string(kFeatureCount + kBins) +
                     "] and state [?, S], outputs probability [?, 1] and next_state [?, S], float32"};
  };
  std::map<std::string, std::size_t> inputs, outputs;
  for (const auto& port : network.graph->inputs()) inputs[port.get_any_name()] = columns_of(port).value_or(0);
  for (const auto& port : network.graph->outputs())
    outputs[port.get_any_name()] = columns_of(port).value_or(0);
  if (inputs.size() != 2 || outputs.size() != 2) return wrong("another number of inputs or outputs");
  network.width = inputs["window"];
  network.state = inputs["state"];
  if (network.width != kFeatureCount + kBins) return wrong("input window has another shape or type");
  if (network.state == 0) return wrong("input state has another shape or type");
  if (outputs["probability"] != 1) return wrong("output probability has another shape or type");
  if (outputs["next_state"] != network.state) return wrong("output next_state has another shape or type");
  return ok_status();
}

}  // namespace

Result<std::shared_ptr<const ServedModel>> load_edge_model(const fs::path& folder,
                                                           const bundle::Manifest& manifest) {
  const fs::path file = folder / bundle::kModelFile;
  if (manifest.view != kPacketView || manifest.schema_hash != packet_schema_hash()) {
    return Error{ErrorCode::kMismatch, (folder / bundle::kManifestFile).string() + ": schema_hash is " +
                                           manifest.schema_hash + " of view " + manifest.view +
                                           ", this build's is " + packet_schema_hash() + " of view packet"};
  }
  auto network = std::make_shared<Network>();
  try {
    network->graph = core().read_model(file.string());
    if (Status status = check_ports(*network, file); !status) return status.error();
    auto native = NativeEdge::find(*network->graph, network->width);  // by names that a rewrite may lose
    Result<std::optional<Model>> forest = extract_forest(network->graph);
    if (!forest) return forest.error().in(file.string());
    network->forest = std::move(forest).value();
    merge_members(network->graph);
    choose_engine(network, std::move(native), manifest.name);
  } catch (const std::exception& error) {
    return Error{ErrorCode::kCorrupt, file.string() + ": OpenVINO does not read it: " + error.what()};
  }
  return std::shared_ptr<const ServedModel>(std::make_shared<EdgeModel>(manifest, std::move(network)));
}

}  // namespace reelsense::server
