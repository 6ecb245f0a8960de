// The walk's IP part: both versions, extension headers, fragments, transports.
#include "walk.h"

namespace reelsense::packet_internal {
namespace {

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kIpv4InIp = 4;
constexpr std::uint8_t kIpv6InIp = 41;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kGreProtocol = 47;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kNoNextHeader = 59;
constexpr std::uint8_t kDestinationOptions = 60;
constexpr std::uint8_t kMplsInIp = 137;

}  // namespace

DropReason Walk::ip() noexcept {
  if (const auto reason = need(1); reason != DropReason::kNone) return reason;
  const int version = u8(0) >> 4;
  if (version == 4) return ipv4();
  if (version == 6) return ipv6();
  return DropReason::kBadHeader;
}

DropReason Walk::ipv4() noexcept {
  if (const auto reason = need(kIpv4Header); reason != DropReason::kNone) return reason;
  const std::size_t header = (u8(0) & 0x0fU) * 4;
  if ((u8(0) >> 4) != 4 || header < kIpv4Header) return DropReason::kBadHeader;
  // Zero: a segment that the sender's offload had yet to cut (TSO).
  if (const std::size_t total = be16(2); total != 0) {
    if (total < header) return DropReason::kBadHeader;
    limit(total);
  }
  if (const auto reason = need(header); reason != DropReason::kNone) return reason;
  ParsedPacket packet;
  packet.time_ns = out_.time_ns;
  packet.ip_version = 4;
  packet.wire_bytes = static_cast<std::uint32_t>(wire_left());
  packet.protocol = u8(9);
  set_ipv4(packet.source, at() + 12);
  set_ipv4(packet.destination, at() + 16);
  const std::uint16_t fragment = be16(6);
  packet.later_fragment = (fragment & 0x1fff) != 0;
  packet.first_fragment = !packet.later_fragment && (fragment & 0x2000) != 0;
  if (packet.later_fragment || packet.first_fragment) packet.fragment_id = be16(4);
  const std::size_t start = offset_;
  offset_ += header;
  return extensions(packet, start, !packet.later_fragment);
}

DropReason Walk::ipv6() noexcept {
  if (const auto reason = need(kIpv6Header); reason != DropReason::kNone) return reason;
  if ((u8(0) >> 4) != 6) return DropReason::kBadHeader;
  ParsedPacket packet;
  packet.time_ns = out_.time_ns;
  packet.ip_version = 6;
  packet.protocol = u8(6);
  // Zero: a jumbogram or an offload, except where nothing follows the header.
  const std::size_t payload = be16(4);
  if (payload != 0 || packet.protocol == kNoNextHeader) limit(kIpv6Header + payload);
  packet.wire_bytes = static_cast<std::uint32_t>(wire_left());
  set_ipv6(packet.source, at() + 8);
  set_ipv6(packet.destination, at() + 24);
  const std::size_t start = offset_;
  offset_ += kIpv6Header;
  return extensions(packet, start, true);
}

// Passes extension headers, then reads the transport. `whole`: not a later fragment, so a transport is there.
DropReason Walk::extensions(ParsedPacket& packet, std::size_t start, bool whole) noexcept {
  const bool v6 = packet.ip_version == 6;
  while (whole) {
    const std::uint8_t type = packet.protocol;
    const bool options = v6 && (type == kHopByHop || type == kRouting || type == kDestinationOptions);
    if (!options && type != kAuthentication && !(v6 && type == kFragment)) break;
    if (!deeper()) return DropReason::kTunnelDepth;
    if (type == kFragment) {
      if (const auto reason = fragment_header(packet, whole); reason != DropReason::kNone) return reason;
      continue;
    }
    if (const auto reason = need(2); reason != DropReason::kNone) return reason;
    const std::size_t length = options ? (u8(1) + 1U) * 8 : (u8(1) + 2U) * 4;
    if (const auto reason = need(length); reason != DropReason::kNone) return reason;
    packet.protocol = u8(0);
    offset_ += length;
  }
  packet.header_bytes = static_cast<std::uint16_t>(std::min<std::size_t>(offset_ - start, 0xffff));
  if (whole) return transport(packet, start);
  out_ = packet;
  have_packet_ = true;
  next_ = Layer::kDone;
  return DropReason::kNone;
}

DropReason Walk::fragment_header(ParsedPacket& packet, bool& whole) noexcept {
  if (const auto reason = need(8); reason != DropReason::kNone) return reason;
  const std::uint16_t field = be16(2);
  packet.protocol = u8(0);
  packet.later_fragment = (field & 0xfff8) != 0;
  packet.first_fragment = !packet.later_fragment && (field & 1) != 0;
  const bool fragment =
      packet.later_fragment || packet.first_fragment;  // else atomic, RFC 6946: a whole packet
  if (fragment) packet.fragment_id = load_be<std::uint32_t>(at() + 4);
  whole = !packet.later_fragment;
  offset_ += 8;
  return DropReason::kNone;
}

namespace {

struct TransportShape {
  std::uint8_t header = 0;  // least length on the wire
  std::uint8_t read = 0;    // bytes that are read of it; 0: no ports
};

TransportShape shape_of(std::uint8_t protocol) noexcept {
  switch (protocol) {
    case kProtocolTcp:
      return {kTcpHeader, kTcpRead};
    case kProtocolUdp:
    case kProtocolUdpLite:
      return {kUdpHeader, 4};
    case kProtocolSctp:
      return {12, 4};
    case kProtocolDccp:
      return {12, 5};
    default:
      return {};
  }
}

}  // namespace

DropReason Walk::transport(ParsedPacket& packet, std::size_t start) noexcept {
  const TransportShape shape = shape_of(packet.protocol);
  if (shape.read != 0) {
    if (shape.header > wire_left()) return DropReason::kBadHeader;
    if (const auto reason = need(shape.read); reason != DropReason::kNone) return reason;
    transport_offset_ = offset_;
    packet.source_port = be16(0);
    packet.destination_port = be16(2);
    std::size_t header = shape.header;
    if (packet.protocol == kProtocolTcp) {
      header = (u8(12) >> 4) * 4U;
      packet.tcp_flags = u8(13);
    } else if (packet.protocol == kProtocolDccp) {
      header = u8(4) * 4U;
    }
    // A first fragment may end inside the options.
    if (header < shape.header) return DropReason::kBadHeader;
    if (header > wire_left()) {
      if (!packet.first_fragment) return DropReason::kBadHeader;
      header = wire_left();
    }
    packet.header_bytes = static_cast<std::uint16_t>(std::min<std::size_t>(offset_ - start + header, 0xffff));
  }
  out_ = packet;
  have_packet_ = true;
  enter_tunnel();
  return next_ == Layer::kDone || deeper() ? DropReason::kNone : DropReason::kTunnelDepth;
}

// What the IP packet in out_ carries, if it is a tunnel; offset_ moves behind UDP.
void Walk::enter_tunnel() noexcept {
  next_ = Layer::kDone;
  switch (out_.protocol) {
    case kIpv4InIp:
      next_ = Layer::kIpv4;
      return;
    case kIpv6InIp:
      next_ = Layer::kIpv6;
      return;
    case kGreProtocol:
      next_ = Layer::kGre;
      return;
    case kMplsInIp:
      next_ = Layer::kMpls;
      return;
    case kProtocolUdp:
      break;
    default:
      return;
  }
  if (need(kUdpHeader) != DropReason::kNone) return;
  if (out_.destination_port == kPortVxlan) advance(kUdpHeader, Layer::kVxlan);
  if (out_.destination_port == kPortGtpU) advance(kUdpHeader, Layer::kGtpU);
}

}  // namespace reelsense::packet_internal
