// UeModel: an engine Model plus the contract it was trained under (feature subset, threshold, uncertain
// band), all read from model.onnx itself: its metadata_props repeat what manifest.json says, so a device
// needs one file.
//
//   reelsense.name         "reelsense-ue"
//   reelsense.version      semantic version
//   reelsense.tier         "ue"
//   reelsense.view         "packet", "socket" or "record"
//   reelsense.schema_hash  that view's ViewSchema::hash() in the build that made its training data
//   reelsense.features     its inputs in order: feature names separated by commas
//   reelsense.threshold    decimal; video if probability >= threshold
//   reelsense.uncertain    "low,high": uncertain if low < probability < high
//
// Thread safety: immutable; const members from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "reelsense/base/result.h"
#include "reelsense/features/view.h"
#include "reelsense/model/model.h"

namespace reelsense {

enum class Label : std::uint8_t { kNonVideo = 0, kVideo = 1 };
inline constexpr const char* name_of(Label label) noexcept {
  return label == Label::kVideo ? "video" : "non-video";
}

struct Decision {
  float probability = 0.5F;  // of video, calibrated
  float confidence = 0.5F;   // of the label, [0.5, 1]
  Label label = Label::kNonVideo;
  bool uncertain = true;
};

class UeModel {
 public:
  // kMismatch if the schema hash is not that of this build's view (both are named); kCorrupt if a metadata
  // entry is missing, malformed or unknown, or the number of features differs from the model's inputs.
  static Result<UeModel> parse(std::span<const std::uint8_t> onnx, const ModelLimits& limits = {});

  [[nodiscard]] const Model& model() const noexcept { return model_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  [[nodiscard]] View view() const noexcept { return schema_->view; }
  [[nodiscard]] const ViewSchema& schema() const noexcept { return *schema_; }
  // Its inputs in order, as places in schema().features.
  [[nodiscard]] std::span<const std::uint8_t> features() const noexcept { return features_; }
  [[nodiscard]] float threshold() const noexcept { return threshold_; }
  [[nodiscard]] float uncertain_low() const noexcept { return uncertain_low_; }
  [[nodiscard]] float uncertain_high() const noexcept { return uncertain_high_; }

  // Scores n ≤ kMaxBatch full feature vectors, row-major [n, schema().features.size()], into out[n].
  // Allocates nothing.
  static constexpr std::size_t kMaxBatch = 256;
  void decide(const float* rows, std::size_t n, Decision* out) const noexcept;

  // Their probabilities of video alone, without the step to a decision. Allocates nothing.
  void score(const float* rows, std::size_t n, float* probabilities) const noexcept;

  [[nodiscard]] Decision to_decision(float probability) const noexcept;

 private:
  explicit UeModel(Model model) noexcept : model_(std::move(model)) {}

  Model model_;
  std::string name_;
  std::string version_;
  const ViewSchema* schema_ = &view_schema(View::kPacket);
  std::vector<std::uint8_t> features_;
  float threshold_ = 0.5F;
  float uncertain_low_ = 0.5F;
  float uncertain_high_ = 0.5F;
};

}  // namespace reelsense
