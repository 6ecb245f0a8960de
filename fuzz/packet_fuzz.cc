// parse_packet over any bytes: the first byte selects the link type, the second how much longer the wire was.
// Beyond memory safety it holds the promises of packet.h, and the fast path to the walk's answer.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "packet/walk.h"
#include "reelsense/packet/packet.h"

namespace {

using reelsense::DropReason;
using reelsense::LinkType;
using reelsense::ParsedPacket;

void require(bool promise) {
  if (!promise) std::abort();
}

bool same(const ParsedPacket& a, const ParsedPacket& b) {
  return a.source == b.source && a.destination == b.destination && a.wire_bytes == b.wire_bytes &&
         a.fragment_id == b.fragment_id && a.source_port == b.source_port &&
         a.destination_port == b.destination_port && a.header_bytes == b.header_bytes &&
         a.ip_version == b.ip_version && a.protocol == b.protocol && a.tcp_flags == b.tcp_flags &&
         a.first_fragment == b.first_fragment && a.later_fragment == b.later_fragment;
}

constexpr std::array kLinks = {LinkType::kEthernet,       LinkType::kNull,     LinkType::kPpp,
                               LinkType::kRawDlt12,       LinkType::kRawDlt14, LinkType::kRaw,
                               LinkType::kCiscoHdlc,      LinkType::kLoop,     LinkType::kLinuxCooked,
                               LinkType::kIpv4,           LinkType::kIpv6,     LinkType::kLinuxCooked2,
                               static_cast<LinkType>(147)};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const LinkType link = kLinks[data[0] % kLinks.size()];
  const std::span<const std::uint8_t> captured(data + 2, size - 2);
  const auto wire = static_cast<std::uint32_t>(captured.size() + data[1] * 8U);
  ParsedPacket packet;
  const DropReason reason = reelsense::parse_packet(link, captured, wire, packet);
  ParsedPacket walked;
  require(reelsense::packet_internal::walk_headers(link, captured, wire, walked) == reason);
  require(reelsense::is_supported(link) || reason == DropReason::kLinkType);
  if (reason != DropReason::kNone) return 0;
  require(same(packet, walked));
  require(packet.ip_version == 4 || packet.ip_version == 6);
  require(packet.wire_bytes <= wire && packet.header_bytes <= packet.wire_bytes);
  require(!packet.later_fragment || (packet.source_port == 0 && packet.destination_port == 0));
  require(!(packet.first_fragment && packet.later_fragment));
  const auto super = reelsense::expand_super_packet(packet.wire_bytes, packet.header_bytes);
  require(super.count >= 1 && super.last_bytes <= packet.wire_bytes);
  return 0;
}
