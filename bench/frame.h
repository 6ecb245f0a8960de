// Frames of the made-up traffic: Ethernet (with or without a VLAN tag), IPv4 or IPv6, TCP or UDP. Checksums
// are 0, the payload is zeros. Thread safety: none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "traffic.h"

namespace reelsense::bench {

inline constexpr std::uint32_t kLongestFrame = 1600;

class FrameWriter {
 public:
  explicit FrameWriter(std::span<const TrafficFlow> flows) : flows_(flows), next_seq_(flows.size() * 2, 1) {}

  // The whole frame, padding included; valid until the next call.
  std::span<const std::uint8_t> write(const TrafficPacket& packet);

 private:
  std::uint8_t* write_ip(std::uint8_t* p, const TrafficFlow& flow, const TrafficPacket& packet);
  void write_tcp(std::uint8_t* p, const TrafficFlow& flow, const TrafficPacket& packet);

  std::span<const TrafficFlow> flows_;
  std::vector<std::uint32_t> next_seq_;  // [flow * 2 + up]
  std::uint8_t frame_[kLongestFrame] = {};
};

}  // namespace reelsense::bench
