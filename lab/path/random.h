// Random numbers with the same values on every platform and standard library (SplitMix64, Steele et al.
// 2014).
//
// Each use (direction, purpose) has a stream of its own, so that one more draw here changes nothing there.
// Thread safety: none; a value for one user.
#pragma once

#include <cmath>
#include <cstdint>

namespace reelsense::path {

class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) noexcept
      : state_(seed ^ (stream * 0xd1b54a32d192ed03ULL)) {
    (void)next();
  }

  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)
  bool chance(double probability) noexcept { return uniform() < probability; }
  // Standard normal (Box and Muller 1958).
  double normal() noexcept {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace reelsense::path
