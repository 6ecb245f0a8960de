// rs_extract: feature vectors of one flow given as arrays.
#include <algorithm>
#include <array>
#include <string>

#include "handles.h"
#include "reelsense/classifier/classifier.h"
#include "reelsense/classifier/socket_window.h"
#include "reelsense/features/feature_state.h"
#include "reelsense/flow/event_clock.h"

using namespace reelsense;
using namespace reelsense::capi;

namespace {

struct Input {
  const int64_t* times_ns;
  const uint32_t* bytes;
  const uint8_t* directions;
  size_t n;
};

// Where rows go; counts those that no longer fit.
struct Rows {
  float* features;
  int64_t* seconds;
  uint32_t* bins;
  size_t capacity;
  size_t width;
  size_t count = 0;

  // `close` writes one row's features and bins.
  template <class Close>
  void add(std::int64_t second, const Close& close) noexcept {
    std::array<float, kMaxFeatureCount> row_features;
    std::array<std::uint32_t, kBinValues> row_bins;
    close(row_features.data(), row_bins.data());
    if (count < capacity) {
      std::copy_n(row_features.begin(), width, features + count * width);
      seconds[count] = second;
      if (bins != nullptr) std::copy_n(row_bins.begin(), kBinValues, bins + count * kBinValues);
    }
    ++count;
  }
};

void extract_packets(const Input& in, Rows& rows) noexcept {
  const ClassifierOptions timeouts;
  FeatureHot hot;
  FeatureCold cold;
  FeatureState state(hot, cold);
  std::int64_t first_ns = -1;
  std::int64_t last_ns = 0;
  std::int64_t second = -1;  // of the open window
  const auto close = [&] {
    rows.add(second, [&](float* f, std::uint32_t* b) { state.close_window(first_ns, second, f, b); });
  };
  for (size_t i = 0; i < in.n; ++i) {
    const std::int64_t t_ns = std::max(in.times_ns[i], last_ns);
    const std::int64_t k = t_ns / kSecondNs;
    if (k != second) {
      if (second >= 0) close();
      const std::int64_t tick_ns = k * kSecondNs;
      if (first_ns < 0 || tick_ns - last_ns >= timeouts.idle_timeout_ns ||
          tick_ns - first_ns >= timeouts.active_timeout_ns) {
        state.start();
        first_ns = t_ns;
      }
      second = k;
      state.open_window(first_ns, second);
    }
    last_ns = t_ns;
    const auto offset_ns = static_cast<std::uint32_t>(t_ns - second * kSecondNs);
    const auto direction = static_cast<Direction>(in.directions[i]);
    constexpr std::uint32_t kHeaderBytes = 40;
    const SuperPacket stands_for = expand_super_packet(in.bytes[i], kHeaderBytes);
    for (std::uint32_t p = 1; p < stands_for.count; ++p) state.add(direction, kMtuBytes, offset_ns);
    state.add(direction, stands_for.last_bytes, offset_ns);
  }
  if (second >= 0) close();
}

void extract_sockets(const Input& in, Rows& rows) noexcept {
  const SocketTimeouts timeouts;
  SocketWindows windows;
  const auto close = [&] {
    rows.add(windows.second(), [&](float* f, std::uint32_t* b) { windows.close(f, b); });
  };
  for (size_t i = 0; i < in.n; ++i) {
    if (in.bytes[i] == 0) continue;
    const std::int64_t t_ns = windows.effective_ns(in.times_ns[i]);
    if (windows.is_open() && windows.second() < t_ns / kSecondNs) close();
    windows.add(timeouts, static_cast<Direction>(in.directions[i]), in.bytes[i], t_ns);
  }
  if (windows.is_open()) close();
}

rs_status check(const Input& in, std::uint32_t most_bytes, rs_error* error) noexcept {
  const auto refuse = [error](const char* array, size_t at, std::int64_t got, const char* expected) {
    return fail(error, RS_INVALID_ARGUMENT, to_text({"{}[{}] is {}, expected {}", array, at, got, expected}));
  };
  for (size_t i = 0; i < in.n; ++i) {
    if (in.times_ns[i] < 0 || in.times_ns[i] > EventClock::kLatestNs) {
      return refuse("times_ns", i, in.times_ns[i], "nanoseconds since the epoch, before 2200");
    }
    if (in.directions[i] > RS_DOWN) return refuse("directions", i, in.directions[i], "0 (up) or 1 (down)");
    if (in.bytes[i] > most_bytes) return refuse("bytes", i, in.bytes[i], "at most 2147483648");
  }
  return RS_OK;
}

}  // namespace

rs_status rs_extract(float* features, int64_t* seconds, uint32_t* bins, size_t capacity, size_t* rows,
                     rs_view view, const int64_t* times_ns, const uint32_t* bytes, const uint8_t* directions,
                     size_t n, rs_error* error) {
  const size_t width = rs_feature_count(view);
  if (width == 0)
    return fail(error, RS_INVALID_ARGUMENT, "view is neither RS_VIEW_PACKET nor RS_VIEW_SOCKET");
  const bool out_ok = usable(rows) && usable(features, capacity) && usable(seconds, capacity) &&
                      (bins == nullptr || usable(bins)) &&
                      capacity <= PTRDIFF_MAX / (kMaxFeatureCount * sizeof(float));
  if (!out_ok)
    return fail(error, RS_INVALID_ARGUMENT, "features, seconds, bins or rows is NULL or misaligned");
  if (!usable(times_ns, n) || !usable(bytes, n) || !usable(directions, n)) {
    return fail(error, RS_INVALID_ARGUMENT, "times_ns, bytes or directions is NULL or misaligned");
  }
  const Input in = {times_ns, bytes, directions, n};
  const std::uint32_t most_bytes = view == RS_VIEW_SOCKET ? kMaxSocketEventBytes : 0xffff'ffffU;
  if (const rs_status status = check(in, most_bytes, error); status != RS_OK) return status;

  Rows out = {features, seconds, bins, capacity, width};
  if (view == RS_VIEW_PACKET) {
    extract_packets(in, out);
  } else {
    extract_sockets(in, out);
  }
  *rows = out.count;
  if (out.count <= capacity) return RS_OK;
  return fail(error, RS_LIMIT, to_text({"{} rows, but room for {}", out.count, capacity}));
}
