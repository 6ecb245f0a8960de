#include "reelsense/features/schema.h"

#include "terms.h"

namespace reelsense {
namespace {

constexpr FeatureTerm kTerms[] = {
    {"packet",
     "one IP packet of the flow with event time t (ns), direction and size s (IP bytes on the wire). A "
     "packet "
     "longer than 1500 bytes is an offload's super-packet and counts as the packets it stands for"},
    {"window",
     "the half-open second [k, k+1) s of event time; us(t) = floor((t - k*1e9) / 1000) is an offset in it"},
    {"ms(t)", "floor(t / 1e6) - floor(t_first / 1e6), t_first the time of the flow's first packet"},
    {"age second", "k - k_first: 0 in the window of the flow's first packet"},
    {"n_down, n_up, B_down, B_up", "packets and bytes of the window by direction"},
    {"M", "size of the flow's largest down packet so far, the present one included; 0 before the first"},
    {"full", "a down packet with 10*s >= 9*M and s >= 500, judged when it arrives"},
    {"small", "a down packet with 4*s <= M, judged when it arrives"},
    {"A",
     "the flow's own ACK size, a low running quantile of up sizes in 1/16 bytes: with q = 16*min(s, 4095), "
     "the "
     "first up packet sets A = min(q, 1600); after that, if q < A then A -= (A - q + 1) div 2, else "
     "A += min(q - A, (q - A + 63) div 64). Never below 640 (40 bytes): A = max(A, 640) after each step"},
    {"large up",
     "an up packet with 32*s > 3*A + 512 (size over 1.5 A + 16 bytes); A as it was before this packet; "
     "the flow's first up packet is never large"},
    {"request",
     "a large up packet with no other large up packet in the 300 ms before it (ms(t) - ms(previous "
     "large up) >= 300, or no previous)"},
    {"chunk",
     "the down bytes since the last closed chunk (or the flow's start). It starts at its first down packet "
     "and "
     "closes at a request if it holds at least 5 full packets; with fewer it stays open. At its close, T "
     "being the "
     "request's ms(t), t0 the ms(t) of its first and t1 of its last down packet: size x = log2(1 + bytes); "
     "duty "
     "x = (t1 - t0) / (T - t0), 1 if T = t0; interval x = min(20, (t0 - t0 of the previous closed chunk) / "
     "1000)"},
    {"burst",
     "the down bytes since the last closed burst. A down packet more than 150 ms (in ms(t)) after the "
     "previous "
     "down packet closes the burst before itself if that holds at least 5 full packets; with fewer it stays "
     "open. "
     "Size and interval as for a chunk"},
    kTermEwma,
    kTermSpread,
    kTermQ11,
    kTermHistory,
    kTermHistorySeconds,
    kTermActiveSecond,
    kTermBin,
    kTermStd,
    kTermPeriod,
};

using F = Feature;
constexpr FeatureLine kTable[] = {
    {F::kDownBytesLog2, "down_bytes_log2", "log2 bytes", false, 0, "log2(1 + B_down)"},
    {F::kUpBytesLog2, "up_bytes_log2", "log2 bytes", false, 0, "log2(1 + B_up)"},
    {F::kDownPacketsLog2, "down_packets_log2", "log2 packets", false, 0, "log2(1 + n_down)"},
    {F::kUpPacketsLog2, "up_packets_log2", "log2 packets", false, 0, "log2(1 + n_up)"},
    {F::kDownUpBytesRatioLog2, "down_up_bytes_ratio_log2", "log2", true, 0,
     "log2((1 + B_down) / (1 + B_up))"},
    {F::kDownUpPacketsRatioLog2, "down_up_packets_ratio_log2", "log2", true, 0,
     "log2((1 + n_down) / (1 + n_up))"},
    {F::kDownUpBytesRatio20sLog2, "down_up_bytes_ratio_20s_log2", "log2", true, 0,
     "log2((1 + sum of h) / (1 + sum of u)) over n_hist seconds"},
    {F::kDownSizeMean, "down_size_mean", "bytes", false, 0, "mean size of the window's down packets"},
    {F::kDownSizeStd, "down_size_std", "bytes", false, 0, "std of the sizes of the window's down packets"},
    {F::kDownSizeMax, "down_size_max", "bytes", false, 0, "M at the window's end"},
    {F::kDownSizeMeanRel, "down_size_mean_rel", "1", true, 0, "down_size_mean / M"},
    {F::kDownSizeStdRel, "down_size_std_rel", "1", true, 0, "down_size_std / M"},
    {F::kDownFullShare, "down_full_share", "1", true, 0, "full packets of the window / n_down"},
    {F::kDownSmallShare, "down_small_share", "1", true, 0, "small packets of the window / n_down"},
    {F::kUpSizeMean, "up_size_mean", "bytes", false, 0, "B_up / n_up"},
    {F::kUpSizeAckRatioLog2, "up_size_ack_ratio_log2", "log2", true, 0,
     "log2(16 * B_up / (n_up * A)), A at the window's end"},
    {F::kDownGapMeanMs, "down_gap_mean_ms", "ms", false, 1000,
     "mean of the differences of us(t) / 1000 between successive down packets of the window; missing if "
     "n_down < 2"},
    {F::kDownGapCv, "down_gap_cv", "1", false, 0,
     "std / mean of these differences; missing if n_down < 3 or their mean is 0"},
    {F::kDownSilenceMaxMs, "down_silence_max_ms", "ms", false, 1000,
     "longest of: window start to first down packet, the differences, last down packet to window end, in "
     "us(t) / 1000"},
    {F::kDownBursts10ms, "down_bursts_10ms", "count", false, 0,
     "1 + number of the differences over 10000 us; missing if n_down = 0"},
    {F::kDownBursts50ms, "down_bursts_50ms", "count", true, 0,
     "1 + number of the differences over 50000 us; missing if n_down = 0"},
    {F::kDownBinsActiveShare, "down_bins_active_share", "1", true, 0, "bins with down bytes / 20"},
    {F::kDownBinPeakShare, "down_bin_peak_share", "1", true, 0,
     "largest bin / B_down; missing if B_down = 0"},
    {F::kDownBinsCv, "down_bins_cv", "1", true, 0, "std / mean of the 20 bins; missing if B_down = 0"},
    {F::kRequests, "requests", "count", true, 0, "requests in the window"},
    {F::kRequestAgeS, "request_age_s", "s", true, 20,
     "min(20, (ms(window end) - ms(last request)) / 1000); missing before the first request"},
    {F::kRequestSizeRatioLog2, "request_size_ratio_log2", "log2", true, 0,
     "ewma over requests of log2(16 * s / A), A as it was before the packet"},
    {F::kOpenChunkLog2, "open_chunk_log2", "log2 bytes", true, 0, "log2(1 + bytes of the open chunk)"},
    {F::kChunksLog2, "chunks_log2", "log2 chunks", true, 0, "log2(1 + closed chunks), at most 65535 counted"},
    {F::kChunkSizeLog2, "chunk_size_log2", "log2 bytes", true, 0, "ewma of chunk size"},
    {F::kChunkIntervalS, "chunk_interval_s", "s", true, 20,
     "ewma of chunk interval; missing before the second chunk"},
    {F::kChunkIntervalSpread, "chunk_interval_spread", "1", true, 0, "spread of chunk interval"},
    {F::kChunkDuty, "chunk_duty", "1", true, 0, "ewma of chunk duty"},
    {F::kBurstsLog2, "bursts_log2", "log2 bursts", true, 0, "log2(1 + closed bursts), at most 65535 counted"},
    {F::kBurstSizeLog2, "burst_size_log2", "log2 bytes", true, 0, "ewma of burst size"},
    {F::kBurstIntervalS, "burst_interval_s", "s", true, 20,
     "ewma of burst interval; missing before the second burst"},
    {F::kBurstIntervalSpread, "burst_interval_spread", "1", true, 0, "spread of burst interval"},
    {F::kOpenBurstLog2, "open_burst_log2", "log2 bytes", true, 0, "log2(1 + bytes of the open burst)"},
    {F::kDownEwmaLog2, "down_ewma_log2", "log2 bytes", false, 0,
     "ewma over seconds of log2(1 + B_down), an idle second counting as 0; after more than 64 idle seconds "
     "in a row "
     "e = 0 before the present second"},
    {F::kDownActiveShare20s, "down_active_share_20s", "1", true, 0, "active seconds among n_hist / n_hist"},
    {F::kDownPeakRatio20s, "down_peak_ratio_20s", "1", true, 0,
     "h[0] / largest h among n_hist; missing if that is 0"},
    {F::kDownCv20s, "down_cv_20s", "1", true, 0, "std / mean of h over n_hist seconds; missing if all are 0"},
    {F::kDownGrowthLog2, "down_growth_log2", "log2", true, 0,
     "log2((1 + h[0]) / (1 + h[1])); missing if age second = 0"},
    {F::kDownPeriodS, "down_period_s", "s", true, 0, "lag of the period"},
    {F::kDownPeriodScore, "down_period_score", "1", true, 0, "score of the period"},
    {F::kFlowAgeLog2, "flow_age_log2", "log2 s", true, 0, "log2(1 + ms(window end) / 1000)"},
    {F::kFirstFullS, "first_full_s", "s", true, 20,
     "min(20, ms(t) / 1000) of the flow's fifth full packet; missing before it"},
    {F::kDownIdleShare20s, "down_idle_share_20s", "1", true, 0,
     "seconds with h[j] = 0 among n_hist / n_hist"},
};
constexpr auto kFeatures = features_of(kTable);
constexpr auto kFormulas = formulas_of(kTable);
static_assert(kFeatures.size() == kFeatureCount);
static_assert(in_order(kFeatures), "the table follows the order of Feature");

}  // namespace

std::span<const FeatureDefinition, kFeatureCount> feature_table() noexcept {
  return kFeatures;
}

std::span<const std::string_view> feature_formulas() noexcept {
  return kFormulas;
}

std::span<const FeatureTerm> feature_terms() noexcept {
  return kTerms;
}

std::optional<Feature> find_feature(std::string_view name) noexcept {
  const std::optional<std::uint8_t> found = view_schema(View::kPacket).find(name);
  return found ? std::optional(static_cast<Feature>(*found)) : std::nullopt;
}

std::string packet_schema_hash() {
  return view_schema(View::kPacket).hash();
}

}  // namespace reelsense
