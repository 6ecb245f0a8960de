// A made-up access link: who talks when, and how large each packet is. The mixture is written down in
// bench/README.md; nothing here looks at the classifier.
//
// Deterministic: the same options give the same packets. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "reelsense/packet/packet.h"

namespace reelsense::bench {

// Raised whenever the same options begin to give other packets, so that a stale file is not taken for a new
// one.
inline constexpr int kMixtureVersion = 1;

enum class FlowClass : std::uint8_t {
  kDns,
  kProbe,
  kBrowse,
  kFeed,
  kMessage,
  kCall,
  kVideo,
  kDownload,
  kUpload,
  kCount,
};
std::string_view name_of(FlowClass flow_class) noexcept;

struct TrafficOptions {
  std::uint64_t packets = 5'000'000;
  std::uint32_t flows = 50'000;
  std::uint32_t seconds = 90;
  std::uint64_t seed = 1;
};

struct TrafficFlow {
  Address client{};
  Address server{};
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
  std::uint16_t vlan = 0;  // 0: untagged
  std::uint16_t mtu = 1500;
  std::uint8_t protocol = kProtocolTcp;
  std::uint8_t ip_version = 4;
  FlowClass flow_class = FlowClass::kBrowse;
};

struct TrafficPacket {
  std::uint32_t time_us = 0;  // since the start of the capture
  std::uint32_t flow = 0;
  std::uint16_t ip_bytes = 0;
  bool up = false;
  std::uint8_t tcp_flags = 0;
};

struct Traffic {
  std::vector<TrafficFlow> flows;
  std::vector<TrafficPacket> packets;  // in time order
};

// Exactly options.packets packets of exactly options.flows five-tuples. No packets when the small flows alone
// need more than that: the caller reports it.
Traffic make_traffic(const TrafficOptions& options);

}  // namespace reelsense::bench
