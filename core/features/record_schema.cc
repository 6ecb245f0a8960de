#include "reelsense/features/record_schema.h"

#include "terms.h"

namespace reelsense {
namespace {

constexpr FeatureTerm kTerms[] = {
    {"record",
     "what an exporter says of a flow from its start to its end (ns): bytes B_down, B_up (at most 2^40) and "
     "packets "
     "n_down, n_up by direction. A record may carry one direction only; its other counts are 0. Records "
     "align to "
     "nothing"},
    {"row", "one record; its second is K"},
    {"start, end", "of a record in ms: floor(start / 1e6), floor(end / 1e6)"},
    {"D", "end - start + 1: the record's length in ms"},
    {"rate(x)", "1000 * x / max(D, 1000), bytes a second"},
    {"latest", "the largest end of the flow's records so far, the present one included"},
    {"K", "floor(latest / 1000)"},
    {"t0", "start of the flow's first record"},
    {"h[j], u[j]",
     "down / up bytes of second K - j, 0 <= j < 60. A record's bytes are spread evenly over its ms: for each "
     "second "
     "that holds o > 0 of them, h = q11(h + floor(B * o / D)). Seconds that fall behind K - 59 are "
     "forgotten"},
    {"n_hist", "min(60, K - floor(t0 / 1000) + 1): seconds of history"},
    {"active second", "a second with h[j] >= 20000"},
    {"mean sizes",
     "of a direction with packets: B / n. M is the flow's largest mean down size so far, A its smallest mean "
     "up size "
     "so far, the present record included"},
    kTermQ11,
    kTermStd,
};

using F = RecordFeature;
constexpr FeatureLine kTable[] = {
    {F::kDownRateLog2, "down_rate_log2", "log2 bytes/s", false, 0, "log2(1 + rate(B_down))"},
    {F::kUpRateLog2, "up_rate_log2", "log2 bytes/s", false, 0, "log2(1 + rate(B_up))"},
    {F::kDownSizeMean, "down_size_mean", "bytes", false, 0, "B_down / n_down; missing if n_down = 0"},
    {F::kDownUpBytesRatioLog2, "down_up_bytes_ratio_log2", "log2", true, 5,
     "log2((1 + B_down) / (1 + B_up)); missing if n_down = 0 or n_up = 0"},
    {F::kDownUpPacketsRatioLog2, "down_up_packets_ratio_log2", "log2", true, 1,
     "log2((1 + n_down) / (1 + n_up)); missing if n_down = 0 or n_up = 0"},
    {F::kDownUpBytesRatio60sLog2, "down_up_bytes_ratio_60s_log2", "log2", true, 5,
     "log2((1 + sum of h) / (1 + sum of u)) over n_hist seconds; missing until the flow's records had "
     "packets both "
     "ways"},
    {F::kDownSizeMeanRel, "down_size_mean_rel", "1", true, 0, "mean down size / M; missing if n_down = 0"},
    {F::kUpSizeMeanRelLog2, "up_size_mean_rel_log2", "log2", true, 0,
     "log2(mean up size / A); missing if n_up = 0"},
    {F::kDurationS, "duration_s", "s", false, 0, "min(60, D / 1000)"},
    {F::kGapS, "gap_s", "s", true, 60,
     "min(60, max(0, start - the previous latest) / 1000); missing in the flow's first record"},
    {F::kDownActiveShare60s, "down_active_share_60s", "1", true, 0, "active seconds among n_hist / n_hist"},
    {F::kDownIdleShare60s, "down_idle_share_60s", "1", true, 0,
     "seconds with h[j] = 0 among n_hist / n_hist"},
    {F::kDownHighShare60s, "down_high_share_60s", "1", true, 0,
     "seconds with n_hist * h[j] > sum of h among n_hist / n_hist"},
    {F::kDownOnsets60s, "down_onsets_60s", "1", true, 0,
     "number of j < n_hist - 1 with h[j] > 0 and h[j + 1] = 0 / n_hist"},
    {F::kDownPeakRatio60s, "down_peak_ratio_60s", "1", true, 0,
     "min(1, rate(B_down) / largest h among n_hist); missing if that is 0"},
    {F::kDownCv60s, "down_cv_60s", "1", true, 0, "std / mean of h over n_hist seconds; missing if all are 0"},
    {F::kDownGrowthLog2, "down_growth_log2", "log2", true, 0,
     "log2((1 + rate(B_down)) / (1 + rate(B_down) of the flow's last record with n_down > 0 before)); "
     "missing "
     "without one or if n_down = 0"},
    {F::kDownBytes60sLog2, "down_bytes_60s_log2", "log2 bytes", false, 0, "log2(1 + sum of h)"},
    {F::kFlowAgeLog2, "flow_age_log2", "log2 s", true, 0, "log2(1 + (latest - t0 + 1) / 1000)"},
};
constexpr auto kFeatures = features_of(kTable);
constexpr auto kFormulas = formulas_of(kTable);
static_assert(kFeatures.size() == kRecordFeatureCount);
static_assert(in_order(kFeatures), "the table follows the order of RecordFeature");

}  // namespace

std::span<const FeatureDefinition> record_feature_table() noexcept {
  return kFeatures;
}

std::span<const std::string_view> record_feature_formulas() noexcept {
  return kFormulas;
}

std::span<const FeatureTerm> record_feature_terms() noexcept {
  return kTerms;
}

}  // namespace reelsense
