#include "reelsense/model/ue_model.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

namespace reelsense {
namespace {

// A plain decimal such as "0.5", nothing else around it. Written out because strtof knows locales and the
// mobile standard libraries lack from_chars for floats.
std::optional<float> to_float(std::string_view text) {
  if (text.empty() || text.size() > 32) return std::nullopt;
  double value = 0;
  double scale = 0;
  for (const char c : text) {
    if (c == '.' && scale == 0) {
      scale = 1;
    } else if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0');
      scale *= 10;
    } else {
      return std::nullopt;
    }
  }
  return static_cast<float>(scale > 1 ? value / scale : value);
}

bool is_probability(const std::optional<float>& value) {
  return value && *value >= 0.0F && *value <= 1.0F;
}

Failure bad_metadata(std::string_view key, std::string_view got, std::string_view expected) {
  return make_error(ErrorCode::kCorrupt, {"metadata {} is '{}', expected {}", key, got, expected});
}

Result<std::vector<std::uint8_t>> parse_features(const ViewSchema& schema, std::string_view text) {
  std::vector<std::uint8_t> features;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view name = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::optional<std::uint8_t> feature = schema.find(name);
    if (!feature) {
      return bad_metadata("reelsense.features", name,
                          to_text({"names from the {} view's feature table", schema.name}));
    }
    if (std::find(features.begin(), features.end(), *feature) != features.end()) {
      return bad_metadata("reelsense.features", name, "each feature once");
    }
    features.push_back(*feature);
  }
  return features;
}

}  // namespace

Result<UeModel> UeModel::parse(std::span<const std::uint8_t> onnx, const ModelLimits& limits) {
  Result<Model> parsed = Model::parse(onnx, limits);
  if (!parsed) return parsed.failure();
  UeModel model(std::move(parsed).value());
  const ModelInfo& info = model.model_.info();
  const auto metadata = [&info](const char* key) { return info.find(key); };

  model.name_ = metadata("reelsense.name");
  model.version_ = metadata("reelsense.version");
  if (model.name_.empty()) return bad_metadata("reelsense.name", "", "the model's name");
  if (model.version_.empty()) return bad_metadata("reelsense.version", "", "a semantic version");
  if (metadata("reelsense.tier") != "ue")
    return bad_metadata("reelsense.tier", metadata("reelsense.tier"), "ue");
  model.schema_ = find_view(metadata("reelsense.view"));
  if (model.schema_ == nullptr) {
    return bad_metadata("reelsense.view", metadata("reelsense.view"), "packet, socket or record");
  }
  const std::string hash = model.schema_->hash();
  if (metadata("reelsense.schema_hash") != hash) {
    return make_error(ErrorCode::kMismatch, {"the model was trained on schema {} of view {}, this build has "
                                             "{}; retrain it or use the build that made it",
                                             metadata("reelsense.schema_hash"), model.schema_->name, hash});
  }

  Result<std::vector<std::uint8_t>> features = parse_features(*model.schema_, metadata("reelsense.features"));
  if (!features) return features.failure();
  model.features_ = std::move(features).value();
  if (model.features_.size() != info.inputs) {
    return bad_metadata("reelsense.features", to_text({"{} names", model.features_.size()}),
                        to_text({"{}, one for each input of the graph", info.inputs}));
  }

  static_assert(kMaxFeatureCount <= Model::kMaxWidth);
  model.model_ = std::move(model.model_).over(model.features_, model.schema_->features.size());

  const std::optional<float> threshold = to_float(metadata("reelsense.threshold"));
  if (!is_probability(threshold)) {
    return bad_metadata("reelsense.threshold", metadata("reelsense.threshold"), "a decimal in [0, 1]");
  }
  const std::string_view band = metadata("reelsense.uncertain");
  const std::size_t comma = std::min(band.find(','), band.size());
  const std::optional<float> low = to_float(band.substr(0, comma));
  const std::optional<float> high = to_float(band.substr(std::min(comma + 1, band.size())));
  if (!is_probability(low) || !is_probability(high) || *low > *high) {
    return bad_metadata("reelsense.uncertain", band, "two decimals low,high in [0, 1]");
  }
  model.threshold_ = *threshold;
  model.uncertain_low_ = *low;
  model.uncertain_high_ = *high;
  return model;
}

Decision UeModel::to_decision(float probability) const noexcept {
  Decision decision;
  decision.probability = probability;
  const bool video = probability >= threshold_;
  decision.label = video ? Label::kVideo : Label::kNonVideo;
  decision.confidence = std::max(0.5F, video ? probability : 1.0F - probability);
  decision.uncertain = probability > uncertain_low_ && probability < uncertain_high_;
  return decision;
}

void UeModel::score(const float* rows, std::size_t n, float* out) const noexcept {
  model_.predict_batch(rows, n, schema_->features.size(), out);
}

void UeModel::decide(const float* rows, std::size_t n, Decision* out) const noexcept {
  constexpr std::size_t kBlock = 64;
  std::array<float, kBlock> probabilities;
  const std::size_t stride = schema_->features.size();
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t count = std::min(kBlock, n - first);
    score(rows + first * stride, count, probabilities.data());
    for (std::size_t r = 0; r < count; ++r) out[first + r] = to_decision(probabilities[r]);
  }
}

}  // namespace reelsense
