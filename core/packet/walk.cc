// Each step reads one header at offset_ and says which header follows. An IP packet that was read whole is
// kept in out_; when what a tunnel carries is not IP, that packet is the answer.
#include "walk.h"

#include <algorithm>
#include <cstddef>

#include "ip_fields.h"

namespace reelsense::packet_internal {
namespace {

enum class Layer : std::uint8_t {
  kEthernet,
  kEtherType,  // ether_type_ says which
  kIp,         // told by the version nibble
  kIpv4,
  kIpv6,
  kMpls,
  kMplsPayload,
  kPppoe,
  kPpp,
  kGre,
  kVxlan,
  kGtpU,
  kDone,
};

constexpr std::uint16_t kEtherTransparent = 0x6558;
constexpr std::uint16_t kEtherPptp = 0x880b;
constexpr std::uint16_t kEtherMpls = 0x8847;
constexpr std::uint16_t kEtherMplsMulticast = 0x8848;
constexpr std::uint16_t kEtherPppoe = 0x8864;
constexpr std::uint16_t kEtherErspan2 = 0x88be;
constexpr std::uint16_t kEtherErspan3 = 0x22eb;
constexpr std::uint16_t kEtherArp = 0x0806;
constexpr std::uint16_t kMaxEthernetLength = 1500;  // below: an 802.3 length, not a type

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

class Walk {
 public:
  Walk(std::span<const std::uint8_t> captured, std::uint32_t wire_bytes, ParsedPacket& out) noexcept
      : data_(captured.data()), captured_end_(captured.size()), wire_end_(wire_bytes), out_(out) {}

  DropReason run(LinkType link) noexcept;

 private:
  DropReason start(LinkType link) noexcept;
  DropReason step() noexcept;

  // Link and tag layers.
  DropReason ethernet() noexcept;
  DropReason ether_type() noexcept;
  DropReason cooked(std::size_t header, std::size_t type_at) noexcept;
  DropReason loopback(bool network_order_only) noexcept;
  DropReason mpls() noexcept;
  DropReason mpls_payload() noexcept;
  DropReason pppoe() noexcept;
  DropReason ppp() noexcept;

  // IP and what it carries.
  DropReason ip() noexcept;
  DropReason ipv4() noexcept;
  DropReason ipv6() noexcept;
  DropReason extensions(ParsedPacket& packet, std::size_t start, bool whole) noexcept;
  DropReason fragment_header(ParsedPacket& packet, bool& whole) noexcept;
  DropReason transport(ParsedPacket& packet, std::size_t start) noexcept;
  void enter_tunnel() noexcept;

  // Tunnels.
  DropReason gre() noexcept;
  DropReason gre_payload(std::uint16_t type, bool sequence) noexcept;
  DropReason vxlan() noexcept;
  DropReason gtp_u() noexcept;

  [[nodiscard]] const std::uint8_t* at() const noexcept { return data_ + offset_; }
  [[nodiscard]] std::uint8_t u8(std::size_t i) const noexcept { return data_[offset_ + i]; }
  [[nodiscard]] std::uint16_t be16(std::size_t i) const noexcept { return load_be<std::uint16_t>(at() + i); }
  [[nodiscard]] std::size_t wire_left() const noexcept { return wire_end_ - offset_; }

  // Whether n bytes are there to read; else why not.
  [[nodiscard]] DropReason need(std::size_t n) const noexcept {
    if (n <= captured_end_ - offset_) return DropReason::kNone;
    return n <= wire_left() ? DropReason::kTruncated : DropReason::kBadHeader;
  }
  // What follows ends after n more bytes, if the wire had so many.
  void limit(std::size_t n) noexcept {
    if (n > wire_left()) return;
    wire_end_ = offset_ + n;
    captured_end_ = std::min(captured_end_, wire_end_);
  }
  // A step over bytes that need() found.
  void advance(std::size_t n, Layer next) noexcept {
    offset_ += n;
    next_ = next;
  }
  [[nodiscard]] bool deeper() noexcept { return ++depth_ <= kMaxEncapsulation; }

  const std::uint8_t* data_;
  std::size_t offset_ = 0;    // ≤ captured_end_
  std::size_t captured_end_;  // ≤ wire_end_
  std::size_t wire_end_;
  ParsedPacket& out_;
  bool have_packet_ = false;  // out_ holds the innermost IP packet so far
  int depth_ = 0;
  std::uint16_t ether_type_ = 0;
  Layer next_ = Layer::kDone;
};

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

// Address and control (ff 03) may be left out, and so may the zero high byte of the protocol.
DropReason Walk::ppp() noexcept {
  if (const auto reason = need(1); reason != DropReason::kNone) return reason;
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

// ---- IP and what it carries

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

DropReason Walk::transport(ParsedPacket& packet, std::size_t start) noexcept {
  const TransportShape shape = shape_of(packet.protocol);
  if (shape.read != 0) {
    if (shape.header > wire_left()) return DropReason::kBadHeader;
    if (const auto reason = need(shape.read); reason != DropReason::kNone) return reason;
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

// ---- tunnels

DropReason Walk::gre() noexcept {
  if (const auto reason = need(4); reason != DropReason::kNone) return reason;
  const std::uint16_t flags = be16(0);
  const std::uint16_t type = be16(2);
  const int version = flags & 0x0007;
  const bool checksum = (flags & 0x8000) != 0;
  const bool routing = (flags & 0x4000) != 0;
  const bool key = (flags & 0x2000) != 0;
  const bool sequence = (flags & 0x1000) != 0;
  const bool acknowledge = version == 1 && (flags & 0x0080) != 0;
  if (version > 1 || routing) return DropReason::kNotIp;
  if (version == 1 && (type != kEtherPptp || !key || !sequence)) return DropReason::kNotIp;  // no payload
  const std::size_t length = 4 + 4U * checksum + 4U * key + 4U * sequence + 4U * acknowledge;
  if (const auto reason = need(length); reason != DropReason::kNone) return reason;
  offset_ += length;
  if (version == 1) {
    next_ = Layer::kPpp;
    return DropReason::kNone;
  }
  return gre_payload(type, sequence);
}

DropReason Walk::gre_payload(std::uint16_t type, bool sequence) noexcept {
  if (type == kEtherTransparent) {
    next_ = Layer::kEthernet;
    return DropReason::kNone;
  }
  if (type == kEtherErspan2) {  // type I has neither a sequence number nor a header
    const std::size_t length = sequence ? 8 : 0;
    if (const auto reason = need(length); reason != DropReason::kNone) return reason;
    advance(length, Layer::kEthernet);
    return DropReason::kNone;
  }
  if (type == kEtherErspan3) {
    if (const auto reason = need(12); reason != DropReason::kNone) return reason;
    const std::size_t length = (u8(11) & 0x01) != 0 ? 20 : 12;
    if (const auto reason = need(length); reason != DropReason::kNone) return reason;
    advance(length, Layer::kEthernet);
    return DropReason::kNone;
  }
  ether_type_ = type;
  next_ = Layer::kEtherType;
  return DropReason::kNone;
}

DropReason Walk::vxlan() noexcept {
  if (const auto reason = need(8); reason != DropReason::kNone) return reason;
  if ((u8(0) & 0x08) == 0) return DropReason::kNotIp;
  advance(8, Layer::kEthernet);
  return DropReason::kNone;
}

DropReason Walk::gtp_u() noexcept {
  if (const auto reason = need(8); reason != DropReason::kNone) return reason;
  const std::uint8_t flags = u8(0);
  if ((flags & 0xf0) != 0x30 || u8(1) != 0xff) return DropReason::kNotIp;  // version 1, GTP, a user packet
  const std::size_t length = be16(2);
  offset_ += 8;
  limit(length);
  if ((flags & 0x07) != 0) {
    if (const auto reason = need(4); reason != DropReason::kNone) return reason;
    std::uint8_t extension = (flags & 0x04) != 0 ? u8(3) : 0;
    offset_ += 4;
    while (extension != 0) {
      if (!deeper()) return DropReason::kTunnelDepth;
      if (const auto reason = need(1); reason != DropReason::kNone) return reason;
      const std::size_t bytes = u8(0) * 4U;
      if (bytes == 0) return DropReason::kBadHeader;
      if (const auto reason = need(bytes); reason != DropReason::kNone) return reason;
      extension = u8(bytes - 1);
      offset_ += bytes;
    }
  }
  next_ = Layer::kIp;
  return DropReason::kNone;
}

}  // namespace

DropReason walk_headers(LinkType link, std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                        ParsedPacket& out) noexcept {
  return Walk(captured, wire_bytes, out).run(link);
}

}  // namespace reelsense::packet_internal
