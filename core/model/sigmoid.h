// The logistic function with the same bits on every platform.
//
// libm's exp differs between glibc, bionic and Apple. This uses only IEEE +, −, ×, ÷ in double (the build
// forbids contraction); relative error below 1e-10, so that the float32 result is off by at most one
// rounding. Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace reelsense::model {

// exp(x) for −708 ≤ x ≤ 0: x = n·ln 2 + r, |r| ≤ ln 2 / 2; the Taylor series of exp(r) to the 9th power, in
// Estrin's order to keep the chain short.
inline double exp_negative(double x) noexcept {
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 6.93147180369123816490e-01;  // its last 32 bits are zero: n·kLn2High is exact
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  const auto n = static_cast<std::int32_t>(x * kLog2E - 0.5);  // x ≤ 0: truncation rounds to the nearest
  const double d = static_cast<double>(n);
  const double r = (x - d * kLn2High) - d * kLn2Low;
  const double r2 = r * r;
  const double r4 = r2 * r2;
  const double p01 = 1.0 + r;
  const double p23 = 1.0 / 2 + r * (1.0 / 6);
  const double p45 = 1.0 / 24 + r * (1.0 / 120);
  const double p67 = 1.0 / 720 + r * (1.0 / 5040);
  const double p89 = 1.0 / 40320 + r * (1.0 / 362880);
  const double p = (p01 + r2 * p23) + r4 * ((p45 + r2 * p67) + r4 * p89);
  return p * std::bit_cast<double>(static_cast<std::uint64_t>(1023 + n) << 52);
}

// 1 / (1 + exp(−x)). NaN gives NaN.
inline double sigmoid(double x) noexcept {
  const double magnitude = x < 0 ? -x : x;
  if (!(magnitude <= 708)) {
    if (magnitude != magnitude) return std::numeric_limits<double>::quiet_NaN();
    return x < 0 ? 0.0 : 1.0;
  }
  const double e = exp_negative(-magnitude);
  return (x < 0 ? e : 1.0) / (1.0 + e);
}

}  // namespace reelsense::model
