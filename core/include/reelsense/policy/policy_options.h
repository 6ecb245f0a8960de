// PolicyOptions: every setting of the QoS policy, and the one table of their names, units, ranges, defaults and
// meanings. The table is the source of docs/reference/qos-policy.md, its JSON schema, `reelsense decide
// --policy` and the C ABI. Thread safety: plain values and constants.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense {

struct PolicyOptions {
  // What an app does when nothing is known.
  double default_prefetch_depth = 2;
  double default_buffer_target_ms = 10'000;
  double default_max_bitrate_kbps = 0;
};

struct PolicyKey {
  const char* name;
  const char* unit;
  const char* help;
  double low;  // smallest and largest value
  double high;
  double standard;  // default
  bool whole;       // only whole numbers
  double PolicyOptions::*member;
};

// All settings, in the order of the documentation.
std::span<const PolicyKey> policy_keys() noexcept;

// kNotFound names the nearest setting; kInvalidArgument names the setting and its range. On an error nothing
// changes.
Status set_policy(PolicyOptions& options, std::string_view key, double value);
Result<double> get_policy(const PolicyOptions& options, std::string_view key);

// Settings that contradict each other ("leave above enter"); call it after the last set_policy.
Status check_policy(const PolicyOptions& options);

}  // namespace reelsense
