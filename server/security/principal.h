// Who asks, and what they may do. Thread safety: plain values.
#pragma once

#include <cstdint>
#include <string>

namespace reelsense::server {

enum class Scope : std::uint8_t {
  kInfer = 1,     // classify, infer, analyses, flows, watch, metadata
  kFeedback = 2,  // ground truth
  kAdmin = 4,     // models, logs
};

// Flows, limits and fairness are per principal: two of them may use the same flow names without meeting.
struct Principal {
  std::uint32_t id = 0;  // small, stable while the server runs; 0: anonymous (no authentication asked for)
  std::string name = "anonymous";
  std::uint8_t scopes = 7;    // bits of Scope
  double windows_per_s = 0;   // rate limit; 0: none
  double requests_per_s = 0;  // rate limit; 0: none
  [[nodiscard]] bool may(Scope scope) const noexcept {
    return (scopes & static_cast<std::uint8_t>(scope)) != 0;
  }
};

}  // namespace reelsense::server
