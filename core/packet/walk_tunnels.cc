// The walk's tunnels over IP: GRE, VXLAN, GTP-U.
#include "walk.h"

namespace reelsense::packet_internal {
namespace {

constexpr std::uint16_t kEtherTransparent = 0x6558;
constexpr std::uint16_t kEtherPptp = 0x880b;
constexpr std::uint16_t kEtherErspan2 = 0x88be;
constexpr std::uint16_t kEtherErspan3 = 0x22eb;

}  // namespace

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

}  // namespace reelsense::packet_internal
