#include "reelsense/model/model.h"

#include "graph.h"
#include "onnx.h"
#include "scorer.h"

namespace reelsense {

struct Model::Impl {
  ModelInfo info;
  model::Scorer scorer;
};

namespace {

// IR and opset versions whose nodes mean what this engine computes.
constexpr std::int64_t kMinIr = 3, kMaxIr = 13;
constexpr std::int64_t kMaxOpset = 30;
constexpr std::int64_t kMaxMlOpset = 5;

Status check_versions(const model::OnnxModel& onnx) {
  const auto unsupported = [](const char* what, std::int64_t found, std::int64_t low, std::int64_t high) {
    return make_error(ErrorCode::kUnsupported, {"{} {}, this engine reads {} to {}", what, found, low, high});
  };
  if (onnx.ir_version < kMinIr || onnx.ir_version > kMaxIr) {
    return unsupported("ONNX IR version", onnx.ir_version, kMinIr, kMaxIr);
  }
  if (onnx.opset < 0 || onnx.opset > kMaxOpset) return unsupported("ONNX opset", onnx.opset, 1, kMaxOpset);
  if (onnx.ml_opset < 0 || onnx.ml_opset > kMaxMlOpset) {
    return unsupported("ai.onnx.ml opset", onnx.ml_opset, 1, kMaxMlOpset);
  }
  return ok_status();
}

ModelInfo describe(const model::OnnxModel& onnx, const model::Pipeline& pipeline) {
  ModelInfo info;
  info.inputs = pipeline.inputs;
  if (const auto* forest = std::get_if<model::Forest>(&pipeline.scorer)) {
    info.trees = forest->trees.size();
    info.nodes = forest->nodes.size();
    info.leaves = forest->leaves.size();
  }
  info.producer = onnx.producer;
  info.opset = onnx.opset;
  for (const auto& [key, value] : onnx.metadata) info.metadata.emplace_back(key, value);
  return info;
}

}  // namespace

std::string_view ModelInfo::find(std::string_view key) const noexcept {
  for (const auto& [name, value] : metadata) {
    if (name == key) return value;
  }
  return {};
}

Result<Model> Model::parse(std::span<const std::uint8_t> bytes, const ModelLimits& limits) {
  if (bytes.size() > limits.file_bytes) {
    return make_error(ErrorCode::kLimit,
                      {"the model has {} bytes, more than {}", bytes.size(), limits.file_bytes});
  }
  Result<model::OnnxModel> onnx = model::read_onnx(bytes);
  if (!onnx) return onnx.failure();
  if (Status status = check_versions(onnx.value()); !status) return status.failure();
  Result<model::Pipeline> pipeline = model::build_pipeline(onnx.value(), limits);
  if (!pipeline) return pipeline.failure();
  ModelInfo info = describe(onnx.value(), pipeline.value());
  model::Scorer scorer(std::move(pipeline).value());
  return Model(std::unique_ptr<Impl>(new Impl{std::move(info), std::move(scorer)}));
}

Model::Model(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::over(std::span<const std::uint8_t> columns, std::size_t width) && {
  impl_->scorer.read_from(columns, width);
  return std::move(*this);
}

const ModelInfo& Model::info() const noexcept {
  return impl_->info;
}

float Model::predict(const float* row) const noexcept {
  float out;
  impl_->scorer.predict(impl_->scorer.best(), row, 1, impl_->info.inputs, &out);
  return out;
}

void Model::predict_batch(const float* rows, std::size_t n, std::size_t stride, float* out) const noexcept {
  impl_->scorer.predict(impl_->scorer.best(), rows, n, stride, out);
}

const char* Model::kernel() const noexcept {
  return model::kernel_name(impl_->scorer.best());
}

}  // namespace reelsense
