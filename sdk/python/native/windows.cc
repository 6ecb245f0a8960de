// Rows: those of a callback, and those of one flow's packets as the server's /v1/classify takes them.
#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "glue.h"
#include "reelsense/features/feature_state.h"
#include "reelsense/packet/packet.h"

using reelsense::Direction;
using reelsense::FeatureCold;
using reelsense::FeatureHot;
using reelsense::FeatureState;
using reelsense::kBinsPerWindow;
using reelsense::kFeatureCount;
using reelsense::kSecondNs;

static_assert(RSPY_ROW == kFeatureCount + 2 * kBinsPerWindow);

void rspy_gather(float* features, uint32_t* bins, const rs_window* windows, size_t n, size_t width) {
  for (size_t i = 0; i < n; ++i) {
    std::memcpy(features + i * width, windows[i].features, width * sizeof(float));
    std::memcpy(bins + i * RS_BINS, windows[i].bins, RS_BINS * sizeof(uint32_t));
  }
}

// The rules of the server's packets (server/engine/packet_flow.h): each flow has its own clock, a late packet
// counts at the flow's latest time, a closed second takes no more. tests/test_fastapi_server.py holds the two
// together.
struct rspy_flow {
  FeatureHot hot;
  FeatureCold cold;
  std::int64_t first_ns = -1;
  std::int64_t last_ns = 0;
  std::int64_t floor_ns = 0;
  std::int64_t second = 0;
  bool open = false;

  [[nodiscard]] bool ends_window(std::int64_t time_ns) const {
    return open && time_ns >= (second + 1) * kSecondNs;
  }

  std::int64_t close(float* row) {
    std::array<std::uint32_t, 2 * kBinsPerWindow> bins;
    FeatureState(hot, cold).close_window(first_ns, second, row, bins.data());
    std::transform(bins.begin(), bins.end(), row + kFeatureCount,
                   [](std::uint32_t v) { return static_cast<float>(v); });
    open = false;
    floor_ns = (second + 1) * kSecondNs;
    return second;
  }

  void add(std::int64_t time_ns, std::uint32_t bytes, Direction direction) {
    // IPv4 and TCP with timestamps: whoever sends packets as sizes does not tell their headers.
    constexpr std::uint32_t kHeaderBytes = 52;
    FeatureState state(hot, cold);
    if (first_ns < 0) {
      first_ns = last_ns = time_ns;
      state.start();
    }
    const std::int64_t t = std::max({time_ns, last_ns, floor_ns});
    if (!open) {
      second = t / kSecondNs;
      state.open_window(first_ns, second);
      open = true;
    }
    last_ns = t;
    const auto super = reelsense::expand_super_packet(bytes, kHeaderBytes);
    const auto offset = static_cast<std::uint32_t>(t - second * kSecondNs);
    for (std::uint32_t i = 1; i < super.count; ++i) state.add(direction, reelsense::kMtuBytes, offset);
    state.add(direction, super.last_bytes, offset);
  }
};

rspy_flow* rspy_flow_new(void) {
  return new (std::nothrow) rspy_flow;
}

void rspy_flow_free(rspy_flow* flow) {
  delete flow;
}

size_t rspy_flow_add(rspy_flow* flow, float* rows, int64_t* seconds, const int64_t* times_ns,
                     const uint32_t* bytes, const uint8_t* directions, size_t n, int64_t until_ns, int end) {
  size_t closed = 0;
  const auto close = [&] {
    seconds[closed] = flow->close(rows + closed * RSPY_ROW);
    ++closed;
  };
  for (size_t i = 0; i < n; ++i) {
    if (flow->ends_window(times_ns[i])) close();
    flow->add(times_ns[i], bytes[i], directions[i] == RS_DOWN ? Direction::kDown : Direction::kUp);
  }
  if (flow->ends_window(until_ns) || (end != 0 && flow->open)) close();
  return closed;
}
