// One captured record in, one IP packet out: addresses, ports and the wire length, never payload.
//
// Tunnels are followed to the innermost IP packet (802.1Q/QinQ, MPLS with or without a pseudowire, PPPoE,
// PPP, GRE with PPTP, Ethernet bridging and ERSPAN, IP-in-IP, VXLAN on UDP 4789, GTP-U on UDP 2152), so a
// flow is the user's flow and not the tunnel's.
//
// Tunnel rule: where a tunnel carries no IP packet that can be read (GTP control messages, ARP in VXLAN, an
// inner header that is wrong or behind the snap length), the packet is one of the tunnel's own flow: the
// nearest IP packet around it. Only kTunnelDepth drops it. A first fragment of a tunnel packet is followed;
// its later fragments are later fragments of the tunnel's flow.
//
// Invariants: parse_packet reads only inside `captured`; it allocates nothing, keeps nothing and never fails
// but by a DropReason. Thread safety: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "reelsense/packet/link_type.h"

namespace reelsense {

// An IPv6 address, or an IPv4 address mapped as ::ffff:a.b.c.d; network byte order.
using Address = std::array<std::uint8_t, 16>;

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolSctp = 132;

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpAck = 0x10;

struct ParsedPacket {
  std::int64_t time_ns = 0;  // event time, ns since the epoch; set by the caller of parse_packet
  Address source{};
  Address destination{};
  std::uint32_t wire_bytes = 0;   // length of the innermost IP packet on the wire, header included
  std::uint32_t fragment_id = 0;  // IP identification of a fragment
  std::uint16_t source_port = 0;  // 0 where the protocol has none, or in a later fragment
  std::uint16_t destination_port = 0;
  std::uint16_t header_bytes = 0;  // IP + extension + transport headers (for the super-packet rule)
  std::uint8_t ip_version = 0;     // 4 or 6
  std::uint8_t protocol = 0;       // IANA protocol number after extension headers
  std::uint8_t tcp_flags = 0;      // kTcp… bits, 0 for other protocols
  bool first_fragment = false;     // offset 0 and more to come: carries the ports
  bool later_fragment = false;     // offset > 0: carries no ports
};

enum class DropReason : std::uint8_t {
  kNone,
  kLinkType,         // a link type that parse_packet does not know
  kNotIp,            // ARP, LLDP, STP, …: well-formed, no IP packet inside
  kTruncated,        // the snap length cut a header that is needed
  kBadHeader,        // a header contradicts itself (version, length fields)
  kTunnelDepth,      // more than kMaxEncapsulation headers around the packet, extension headers included
  kFragmentUnknown,  // a later fragment whose first fragment was not seen (set by the flow layer)
  kTimeStep,         // a time far from its neighbours' (set by the flow layer)
  kCount,
};
// Stable snake_case name, e.g. "not_ip".
const char* name_of(DropReason reason) noexcept;

// Encapsulation and extension headers (tags, labels, tunnels, IPv6 and GTP-U extensions) that parse_packet
// follows at most.
inline constexpr int kMaxEncapsulation = 16;

// Parses one record. `captured` are the bytes kept of it, `wire_bytes` its original length on the link
// (≥ captured.size(); a smaller value is taken as captured.size()).
//
// Wire length rule: out.wire_bytes is the innermost IP packet's own length field where that is set and its
// end is not beyond the record's original length or what an enclosing header's length field leaves, else what
// these leave behind the outer headers; so link padding is not counted, and a cut record counts in full. A
// length field of zero (TSO, jumbogram) is not set.
//
// Read of TCP: the ports and the flags, 14 bytes; of UDP, UDP-Lite, SCTP and DCCP: the ports. A header that
// the snap length cut before these is kTruncated; one for which the packet itself is too short is kBadHeader.
// ESP ends the chain: protocol 50, no ports.
//
// Fills every field of `out` but time_ns. On anything but kNone `out` is unspecified.
[[nodiscard]] DropReason parse_packet(LinkType link, std::span<const std::uint8_t> captured,
                                      std::uint32_t wire_bytes, ParsedPacket& out) noexcept;

// The TCP sequence number of the packet that parse_packet finds in the record, if it is one of TCP and no
// later fragment. A second walk through the headers: for tools that follow a byte stream, not for the packet
// path.
[[nodiscard]] std::optional<std::uint32_t> tcp_sequence(LinkType link, std::span<const std::uint8_t> captured,
                                                        std::uint32_t wire_bytes) noexcept;

// Super-packet rule. An IP packet longer than kMtuBytes was merged by an offload (TSO, GSO, LRO, GRO). It
// stands for ceil(payload / (kMtuBytes − header)) packets of the same time: all but the last of kMtuBytes,
// the last with what remains, each with the header of the first. No offload makes packets over
// kMaxSuperPacketBytes or with headers over half an MTU: such a one counts once, with 65535 bytes at most, so
// that a forged length cannot stand for millions.
inline constexpr std::uint32_t kMtuBytes = 1500;
inline constexpr std::uint32_t kMaxSuperPacketBytes = 1U << 20;

struct SuperPacket {
  std::uint32_t count = 1;       // packets that it stands for, ≥ 1
  std::uint32_t last_bytes = 0;  // wire bytes of the last one, ≤ 65535; the others have kMtuBytes
};
[[nodiscard]] inline SuperPacket expand_super_packet(std::uint32_t wire_bytes,
                                                     std::uint32_t header_bytes) noexcept {
  if (wire_bytes <= kMtuBytes) return {1, wire_bytes};
  if (header_bytes > kMtuBytes / 2 || wire_bytes > kMaxSuperPacketBytes) {
    return {1, wire_bytes < 65535 ? wire_bytes : 65535};
  }
  const std::uint32_t payload = wire_bytes - header_bytes;
  const std::uint32_t per_packet = kMtuBytes - header_bytes;
  const std::uint32_t count = (payload + per_packet - 1) / per_packet;
  return {count, payload - (count - 1) * per_packet + header_bytes};
}

}  // namespace reelsense
