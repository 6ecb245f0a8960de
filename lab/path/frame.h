// Which frames the path leaves alone. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace reelsense::path {

// Not IPv4 or IPv6, or neighbour and router discovery (ICMPv6 133 to 137): what an access network does not
// carry end to end. Without these a lost packet of theirs would look like an outage.
[[nodiscard]] inline bool is_exempt(std::span<const std::uint8_t> frame) noexcept {
  constexpr std::size_t kIp = 14;
  if (frame.size() < kIp) return true;
  const unsigned type = (unsigned{frame[12]} << 8) | frame[13];
  if (type == 0x0800) return false;
  if (type != 0x86dd) return true;
  constexpr std::size_t kNextHeader = kIp + 6;
  constexpr std::size_t kIcmpType = kIp + 40;
  return frame.size() > kIcmpType && frame[kNextHeader] == 58 && frame[kIcmpType] >= 133 &&
         frame[kIcmpType] <= 137;
}

}  // namespace reelsense::path
