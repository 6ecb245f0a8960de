// parse_packet: a straight path for Ethernet, at most one VLAN tag, and plain IP with TCP or UDP; all else
// walks.
#include <cstddef>

#include "ip_fields.h"
#include "reelsense/packet/packet.h"
#include "walk.h"

namespace reelsense {
namespace {

using namespace packet_internal;

struct IpStart {
  const std::uint8_t* data;
  std::size_t captured;  // bytes kept from `data` on
  std::uint32_t wire;    // bytes on the wire from `data` on
};

// TCP or UDP behind an IP header of `ip_header` bytes. False: not the common case, let the walk decide.
// Precondition: ip_header + kTcpRead bytes captured; total ≤ ip.wire.
inline bool fast_transport(const IpStart& ip, std::uint32_t ip_header, std::uint32_t total,
                           std::uint8_t protocol, ParsedPacket& out) noexcept {
  const std::uint8_t* t = ip.data + ip_header;
  const auto destination_port = load_be<std::uint16_t>(t + 2);
  std::uint32_t header = ip_header;
  std::uint8_t flags = 0;
  if (protocol == kProtocolTcp) {
    const std::uint32_t tcp_header = (t[12] >> 4) * 4U;
    if (tcp_header < kTcpHeader) return false;
    header += tcp_header;
    flags = t[13];
  } else if (protocol == kProtocolUdp) {
    if (destination_port == kPortGtpU || destination_port == kPortVxlan) return false;
    header += kUdpHeader;
  } else {
    return false;
  }
  if (header > total) return false;
  out.wire_bytes = total;
  out.fragment_id = 0;
  out.source_port = load_be<std::uint16_t>(t);
  out.destination_port = destination_port;
  out.header_bytes = static_cast<std::uint16_t>(header);
  out.protocol = protocol;
  out.tcp_flags = flags;
  out.first_fragment = false;
  out.later_fragment = false;
  return true;
}

inline bool fast_ipv4(const IpStart& ip, ParsedPacket& out) noexcept {
  const std::uint8_t* p = ip.data;
  if (ip.captured < kIpv4Header + kTcpRead || p[0] != 0x45) return false;
  const std::uint32_t total = load_be<std::uint16_t>(p + 2);
  const bool fragment = (load_be<std::uint16_t>(p + 6) & 0x3fff) != 0;
  if (fragment || total > ip.wire) return false;
  if (!fast_transport(ip, kIpv4Header, total, p[9], out)) return false;
  set_ipv4(out.source, p + 12);
  set_ipv4(out.destination, p + 16);
  out.ip_version = 4;
  return true;
}

inline bool fast_ipv6(const IpStart& ip, ParsedPacket& out) noexcept {
  const std::uint8_t* p = ip.data;
  if (ip.captured < kIpv6Header + kTcpRead || (p[0] >> 4) != 6) return false;
  const std::uint32_t total = kIpv6Header + load_be<std::uint16_t>(p + 4);
  if (total > ip.wire) return false;
  if (!fast_transport(ip, kIpv6Header, total, p[6], out)) return false;
  set_ipv6(out.source, p + 8);
  set_ipv6(out.destination, p + 24);
  out.ip_version = 6;
  return true;
}

// True when the record was the common case and `out` is filled.
inline bool fast_ethernet(std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                          ParsedPacket& out) noexcept {
  constexpr std::size_t kEthernet = 14;
  constexpr std::size_t kTag = 4;
  if (captured.size() < kEthernet + kTag) return false;
  const std::uint8_t* p = captured.data();
  std::size_t offset = kEthernet;
  auto type = load_be<std::uint16_t>(p + 12);
  if (type == kEtherVlan) {
    type = load_be<std::uint16_t>(p + 16);
    offset += kTag;
  }
  const IpStart ip{p + offset, captured.size() - offset, wire_bytes - static_cast<std::uint32_t>(offset)};
  if (type == kEtherIpv4) return fast_ipv4(ip, out);
  if (type == kEtherIpv6) return fast_ipv6(ip, out);
  return false;
}

}  // namespace

DropReason parse_packet(LinkType link, std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                        ParsedPacket& out) noexcept {
  constexpr std::size_t kMaxWire = 0xffffffffU;
  if (captured.size() > kMaxWire) captured = captured.first(kMaxWire);
  if (wire_bytes < captured.size()) wire_bytes = static_cast<std::uint32_t>(captured.size());
  if (link == LinkType::kEthernet && fast_ethernet(captured, wire_bytes, out)) return DropReason::kNone;
  return walk_headers(link, captured, wire_bytes, out);
}

}  // namespace reelsense
