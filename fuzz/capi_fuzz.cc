// Sequences of calls to the C ABI: whatever an app does with it, in whatever order, nothing crashes and what
// the header promises holds. The first byte picks the view, then each operation takes the bytes it needs.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "reelsense.h"

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  template <class T>
  T take() {
    T value{};
    const std::size_t n = left_ < sizeof value ? left_ : sizeof value;
    std::memcpy(&value, at_, n);
    at_ += n;
    left_ -= n;
    return value;
  }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

rs_model* load(const char* name) {
  std::ifstream file(std::string(REELSENSE_SOURCE_DIR "/models/") + name + "/1.0.0/model.onnx",
                     std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  rs_model* model = nullptr;
  require(rs_model_load(&model, bytes.data(), bytes.size(), nullptr) == RS_OK);
  return model;
}

// Everything that one run holds. Callbacks count, and call back in where they may not.
struct Run {
  rs_classifier* classifier = nullptr;
  rs_feedback* feedback = nullptr;
  std::uint64_t windows = 0;
  std::uint64_t ends = 0;
  std::int64_t last_session_second = INT64_MIN;

  static void on_windows(void* user, const rs_window* windows, size_t n) {
    auto* run = static_cast<Run*>(user);
    run->windows += n;
    require(rs_classifier_finish(run->classifier) == RS_BUSY);
    for (std::size_t i = 0; i < n; ++i) {
      const rs_decision& d = windows[i].decision;
      require(d.confidence >= 0.5F && d.confidence <= 1.0F && d.label <= RS_VIDEO);
      require(windows[i].dscp == RS_DSCP_DEFAULT || windows[i].dscp == RS_DSCP_LOWER_EFFORT ||
              windows[i].dscp == RS_DSCP_VIDEO);
      std::uint8_t random[16];
      std::memcpy(random, &windows[i], sizeof random);
      const rs_status added = rs_feedback_add(run->feedback, nullptr, &windows[i], RS_TRUTH_VIDEO, random);
      require(added == RS_OK || added == RS_LIMIT);
    }
  }
  static void on_second(void*, const rs_second* second) {
    require(second->qos.prefetch_depth <= 100 && second->qos.buffer_target_ms <= 600'000);
  }
  static void on_flow_end(void* user, const rs_flow_summary*) { ++static_cast<Run*>(user)->ends; }
};

void add_frame(Run& run, Input& in) {
  std::uint8_t bytes[64];
  for (std::uint8_t& byte : bytes) byte = in.take<std::uint8_t>();
  const rs_frame frame = {in.take<std::int64_t>(), bytes,
                          static_cast<std::uint32_t>(in.take<std::uint8_t>() % 65), in.take<std::uint32_t>()};
  (void)rs_add_frames(run.classifier, in.take<std::uint8_t>() % 2 == 0 ? RS_LINK_RAW : RS_LINK_ETHERNET,
                      &frame, 1);
}

void add_packet(Run& run, Input& in) {
  rs_packet packet = in.take<rs_packet>();
  packet.ip_version = packet.ip_version % 2 == 0 ? 4 : 6;
  require(rs_add_packets(run.classifier, &packet, 1) != RS_INVALID_ARGUMENT);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static rs_model* const packet_model = load("reelsense-ue-linear");
  static rs_model* const socket_model = load("reelsense-ue-socket");
  Input in(data, size);
  const std::uint8_t first = in.take<std::uint8_t>();
  const bool sockets = (first & 1) != 0;
  rs_model* model = sockets ? socket_model : packet_model;

  std::vector<std::uint64_t> memory(rs_feedback_memory(3) / 8);
  rs_feedback_options sampling;
  rs_feedback_options_init(&sampling, sizeof sampling);
  sampling.sample = 0.5;
  Run run;
  require(rs_feedback_open(&run.feedback, memory.data(), memory.size() * 8, model, &sampling, nullptr) ==
          RS_OK);
  rs_options options;
  rs_options_init(&options, sizeof options);
  options.view = sockets ? RS_VIEW_SOCKET : RS_VIEW_PACKET;
  options.max_flows = 1U + first / 64U;
  options.idle_timeout_ns = 2 * kSecond;
  options.active_timeout_ns = 5 * kSecond;
  options.user = &run;
  options.on_windows = Run::on_windows;
  options.on_second = Run::on_second;
  options.on_flow_end = Run::on_flow_end;
  require(rs_classifier_create(&run.classifier, model, &options, nullptr) == RS_OK);

  std::uint64_t flows[8] = {};
  std::int64_t now = 1'700'000'000 * kSecond;
  while (!in.empty()) {
    const std::uint8_t op = in.take<std::uint8_t>();
    const std::int64_t step = std::int64_t{in.take<std::int16_t>()} * 10'000'000;  // both ways
    now = static_cast<std::int64_t>(static_cast<std::uint64_t>(now) + static_cast<std::uint64_t>(step));
    if (op == 255) now = in.take<std::int64_t>();
    std::uint64_t& flow = flows[(op >> 4) % 8];
    rs_decision decision;
    switch (op % 12) {
      case 0:
        (void)rs_flow_open(run.classifier, &flow, now);
        break;
      case 1:
        (void)rs_flow_read(run.classifier, flow, in.take<std::uint32_t>(), now);
        break;
      case 2:
        (void)rs_flow_write(run.classifier, flow, in.take<std::uint16_t>(), now);
        break;
      case 3:
        (void)rs_flow_close(run.classifier, flow, now);
        break;
      case 4:
        (void)rs_flow_close(run.classifier, in.take<std::uint64_t>(), now);
        break;
      case 5:
        (void)rs_classifier_advance(run.classifier, now);
        break;
      case 6:
        (void)rs_flow_peek(run.classifier, &decision, flow);
        break;
      case 7:
        add_frame(run, in);
        break;
      case 8:
        add_packet(run, in);
        break;
      case 9:
        (void)rs_classifier_set_model(run.classifier, op & 64    ? nullptr
                                                      : op & 128 ? packet_model
                                                                 : socket_model);
        break;
      case 10:
        (void)rs_feedback_discard(run.feedback, rs_feedback_count(run.feedback));
        break;
      default:
        require(rs_classifier_finish(run.classifier) == RS_OK);
        break;
    }
  }
  require(rs_classifier_finish(run.classifier) == RS_OK);
  rs_counters counters;
  rs_counters_init(&counters, sizeof counters);
  require(rs_classifier_counters(&counters, run.classifier) == RS_OK);
  require(counters.windows == run.windows && counters.flows == run.ends && counters.live_flows == 0);
  char json[4096];
  size_t written = 0;
  std::uint32_t records = 0;
  require(rs_feedback_peek(run.feedback, json, sizeof json, &written, &records, 10) == RS_OK);
  require((records == 0) == (rs_feedback_count(run.feedback) == 0));
  rs_classifier_free(run.classifier);
  rs_feedback_free(run.feedback);
  return 0;
}
