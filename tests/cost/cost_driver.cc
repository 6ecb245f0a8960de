// Work with a known number of packets and windows, for callgrind to count (cost_test.py).
//
//   cost_driver parse|packets|windows MODEL.onnx
//
// Prints {"units": N, "kernel": "…"} on standard output. Only what runs inside reelsense_cost() is counted: a
// list in memory, made by a seeded generator, so that neither files nor allocation are.
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "frame.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/features/feature_state.h"
#include "traffic.h"

// The name that callgrind's --toggle-collect knows.
extern "C" __attribute__((noinline)) void reelsense_cost(const std::function<void()>& work) {
  work();
}

namespace reelsense {
namespace {

constexpr std::int64_t kStartNs = 1'700'000'000 * kSecondNs;

struct Frames {
  std::vector<std::uint8_t> bytes;
  std::vector<std::size_t> starts;
  std::vector<std::uint32_t> wire_bytes;
  std::vector<std::int64_t> times_ns;

  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t i) const {
    return std::span(bytes).subspan(starts[i], starts[i + 1] - starts[i]);
  }
};

Frames make_frames() {
  constexpr std::size_t kSnapLength = 96;
  const bench::Traffic traffic =
      bench::make_traffic({.packets = 60'000, .flows = 600, .seconds = 30, .seed = 7});
  bench::FrameWriter writer(traffic.flows);
  Frames frames;
  for (const bench::TrafficPacket& packet : traffic.packets) {
    const auto whole = writer.write(packet);
    const auto kept = whole.first(std::min(whole.size(), kSnapLength));
    frames.starts.push_back(frames.bytes.size());
    frames.bytes.insert(frames.bytes.end(), kept.begin(), kept.end());
    frames.wire_bytes.push_back(static_cast<std::uint32_t>(whole.size()));
    frames.times_ns.push_back(kStartNs + std::int64_t{packet.time_us} * 1000);
  }
  frames.starts.push_back(frames.bytes.size());
  return frames;
}

bool parse_all(const Frames& frames, std::vector<ParsedPacket>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (parse_packet(LinkType::kEthernet, frames[i], frames.wire_bytes[i], out[i]) != DropReason::kNone)
      return false;
    out[i].time_ns = frames.times_ns[i];
  }
  return true;
}

// A window as it stands before its end.
struct ReadyWindow {
  FeatureHot hot;
  FeatureCold cold;
};

class CountRows : public ClassifierSink {
 public:
  void on_windows(std::span<const WindowRow> rows) override { count_ += rows.size(); }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::size_t count_ = 0;
};

std::size_t count_packets(const Frames& frames) {
  std::vector<ParsedPacket> packets(frames.times_ns.size());
  CountRows rows;
  auto classifier = Classifier::create(nullptr, rows);
  if (!parse_all(frames, packets) || !classifier) return 0;
  reelsense_cost([&] {
    constexpr std::size_t kBatch = 256;
    std::span<const ParsedPacket> rest = packets;
    while (!rest.empty()) {
      classifier.value().add(rest.first(std::min(kBatch, rest.size())));
      rest = rest.subspan(std::min(kBatch, rest.size()));
    }
    classifier.value().finish();
  });
  return classifier.value().stats().packets == packets.size() && rows.count() != 0 ? packets.size() : 0;
}

// A flow of chunks: 24 packets a second, closed and scored in batches.
std::size_t count_windows(const UeModel& model) {
  constexpr std::size_t kWindows = 2048;
  std::vector<ReadyWindow> ready(kWindows);
  ReadyWindow flow{};
  FeatureState state(flow.hot, flow.cold);
  FeatureVector features;
  std::array<std::uint32_t, kBinValues> bins;
  const std::int64_t first = kStartNs / kSecondNs;
  for (std::size_t i = 0; i < kWindows; ++i) {
    const std::int64_t second = first + static_cast<std::int64_t>(i);
    state.open_window(kStartNs, second);
    state.add(Direction::kUp, i % 4 == 0 ? 600 : 60, 1'000'000);
    for (std::uint32_t packet = 0; packet < 24; ++packet) {
      state.add(Direction::kDown, i % 4 < 2 ? 1500 : 90, 2'000'000 + packet * 20'000'000);
    }
    ready[i] = flow;
    state.close_window(kStartNs, second, features.data(), bins.data());
  }
  std::vector<float> rows(kWindows * kFeatureCount);
  std::vector<Decision> decisions(kWindows);
  reelsense_cost([&] {
    for (std::size_t i = 0; i < kWindows; ++i) {
      FeatureState(ready[i].hot, ready[i].cold)
          .close_window(kStartNs, first + static_cast<std::int64_t>(i), &rows[i * kFeatureCount],
                        bins.data());
    }
    for (std::size_t i = 0; i < kWindows; i += UeModel::kMaxBatch) {
      model.decide(&rows[i * kFeatureCount], UeModel::kMaxBatch, &decisions[i]);
    }
  });
  return kWindows;
}

int run(std::string_view what, const char* model_path) {
  std::ifstream file(model_path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  auto model = UeModel::parse({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  if (!model) {
    std::fprintf(stderr, "%s: %s\n", model_path, model.error().message.c_str());
    return 2;
  }
  std::size_t units = 0;
  if (what == "parse") {
    const Frames frames = make_frames();
    std::vector<ParsedPacket> packets(frames.times_ns.size());
    bool good = false;
    reelsense_cost([&] { good = parse_all(frames, packets); });
    units = good ? packets.size() : 0;
  } else if (what == "packets") {
    units = count_packets(make_frames());
  } else if (what == "windows") {
    units = count_windows(model.value());
  }
  std::printf("{\"units\": %zu, \"kernel\": \"%s\"}\n", units, model.value().model().kernel());
  return units != 0 ? 0 : 1;
}

}  // namespace
}  // namespace reelsense

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: cost_driver parse|packets|windows MODEL.onnx\n");
    return 2;
  }
  return reelsense::run(argv[1], argv[2]);
}
