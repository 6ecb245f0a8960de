#include "reelsense/flow/flow_key.h"

namespace reelsense {
namespace {

bool in_v4(std::uint32_t address, std::uint32_t network, int bits) noexcept {
  return (address ^ network) >> (32 - bits) == 0;
}

bool is_multicast_or_broadcast(const AddressWords& a, std::uint8_t ip_version) noexcept {
  if (ip_version == 4) {
    const auto v4 = static_cast<std::uint32_t>(a.low);
    return in_v4(v4, 0xe0000000U, 4) || v4 == 0xffffffffU;
  }
  return a.high >> 56 == 0xff;
}

bool is_private(const AddressWords& a, std::uint8_t ip_version) noexcept {
  if (ip_version == 4) {
    const auto v4 = static_cast<std::uint32_t>(a.low);
    return in_v4(v4, 0x0a000000U, 8) || in_v4(v4, 0xac100000U, 12) || in_v4(v4, 0xc0a80000U, 16) ||
           in_v4(v4, 0x64400000U, 10) || in_v4(v4, 0xa9fe0000U, 16) || in_v4(v4, 0x7f000000U, 8);
  }
  return a.high >> 57 == 0xfc >> 1 || a.high >> 54 == 0xfe80 >> 6 || (a.high == 0 && a.low == 1);
}

}  // namespace

bool sender_is_client(const ParsedPacket& packet) noexcept {
  if (packet.protocol == kProtocolTcp && (packet.tcp_flags & kTcpSyn) != 0)
    return (packet.tcp_flags & kTcpAck) == 0;
  const AddressWords source = to_words(packet.source);
  const AddressWords destination = to_words(packet.destination);
  const bool source_group = is_multicast_or_broadcast(source, packet.ip_version);
  const bool destination_group = is_multicast_or_broadcast(destination, packet.ip_version);
  if (source_group != destination_group) return destination_group;
  const bool source_private = is_private(source, packet.ip_version);
  const bool destination_private = is_private(destination, packet.ip_version);
  if (source_private != destination_private) return source_private;
  return packet.source_port >= packet.destination_port;
}

}  // namespace reelsense
