// The walk itself, and what stands in front of IP: links, tags, labels, PPP.
#include "walk.h"

namespace reelsense::packet_internal {
namespace {

constexpr std::uint16_t kEtherMpls = 0x8847;
constexpr std::uint16_t kEtherMplsMulticast = 0x8848;
constexpr std::uint16_t kEtherPppoe = 0x8864;
constexpr std::uint16_t kEtherArp = 0x0806;
constexpr std::uint16_t kMaxEthernetLength = 1500;  // below: an 802.3 length, not a type

}  // namespace

DropReason Walk::run(LinkType link) noexcept {
  DropReason reason = start(link);
  while (reason == DropReason::kNone && next_ != Layer::kDone) reason = step();
  if (reason == DropReason::kTunnelDepth) return reason;
  return have_packet_ ? DropReason::kNone : reason;
}

DropReason Walk::start(LinkType link) noexcept {
  switch (link) {
    case LinkType::kNull:
      return loopback(false);
    case LinkType::kLoop:
      return loopback(true);
    case LinkType::kEthernet:
      return ethernet();
    case LinkType::kPpp:
      return ppp();
    case LinkType::kRawDlt12:
    case LinkType::kRawDlt14:
    case LinkType::kRaw:
      return ip();
    case LinkType::kCiscoHdlc:
      return cisco_hdlc();
    case LinkType::kLinuxCooked:
      return cooked(16, 14);
    case LinkType::kIpv4:
      return ipv4();
    case LinkType::kIpv6:
      return ipv6();
    case LinkType::kLinuxCooked2:
      return cooked(20, 0);
  }
  return DropReason::kLinkType;
}

DropReason Walk::step() noexcept {
  switch (next_) {
    case Layer::kEthernet:
      return ethernet();
    case Layer::kEtherType:
      return ether_type();
    case Layer::kIp:
      return ip();
    case Layer::kIpv4:
      return ipv4();
    case Layer::kIpv6:
      return ipv6();
    case Layer::kMpls:
      return mpls();
    case Layer::kMplsPayload:
      return mpls_payload();
    case Layer::kPppoe:
      return pppoe();
    case Layer::kPpp:
      return ppp();
    case Layer::kGre:
      return gre();
    case Layer::kVxlan:
      return vxlan();
    case Layer::kGtpU:
      return gtp_u();
    case Layer::kDone:
      break;
  }
  return DropReason::kNone;
}

// ---- link and tag layers

DropReason Walk::ethernet() noexcept {
  if (const auto reason = need(14); reason != DropReason::kNone) return reason;
  ether_type_ = be16(12);
  advance(14, Layer::kEtherType);
  if (ether_type_ > kMaxEthernetLength) return DropReason::kNone;
  // 802.3: IP only behind LLC and SNAP.
  if (const auto reason = need(8); reason != DropReason::kNone) {
    return reason == DropReason::kBadHeader ? DropReason::kNotIp : reason;
  }
  if (be16(0) != 0xaaaa || u8(2) != 0x03) return DropReason::kNotIp;
  ether_type_ = be16(6);
  advance(8, Layer::kEtherType);
  return DropReason::kNone;
}

DropReason Walk::ether_type() noexcept {
  switch (ether_type_) {
    case kEtherIpv4:
      next_ = Layer::kIpv4;
      return DropReason::kNone;
    case kEtherIpv6:
      next_ = Layer::kIpv6;
      return DropReason::kNone;
    case kEtherMpls:
    case kEtherMplsMulticast:
      next_ = Layer::kMpls;
      return DropReason::kNone;
    case kEtherPppoe:
      next_ = Layer::kPppoe;
      return DropReason::kNone;
    case kEtherVlan:
    case kEtherQinQ:
    case kEtherQinQOld: {
      if (!deeper()) return DropReason::kTunnelDepth;
      if (const auto reason = need(4); reason != DropReason::kNone) return reason;
      ether_type_ = be16(2);
      advance(4, Layer::kEtherType);
      return DropReason::kNone;
    }
    default:
      return DropReason::kNotIp;
  }
}

DropReason Walk::cooked(std::size_t header, std::size_t type_at) noexcept {
  if (const auto reason = need(header); reason != DropReason::kNone) return reason;
  ether_type_ = be16(type_at);
  advance(header, Layer::kEtherType);
  return DropReason::kNone;
}

// The writer's byte order is not known: an address family is below 2^16, so the other order shows.
DropReason Walk::loopback(bool network_order_only) noexcept {
  if (const auto reason = need(4); reason != DropReason::kNone) return reason;
  auto family = load_be<std::uint32_t>(at());
  if (!network_order_only && family > 0xffff) family = byte_swap(family);
  advance(4, Layer::kDone);
  switch (family) {
    case 2:
      next_ = Layer::kIpv4;
      return DropReason::kNone;  // AF_INET everywhere
    case 10:                     // AF_INET6: Linux
    case 23:                     // Windows
    case 24:                     // NetBSD, OpenBSD
    case 28:                     // FreeBSD
    case 30:
      next_ = Layer::kIpv6;
      return DropReason::kNone;  // macOS, iOS
    default:
      return DropReason::kNotIp;
  }
}

DropReason Walk::mpls() noexcept {
  if (!deeper()) return DropReason::kTunnelDepth;
  if (const auto reason = need(4); reason != DropReason::kNone) return reason;
  const bool bottom = (u8(2) & 0x01) != 0;
  advance(4, bottom ? Layer::kMplsPayload : Layer::kMpls);
  return DropReason::kNone;
}

namespace {

bool is_inner_ether_type(std::uint16_t type) noexcept {
  switch (type) {
    case kEtherIpv4:
    case kEtherIpv6:
    case kEtherVlan:
    case kEtherQinQ:
    case kEtherQinQOld:
    case kEtherMpls:
    case kEtherPppoe:
    case kEtherArp:
      return true;
    default:
      return false;
  }
}

}  // namespace

// MPLS names no payload: the first nibble tells IP; a pseudowire shows by a known type at an Ethernet
// header's place, behind a control word (first nibble 0, RFC 4385) or without one.
DropReason Walk::mpls_payload() noexcept {
  if (const auto reason = need(1); reason != DropReason::kNone) return reason;
  const int nibble = u8(0) >> 4;
  if (nibble == 4 || nibble == 6) return ip();
  if (const auto reason = need(14); reason != DropReason::kNone) return reason;
  if (nibble == 0 && need(18) == DropReason::kNone && is_inner_ether_type(be16(16))) {
    advance(4, Layer::kEthernet);
    return DropReason::kNone;
  }
  if (!is_inner_ether_type(be16(12))) return DropReason::kNotIp;
  next_ = Layer::kEthernet;
  return DropReason::kNone;
}

DropReason Walk::pppoe() noexcept {
  if (!deeper()) return DropReason::kTunnelDepth;
  if (const auto reason = need(6); reason != DropReason::kNone) return reason;
  if (u8(0) != 0x11) return DropReason::kBadHeader;
  if (u8(1) != 0) return DropReason::kNotIp;
  const std::size_t length = be16(4);
  advance(6, Layer::kPpp);
  limit(length);
  return DropReason::kNone;
}

// Address (unicast or broadcast), control, then a type as Ethernet's.
DropReason Walk::cisco_hdlc() noexcept {
  if (const auto reason = need(4); reason != DropReason::kNone) return reason;
  ether_type_ = be16(2);
  advance(4, Layer::kEtherType);
  return DropReason::kNone;
}

// Address and control (ff 03) may be left out, and so may the zero high byte of the protocol.
DropReason Walk::ppp() noexcept {
  if (const auto reason = need(1); reason != DropReason::kNone) return reason;
  if (u8(0) == 0x0f || u8(0) == 0x8f) return cisco_hdlc();  // serial captures mix the two framings
  if (u8(0) == 0xff) {
    if (const auto reason = need(3); reason != DropReason::kNone) return reason;
    if (u8(1) != 0x03) return DropReason::kNotIp;
    offset_ += 2;
  }
  std::uint16_t protocol = u8(0);
  std::size_t length = 1;
  if ((protocol & 1) == 0) {
    if (const auto reason = need(2); reason != DropReason::kNone) return reason;
    protocol = be16(0);
    length = 2;
  }
  switch (protocol) {
    case 0x0021:
      advance(length, Layer::kIpv4);
      return DropReason::kNone;
    case 0x0057:
      advance(length, Layer::kIpv6);
      return DropReason::kNone;
    case 0x0281:
    case 0x0283:
      advance(length, Layer::kMpls);
      return DropReason::kNone;
    default:
      return DropReason::kNotIp;
  }
}

DropReason walk_headers(LinkType link, std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                        ParsedPacket& out) noexcept {
  return Walk(captured, wire_bytes, out).run(link);
}

}  // namespace reelsense::packet_internal
