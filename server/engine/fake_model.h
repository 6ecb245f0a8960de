// For tests: a model whose answer is simple arithmetic over window and state, and a clock that is set by
// hand.
#pragma once

#include <atomic>
#include <cmath>
#include <cstring>
#include <thread>

#include "reelsense/features/schema.h"
#include "server/base/clock.h"
#include "server/models/served_model.h"

namespace reelsense::server::testing {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t steady_ns() const noexcept override { return now_.load(); }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override {
    return 1'700'000'000'000'000'000 + now_.load();
  }
  void advance(std::int64_t ns) noexcept { now_ += ns; }

 private:
  std::atomic<std::int64_t> now_{1'000'000'000};
};

inline constexpr std::size_t kFakeState = 3;

// One step, as the fake model makes it: probability and the state in place.
inline float fake_step(const float* window, float* state) noexcept {
  state[0] = 0.5F * state[0] + window[0];
  state[1] = 0.25F * state[1] - window[1] + 0.125F * state[0];
  state[2] += 1;
  return 1.0F / (1.0F + std::exp(-(state[0] + state[1] + 0.01F * state[2])));
}

class FakeModel final : public ServedModel {
 public:
  explicit FakeModel(const std::string& version = "1.0.0", const std::string& name = "fake")
      : ServedModel(manifest(name, version), Tier::kEdge, view_schema(View::kPacket), 2 * kBinsPerWindow,
                    kFakeState) {}

  class FakeScorer final : public Scorer {
   public:
    explicit FakeScorer(const FakeModel& model) : model_(model) {}
    Status step(const float* windows, const float* states, std::size_t n, float* probabilities,
                float* next_states) override {
      model_.largest_batch = std::max(model_.largest_batch.load(), n);
      if (model_.fails) return Error{ErrorCode::kIo, "the model was told to fail"};
      while (model_.held) std::this_thread::yield();
      std::memcpy(next_states, states, n * kFakeState * sizeof(float));
      for (std::size_t i = 0; i < n; ++i)
        probabilities[i] = fake_step(windows + i * model_.width(), next_states + i * kFakeState);
      return ok_status();
    }

   private:
    const FakeModel& model_;
  };

  [[nodiscard]] Result<std::unique_ptr<Scorer>> make_scorer(std::size_t /*max_batch*/) const override {
    return std::unique_ptr<Scorer>(std::make_unique<FakeScorer>(*this));
  }
  [[nodiscard]] std::string engine() const override { return "fake"; }

  mutable std::atomic<bool> held{false};  // a worker stays in step() while true
  mutable std::atomic<bool> fails{false};
  mutable std::atomic<std::size_t> largest_batch{0};

 private:
  static bundle::Manifest manifest(const std::string& name, const std::string& version) {
    bundle::Manifest made;
    made.name = name;
    made.version = *bundle::Version::parse(version);
    made.tier = "server";
    made.view = "packet";
    made.uncertain_low = 0.4;
    made.uncertain_high = 0.6;
    return made;
  }
};

}  // namespace reelsense::server::testing
