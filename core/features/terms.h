// What the views' tables share: how a table is written, and the terms that several define alike, word for
// word. Private to this layer.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "reelsense/features/view.h"

namespace reelsense {

// One line of a view's table as it is written; at compile time the table is split into what the code needs
// and what people read.
struct FeatureLine {
  template <class Id>
  constexpr FeatureLine(Id id, std::string_view name, std::string_view unit, bool robust, float missing,
                        std::string_view its_formula) noexcept
      : feature(id, name, unit, robust, missing), formula(its_formula) {}

  FeatureDefinition feature;
  std::string_view formula;
};

template <std::size_t... I>
constexpr auto features_of(const FeatureLine* table, std::index_sequence<I...>) noexcept {
  return std::array<FeatureDefinition, sizeof...(I)>{table[I].feature...};
}
template <std::size_t N>
constexpr auto features_of(const FeatureLine (&table)[N]) noexcept {
  return features_of(table, std::make_index_sequence<N>());
}
template <std::size_t N>
constexpr auto formulas_of(const FeatureLine (&table)[N]) noexcept {
  std::array<std::string_view, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = table[i].formula;
  return out;
}

inline constexpr FeatureTerm kTermEwma = {"ewma", "the first value sets e = x, later ones e += (x - e) / 4"};
inline constexpr FeatureTerm kTermSpread = {
    "spread",
    "of an interval: ewma of d / ewma of the interval, where each interval after the first gives "
    "d = |x - e| with e before its update, and the ewma of d starts from 0: v += (d - v) / 4; 0 while e is "
    "0"};
inline constexpr FeatureTerm kTermQ11 = {
    "q11(x)", "x rounded down to 11 significant bits: floor(x / 2^r) * 2^r, r = max(0, bit_length(x) - 11)"};
inline constexpr FeatureTerm kTermHistory = {
    "h[j], u[j]",
    "q11 of the down / up bytes of the j-th second back, j = 0 for this window, 0 for an idle second"};
inline constexpr FeatureTerm kTermHistorySeconds = {
    "n_hist", "min(20, age second + 1): seconds of history, this one included"};
inline constexpr FeatureTerm kTermActiveSecond = {"active second", "a second with h[j] >= 20000"};
inline constexpr FeatureTerm kTermBin = {
    "bin", "one of the 20 equal parts (50 ms) of the window; its value is the down bytes in it"};
inline constexpr FeatureTerm kTermStd = {
    "std", "population standard deviation: sqrt(mean of squares - square of mean)"};
inline constexpr FeatureTerm kTermPeriod = {
    "period",
    "x[j] = 1 if n_hist * h[j] > sum of h, else 0, for j < n_hist; score(l) = (number of j < n_hist - l "
    "with "
    "x[j] = x[j+l]) / (n_hist - l) for lags l = 2 .. min(10, n_hist - 4); the period is the lag of the "
    "highest "
    "score, the smallest of equals. Missing if n_hist < 6 or all x are equal"};

}  // namespace reelsense
