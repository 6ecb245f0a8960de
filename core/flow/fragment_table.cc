#include "reelsense/flow/fragment_table.h"

#include <cstring>

namespace reelsense {

std::size_t FragmentTable::place_of(const ParsedPacket& packet) noexcept {
  std::uint64_t words[4];
  std::memcpy(words, packet.source.data(), 16);
  std::memcpy(words + 2, packet.destination.data(), 16);
  std::uint64_t hash = packet.fragment_id ^ static_cast<std::uint64_t>(packet.protocol) << 32;
  for (const std::uint64_t word : words) hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
  return hash >> 56;
}

void FragmentTable::remember(const ParsedPacket& packet) noexcept {
  static_assert(kEntries == 256, "place_of yields 8 bits");
  entries_[place_of(packet)] = {
      packet.source,      packet.destination,      packet.time_ns,  packet.fragment_id,
      packet.source_port, packet.destination_port, packet.protocol, true};
}

bool FragmentTable::resolve(ParsedPacket& packet) const noexcept {
  const Entry& entry = entries_[place_of(packet)];
  const std::int64_t age_ns = packet.time_ns - entry.time_ns;
  if (!entry.used || entry.id != packet.fragment_id || entry.protocol != packet.protocol ||
      entry.source != packet.source || entry.destination != packet.destination || age_ns > kLifetimeNs ||
      age_ns < -kLifetimeNs) {
    return false;
  }
  packet.source_port = entry.source_port;
  packet.destination_port = entry.destination_port;
  return true;
}

}  // namespace reelsense
