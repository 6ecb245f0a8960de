#include "server/models/served_model.h"

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/models/edge_model.h"
#include "server/models/golden.h"
#include "server/models/ue_served_model.h"

namespace reelsense::server {

namespace fs = std::filesystem;

namespace {

std::uint32_t next_serial() noexcept {
  static std::atomic<std::uint32_t> last{0};
  return ++last;
}

}  // namespace

ServedModel::ServedModel(bundle::Manifest manifest, Tier tier, const ViewSchema& schema, std::size_t bins,
                         std::size_t state_width)
    : manifest_(std::move(manifest)),
      id_(manifest_.id()),
      tier_(tier),
      schema_(&schema),
      bins_(bins),
      state_width_(state_width),
      serial_(next_serial()) {}

// The same rule as UeModel's: docs/reference/model-bundle.md.
Decision ServedModel::to_decision(float probability) const noexcept {
  Decision decision;
  decision.probability = probability;
  const bool video = probability >= static_cast<float>(manifest_.threshold);
  decision.label = video ? Label::kVideo : Label::kNonVideo;
  decision.confidence = std::max(0.5F, video ? probability : 1.0F - probability);
  decision.uncertain = probability > static_cast<float>(manifest_.uncertain_low) &&
                       probability < static_cast<float>(manifest_.uncertain_high);
  return decision;
}

Result<std::shared_ptr<const ServedModel>> load_served_model(const fs::path& folder) {
  const Result<bundle::Manifest> manifest = bundle::load_manifest(folder);
  if (!manifest) return manifest.error();
  for (const bundle::Check& check : bundle::verify_bundle(folder)) {
    if (check.problem) return *check.problem;
  }
  auto model = manifest.value().tier == "ue" ? load_ue_model(folder, manifest.value())
                                             : load_edge_model(folder, manifest.value());
  if (!model) return model;
  if (Status status = answer_golden(*model.value(), folder); !status) return status.error();
  return model;
}

}  // namespace reelsense::server
