#include "frame.h"

#include <algorithm>
#include <cstring>

namespace reelsense::bench {
namespace {

constexpr std::uint32_t kLeastFrame = 60;  // Ethernet pads to it
constexpr std::size_t kHeaders = 160;      // all that is ever written, rounded up

template <class Value>
std::uint8_t* put(std::uint8_t* p, Value value) noexcept {
  for (std::size_t i = sizeof value; i-- > 0;) *p++ = static_cast<std::uint8_t>(value >> (8 * i));
  return p;
}

std::uint8_t* put(std::uint8_t* p, const Address& address, std::size_t from) noexcept {
  std::memcpy(p, address.data() + from, address.size() - from);
  return p + (address.size() - from);
}

std::uint8_t* write_ethernet(std::uint8_t* p, const TrafficFlow& flow, bool up) noexcept {
  constexpr std::uint64_t kHome = 0x021a11000001, kCore = 0x021a11000002;
  const std::uint64_t destination = up ? kCore : kHome;
  const std::uint64_t source = up ? kHome : kCore;
  p = put(p, static_cast<std::uint32_t>(destination >> 16));
  p = put(p, static_cast<std::uint16_t>(destination & 0xffff));
  p = put(p, static_cast<std::uint32_t>(source >> 16));
  p = put(p, static_cast<std::uint16_t>(source & 0xffff));
  if (flow.vlan != 0) {
    p = put(p, std::uint16_t{0x8100});
    p = put(p, flow.vlan);
  }
  return put(p, flow.ip_version == 4 ? std::uint16_t{0x0800} : std::uint16_t{0x86dd});
}

}  // namespace

std::uint8_t* FrameWriter::write_ip(std::uint8_t* p, const TrafficFlow& flow, const TrafficPacket& packet) {
  const Address& source = packet.up ? flow.client : flow.server;
  const Address& destination = packet.up ? flow.server : flow.client;
  if (flow.ip_version == 4) {
    p = put(p, std::uint16_t{0x4500});
    p = put(p, packet.ip_bytes);
    p = put(p, std::uint32_t{0x00004000});  // do not fragment
    p = put(p, std::uint8_t{64});
    p = put(p, flow.protocol);
    p = put(p, std::uint16_t{0});
    return put(put(p, source, 12), destination, 12);
  }
  p = put(p, std::uint32_t{0x60000000});
  p = put(p, static_cast<std::uint16_t>(packet.ip_bytes - 40));
  p = put(p, flow.protocol);
  p = put(p, std::uint8_t{64});
  return put(put(p, source, 0), destination, 0);
}

// 32 bytes of header: the timestamp option everywhere, behind the segment size in a SYN.
void FrameWriter::write_tcp(std::uint8_t* p, const TrafficFlow& flow, const TrafficPacket& packet) {
  const bool syn = (packet.tcp_flags & kTcpSyn) != 0;
  const std::uint32_t header = syn ? 36 : 32;
  std::uint32_t* seq = &next_seq_[std::size_t{2} * packet.flow];
  p = put(p, seq[packet.up ? 1 : 0]);
  p = put(p, (packet.tcp_flags & kTcpAck) != 0 ? seq[packet.up ? 0 : 1] : 0U);
  p = put(p, static_cast<std::uint8_t>(header / 4 << 4));
  p = put(p, packet.tcp_flags);
  p = put(p, std::uint16_t{0xffff});
  p = put(p, std::uint32_t{0});                    // checksum, urgent pointer
  if (syn) p = put(p, std::uint32_t{0x020405b4});  // maximum segment size
  p = put(p, std::uint32_t{0x0101080a});
  p = put(p, packet.time_us / 1000);
  put(p, std::uint32_t{0});
  const std::uint32_t ip_header = flow.ip_version == 4 ? 20 : 40;
  const bool counts_one = (packet.tcp_flags & (kTcpSyn | kTcpFin)) != 0;
  seq[packet.up ? 1 : 0] += packet.ip_bytes - ip_header - header + (counts_one ? 1U : 0U);
}

std::span<const std::uint8_t> FrameWriter::write(const TrafficPacket& packet) {
  const TrafficFlow& flow = flows_[packet.flow];
  std::memset(frame_, 0, kHeaders);
  std::uint8_t* const ip = write_ethernet(frame_, flow, packet.up);
  std::uint8_t* p = write_ip(ip, flow, packet);
  p = put(p, packet.up ? flow.client_port : flow.server_port);
  p = put(p, packet.up ? flow.server_port : flow.client_port);
  if (flow.protocol == kProtocolTcp) {
    write_tcp(p, flow, packet);
  } else {
    const std::uint32_t ip_header = flow.ip_version == 4 ? 20 : 40;
    put(p, static_cast<std::uint16_t>(packet.ip_bytes - ip_header));
  }
  const auto frame_bytes = static_cast<std::uint32_t>(ip - frame_) + packet.ip_bytes;
  return {frame_, std::max(kLeastFrame, frame_bytes)};
}

}  // namespace reelsense::bench
