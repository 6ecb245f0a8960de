// PolicyOptions: every setting of the QoS policy, and the one table of their names, units, ranges, defaults
// and meanings. The table is the source of docs/reference/qos-policy.md, of its JSON schema, of `reelsense
// decide
// --policy` and of rs_policy_set. Thread safety: plain values and constants.
#pragma once

#include <span>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense {

// Meanings, units and ranges: policy_keys(). All are numbers; counts are whole ones, switches 0 or 1.
struct PolicyOptions {
  double default_prefetch_depth = 2;
  double default_buffer_target_ms = 10'000;
  double default_max_bitrate_kbps = 0;
  double video_prefetch_depth = 3;
  double video_buffer_target_ms = 10'000;
  double congested_prefetch_depth = 1;
  double congested_buffer_target_ms = 4'000;
  double min_bitrate_kbps = 300;
  double ample_kbps = 6'000;
  double video_share = 0.85;
  double congested_share = 0.65;

  double active_bytes = 10'000;
  double video_probability = 0.9;
  double non_video_score = 0.3;
  double leave_seconds = 8;
  double hold_seconds = 10;
  double idle_seconds = 20;

  double busy_bins = 8;
  double throughput_samples = 5;
  double robust_limit = 0.5;
  double raise_seconds = 5;
  double raise_factor = 1.5;

  double full_bins = 18;
  double flat_ratio = 2.5;
  double falling_ratio = 0.6;
  double competing_share = 0.4;
  double congested_enter_seconds = 4;
  double congested_leave_seconds = 6;

  double flow_window_bits = 3;
  double flow_peer_bits = 2;
  double flow_enter_bits = 2;
  double flow_leave_bits = 1;
  double flow_evidence_high = 6;
  double flow_evidence_low = 4;
  double flow_hold_seconds = 10;
  double transfer_seconds = 8;
  double transfer_bytes = 2'000'000;
  double transfer_chunk_bytes = 8'000'000;
  double bulk_seconds = 15;
  double bulk_kbps = 300;
  double bulk_direction_ratio = 10;
  double bulk_gap_seconds = 5;
  double bulk_leave_seconds = 30;
  double bulk_lower_effort = 1;
};

struct PolicyKey {
  const char* name;
  const char* unit;  // "ms", "kbit/s", …; "1" for counts and ratios
  const char* help;  // one sentence or two; empty in a build with REELSENSE_NO_HELP, as phones have
  double low;        // smallest and largest value
  double high;
  double standard;  // default
  bool whole;       // only whole numbers
  double PolicyOptions::*member;
};

// All settings, in the order of the documentation. Static.
std::span<const PolicyKey> policy_keys() noexcept;

// kNotFound names the nearest setting; kInvalidArgument names the setting, its value and its range. On an
// error nothing changes.
Status set_policy(PolicyOptions& options, std::string_view key, double value);
Result<double> get_policy(const PolicyOptions& options, std::string_view key);

// kInvalidArgument names two settings that contradict each other (one to leave above the one to enter). A
// policy that contradicts itself still stays within its bounds, but does not mean what was intended.
Status check_policy(const PolicyOptions& options);

}  // namespace reelsense
