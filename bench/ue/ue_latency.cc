// How long an app waits for its labels: the call that ends a second, with 1, 8 and 64 flows that had packets
// in it, and one row through the model alone. One line of JSON for each: quantiles in microseconds of the
// wall clock.
//
//   ue_latency MODEL.onnx SECONDS
//
// Each flow gets 400 packets a second, sizes and times drawn from a fixed seed, so that no two windows are
// alike.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

#include "frames.h"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kPacketsPerFlow = 400;

std::int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

void print(const char* what, std::uint32_t flows, std::vector<std::int64_t>& ns) {
  std::sort(ns.begin(), ns.end());
  const auto at = [&ns](double q) {
    return static_cast<double>(ns[static_cast<std::size_t>(q * static_cast<double>(ns.size() - 1))]) / 1000;
  };
  std::printf(
      R"({"what": "%s", "flows": %u, "samples": %zu, "p50_us": %.3f, "p99_us": %.3f, "p99.9_us": %.3f, "max_us": %.3f})"
      "\n",
      what, flows, ns.size(), at(0.5), at(0.99), at(0.999), at(1));
}

std::uint32_t below(std::mt19937& random, std::uint32_t limit) {
  return static_cast<std::uint32_t>(random()) % limit;
}

struct Labels {
  std::uint64_t windows = 0;
  std::vector<float> row;  // features of one of them
};

rs_packet packet(std::uint32_t flow, bool up, std::uint32_t bytes, std::int64_t time_ns) {
  rs_packet p{};
  p.time_ns = time_ns;
  p.ip_version = 6;
  p.protocol = 17;
  std::uint8_t* client = up ? p.source : p.destination;
  std::uint8_t* server = up ? p.destination : p.source;
  client[0] = 0xfd;
  server[0] = 0x20;
  server[15] = static_cast<std::uint8_t>(flow);
  (up ? p.source_port : p.destination_port) = static_cast<std::uint16_t>(50'000 + flow);
  (up ? p.destination_port : p.source_port) = 443;
  p.wire_bytes = bytes;
  return p;
}

std::vector<rs_packet> second_of_traffic(std::mt19937& random, std::uint32_t flows, std::int64_t start_ns) {
  std::vector<rs_packet> packets;
  for (std::uint32_t f = 0; f < flows; ++f) {
    const bool busy = below(random, 3) != 0;  // players pause
    for (int i = 0; i < (busy ? kPacketsPerFlow : 3); ++i) {
      const bool up = below(random, 4) == 0;
      packets.push_back(packet(f, up, up ? 60 + below(random, 300) : 900 + below(random, 600),
                               start_ns + std::int64_t{below(random, 999'000'000)}));
    }
  }
  std::sort(packets.begin(), packets.end(),
            [](const rs_packet& a, const rs_packet& b) { return a.time_ns < b.time_ns; });
  return packets;
}

void time_seconds(const rs_model* model, std::uint32_t flows, int seconds, Labels& labels) {
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.user = &labels;
  options.on_windows = [](void* user, const rs_window* windows, size_t n) {
    auto* to = static_cast<Labels*>(user);
    to->windows += n;
    to->row.assign(windows[0].features, windows[0].features + rs_feature_count(RS_VIEW_PACKET));
  };
  options.on_second = [](void*, const rs_second*) {};
  rs_classifier* classifier = nullptr;
  if (rs_classifier_create(&classifier, model, &options, nullptr) != RS_OK) std::exit(2);
  std::mt19937 random(flows);
  std::vector<std::int64_t> ns;
  const std::int64_t start_ns = 1'700'000'000 * kSecond;
  for (int s = 0; s < seconds; ++s) {
    const std::int64_t tick_ns = start_ns + s * kSecond;
    const auto packets = second_of_traffic(random, flows, tick_ns);
    if (rs_add_packets(classifier, packets.data(), packets.size()) != RS_OK) std::exit(2);
    const std::int64_t before = now_ns();
    if (rs_classifier_advance(classifier, tick_ns + kSecond) != RS_OK) std::exit(2);
    ns.push_back(now_ns() - before);
  }
  if (labels.windows != static_cast<std::uint64_t>(seconds) * flows) std::exit(2);
  labels.windows = 0;
  print("second", flows, ns);
  rs_classifier_free(classifier);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: ue_latency MODEL.onnx SECONDS\n");
    return 2;
  }
  rs_model* model = bench_ue::load_model(argv[1]);
  const int seconds = std::atoi(argv[2]);
  Labels labels;
  for (const std::uint32_t flows : {1U, 8U, 64U})
    time_seconds(model, flows, flows == 64 ? seconds / 4 : seconds, labels);

  std::vector<std::int64_t> ns;
  rs_decision decision{};
  for (int i = 0; i < seconds * 10; ++i) {
    labels.row[static_cast<std::size_t>(i) % labels.row.size()] += 0.01F;
    const std::int64_t before = now_ns();
    rs_model_classify(model, &decision, labels.row.data(), 1);
    ns.push_back(now_ns() - before);
  }
  print("model", 1, ns);
  rs_model_free(model);
}
