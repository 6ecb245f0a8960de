#include "walk.h"

namespace reelsense {

std::optional<std::uint32_t> tcp_sequence(LinkType link, std::span<const std::uint8_t> captured,
                                          std::uint32_t wire_bytes) noexcept {
  constexpr std::size_t kMaxWire = 0xffffffffU;
  if (captured.size() > kMaxWire) captured = captured.first(kMaxWire);
  if (wire_bytes < captured.size()) wire_bytes = static_cast<std::uint32_t>(captured.size());
  ParsedPacket packet;
  packet_internal::Walk walk(captured, wire_bytes, packet);
  if (walk.run(link) != DropReason::kNone) return std::nullopt;
  if (packet.protocol != kProtocolTcp || packet.later_fragment) return std::nullopt;
  return load_be<std::uint32_t>(captured.data() + walk.transport_offset() + 4);
}

}  // namespace reelsense
