// ServedModel: one loaded, checked model of either tier, and Scorer, which runs it.
//
// Invariants: a ServedModel is immutable and was checked whole (manifest, SHA-256 of every file, schema hash,
// golden vectors) before anyone could see it. A window is a row of width() float32: the view's features in
// schema order, then, for the edge tier, 20 down and 20 up byte bins of 50 ms. Thread safety: ServedModel
// from any thread; a Scorer from one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "reelsense/base/result.h"
#include "reelsense/bundle/bundle.h"
#include "reelsense/features/view.h"
#include "reelsense/model/ue_model.h"

namespace reelsense::server {

enum class Tier : std::uint8_t { kUe, kEdge };
inline constexpr const char* name_of(Tier tier) noexcept {
  return tier == Tier::kEdge ? "server" : "ue";
}

class Scorer {
 public:
  virtual ~Scorer() = default;
  // One second of n ≤ the max_batch it was made for: windows [n, width] and states [n, state_width] →
  // probability [n] and next_states [n, state_width], row-major float32. A tier without state ignores both
  // state pointers. kIo: the engine failed; its outputs are unspecified.
  virtual Status step(const float* windows, const float* states, std::size_t n, float* probabilities,
                      float* next_states) = 0;
};

class ServedModel {
 public:
  virtual ~ServedModel() = default;

  [[nodiscard]] const bundle::Manifest& manifest() const noexcept { return manifest_; }
  [[nodiscard]] const std::string& name() const noexcept { return manifest_.name; }
  [[nodiscard]] const std::string& version() const noexcept { return manifest_.version.text(); }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }  // "name@version"
  [[nodiscard]] Tier tier() const noexcept { return tier_; }
  [[nodiscard]] const ViewSchema& schema() const noexcept { return *schema_; }
  [[nodiscard]] std::size_t features() const noexcept { return schema_->features.size(); }
  [[nodiscard]] std::size_t bins() const noexcept { return bins_; }  // 40 or 0
  [[nodiscard]] std::size_t width() const noexcept { return features() + bins_; }
  [[nodiscard]] std::size_t state_width() const noexcept { return state_width_; }  // 0: no state
  // Small and unique while the process runs; never reused.
  [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }

  [[nodiscard]] Decision to_decision(float probability) const noexcept;

  // A runner with buffers of its own. Expensive (compiles the graph).
  [[nodiscard]] virtual Result<std::unique_ptr<Scorer>> make_scorer(std::size_t max_batch) const = 0;
  // What runs it, for people: "OpenVINO 2026.4.1 + native trees (avx512)".
  [[nodiscard]] virtual std::string engine() const = 0;

 protected:
  ServedModel(bundle::Manifest manifest, Tier tier, const ViewSchema& schema, std::size_t bins,
              std::size_t state_width);

 private:
  bundle::Manifest manifest_;
  std::string id_;
  Tier tier_;
  const ViewSchema* schema_;
  std::size_t bins_;
  std::size_t state_width_;
  std::uint32_t serial_;
};

// Loads the bundle in `folder`, checks everything there is to check and answers its golden vectors (within
// 1e-5). Errors name the file and the reason; kMismatch also for a golden vector that comes out differently.
Result<std::shared_ptr<const ServedModel>> load_served_model(const std::filesystem::path& folder);

}  // namespace reelsense::server
