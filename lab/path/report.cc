#include "report.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace reelsense::path {
namespace {

using nlohmann::ordered_json;

ordered_json tally_json(const Tally& tally) {
  return {{"packets", tally.packets}, {"bytes", tally.bytes}};
}

// Rounded to a millionth, so that 0.1 + 0.2 reads as 0.3; null for unlimited.
ordered_json figure(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1e6) / 1e6;
}

ordered_json describe(const DirectionProfile& direction) {
  const RateProfile& rate = direction.rate;
  ordered_json out = {
      {"rate_mbit",
       {{"mean", figure(rate.mean_mbit())},
        {"min", figure(rate.min_mbit())},
        {"max", figure(rate.max_mbit())}}},
      {"usable_mbit", figure(direction.usable_mbit())},
      {"period_s", figure(static_cast<double>(rate.period_ns()) / kNsPerSecond)},
      {"delay_ms", figure(static_cast<double>(direction.delay_ns) / kNsPerMs)},
      {"jitter_ms", figure(static_cast<double>(direction.jitter.deviation_ns) / kNsPerMs)},
      {"loss_pct", figure(100 * direction.loss.mean())},
  };
  const bool bytes = direction.queue.bytes != QueueProfile{}.bytes;
  const bool packets = direction.queue.packets != QueueProfile{}.packets;
  out["queue_bytes"] = bytes ? ordered_json(direction.queue.bytes) : ordered_json(nullptr);
  out["queue_packets"] = packets ? ordered_json(direction.queue.packets) : ordered_json(nullptr);
  return out;
}

}  // namespace

ordered_json counters_json(const Shaper& shaper) {
  const Counters& counters = shaper.counters();
  ordered_json dropped;
  for (std::size_t i = 0; i < kDropNames.size(); ++i) {
    dropped[std::string(kDropNames[i])] = tally_json(counters.dropped[i]);
  }
  return {{"in", tally_json(counters.in)},
          {"out", tally_json(counters.out)},
          {"exempt", tally_json(counters.exempt)},
          {"prioritised", tally_json(counters.prioritised)},
          {"dropped", dropped},
          {"queue",
           {{"bytes", shaper.queued_bytes()},
            {"packets", shaper.queued_packets()},
            {"high_bytes", counters.queue_high_bytes},
            {"high_packets", counters.queue_high_packets}}},
          {"delayed_packets", shaper.delayed_packets()}};
}

// The flat figures in front are the columns of a session's row in index.csv.
ordered_json describe(const Profile& profile) {
  return {{"name", profile.name},
          {"description", profile.description},
          {"rate_mbit", figure(profile.down.usable_mbit())},
          {"rtt_ms", figure(static_cast<double>(profile.down.delay_ns + profile.up.delay_ns) / kNsPerMs)},
          {"loss_pct", figure(100 * profile.down.loss.mean())},
          {"policed", profile.down.policer.mbit > 0},
          {"outage", !profile.outages.empty()},
          {"handovers", profile.handovers.size()},
          {"down", describe(profile.down)},
          {"up", describe(profile.up)}};
}

}  // namespace reelsense::path
