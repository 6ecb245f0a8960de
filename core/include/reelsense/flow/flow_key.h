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
  // All of it at once: the keys that are compared are nearly always equal.
  friend bool operator==(const FlowKey& x, const FlowKey& y) noexcept {
    std::uint64_t x_rest;
    std::uint64_t y_rest;
    __builtin_memcpy(&x_rest, &x.a_port, sizeof x_rest);
    __builtin_memcpy(&y_rest, &y.a_port, sizeof y_rest);
    return ((x.a.high ^ y.a.high) | (x.a.low ^ y.a.low) | (x.b.high ^ y.b.high) | (x.b.low ^ y.b.low) |
            (x_rest ^ y_rest)) == 0;
  }
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
inline void key_of(const ParsedPacket& packet, KeyedPacket& out) noexcept;

// The client by rules 1–5 of docs/explanation/flows-and-windows.md for the flow's first packet: true if it is
// the sender.
bool sender_is_client(const ParsedPacket& packet) noexcept;

// ---------------------------------------------------------------- inline, for the packet path

namespace flow_internal {

__extension__ using Uint128 = unsigned __int128;

// Folds a 64 × 64 → 128 bit product: the mixing step of wyhash (Wang Yi, public domain design).
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline Uint128 as_number(const AddressWords& words) noexcept {
  return static_cast<Uint128>(words.high) << 64 | words.low;
}

}  // namespace flow_internal

// Which side sent a packet is as good as random, so the ends are put in order without a branch.
// Fields are written straight to `out`: a copy would reload in wide words what was just stored in narrow
// ones, which stalls.
inline void key_of(const ParsedPacket& packet, KeyedPacket& out) noexcept {
  using flow_internal::mix;
  constexpr std::uint64_t kSeed1 = 0x9e3779b97f4a7c15ULL;
  constexpr std::uint64_t kSeed2 = 0xd1b54a32d192ed03ULL;
  const AddressWords source = to_words(packet.source);
  const AddressWords destination = to_words(packet.destination);
  const flow_internal::Uint128 s = flow_internal::as_number(source);
  const flow_internal::Uint128 d = flow_internal::as_number(destination);
  const unsigned ports_in_order = packet.source_port <= packet.destination_port ? 1 : 0;
  const unsigned from_a = (s < d ? 1U : 0U) | ((s == d ? 1U : 0U) & ports_in_order);

  const std::uint64_t swap = static_cast<std::uint64_t>(from_a) - 1;  // all ones if the sender is b
  const std::uint64_t high = (source.high ^ destination.high) & swap;
  const std::uint64_t low = (source.low ^ destination.low) & swap;
  const auto port = static_cast<std::uint16_t>((packet.source_port ^ packet.destination_port) & swap);
  const AddressWords a = {source.high ^ high, source.low ^ low};
  const AddressWords b = {destination.high ^ high, destination.low ^ low};
  const auto a_port = static_cast<std::uint16_t>(packet.source_port ^ port);
  const auto b_port = static_cast<std::uint16_t>(packet.destination_port ^ port);
  const std::uint64_t rest = static_cast<std::uint64_t>(a_port) << 32 |
                             static_cast<std::uint64_t>(b_port) << 16 |
                             static_cast<std::uint64_t>(packet.protocol) << 8 | packet.ip_version;
  const std::uint64_t hash =
      mix(mix(a.high ^ kSeed1, a.low ^ kSeed2) ^ rest, mix(b.high ^ kSeed2, b.low ^ kSeed1) ^ kSeed1);
  out.key.a = a;
  out.key.b = b;
  out.key.a_port = a_port;
  out.key.b_port = b_port;
  out.key.protocol = packet.protocol;
  out.key.ip_version = packet.ip_version;
  out.key.reserved = 0;
  out.hash = static_cast<std::uint32_t>(hash ^ hash >> 32);
  out.from_a = from_a != 0;
}

inline KeyedPacket key_of(const ParsedPacket& packet) noexcept {
  KeyedPacket keyed;
  key_of(packet, keyed);
  return keyed;
}

}  // namespace reelsense
