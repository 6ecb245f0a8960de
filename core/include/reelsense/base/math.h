// Floating-point helpers with the same bits on every platform.
//
// libm differs between glibc, bionic and Apple; a feature must not. These use only IEEE +, −, ×, ÷ (the build
// forbids contraction), so equal inputs give equal bits everywhere. Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>

namespace reelsense {

// log2(x) for finite x > 0, absolute error below 1e-11.
// log2(m·2^e) = e + 2/ln 2 · atanh((m−1)/(m+1)), m in [√½, √2), the atanh series to the 13th power.
inline double log2_exact(double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  // Adding the distance from √½ to 1 moves the exponent's break from 1 to √½.
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdULL;
  constexpr std::uint64_t kOne = 0x3ff0000000000000ULL;
  const std::uint64_t shifted = bits + (kOne - kSqrtHalf);
  const auto exponent = static_cast<std::int64_t>(shifted >> 52) - 1023;
  const double m = std::bit_cast<double>((shifted & 0x000fffffffffffffULL) + kSqrtHalf);
  const double z = (m - 1.0) / (m + 1.0);
  const double w = z * z;
  const double series =
      1.0 + w * (1.0 / 3 + w * (1.0 / 5 + w * (1.0 / 7 + w * (1.0 / 9 + w * (1.0 / 11 + w * (1.0 / 13))))));
  return static_cast<double>(exponent) + 2.8853900817779268 * z * series;
}

// log2(1 + x) for x ≥ 0: the logarithm of every volume feature.
inline float log2_1p(double x) noexcept {
  return static_cast<float>(log2_exact(1.0 + x));
}

}  // namespace reelsense
