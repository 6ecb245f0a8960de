// Random numbers with the same values on every platform and standard library (SplitMix64, Steele et al.
// 2014).
#pragma once

#include <cmath>
#include <cstdint>

namespace reelsense::bench {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  // In [low, high].
  std::uint32_t whole(std::uint32_t low, std::uint32_t high) noexcept {
    return low + static_cast<std::uint32_t>(uniform() * (high - low + 1.0));
  }
  bool chance(double probability) noexcept { return uniform() < probability; }
  double exponential(double mean) noexcept { return -mean * std::log(1.0 - uniform()); }
  double normal() noexcept {
    return std::sqrt(-2.0 * std::log(1.0 - uniform())) * std::cos(6.283185307179586 * uniform());
  }
  double log_normal(double median, double sigma) noexcept { return median * std::exp(sigma * normal()); }
  // Pareto with least value 1, cut at `most`.
  double pareto(double alpha, double most) noexcept {
    const double x = std::pow(1.0 - uniform(), -1.0 / alpha);
    return x < most ? x : most;
  }

 private:
  std::uint64_t state_;
};

}  // namespace reelsense::bench
