#include "server/models/ue_served_model.h"

#include <algorithm>
#include <array>

namespace reelsense::server {
namespace {

class UeScorer final : public Scorer {
 public:
  explicit UeScorer(std::shared_ptr<const bundle::LoadedModel> loaded) : loaded_(std::move(loaded)) {}

  Status step(const float* windows, const float* /*states*/, std::size_t n, float* probabilities,
              float* /*next_states*/) override {
    const UeModel& model = loaded_->model;
    const std::size_t width = model.schema().features.size();
    for (std::size_t done = 0; done < n;) {
      const std::size_t part = std::min(n - done, decisions_.size());
      model.decide(windows + done * width, part, decisions_.data());
      for (std::size_t i = 0; i < part; ++i) probabilities[done + i] = decisions_[i].probability;
      done += part;
    }
    return ok_status();
  }

 private:
  std::shared_ptr<const bundle::LoadedModel> loaded_;
  std::array<Decision, UeModel::kMaxBatch> decisions_;
};

class UeServedModel final : public ServedModel {
 public:
  UeServedModel(const bundle::Manifest& manifest, std::shared_ptr<const bundle::LoadedModel> loaded)
      : ServedModel(manifest, Tier::kUe, loaded->model.schema(), 0, 0), loaded_(std::move(loaded)) {}

  [[nodiscard]] Result<std::unique_ptr<Scorer>> make_scorer(std::size_t /*max_batch*/) const override {
    return std::unique_ptr<Scorer>(std::make_unique<UeScorer>(loaded_));
  }
  [[nodiscard]] std::string engine() const override {
    return std::string("native (") + loaded_->model.model().kernel() + ")";
  }

 private:
  std::shared_ptr<const bundle::LoadedModel> loaded_;
};

}  // namespace

Result<std::shared_ptr<const ServedModel>> load_ue_model(const std::filesystem::path& folder,
                                                         const bundle::Manifest& manifest) {
  Result<bundle::LoadedModel> loaded = bundle::load_model(folder);
  if (!loaded) return loaded.error();
  auto shared = std::make_shared<const bundle::LoadedModel>(std::move(loaded).value());
  return std::shared_ptr<const ServedModel>(std::make_shared<UeServedModel>(manifest, std::move(shared)));
}

}  // namespace reelsense::server
