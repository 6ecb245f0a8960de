#include "reelsense/policy/policy_options.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace reelsense {
namespace {

using O = PolicyOptions;
constexpr PolicyOptions kStandard;

#ifdef REELSENSE_NO_HELP
constexpr bool kHasHelp = false;
#else
constexpr bool kHasHelp = true;
#endif

constexpr PolicyKey whole(const char* name, const char* unit, double low, double high, double O::*member,
                          const char* help) {
  return {name, unit, kHasHelp ? help : "", low, high, kStandard.*member, true, member};
}
constexpr PolicyKey real(const char* name, const char* unit, double low, double high, double O::*member,
                         const char* help) {
  return {name, unit, kHasHelp ? help : "", low, high, kStandard.*member, false, member};
}

constexpr PolicyKey kKeys[] = {
    // What is decided.
    whole(
        "default_prefetch_depth", "clips", 0, 20, &O::default_prefetch_depth,
        "Prefetch depth while nothing is known, for other traffic, and when the label is uncertain: what the "
        "app does without Reelsense."),
    whole("default_buffer_target_ms", "ms", 500, 120'000, &O::default_buffer_target_ms,
          "Buffer target in the same cases."),
    whole("default_max_bitrate_kbps", "kbit/s", 0, 1'000'000, &O::default_max_bitrate_kbps,
          "Bitrate cap in the same cases; 0: no cap."),
    whole("video_prefetch_depth", "clips", 0, 20, &O::video_prefetch_depth,
          "Prefetch depth while video is watched and the path keeps up; reached by one clip every "
          "raise_seconds."),
    whole("video_buffer_target_ms", "ms", 500, 120'000, &O::video_buffer_target_ms,
          "Buffer target while video is watched and the path keeps up."),
    whole("congested_prefetch_depth", "clips", 0, 20, &O::congested_prefetch_depth,
          "Prefetch depth while the path does not keep up with the video: the present clip comes first, then "
          "the next one."),
    whole("congested_buffer_target_ms", "ms", 500, 120'000, &O::congested_buffer_target_ms,
          "Buffer target while the path does not keep up: enough for its dips, and no more before the next "
          "clip gets its start."),
    whole("min_bitrate_kbps", "kbit/s", 50, 100'000, &O::min_bitrate_kbps,
          "The bitrate cap is never below this: the lowest rung that the app has."),
    whole("ample_kbps", "kbit/s", 500, 1'000'000, &O::ample_kbps,
          "From this throughput on video gets no cap and the path never counts as congested: about twice the "
          "highest rung."),
    real("video_share", "1", 0.1, 1, &O::video_share,
         "Share of the throughput that the bitrate cap may take while the path keeps up."),
    real("congested_share", "1", 0.1, 1, &O::congested_share,
         "The same while it does not: what is left fills the buffer and fetches the start of the next clip."),
    // What a session is doing.
    whole("active_bytes", "bytes", 0, 10'000'000, &O::active_bytes,
          "A second with fewer bytes says nothing about what a flow or session does."),
    real("video_probability", "1", 0.5, 1, &O::video_probability,
         "A session's active second is surely video from this mean probability on, whatever its flows' "
         "marks."),
    real("non_video_score", "1", 0, 0.5, &O::non_video_score,
         "A session's active second without video flows is surely non-video up to this score."),
    whole("leave_seconds", "s", 1, 600, &O::leave_seconds,
          "A session that watched video is non-video only when its last video is this long ago."),
    whole("hold_seconds", "s", 0, 600, &O::hold_seconds,
          "For so many active but unsure seconds the last sure decision is held; then the defaults apply."),
    whole("idle_seconds", "s", 0, 600, &O::idle_seconds,
          "For so many seconds since the last sure one the last decision stays through silence; then the "
          "defaults apply."),
    // What the path gives.
    whole(
        "busy_bins", "50 ms bins", 3, 20, &O::busy_bins,
        "Bytes that flow for at least this long in a second are a throughput sample. Shorter bursts can only "
        "raise the estimate."),
    whole("throughput_samples", "samples", 1, 8, &O::throughput_samples,
          "The estimate is the harmonic mean of so many last samples."),
    real("robust_limit", "1", 0, 5, &O::robust_limit,
         "The estimate is divided by 1 + the largest relative over-estimate among those samples, of which at "
         "most this is counted."),
    whole("raise_seconds", "s", 1, 600, &O::raise_seconds,
          "Seconds between two raises of the bitrate cap or of the prefetch depth."),
    real("raise_factor", "1", 1.01, 10, &O::raise_factor,
         "A raise of the bitrate cap is at most this factor."),
    // When it does not keep up.
    whole("full_bins", "50 ms bins", 3, 20, &O::full_bins,
          "A second in which video flows for at least this long, and evenly, filled the path."),
    real("flat_ratio", "1", 1, 20, &O::flat_ratio,
         "Evenly: the fullest bin carries at most this many times the mean. A live stream that is sent as it "
         "is "
         "made is not even."),
    real("falling_ratio", "1", 0.05, 1, &O::falling_ratio,
         "A sample below this share of the estimate before it makes a full second count twice."),
    real("competing_share", "1", 0.05, 1, &O::competing_share,
         "Traffic that is not video and makes at least this share of the session's bytes makes a full second "
         "count twice, and no second of it counts as relief."),
    whole("congested_enter_seconds", "s", 1, 60, &O::congested_enter_seconds,
          "Full seconds, less those of relief, after which the path is congested."),
    whole("congested_leave_seconds", "s", 1, 60, &O::congested_leave_seconds,
          "Seconds of relief after which it is no more; twice, then four times that if congestion comes back "
          "within a minute."),
    // What a flow gets.
    real(
        "flow_window_bits", "bits", 0.5, 20, &O::flow_window_bits,
        "A window adds its log-odds log2(p / (1 - p)) to its flow's evidence for video, at most so many bits "
        "either way."),
    real("flow_peer_bits", "bits", 0, 20, &O::flow_peer_bits,
         "On a narrow path (below ample_kbps) the log-odds of a window grow by what they are above the "
         "mean of the flows beside it, at most to make up for a mean below 0 and at most by so much; not "
         "those of a window that is as far below 0 itself, or of a flow that has not asked for anything for "
         "transfer_seconds. 0: they do not."),
    real("flow_enter_bits", "bits", 0.5, 100, &O::flow_enter_bits,
         "A flow gets AF31 when the evidence reaches this, and counts as non-video when it reaches the same "
         "below 0."),
    real("flow_leave_bits", "bits", 0, 100, &O::flow_leave_bits,
         "A video flow loses AF31 when the evidence is so far below 0; a non-video flow is unsure when it is "
         "so "
         "far above."),
    real("flow_evidence_high", "bits", 0.5, 1000, &O::flow_evidence_high,
         "Evidence for video is kept up to this: more makes a flow slower to lose AF31."),
    real("flow_evidence_low", "bits", 0.5, 1000, &O::flow_evidence_low,
         "Evidence against it is kept up to this: more makes a flow that was non-video slower to get AF31."),
    whole("flow_hold_seconds", "s", 0, 250, &O::flow_hold_seconds,
          "Windows in a row that hardly lean the way of the flow's state, after which it is unsure and its "
          "mark "
          "the default."),
    whole("transfer_seconds", "s", 1, 20, &O::transfer_seconds,
          "A flow that asked for nothing for longer than this, and has received transfer_bytes meanwhile, "
          "transfers: its windows add nothing for video. Ages are known up to 20 s: 20 switches this off."),
    whole("transfer_bytes", "bytes", 10'000, 10'000'000'000, &O::transfer_bytes,
          "Bytes since the last request that a transfer has received: more than a player asks for at once."),
    whole("transfer_chunk_bytes", "bytes", 10'000, 10'000'000'000, &O::transfer_chunk_bytes,
          "A flow that receives more than this between two requests, on average or since the last one, "
          "transfers, however long it takes: more than ten seconds of media at ample_kbps."),
    whole("bulk_seconds", "s", 1, 3600, &O::bulk_seconds,
          "Sure windows of a non-video flow in one direction after which it is bulk."),
    whole("bulk_kbps", "kbit/s", 1, 1'000'000, &O::bulk_kbps, "Mean rate that bulk has at least until then."),
    real("bulk_direction_ratio", "1", 1, 1000, &O::bulk_direction_ratio,
         "In one direction: it carries at least this many times the bytes of the other. A two-way call does "
         "not."),
    whole("bulk_gap_seconds", "s", 1, 600, &O::bulk_gap_seconds,
          "A pause longer than this begins the count anew, until the flow is bulk."),
    whole(
        "bulk_leave_seconds", "s", 1, 3600, &O::bulk_leave_seconds,
        "A bulk flow that had no active second for longer than this is bulk no more. A transfer that stands "
        "back as it was told stays bulk."),
    whole("bulk_lower_effort", "switch", 0, 1, &O::bulk_lower_effort,
          "1: bulk gets lower effort. 0: it keeps the default code point, and only the reason says bulk."),
};

constexpr bool table_is_sound() {
  for (const PolicyKey& key : kKeys) {
    if (!(key.low <= key.standard && key.standard <= key.high)) return false;
  }
  return std::size(kKeys) * sizeof(double) == sizeof(PolicyOptions);  // none is forgotten
}
static_assert(table_is_sound());

constexpr std::size_t kLongestName = 64;

// Levenshtein's distance; names longer than any setting's are far from all.
std::size_t distance(std::string_view a, std::string_view b) noexcept {
  if (a.size() > kLongestName || b.size() > kLongestName) return 2 * kLongestName;
  std::array<std::size_t, kLongestName + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, change});
    }
  }
  return row[b.size()];
}

const PolicyKey* find(std::string_view key) noexcept {
  for (const PolicyKey& each : kKeys) {
    if (key == each.name) return &each;
  }
  return nullptr;
}

Error unknown(std::string_view key) {
  const PolicyKey* nearest = &kKeys[0];
  for (const PolicyKey& each : kKeys) {
    if (distance(key, each.name) < distance(key, nearest->name)) nearest = &each;
  }
  return make_error(ErrorCode::kNotFound, {"{}: no setting of the QoS policy; the nearest is {}",
                                           key.substr(0, kLongestName), nearest->name});
}

// Enough digits for a message: "0.75", "20000", "-1", "not a number".
std::string number_text(double value) {
  if (value != value) return "not a number";
  const char* const sign = value < 0 ? "-" : "";
  const double size = value < 0 ? -value : value;
  if (!(size < 1e15)) return to_text({"{}1e15 or more", sign});
  const auto thousandths = static_cast<std::uint64_t>(size * 1000 + 0.5);
  std::string text = to_text({"{}{}.{}", sign, thousandths / 1000, 1000 + thousandths % 1000});
  text.erase(text.size() - 4, 1);  // the 1 that kept the leading zeros
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

struct Order {
  double O::*small;
  double O::*large;
};
constexpr Order kOrders[] = {
    {&O::busy_bins, &O::full_bins},
    {&O::min_bitrate_kbps, &O::ample_kbps},
    {&O::flow_enter_bits, &O::flow_evidence_high},
    {&O::flow_enter_bits, &O::flow_evidence_low},
    {&O::congested_share, &O::video_share},
    {&O::congested_prefetch_depth, &O::video_prefetch_depth},
};

const char* name_of(double O::*member) noexcept {
  for (const PolicyKey& key : kKeys) {
    if (key.member == member) return key.name;
  }
  return "";
}

}  // namespace

std::span<const PolicyKey> policy_keys() noexcept {
  return kKeys;
}

Status set_policy(PolicyOptions& options, std::string_view key, double value) {
  const PolicyKey* found = find(key);
  if (found == nullptr) return unknown(key);
  const bool in_range = value >= found->low && value <= found->high;  // false for NaN
  const bool is_whole = in_range && static_cast<double>(static_cast<long long>(value)) == value;
  if (!in_range || (found->whole && !is_whole)) {
    return make_error(
        ErrorCode::kInvalidArgument,
        {"{}: {}; expected a {}number from {} to {} ({})", found->name, number_text(value),
         found->whole ? "whole " : "", number_text(found->low), number_text(found->high), found->unit});
  }
  options.*(found->member) = value;
  return ok_status();
}

Result<double> get_policy(const PolicyOptions& options, std::string_view key) {
  const PolicyKey* found = find(key);
  if (found == nullptr) return unknown(key);
  return options.*(found->member);
}

Status check_policy(const PolicyOptions& options) {
  for (const Order& order : kOrders) {
    if (options.*(order.small) <= options.*(order.large)) continue;
    return make_error(
        ErrorCode::kInvalidArgument,
        {"{} is {}, but may not be above {}, which is {}", name_of(order.small),
         number_text(options.*(order.small)), name_of(order.large), number_text(options.*(order.large))});
  }
  return ok_status();
}

}  // namespace reelsense
