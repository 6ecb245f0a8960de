// Session labels: is the user behind a client address watching video, second by second, also between the
// bursts of a player that fetches ahead?
//
// The hold rule. A session keeps a score, the probability of video that it holds. Let p be the mean
// probability of the windows of its flows in a second, weighted by their down bytes + 1. Then, a second
// later,
//
//   active second (≥ 20,000 bytes down in all)   p ≥ score or nothing held:  score = p
//                                                p < score:                  score = p + (score − p) ·
//                                                2^(−1/5)
//   any other second, nothing held yet           score = p if it had windows
//   any other second                             score = 0.5 + (score − 0.5) · 2^(−1/10)
//
// So video shows at once, other traffic in its place takes over with a half-life of 5 s, and silence (or a
// trickle of keep-alives, which says nothing about what is watched) fades towards "not known" with a
// half-life of 10 s. After kSessionHoldSeconds without an active second nothing is held any more; after as
// many without any packet the session is over. Thread safety: plain values.
#pragma once

#include <cstdint>

namespace reelsense {

inline constexpr std::int64_t kSessionHoldSeconds = 20;
inline constexpr std::uint64_t kActiveSecondBytes = 20'000;  // as the feature table's "active second"

// Sums over a session's windows of one second.
struct SessionSecond {
  std::uint64_t packets_up = 0;
  std::uint64_t packets_down = 0;
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
  double weight = 0;      // Σ (down bytes + 1)
  double weighted_p = 0;  // Σ probability · (down bytes + 1)

  void add(float probability, std::uint64_t window_bytes_down) noexcept {
    const double w = static_cast<double>(window_bytes_down) + 1.0;
    weight += w;
    weighted_p += w * static_cast<double>(probability);
  }
  [[nodiscard]] bool has_windows() const noexcept { return weight > 0; }
  [[nodiscard]] double probability() const noexcept { return weighted_p / weight; }
};

class SessionScore {
 public:
  // Moves on by one second and returns the score of that second. Call it for every second, idle ones too.
  double step(const SessionSecond& second) noexcept {
    const bool active = second.bytes_down >= kActiveSecondBytes;
    idle_ = second.has_windows() ? 0 : idle_ + 1;
    if (++since_active_ > kSessionHoldSeconds) holds_ = false;
    if (active) {
      const double p = second.probability();
      score_ = !holds_ || p >= score_ ? p : p + (score_ - p) * kPullPerSecond;
      holds_ = true;
      since_active_ = 0;
    } else if (!holds_ && second.has_windows()) {
      score_ = second.probability();
    } else {
      score_ = 0.5 + (score_ - 0.5) * kFadePerSecond;
    }
    return score_;
  }

  // No packet for kSessionHoldSeconds: the session is over.
  [[nodiscard]] bool is_over() const noexcept { return idle_ >= kSessionHoldSeconds; }

 private:
  static constexpr double kPullPerSecond = 0.8705505632961241;  // 2^(−1/5)
  static constexpr double kFadePerSecond = 0.9330329915368074;  // 2^(−1/10)

  double score_ = 0.5;
  std::int64_t idle_ = 0;
  std::int64_t since_active_ = 0;
  bool holds_ = false;
};

}  // namespace reelsense
