// The general walk through a record's headers: everything that the fast path of parse_packet leaves.
#pragma once

#include <cstdint>
#include <span>

#include "reelsense/packet/packet.h"

namespace reelsense::packet_internal {

// As parse_packet. Precondition: wire_bytes ≥ captured.size().
DropReason walk_headers(LinkType link, std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                        ParsedPacket& out) noexcept;

}  // namespace reelsense::packet_internal
