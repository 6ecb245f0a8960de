// The two forms of a five-tuple: the order-free key of the flow table, and the directional one of a label
// row. Thread safety: plain values.
#pragma once

#include <cstdint>

#include "reelsense/packet/packet.h"

namespace reelsense {

// An address as two host-order words that compare like its bytes.
struct AddressWords {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const AddressWords&, const AddressWords&) = default;
  friend auto operator<=>(const AddressWords&, const AddressWords&) = default;
};

inline AddressWords to_words(const Address& address) noexcept {
  std::uint64_t words[2];
  __builtin_memcpy(words, address.data(), sizeof words);
  return {__builtin_bswap64(words[0]), __builtin_bswap64(words[1])};
}
inline Address to_address(const AddressWords& words) noexcept {
  const std::uint64_t bytes[2] = {__builtin_bswap64(words.high), __builtin_bswap64(words.low)};
  Address address;
  __builtin_memcpy(address.data(), bytes, sizeof bytes);
  return address;
}

// Order-free: both directions of a conversation give the same key. Endpoint a is the smaller (address, port).
struct FlowKey {
  AddressWords a;
  AddressWords b;
  std::uint16_t a_port = 0;
  std::uint16_t b_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t ip_version = 0;
  std::uint16_t reserved = 0;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 40);

// Who is who in a flow; what rows and summaries print.
struct FiveTuple {
  Address client{};
  Address server{};
  std::uint16_t client_port = 0;
  std::uint16_t server_port = 0;
  std::uint8_t protocol = 0;
  std::uint8_t ip_version = 0;
};

enum class Direction : std::uint8_t { kUp = 0, kDown = 1 };

struct KeyedPacket {
  FlowKey key;
  std::uint32_t hash = 0;
  bool from_a = false;  // the packet's sender is endpoint a
};

// Key, hash and side of a packet whose ports are known. Pure; the hash is fixed, so rows do not depend on the
// run.
KeyedPacket key_of(const ParsedPacket& packet) noexcept;

// The client by rules 1–5 of docs/explanation/flows-and-windows.md for the flow's first packet: true if it is
// the sender.
bool sender_is_client(const ParsedPacket& packet) noexcept;

}  // namespace reelsense
