#include "reelsense/flow/flow_key.h"

namespace reelsense {
namespace {

__extension__ using Uint128 = unsigned __int128;

// Folds a 64 × 64 → 128 bit product: the mixing step of wyhash (Wang Yi, public domain design).
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

constexpr std::uint64_t kSeed1 = 0x9e3779b97f4a7c15ULL;
constexpr std::uint64_t kSeed2 = 0xd1b54a32d192ed03ULL;
constexpr std::uint64_t kMappedPrefix = 0x0000ffff00000000ULL;  // ::ffff:0:0/96, low word

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

KeyedPacket key_of(const ParsedPacket& packet) noexcept {
  const AddressWords source = to_words(packet.source);
  const AddressWords destination = to_words(packet.destination);
  KeyedPacket keyed;
  const bool v4 = packet.ip_version == 4;
  keyed.from_a =
      v4 ? (source.low != destination.low ? source.low < destination.low
                                          : packet.source_port <= packet.destination_port)
         : (source != destination ? source < destination : packet.source_port <= packet.destination_port);
  FlowKey& key = keyed.key;
  key.a = keyed.from_a ? source : destination;
  key.b = keyed.from_a ? destination : source;
  key.a_port = keyed.from_a ? packet.source_port : packet.destination_port;
  key.b_port = keyed.from_a ? packet.destination_port : packet.source_port;
  key.protocol = packet.protocol;
  key.ip_version = packet.ip_version;

  const std::uint64_t rest = static_cast<std::uint64_t>(key.a_port) << 32 |
                             static_cast<std::uint64_t>(key.b_port) << 16 |
                             static_cast<std::uint64_t>(key.protocol) << 8 | key.ip_version;
  std::uint64_t hash;
  if (v4) {
    const std::uint64_t addresses = (key.a.low ^ kMappedPrefix) << 32 | (key.b.low ^ kMappedPrefix);
    hash = mix(addresses ^ kSeed1, rest ^ kSeed2);
  } else {
    hash = mix(mix(key.a.high ^ kSeed1, key.a.low ^ kSeed2) ^ rest,
               mix(key.b.high ^ kSeed2, key.b.low ^ kSeed1) ^ kSeed1);
  }
  keyed.hash = static_cast<std::uint32_t>(hash ^ hash >> 32);
  return keyed;
}

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
