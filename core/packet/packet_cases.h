// Test helper: one flow's packet in every encapsulation that parse_packet follows. The tests' table and the
// fuzzers' seeds. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "packet_builder.h"
#include "reelsense/packet/packet.h"

namespace reelsense::testing {

struct Case {
  const char* name;
  LinkType link;
  Bytes bytes;
  int version = 4;           // of the innermost packet
  std::uint32_t wire = 140;  // TCP without options, 100 bytes of payload
};

inline Bytes inner4() {
  return ipv4(kProtocolTcp, tcp(100));
}
inline Bytes inner6() {
  return ipv6(kProtocolTcp, tcp(80));
}

inline std::vector<Case> link_cases() {
  const Bytes ip4 = inner4();
  const Bytes ip6 = inner6();
  const auto link = [](const char* name, LinkType type, const Bytes& header, const Bytes& ip,
                       int version = 4) {
    return Case{name, type, join({header, ip}), version};
  };
  const Bytes cooked4 = join({{0, 0, 0, 1, 0, 6}, zeros(8), be16(0x0800)});
  const Bytes cooked6 = join({{0, 0, 0, 1, 0, 6}, zeros(8), be16(0x86dd)});
  return {
      {"Ethernet4", LinkType::kEthernet, ethernet(0x0800, ip4)},
      {"Ethernet6", LinkType::kEthernet, ethernet(0x86dd, ip6), 6},
      {"Snap", LinkType::kEthernet, ethernet(148, join({{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, ip4}))},
      link("NullLittle", LinkType::kNull, {2, 0, 0, 0}, ip4),
      link("NullBig", LinkType::kNull, {0, 0, 0, 2}, ip4),
      link("NullMac6", LinkType::kNull, {30, 0, 0, 0}, ip6, 6),
      link("NullFreeBsd6", LinkType::kNull, {0, 0, 0, 28}, ip6, 6),
      link("Loop4", LinkType::kLoop, {0, 0, 0, 2}, ip4),
      link("Loop6", LinkType::kLoop, {0, 0, 0, 24}, ip6, 6),
      link("Raw4", LinkType::kRaw, {}, ip4),
      link("Raw6", LinkType::kRaw, {}, ip6, 6),
      link("Raw12", LinkType::kRawDlt12, {}, ip4),
      link("Raw14", LinkType::kRawDlt14, {}, ip6, 6),
      link("Ipv4", LinkType::kIpv4, {}, ip4),
      link("Ipv6", LinkType::kIpv6, {}, ip6, 6),
      link("Cooked4", LinkType::kLinuxCooked, cooked4, ip4),
      link("Cooked6", LinkType::kLinuxCooked, cooked6, ip6, 6),
      link("CookedTwo", LinkType::kLinuxCooked2, join({be16(0x0800), zeros(18)}), ip4),
      link("PppPlain", LinkType::kPpp, {0x00, 0x21}, ip4),
      link("PppAddressControl", LinkType::kPpp, {0xff, 0x03, 0x00, 0x57}, ip6, 6),
      link("PppCisco", LinkType::kPpp, {0x0f, 0, 0x08, 0x00}, ip4),
      link("CiscoHdlc", LinkType::kCiscoHdlc, {0x8f, 0, 0x86, 0xdd}, ip6, 6),
      link("PppCompressed", LinkType::kPpp, {0x21}, ip4),
  };
}

inline std::vector<Case> tag_cases() {
  const Bytes ip4 = inner4();
  const Bytes ip6 = inner6();
  const Bytes frame = ethernet(0x0800, ip4);
  const auto framed = [](const char* name, std::uint16_t type, const Bytes& payload, int version = 4) {
    return Case{name, LinkType::kEthernet, ethernet(type, payload), version};
  };
  return {
      framed("Vlan", 0x8100, tag(0x0800, ip4)),
      framed("Vlan6", 0x8100, tag(0x86dd, ip6), 6),
      framed("QinQ", 0x88a8, tag(0x8100, tag(0x0800, ip4))),
      framed("QinQOld", 0x9100, tag(0x8100, tag(0x86dd, ip6)), 6),
      framed("VlanTwice", 0x8100, tag(0x8100, tag(0x0800, ip4))),
      framed("Mpls", 0x8847, mpls(true, ip4)),
      framed("MplsStack6", 0x8847, mpls(false, mpls(false, mpls(true, ip6))), 6),
      framed("MplsControlWord", 0x8847, mpls(true, join({{0, 0, 0, 0}, frame}))),
      framed("MplsPseudowire", 0x8847, mpls(true, frame)),
      framed("VlanMpls", 0x8100, tag(0x8847, mpls(true, ip4))),
      framed("Pppoe", 0x8864, pppoe(0x0021, ip4)),
      framed("Pppoe6", 0x8864, pppoe(0x0057, ip6), 6),
      framed("VlanPppoe", 0x8100, tag(0x8864, pppoe(0x0021, ip4))),
  };
}

inline std::vector<Case> tunnel_cases() {
  const Bytes ip4 = inner4();
  const Bytes ip6 = inner6();
  const Bytes frame = ethernet(0x0800, ip4);
  const auto tunnel = [](const char* name, std::uint8_t protocol, const Bytes& payload, int version = 4) {
    return Case{name, LinkType::kEthernet, ethernet(0x0800, outer4(protocol, payload)), version};
  };
  const auto udp_tunnel = [](const char* name, std::uint16_t port, const Bytes& payload, int version = 4) {
    return Case{name, LinkType::kEthernet, ethernet(0x0800, outer_udp4(port, payload)), version};
  };
  // A PDU session container, then a PDCP number: two extension headers of 4 bytes.
  const Bytes extensions = join({be16(9), {0, 0x85}, {1, 0x10, 0x09, 0xc0}, {1, 0, 1, 0}});
  return {
      tunnel("IpIp", 4, ip4),
      tunnel("SixInFour", 41, ip6, 6),
      {"FourInSix", LinkType::kRaw, ipv6(4, ip4, kTunnelA, kTunnelB)},
      {"SixInSix", LinkType::kRaw, ipv6(41, ip6, kTunnelA, kTunnelB), 6},
      tunnel("MplsInIp", 137, mpls(true, ip4)),
      tunnel("Gre", 47, gre(0, 0x0800, 0, ip4)),
      tunnel("Gre6", 47, gre(0, 0x86dd, 0, ip6), 6),
      tunnel("GreChecksumKeySequence", 47, gre(0xb000, 0x0800, 12, ip4)),
      tunnel("GreMpls", 47, gre(0, 0x8847, 0, mpls(true, ip4))),
      tunnel("GreEthernet", 47, gre(0x2000, 0x6558, 4, frame)),
      tunnel("ErspanOne", 47, gre(0, 0x88be, 0, frame)),
      tunnel("ErspanTwo", 47, gre(0x1000, 0x88be, 4, join({zeros(8), frame}))),
      tunnel("ErspanThree", 47, gre(0x1000, 0x22eb, 4, join({zeros(12), frame}))),
      tunnel("ErspanThreeSubheader", 47, gre(0x1000, 0x22eb, 4, join({zeros(11), {1}, zeros(8), frame}))),
      tunnel("Pptp", 47, gre(0x3001, 0x880b, 8, join({{0xff, 0x03, 0x00, 0x21}, ip4}))),
      tunnel("PptpAcknowledge", 47, gre(0x3081, 0x880b, 12, join({{0x21}, ip4}))),
      udp_tunnel("Vxlan", 4789, vxlan(frame)),
      udp_tunnel("VxlanVlan", 4789, vxlan(ethernet(0x8100, tag(0x86dd, ip6))), 6),
      udp_tunnel("GtpU", 2152, gtp_u(0, {}, ip4)),
      udp_tunnel("GtpU6", 2152, gtp_u(0, {}, ip6), 6),
      udp_tunnel("GtpUSequence", 2152, gtp_u(2, join({be16(9), {0, 0}}), ip4)),
      udp_tunnel("GtpUExtensions", 2152, gtp_u(6, extensions, ip4)),
      {"GtpUOverIpv6", LinkType::kRaw,
       ipv6(kProtocolUdp, udp(kTunnelPort, 2152, gtp_u(0, {}, ip4)), kTunnelA, kTunnelB)},
      udp_tunnel("GtpUInVxlan", 4789, vxlan(ethernet(0x0800, outer_udp4(2152, gtp_u(0, {}, ip4))))),
  };
}

inline std::vector<Case> all_cases() {
  std::vector<Case> all = link_cases();
  for (auto& more : {tag_cases(), tunnel_cases()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace reelsense::testing
