// The profile file's schema. Every bound here is in lab/path/README.md too.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "json_reader.h"
#include "profile.h"

namespace reelsense::path {
namespace {

using nlohmann::json;

constexpr NumberRange kMbit{0.001, 100'000, "Mbit/s"};
constexpr NumberRange kTraceMbit{0, 100'000, "Mbit/s"};  // a trace may stand still
constexpr NumberRange kDelayMs{0, 60'000, "ms"};
constexpr NumberRange kStepMs{-60'000, 60'000, "ms"};
constexpr NumberRange kJitterMs{0, 10'000, "ms"};
constexpr NumberRange kProbability{0, 1, "probability"};
constexpr NumberRange kRecovery{1e-9, 1, "probability"};
constexpr NumberRange kCorrelation{0, 0.9999};
constexpr NumberRange kQueueBytes{1500, 1e9, "bytes", true};
constexpr NumberRange kQueuePackets{1, 1e6, "packets", true};
constexpr NumberRange kSeconds{0, 1e6, "s"};
constexpr NumberRange kLengthSeconds{0.001, 1e5, "s"};
constexpr NumberRange kFactor{0.001, 1000};
constexpr NumberRange kOpportunityMs{0, 1e9, "ms"};
constexpr std::size_t kMostIntervals = 1'000'000;
constexpr std::size_t kMostOpportunities = 5'000'000;
constexpr std::size_t kMostEvents = 64;

std::int64_t ns_of(double value, std::int64_t unit_ns) {
  return std::llround(value * static_cast<double>(unit_ns));
}

class ProfileReader {
 public:
  ProfileReader(const std::string& where, std::optional<std::string>& error) : where_(where), error_(error) {}

  Profile profile(const json& value) {
    JsonReader in(value, where_, "", {"name", "description", "down", "up", "outages", "handovers"}, error_);
    Profile profile;
    profile.name = in.text("name");
    profile.description = in.text("description");
    in.each("outages", kMostEvents,
            [&](const json& each, const std::string& key) { profile.outages.push_back(outage(each, key)); });
    in.each("handovers", kMostEvents, [&](const json& each, const std::string& key) {
      profile.handovers.push_back(handover(each, key));
    });
    const bool gaps = !profile.outages.empty() || !profile.handovers.empty();
    profile.down = direction(in.member("down"), "down", gaps);
    profile.up = direction(in.member("up"), "up", gaps);
    return profile;
  }

 private:
  DirectionProfile direction(const json& value, const std::string& key, bool gaps) {
    JsonReader in(value, where_, key, {"rate", "delay_ms", "jitter", "loss", "queue", "policer"}, error_);
    DirectionProfile direction;
    direction.rate = rate(in.member("rate"), in.name_of("rate"));
    direction.delay_ns = ns_of(in.required_number("delay_ms", kDelayMs), kNsPerMs);
    if (in.has("jitter")) direction.jitter = jitter(in.member("jitter"), in.name_of("jitter"));
    if (in.has("loss")) direction.loss = loss(in.member("loss"), in.name_of("loss"));
    if (in.has("policer")) direction.policer = policer(in.member("policer"), in.name_of("policer"));
    if (in.has("queue")) {
      direction.queue = queue(in.member("queue"), in.name_of("queue"));
    } else if (gaps || !direction.rate.unlimited()) {
      in.fail(in.name_of("queue"),
              "expected bytes, packets or both: where packets can wait, the queue is explicit");
    }
    return direction;
  }

  RateProfile rate(const json& value, const std::string& key) {
    if (value == "unlimited") return {};
    JsonReader in(value, where_, key, {"mbit", "trace_mbit", "interval_s", "opportunities_ms"}, error_);
    const int kinds = int{in.has("mbit")} + int{in.has("trace_mbit")} + int{in.has("opportunities_ms")};
    if (kinds != 1 || (in.has("interval_s") && !in.has("trace_mbit"))) {
      in.fail(key,
              R"("unlimited", or exactly one of mbit, trace_mbit (with interval_s or not), opportunities_ms)",
              value);
      return {};
    }
    RateProfile rate;
    if (in.has("opportunities_ms")) {
      rate.opportunities_ns = opportunities(in);
    } else if (in.has("trace_mbit")) {
      rate.mbit = in.numbers("trace_mbit", kTraceMbit, kMostIntervals);
      rate.interval_ns = ns_of(in.number("interval_s", kLengthSeconds, 1), kNsPerSecond);
      if (in.ok() && rate.max_mbit() < kMbit.low)
        in.fail(in.name_of("trace_mbit"), "expected a rate above 0 in it");
    } else {
      rate.mbit = {in.required_number("mbit", kMbit)};
    }
    return rate;
  }

  std::vector<std::int64_t> opportunities(JsonReader& in) {
    std::vector<std::int64_t> times;
    for (const double ms : in.numbers("opportunities_ms", kOpportunityMs, kMostOpportunities)) {
      times.push_back(ns_of(ms, kNsPerMs));
      if (times.size() > 1 && times.back() < times[times.size() - 2]) {
        in.fail(in.name_of("opportunities_ms"), "expected times that never go back");
        return times;
      }
    }
    if (in.ok() && times.back() == 0) in.fail(in.name_of("opportunities_ms"), "expected a last time above 0");
    return times;
  }

  JitterProfile jitter(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"ms", "correlation", "reorder"}, error_);
    JitterProfile jitter;
    jitter.deviation_ns = ns_of(in.required_number("ms", kJitterMs), kNsPerMs);
    jitter.correlation = in.number("correlation", kCorrelation, 0);
    jitter.reorder = in.flag("reorder");
    return jitter;
  }

  LossProfile loss(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"probability", "gilbert_elliott"}, error_);
    LossProfile loss;
    if (in.has("probability") == in.has("gilbert_elliott")) {
      in.fail(key, "exactly one of probability, gilbert_elliott", value);
    } else if (in.has("probability")) {
      loss.good = in.required_number("probability", kProbability);
    } else {
      JsonReader model(in.member("gilbert_elliott"), where_, in.name_of("gilbert_elliott"),
                       {"p", "r", "loss_good", "loss_bad"}, error_);
      loss.p = model.required_number("p", kProbability);
      loss.r = model.required_number("r", kRecovery);
      loss.good = model.number("loss_good", kProbability, 0);
      loss.bad = model.number("loss_bad", kProbability, 1);
    }
    return loss;
  }

  QueueProfile queue(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"bytes", "packets"}, error_);
    QueueProfile queue;
    if (!in.has("bytes") && !in.has("packets")) in.fail(key, "bytes, packets or both", value);
    if (in.has("bytes")) queue.bytes = static_cast<std::uint64_t>(in.required_number("bytes", kQueueBytes));
    if (in.has("packets"))
      queue.packets = static_cast<std::uint64_t>(in.required_number("packets", kQueuePackets));
    return queue;
  }

  PolicerProfile policer(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"mbit", "burst_bytes"}, error_);
    return {in.required_number("mbit", kMbit),
            static_cast<std::uint64_t>(in.required_number("burst_bytes", kQueueBytes))};
  }

  Outage outage(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"at_s", "for_s", "repeat_s", "queue"}, error_);
    Outage outage;
    outage.at_ns = ns_of(in.required_number("at_s", kSeconds), kNsPerSecond);
    outage.length_ns = ns_of(in.required_number("for_s", kLengthSeconds), kNsPerSecond);
    outage.repeat_ns = repeat(in, outage.length_ns);
    if (in.has("queue")) {
      const json& fate = in.member("queue");
      if (fate != "keep" && fate != "flush") in.fail(in.name_of("queue"), R"("keep" or "flush")", fate);
      outage.flush = fate == "flush";
    }
    return outage;
  }

  Handover handover(const json& value, const std::string& key) {
    JsonReader in(value, where_, key, {"at_s", "gap_s", "repeat_s", "delay_step_ms", "rate_factor"}, error_);
    Handover handover;
    handover.at_ns = ns_of(in.required_number("at_s", kSeconds), kNsPerSecond);
    handover.gap_ns = ns_of(in.required_number("gap_s", kSeconds), kNsPerSecond);
    handover.repeat_ns = repeat(in, handover.gap_ns);
    handover.delay_step_ns = ns_of(in.number("delay_step_ms", kStepMs, 0), kNsPerMs);
    handover.rate_factor = in.number("rate_factor", kFactor, 1);
    return handover;
  }

  std::int64_t repeat(JsonReader& in, std::int64_t length_ns) {
    if (!in.has("repeat_s")) return 0;
    const std::int64_t repeat_ns = ns_of(in.required_number("repeat_s", kLengthSeconds), kNsPerSecond);
    if (repeat_ns <= length_ns) {
      in.fail(in.name_of("repeat_s"), "expected more than the event lasts, or nothing ever passes");
    }
    return repeat_ns;
  }

  const std::string& where_;
  std::optional<std::string>& error_;
};

}  // namespace

Result<Profile> parse_profile(const std::string& text, const std::string& where) {
  json value;
  try {
    value = json::parse(text);
  } catch (const json::exception& error) {  // the text of a parse error says where
    return Error{ErrorCode::kCorrupt, where + ": expected JSON: " + error.what()};
  }
  std::optional<std::string> error;
  Profile profile = ProfileReader(where, error).profile(value);
  if (error) return Error{ErrorCode::kCorrupt, *error};
  return profile;
}

Result<Profile> load_profile(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    return Error{ErrorCode::kNotFound, file + ": expected a readable profile file (JSON)"};
  }
  auto profile = parse_profile(text.str(), file);
  if (!profile.ok() || !profile.value().name.empty()) return profile;
  const auto slash = file.find_last_of('/');
  const std::string base = slash == std::string::npos ? file : file.substr(slash + 1);
  profile.value().name = base.substr(0, base.rfind('.'));
  return profile;
}

}  // namespace reelsense::path
