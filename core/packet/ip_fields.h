// Field access shared by the fast path and the general walk. Thread safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "reelsense/base/byte_reader.h"
#include "reelsense/packet/packet.h"

namespace reelsense::packet_internal {

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint16_t kEtherVlan = 0x8100;
inline constexpr std::uint16_t kEtherQinQ = 0x88a8;
inline constexpr std::uint16_t kEtherQinQOld = 0x9100;

inline constexpr std::uint16_t kPortVxlan = 4789;
inline constexpr std::uint16_t kPortGtpU = 2152;

inline constexpr std::uint8_t kProtocolDccp = 33;
inline constexpr std::uint8_t kProtocolUdpLite = 136;

inline constexpr std::uint32_t kIpv4Header = 20;
inline constexpr std::uint32_t kIpv6Header = 40;
inline constexpr std::uint32_t kUdpHeader = 8;
inline constexpr std::uint32_t kTcpHeader = 20;
// What is read of a TCP header: up to and with the flags.
inline constexpr std::uint32_t kTcpRead = 14;

// ::ffff:a.b.c.d in two 8-byte stores, so that a flow key loaded as two words forwards from the store buffer.
inline void set_ipv4(Address& out, const std::uint8_t* p) noexcept {
  std::uint32_t raw;
  std::memcpy(&raw, p, sizeof raw);
  constexpr bool kLittle = std::endian::native == std::endian::little;
  const std::uint64_t tail = kLittle ? (std::uint64_t{raw} << 32) | 0xffff0000U : 0x0000ffff00000000ULL | raw;
  const std::uint64_t head = 0;
  std::memcpy(out.data(), &head, sizeof head);
  std::memcpy(out.data() + sizeof head, &tail, sizeof tail);
}

inline void set_ipv6(Address& out, const std::uint8_t* p) noexcept {
  std::uint64_t words[2];
  std::memcpy(words, p, sizeof words);
  std::memcpy(out.data(), words, sizeof words);
}

}  // namespace reelsense::packet_internal
