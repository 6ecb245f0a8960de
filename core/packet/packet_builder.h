// Test helper: packets from the inside out, each function wraps its payload. Lengths are right unless a test
// overwrites them. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "reelsense/packet/packet.h"

namespace reelsense::testing {

using Bytes = std::vector<std::uint8_t>;

inline Bytes be16(std::uint32_t v) {
  return {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v & 0xff)};
}
inline Bytes be32(std::uint32_t v) {
  return {static_cast<std::uint8_t>(v >> 24), static_cast<std::uint8_t>((v >> 16) & 0xff),
          static_cast<std::uint8_t>((v >> 8) & 0xff), static_cast<std::uint8_t>(v & 0xff)};
}
inline Bytes join(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
inline Bytes zeros(std::size_t n) {
  return Bytes(n, 0);
}

// The flow under test, and the tunnel's ends around it. The last byte of an IPv6 address is `host` too.
inline constexpr std::uint8_t kClient = 1;
inline constexpr std::uint8_t kServer = 2;
inline constexpr std::uint8_t kTunnelA = 11;
inline constexpr std::uint8_t kTunnelB = 12;
inline constexpr std::uint16_t kClientPort = 51111;
inline constexpr std::uint16_t kServerPort = 443;
inline constexpr std::uint16_t kTunnelPort = 40000;

inline Address address4(std::uint8_t host) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 20, 30, host};
}
inline Address address6(std::uint8_t host) {
  return {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, host};
}

inline Bytes tcp(std::size_t payload, std::uint8_t flags = kTcpAck, std::size_t options = 0) {
  const auto offset = static_cast<std::uint8_t>((20 + options) / 4 << 4);
  return join({be16(kClientPort),
               be16(kServerPort),
               be32(7),
               be32(8),
               {offset, flags},
               zeros(6),
               Bytes(options, 1),
               Bytes(payload, 0xaa)});
}
inline Bytes udp(std::uint16_t source, std::uint16_t destination, const Bytes& payload) {
  return join({be16(source), be16(destination), be16(static_cast<std::uint32_t>(8 + payload.size())), be16(0),
               payload});
}
inline Bytes ipv4(std::uint8_t protocol, const Bytes& payload, std::uint8_t source = kClient,
                  std::uint8_t destination = kServer, const Bytes& options = {},
                  std::uint16_t fragment = 0x4000) {
  const auto header = static_cast<std::uint32_t>(20 + options.size());
  return join({{static_cast<std::uint8_t>(0x40 | header / 4), 0},
               be16(header + static_cast<std::uint32_t>(payload.size())),
               be16(0x1234),
               be16(fragment),
               {64, protocol, 0, 0, 10, 20, 30, source, 10, 20, 30, destination},
               options,
               payload});
}
inline Bytes ipv6(std::uint8_t next, const Bytes& payload, std::uint8_t source = kClient,
                  std::uint8_t destination = kServer) {
  const Address from = address6(source);
  const Address to = address6(destination);
  return join({be32(6U << 28),
               be16(static_cast<std::uint32_t>(payload.size())),
               {next, 64},
               Bytes(from.begin(), from.end()),
               Bytes(to.begin(), to.end()),
               payload});
}
// The outer packet of a tunnel.
inline Bytes outer4(std::uint8_t protocol, const Bytes& payload) {
  return ipv4(protocol, payload, kTunnelA, kTunnelB);
}
inline Bytes outer_udp4(std::uint16_t port, const Bytes& payload) {
  return outer4(kProtocolUdp, udp(kTunnelPort, port, payload));
}

inline Bytes ethernet(std::uint16_t type, const Bytes& payload) {
  return join({{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, be16(type), payload});
}
inline Bytes tag(std::uint16_t inner_type, const Bytes& payload) {  // behind its 0x8100
  return join({be16(100), be16(inner_type), payload});
}
inline Bytes mpls(bool bottom, const Bytes& payload) {
  return join({{0, 1, static_cast<std::uint8_t>(bottom ? 1 : 0), 64}, payload});
}
inline Bytes pppoe(std::uint16_t protocol, const Bytes& payload) {
  return join(
      {{0x11, 0, 0, 7}, be16(static_cast<std::uint32_t>(payload.size() + 2)), be16(protocol), payload});
}
inline Bytes gre(std::uint16_t flags, std::uint16_t type, std::size_t optional_bytes, const Bytes& payload) {
  return join({be16(flags), be16(type), zeros(optional_bytes), payload});
}
inline Bytes vxlan(const Bytes& payload) {
  return join({{8, 0, 0, 0, 0, 0, 5, 0}, payload});
}
// `extra` holds the optional fields and extension headers.
inline Bytes gtp_u(std::uint8_t flags, const Bytes& extra, const Bytes& payload,
                   std::uint8_t message = 0xff) {
  return join({{static_cast<std::uint8_t>(0x30 | flags), message},
               be16(static_cast<std::uint32_t>(extra.size() + payload.size())),
               be32(0x11223344),
               extra,
               payload});
}
inline Bytes options_header(std::uint8_t next, std::uint8_t extra_words = 0) {
  return join({{next, extra_words}, zeros(6U + 8U * extra_words)});
}
inline Bytes fragment_header(std::uint8_t next, std::uint16_t offset_bytes, bool more, std::uint32_t id) {
  return join({{next, 0}, be16(static_cast<std::uint32_t>(offset_bytes) | (more ? 1U : 0U)), be32(id)});
}

}  // namespace reelsense::testing
