// The general walk through a record's headers: everything that the fast path of parse_packet leaves.
//
// Each step reads one header at offset_ and says which header follows. An IP packet that was read whole is
// kept in out_; when what a tunnel carries is not IP, that packet is the answer. Invariants: offset_ ≤
// captured_end_ ≤ wire_end_; every header counts towards kMaxEncapsulation, so a walk ends. Thread safety: a
// value for one record.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ip_fields.h"
#include "reelsense/packet/packet.h"

namespace reelsense::packet_internal {

// As parse_packet. Precondition: wire_bytes ≥ captured.size().
DropReason walk_headers(LinkType link, std::span<const std::uint8_t> captured, std::uint32_t wire_bytes,
                        ParsedPacket& out) noexcept;

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

class Walk {
 public:
  Walk(std::span<const std::uint8_t> captured, std::uint32_t wire_bytes, ParsedPacket& out) noexcept
      : data_(captured.data()), captured_end_(captured.size()), wire_end_(wire_bytes), out_(out) {}

  DropReason run(LinkType link) noexcept;
  // Where the transport header of out_ starts in the record, if its protocol has ports.
  [[nodiscard]] std::size_t transport_offset() const noexcept { return transport_offset_; }

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
  DropReason cisco_hdlc() noexcept;

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
  std::size_t transport_offset_ = 0;
  bool have_packet_ = false;  // out_ holds the innermost IP packet so far
  int depth_ = 0;
  std::uint16_t ether_type_ = 0;
  Layer next_ = Layer::kDone;
};

}  // namespace reelsense::packet_internal
