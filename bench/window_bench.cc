// A window end to end, and its parts, on one thread: the features of each packet, the closing of a window,
// the model.
//
//   window_bench [--model=FILE.onnx] [Google Benchmark's options]
//
// The packets are those of the generated access link (traffic.h), window by window in the order in which the
// classifier would close them. Default model: the newest of models/reelsense-ue; without one the inference
// parts are skipped.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelsense/features/feature_state.h"
#include "reelsense/model/ue_model.h"
#include "traffic.h"

namespace reelsense::bench {
namespace {

constexpr std::int64_t kStartSecond = 1'700'000'000;

struct Step {
  std::uint32_t size;
  std::uint32_t offset_ns;
  Direction direction;
};
struct WindowSteps {
  std::uint32_t flow;
  std::int64_t second;
  std::vector<Step> packets;
};

// What the benchmarks replay; built once.
class Replay {
 public:
  Replay() {
    const Traffic traffic = make_traffic({.packets = 200'000, .flows = 2'000, .seconds = 90, .seed = 1});
    hot_.resize(traffic.flows.size());
    cold_.resize(traffic.flows.size());
    first_ns_.assign(traffic.flows.size(), 0);
    std::vector<std::size_t> open(traffic.flows.size(), SIZE_MAX);
    for (const TrafficPacket& packet : traffic.packets) {
      const std::int64_t second = kStartSecond + packet.time_us / 1'000'000;
      std::size_t& window = open[packet.flow];
      if (first_ns_[packet.flow] == 0) {
        first_ns_[packet.flow] = kStartSecond * kSecondNs + std::int64_t{packet.time_us} * 1000;
      }
      if (window == SIZE_MAX || windows_[window].second != second) {
        window = windows_.size();
        windows_.push_back({packet.flow, second, {}});
      }
      windows_[window].packets.push_back({packet.ip_bytes, packet.time_us % 1'000'000 * 1000,
                                          packet.up ? Direction::kUp : Direction::kDown});
      ++packets_;
    }
  }

  [[nodiscard]] const std::vector<WindowSteps>& windows() const noexcept { return windows_; }
  [[nodiscard]] std::size_t packets() const noexcept { return packets_; }
  [[nodiscard]] std::int64_t first_ns(const WindowSteps& window) const noexcept {
    return first_ns_[window.flow];
  }
  FeatureState state(const WindowSteps& window) noexcept { return {hot_[window.flow], cold_[window.flow]}; }
  void start() noexcept {
    std::fill(hot_.begin(), hot_.end(), FeatureHot{});
    std::fill(cold_.begin(), cold_.end(), FeatureCold{});
  }
  void fill(const WindowSteps& window) noexcept {
    FeatureState state = this->state(window);
    state.open_window(first_ns(window), window.second);
    for (const Step& step : window.packets) state.add(step.direction, step.size, step.offset_ns);
  }
  [[nodiscard]] FeatureHot hot(const WindowSteps& window) const { return hot_[window.flow]; }
  [[nodiscard]] FeatureCold cold(const WindowSteps& window) const { return cold_[window.flow]; }

 private:
  std::vector<WindowSteps> windows_;
  std::vector<FeatureHot> hot_;
  std::vector<FeatureCold> cold_;
  std::vector<std::int64_t> first_ns_;
  std::size_t packets_ = 0;
};

Replay& replay() {
  static Replay instance;
  return instance;
}
std::optional<UeModel> model;

using Bins = std::array<std::uint32_t, 2 * kBinsPerWindow>;
using Counter = benchmark::Counter;

Counter seconds_each(std::size_t count) {
  return {static_cast<double>(count), Counter::kIsIterationInvariantRate | Counter::kInvert};
}

void FeaturesAdd(benchmark::State& state) {
  Replay& r = replay();
  for (auto _ : state) {
    r.start();
    for (const WindowSteps& window : r.windows()) r.fill(window);
    benchmark::ClobberMemory();
  }
  state.counters["packet"] = seconds_each(r.packets());
}
BENCHMARK(FeaturesAdd)->Unit(benchmark::kMillisecond);

// Windows as they stand before their end, history and all. The copy of a state (388 bytes) is in the time.
void FeaturesClose(benchmark::State& state) {
  struct Ready {
    const WindowSteps* window;
    FeatureHot hot;
    FeatureCold cold;
  };
  Replay& r = replay();
  std::vector<Ready> ready;
  FeatureVector features;
  Bins bins;
  r.start();
  for (const WindowSteps& window : r.windows()) {
    r.fill(window);
    if (ready.size() < 2048) ready.push_back({&window, r.hot(window), r.cold(window)});
    r.state(window).close_window(r.first_ns(window), window.second, features.data(), bins.data());
  }
  for (auto _ : state) {
    for (const Ready& from : ready) {
      FeatureHot hot = from.hot;
      FeatureCold cold = from.cold;
      FeatureState(hot, cold).close_window(r.first_ns(*from.window), from.window->second, features.data(),
                                           bins.data());
      benchmark::DoNotOptimize(features);
    }
  }
  state.counters["window"] = seconds_each(ready.size());
}
BENCHMARK(FeaturesClose)->Unit(benchmark::kMicrosecond);

// Feature vectors of real windows, so that the trees branch as they do in use.
std::vector<float> some_rows(std::size_t count) {
  Replay& r = replay();
  std::vector<float> rows(count * kFeatureCount);
  Bins bins;
  FeatureVector features;
  r.start();
  const std::size_t every = std::max<std::size_t>(1, r.windows().size() / count);
  std::size_t at = 0;
  for (std::size_t i = 0; i < r.windows().size(); ++i) {
    const WindowSteps& window = r.windows()[i];
    r.fill(window);
    r.state(window).close_window(r.first_ns(window), window.second, features.data(), bins.data());
    if (i % every == 0 && at < count)
      std::copy(features.begin(), features.end(), &rows[at++ * kFeatureCount]);
  }
  return rows;
}

void ModelDecide(benchmark::State& state) {
  if (!model) return state.SkipWithError("no model: train one, or give --model=FILE.onnx");
  const auto batch = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t kRows = 2048;
  const std::vector<float> rows = some_rows(kRows);
  std::array<Decision, UeModel::kMaxBatch> decisions;
  for (auto _ : state) {
    for (std::size_t row = 0; row < kRows; row += batch) {
      model->decide(&rows[row * kFeatureCount], batch, decisions.data());
      benchmark::DoNotOptimize(decisions);
    }
  }
  state.counters["row"] = seconds_each(kRows);
  state.SetLabel(model->model().kernel());
}
BENCHMARK(ModelDecide)->Arg(1)->Arg(256)->Unit(benchmark::kMicrosecond);

// Every packet's features, the closing and the label, scored 256 at a time as the classifier does.
void WindowEndToEnd(benchmark::State& state) {
  if (!model) return state.SkipWithError("no model: train one, or give --model=FILE.onnx");
  Replay& r = replay();
  std::vector<float> rows(UeModel::kMaxBatch * kFeatureCount);
  std::array<Decision, UeModel::kMaxBatch> decisions;
  Bins bins;
  for (auto _ : state) {
    r.start();
    std::size_t waiting = 0;
    for (const WindowSteps& window : r.windows()) {
      r.fill(window);
      r.state(window).close_window(r.first_ns(window), window.second, &rows[waiting * kFeatureCount],
                                   bins.data());
      if (++waiting < UeModel::kMaxBatch && &window != &r.windows().back()) continue;
      model->decide(rows.data(), waiting, decisions.data());
      benchmark::DoNotOptimize(decisions);
      waiting = 0;
    }
  }
  state.counters["window"] = seconds_each(r.windows().size());
  state.counters["packets_per_window"] =
      static_cast<double>(r.packets()) / static_cast<double>(r.windows().size());
}
BENCHMARK(WindowEndToEnd)->Unit(benchmark::kMillisecond);

std::string newest_model() {
  std::string newest;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator(
           std::filesystem::path(REELSENSE_SOURCE_DIR) / "models/reelsense-ue", none)) {
    const auto file = version.path() / "model.onnx";
    if (std::filesystem::exists(file, none)) newest = std::max(newest, file.string());
  }
  return newest;
}

bool load_model(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  auto parsed = UeModel::parse({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (!parsed) {
    std::cerr << path << ": " << parsed.error().message << "\n";
    return false;
  }
  model.emplace(std::move(parsed).value());
  benchmark::AddCustomContext("model", model->name() + "@" + model->version());
  return true;
}

}  // namespace
}  // namespace reelsense::bench

int main(int argc, char** argv) {
  std::string path = reelsense::bench::newest_model();
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with("--model=")) {
      std::cerr << "usage: window_bench [--model=FILE.onnx] [--benchmark_…]\n";
      return 2;
    }
    path = argument.substr(8);
  }
  if (!path.empty() && !reelsense::bench::load_model(path)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
