// Models and requests for the tests of this folder. Thread safety: none.
#pragma once

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "reelsense/v1/flow_classifier.pb.h"
#include "server/models/repository.h"

namespace reelsense::server {

// The released models of the source tree, loaded once. The default is the device's, which needs no graph
// compiled.
inline ModelRepository& test_models() {
  static const std::unique_ptr<ModelRepository> repository = [] {
    ModelRepositoryOptions options;
    options.path = {std::filesystem::path(REELSENSE_SOURCE_DIR) / "models"};
    options.default_model = "reelsense-ue";
    options.poll_s = 0;
    auto opened = ModelRepository::open(options);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(opened).value();
  }();
  return *repository;
}

inline std::shared_ptr<const ServedModel> test_model(const char* name) {
  auto model = test_models().get(name);
  if (!model) throw std::runtime_error(model.error().message);
  return model.value();
}

// A row that is another one for every seed.
inline std::vector<float> test_row(const ServedModel& model, std::uint32_t seed) {
  std::vector<float> row(model.width());
  for (std::size_t i = 0; i < row.size(); ++i) {
    const auto wave = std::abs(std::sin(0.37 * static_cast<double>(i + 1) * static_cast<double>(seed + 1)));
    row[i] =
        i < model.features() ? static_cast<float>(wave * 12) : std::floor(static_cast<float>(wave * 9000));
  }
  return row;
}

inline void add_window(v1::ClassifyRequest& request, const ServedModel& model, const std::string& flow,
                       std::int64_t second, std::uint32_t seed) {
  const std::vector<float> row = test_row(model, seed);
  v1::Window& window = *request.add_windows();
  window.set_flow(flow);
  window.set_second(second);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i < model.features()) {
      window.add_features(row[i]);
    } else {
      window.add_bins(static_cast<std::uint32_t>(row[i]));
    }
  }
}

}  // namespace reelsense::server
