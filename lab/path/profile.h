// A path profile: what happens to packets in each direction, as read from lab/profiles/NAME.json.
//
// Units: integer nanoseconds and bytes. A byte is a byte of the network layer: the Ethernet frame without its
// 14-byte header, so that a full packet of MTU 1500 is 1500 bytes, as in mahimahi's traces.
// lab/path/README.md holds the schema of the file. Thread safety: plain values.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "reelsense/base/result.h"

namespace reelsense::path {

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
inline constexpr std::uint32_t kOpportunityBytes = 1500;

// Exactly one of the two lists is filled, or none: unlimited.
struct RateProfile {
  std::vector<double>
      mbit;  // one value an interval, from the start again after the last; one value: constant
  std::int64_t interval_ns = kNsPerSecond;
  std::vector<std::int64_t>
      opportunities_ns;  // ascending; each carries 1500 bytes; period: the last one's time

  [[nodiscard]] bool unlimited() const noexcept { return mbit.empty() && opportunities_ns.empty(); }
  // Length of one round, 0 for a constant or unlimited rate.
  [[nodiscard]] std::int64_t period_ns() const noexcept;
  // Over one round, Mbit/s; the extremes are of a second (or an interval). Infinite when unlimited.
  [[nodiscard]] double mean_mbit() const noexcept;
  [[nodiscard]] double min_mbit() const noexcept;
  [[nodiscard]] double max_mbit() const noexcept;
};

// Added to the delay of each packet: normal with mean 0, cut at three deviations. Successive packets' values
// are correlated (first-order autoregressive). Without `reorder` no packet leaves before an earlier one.
struct JitterProfile {
  std::int64_t deviation_ns = 0;
  double correlation = 0;
  bool reorder = false;
};

// Gilbert-Elliott: before each packet the state changes, good to bad with p, bad to good with r; the packet
// is then lost with the probability of its state. Random loss is the case p = 0.
struct LossProfile {
  double p = 0;
  double r = 1;
  double good = 0;
  double bad = 0;

  [[nodiscard]] double mean() const noexcept { return p == 0 ? good : (r * good + p * bad) / (p + r); }
};

// Droptail. The packet on the link is not counted. Each priority class has a queue of this size.
struct QueueProfile {
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t packets = std::numeric_limits<std::uint64_t>::max();
};

// Token bucket that drops what exceeds it; mbit 0: none.
struct PolicerProfile {
  double mbit = 0;
  std::uint64_t burst_bytes = 0;
};

struct DirectionProfile {
  RateProfile rate;
  std::int64_t delay_ns = 0;
  JitterProfile jitter;
  LossProfile loss;
  QueueProfile queue;
  PolicerProfile policer;

  // The rate that a long flow can get at most: the link's mean or the policer's, Mbit/s.
  [[nodiscard]] double usable_mbit() const noexcept;
};

// Nothing leaves the link from `at` for `length`; again every `repeat` (0: once).
struct Outage {
  std::int64_t at_ns = 0;
  std::int64_t length_ns = 0;
  std::int64_t repeat_ns = 0;
  bool flush = false;  // the queue is lost, and what arrives meanwhile
};

// A gap, and from its beginning another cell's delay and rate, until the next handover. Not cumulative: both
// are relative to the profile.
struct Handover {
  std::int64_t at_ns = 0;
  std::int64_t gap_ns = 0;
  std::int64_t repeat_ns = 0;
  std::int64_t delay_step_ns = 0;
  double rate_factor = 1;
};

struct Profile {
  std::string name;
  std::string description;
  DirectionProfile down;  // server to client
  DirectionProfile up;
  std::vector<Outage> outages;  // these and the handovers hit both directions at once
  std::vector<Handover> handovers;
};

// `where` names the text in errors: "lte.json: down.queue.bytes: expected …".
Result<Profile> parse_profile(const std::string& text, const std::string& where);
Result<Profile> load_profile(const std::string& file);

}  // namespace reelsense::path
