#include "reelsense/features/socket_schema.h"

#include "terms.h"

namespace reelsense {
namespace {

constexpr FeatureTerm kTerms[] = {
    {"read, write",
     "an event of the connection: s bytes (1 .. 2^31) read (down) or written (up) by the app at time t (ns). "
     "What "
     "one call returned, or several merged; TLS records or the plaintext inside. An event of 0 bytes is "
     "none"},
    {"effective time", "an event's t, but never before its connection's latest one"},
    {"window", "the half-open second [k, k+1) s of event time; one without events is not classified"},
    {"ms(t)", "floor(t / 1e6) - floor(t_first / 1e6), t_first the time of the connection's first event"},
    {"age second", "k - k_first: 0 in the window of the connection's first event"},
    {"large write",
     "a write of at least 40 bytes: flow control, pings and acknowledgements of the application protocol are "
     "shorter, with and without TLS. Other writes are not seen"},
    {"B_down, B_up",
     "bytes of the window's reads, and of its large writes, by 50 ms; a bin's sum stops at 2^32 - 1"},
    {"request",
     "a large write with no other large write in the 300 ms before it (ms(t) - ms(previous large write) >= "
     "300, or "
     "no previous)"},
    {"chunk",
     "the bytes read since the last closed chunk (or the connection's start), at most 2^32 - 1. It starts at "
     "its "
     "first read and closes at a request if it holds at least 8192 bytes; with fewer it stays open. At its "
     "close, T "
     "being the request's ms(t), t0 the ms(t) of its first and t1 of its last read: size x = log2(1 + "
     "bytes); duty "
     "x = (t1 - t0) / (T - t0), 1 if T = t0; interval x = min(20, (t0 - t0 of the previous closed chunk) / "
     "1000)"},
    {"burst",
     "the bytes read since the last closed burst, at most 2^32 - 1. A read more than 150 ms (in ms(t)) after "
     "the "
     "previous read closes the burst before itself if that holds at least 8192 bytes; with fewer it stays "
     "open. Size "
     "and interval as for a chunk"},
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

using F = SocketFeature;
constexpr FeatureLine kTable[] = {
    {F::kDownBytesLog2, "down_bytes_log2", "log2 bytes", false, 0, "log2(1 + B_down)"},
    {F::kUpBytesLog2, "up_bytes_log2", "log2 bytes", false, 0, "log2(1 + B_up)"},
    {F::kDownUpBytesRatioLog2, "down_up_bytes_ratio_log2", "log2", true, 0,
     "log2((1 + B_down) / (1 + B_up))"},
    {F::kDownUpBytesRatio20sLog2, "down_up_bytes_ratio_20s_log2", "log2", true, 0,
     "log2((1 + sum of h) / (1 + sum of u)) over n_hist seconds"},
    {F::kDownBinsActiveShare, "down_bins_active_share", "1", true, 0, "bins with down bytes / 20"},
    {F::kDownBinPeakShare, "down_bin_peak_share", "1", true, 0,
     "largest bin / B_down; missing if B_down = 0"},
    {F::kDownBinsCv, "down_bins_cv", "1", true, 0, "std / mean of the 20 bins; missing if B_down = 0"},
    {F::kRequests, "requests", "count", true, 0, "requests in the window"},
    {F::kRequestAgeS, "request_age_s", "s", true, 20,
     "min(20, (ms(window end) - ms(last request)) / 1000); missing before the first request"},
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
    {F::kDownActiveShare20s, "down_active_share_20s", "1", true, 0, "active seconds among n_hist / n_hist"},
    {F::kDownIdleShare20s, "down_idle_share_20s", "1", true, 0,
     "seconds with h[j] = 0 among n_hist / n_hist"},
    {F::kDownPeakRatio20s, "down_peak_ratio_20s", "1", true, 0,
     "h[0] / largest h among n_hist; missing if that is 0"},
    {F::kDownCv20s, "down_cv_20s", "1", true, 0, "std / mean of h over n_hist seconds; missing if all are 0"},
    {F::kDownGrowthLog2, "down_growth_log2", "log2", true, 0,
     "log2((1 + h[0]) / (1 + h[1])); missing if age second = 0"},
    {F::kDownPeriodS, "down_period_s", "s", true, 0, "lag of the period"},
    {F::kDownPeriodScore, "down_period_score", "1", true, 0, "score of the period"},
    {F::kFlowAgeLog2, "flow_age_log2", "log2 s", true, 0, "log2(1 + ms(window end) / 1000)"},
};
constexpr auto kFeatures = features_of(kTable);
constexpr auto kFormulas = formulas_of(kTable);
static_assert(kFeatures.size() == kSocketFeatureCount);
static_assert(in_order(kFeatures), "the table follows the order of SocketFeature");

}  // namespace

std::span<const FeatureDefinition> socket_feature_table() noexcept {
  return kFeatures;
}

std::span<const std::string_view> socket_feature_formulas() noexcept {
  return kFormulas;
}

std::span<const FeatureTerm> socket_feature_terms() noexcept {
  return kTerms;
}

}  // namespace reelsense
