// Link-layer types, numbered as in pcap's LINKTYPE_ registry (https://www.tcpdump.org/linktypes.html).
#pragma once

#include <cstdint>

namespace reelsense {

enum class LinkType : std::uint16_t {
  kNull = 0,  // BSD loopback, address family in the writer's byte order
  kEthernet = 1,
  kPpp = 9,        // with or without the address and control bytes
  kRawDlt12 = 12,  // DLT_RAW as some systems wrote it
  kRawDlt14 = 14,
  kRaw = 101,  // IPv4 or IPv6, told by the version nibble
  kCiscoHdlc = 104,
  kLoop = 108,  // OpenBSD loopback, address family in network order
  kLinuxCooked = 113,
  kIpv4 = 228,
  kIpv6 = 229,
  kLinuxCooked2 = 276,
};

// Whether parse_packet knows this link type.
bool is_supported(LinkType type) noexcept;
// "Ethernet", "Linux cooked v2", …, or "unknown".
const char* name_of(LinkType type) noexcept;

}  // namespace reelsense
