#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "packet/packet_builder.h"
#include "packet/packet_cases.h"
#include "packet/walk.h"
#include "reelsense/packet/packet.h"

namespace reelsense {
namespace {

using namespace testing;  // NOLINT: the builder is made for these tests

// In an allocation of its own, so that the address sanitizer sees one byte too far.
DropReason parse(LinkType link, const Bytes& bytes, std::uint32_t wire, ParsedPacket& out) {
  const std::unique_ptr<std::uint8_t[]> exact(new std::uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return parse_packet(link, {exact.get(), bytes.size()}, wire, out);
}
DropReason parse(LinkType link, const Bytes& bytes, ParsedPacket& out) {
  return parse(link, bytes, static_cast<std::uint32_t>(bytes.size()), out);
}
DropReason parse_raw(const Bytes& bytes, ParsedPacket& out) {
  return parse(LinkType::kRaw, bytes, out);
}

bool same(const ParsedPacket& a, const ParsedPacket& b) {
  return a.source == b.source && a.destination == b.destination && a.wire_bytes == b.wire_bytes &&
         a.fragment_id == b.fragment_id && a.source_port == b.source_port &&
         a.destination_port == b.destination_port && a.header_bytes == b.header_bytes &&
         a.ip_version == b.ip_version && a.protocol == b.protocol && a.tcp_flags == b.tcp_flags &&
         a.first_fragment == b.first_fragment && a.later_fragment == b.later_fragment;
}

class Encapsulation : public ::testing::TestWithParam<Case> {};

TEST_P(Encapsulation, Whole_GivesInnerFlow) {
  const Case& c = GetParam();
  ParsedPacket p;
  p.time_ns = 77;
  ASSERT_EQ(parse(c.link, c.bytes, p), DropReason::kNone);
  EXPECT_EQ(p.time_ns, 77);
  EXPECT_EQ(p.ip_version, c.version);
  EXPECT_EQ(p.source, c.version == 4 ? address4(kClient) : address6(kClient));
  EXPECT_EQ(p.destination, c.version == 4 ? address4(kServer) : address6(kServer));
  EXPECT_EQ(p.protocol, kProtocolTcp);
  EXPECT_EQ(p.source_port, kClientPort);
  EXPECT_EQ(p.destination_port, kServerPort);
  EXPECT_EQ(p.tcp_flags, kTcpAck);
  EXPECT_EQ(p.wire_bytes, c.wire);
  EXPECT_EQ(p.header_bytes, c.version == 4 ? 40 : 60);
  EXPECT_FALSE(p.first_fragment);
  EXPECT_FALSE(p.later_fragment);
}

TEST_P(Encapsulation, CutAtEveryByte_TunnelFlowOrDropNeverGarbage) {
  const Case& c = GetParam();
  const auto wire = static_cast<std::uint32_t>(c.bytes.size());
  bool whole_seen = false;
  for (std::size_t n = 0; n <= c.bytes.size(); ++n) {
    ParsedPacket p;
    const DropReason reason =
        parse(c.link, Bytes(c.bytes.begin(), c.bytes.begin() + static_cast<std::ptrdiff_t>(n)), wire, p);
    if (reason != DropReason::kNone) {
      // Pseudowires are recognised by bytes further on: cut, they are not IP.
      EXPECT_THAT(reason, ::testing::AnyOf(DropReason::kTruncated, DropReason::kNotIp)) << n;
      EXPECT_FALSE(whole_seen) << n;
      continue;
    }
    const std::uint8_t host = p.source[15];
    if (host == kClient) {
      whole_seen = true;
      EXPECT_EQ(p.source_port, kClientPort) << n;
      EXPECT_EQ(p.destination_port, kServerPort) << n;
      EXPECT_EQ(p.tcp_flags, kTcpAck) << n;
      EXPECT_EQ(p.wire_bytes, c.wire) << n;  // whatever the snap length kept
    } else {
      ASSERT_FALSE(whole_seen) << n;
      ASSERT_EQ(host, kTunnelA) << n;
      EXPECT_THAT(p.source_port, ::testing::AnyOf(0, kTunnelPort)) << n;
      EXPECT_GT(p.wire_bytes, c.wire) << n;
    }
  }
  EXPECT_TRUE(whole_seen);
}

// The straight path and the walk are two readings of one rule.
TEST_P(Encapsulation, AnyByteChanged_FastPathEqualsWalk) {
  const Case& c = GetParam();
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = c.bytes;
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      bytes[random() % std::min<std::size_t>(bytes.size(), 96)] = static_cast<std::uint8_t>(random());
    }
    bytes.resize(random() % 4 == 0 ? random() % bytes.size() : bytes.size());
    const auto wire = static_cast<std::uint32_t>(bytes.size() + random() % 64);
    ParsedPacket a;
    ParsedPacket b;
    const DropReason fast = parse_packet(c.link, bytes, wire, a);
    ASSERT_EQ(fast, packet_internal::walk_headers(c.link, bytes, wire, b)) << i;
    if (fast == DropReason::kNone) {
      ASSERT_TRUE(same(a, b)) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ParsePacket, Encapsulation, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) { return info.param.name; });

// ---- lengths

TEST(ParsePacket, LinkPadding_IsNotCounted) {
  Bytes frame = ethernet(0x0800, ipv4(kProtocolUdp, udp(1000, 2000, {1, 2})));
  frame.resize(64);
  ParsedPacket p;
  ASSERT_EQ(parse(LinkType::kEthernet, frame, p), DropReason::kNone);
  EXPECT_EQ(p.wire_bytes, 30U);
  EXPECT_EQ(p.header_bytes, 28);
}

TEST(ParsePacket, SnapLengthCut_CountsInFull) {
  Bytes frame = ethernet(0x0800, ipv4(kProtocolTcp, tcp(1400)));
  frame.resize(96);
  ParsedPacket p;
  ASSERT_EQ(parse(LinkType::kEthernet, frame, 1454, p), DropReason::kNone);
  EXPECT_EQ(p.wire_bytes, 1440U);
}

TEST(ParsePacket, ZeroTotalLength_TakesTheRecordsLength) {
  for (const bool v6 : {false, true}) {
    Bytes ip = v6 ? ipv6(kProtocolTcp, tcp(4000)) : ipv4(kProtocolTcp, tcp(4000));
    ip[v6 ? 4 : 2] = ip[v6 ? 5 : 3] = 0;
    ParsedPacket p;
    ASSERT_EQ(parse(LinkType::kEthernet, ethernet(v6 ? 0x86dd : 0x0800, ip), p), DropReason::kNone);
    EXPECT_EQ(p.wire_bytes, v6 ? 4060U : 4040U);
    EXPECT_EQ(expand_super_packet(p.wire_bytes, p.header_bytes).count, 3U);
  }
}

TEST(ParsePacket, TotalLengthBeyondRecord_TakesTheRecordsLength) {
  const Bytes ip = ipv4(kProtocolTcp, tcp(1000));
  ParsedPacket p;
  ASSERT_EQ(parse_raw(Bytes(ip.begin(), ip.begin() + 100), p), DropReason::kNone);
  EXPECT_EQ(p.wire_bytes, 100U);
}

TEST(ParsePacket, WireShorterThanCaptured_TakesTheCaptured) {
  ParsedPacket p;
  ASSERT_EQ(parse(LinkType::kRaw, inner4(), 10, p), DropReason::kNone);
  EXPECT_EQ(p.wire_bytes, 140U);
}

TEST(ParsePacket, LengthsThatContradict_AreBadHeaders) {
  ParsedPacket p;
  Bytes short_total = inner4();
  short_total[3] = 30;  // TCP needs 40
  EXPECT_EQ(parse_raw(short_total, p), DropReason::kBadHeader);
  Bytes below_header = inner4();
  below_header[3] = 19;
  EXPECT_EQ(parse_raw(below_header, p), DropReason::kBadHeader);
  Bytes short_header = inner4();
  short_header[0] = 0x44;
  EXPECT_EQ(parse_raw(short_header, p), DropReason::kBadHeader);
  Bytes tcp_offset = inner4();
  tcp_offset[32] = 0x40;
  EXPECT_EQ(parse_raw(tcp_offset, p), DropReason::kBadHeader);
  Bytes version = inner4();
  version[0] = 0x55;
  EXPECT_EQ(parse_raw(version, p), DropReason::kBadHeader);
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(0x0800, inner6()), p), DropReason::kBadHeader);
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(0x86dd, inner4()), p), DropReason::kBadHeader);
}

TEST(SuperPacket, LengthsAroundTheMtu_ExpandByTheRule) {
  EXPECT_EQ(expand_super_packet(1500, 40).count, 1U);
  EXPECT_EQ(expand_super_packet(1500, 40).last_bytes, 1500U);
  EXPECT_EQ(expand_super_packet(1501, 40).count, 2U);
  EXPECT_EQ(expand_super_packet(1501, 40).last_bytes, 41U);
  EXPECT_EQ(expand_super_packet(40 + 3 * 1460, 40).count, 3U);
  EXPECT_EQ(expand_super_packet(40 + 3 * 1460, 40).last_bytes, 1500U);
  EXPECT_EQ(expand_super_packet(9000, 1500).count, 1U);
}

// ---- transports and extension headers

TEST(ParsePacket, PortsOfEachTransport_AreRead) {
  struct Row {
    std::uint8_t protocol;
    Bytes header;
    std::uint16_t header_bytes;
  };
  const Bytes ports = join({be16(7000), be16(8000)});
  for (const Row& row :
       {Row{kProtocolUdp, join({ports, be16(20), be16(0)}), 28},
        Row{136, join({ports, be16(8), be16(0)}), 28}, Row{kProtocolSctp, join({ports, zeros(8)}), 32},
        Row{33, join({ports, {4, 0, 0, 0}, zeros(8)}), 36}}) {
    ParsedPacket p;
    ASSERT_EQ(parse_raw(ipv4(row.protocol, join({row.header, zeros(12)})), p), DropReason::kNone);
    EXPECT_EQ(p.protocol, row.protocol);
    EXPECT_EQ(p.source_port, 7000) << int{row.protocol};
    EXPECT_EQ(p.destination_port, 8000);
    EXPECT_EQ(p.header_bytes, row.header_bytes);
    EXPECT_EQ(p.tcp_flags, 0);
  }
}

TEST(ParsePacket, ProtocolWithoutPorts_HasPortZero) {
  for (const std::uint8_t protocol : Bytes{1, 2, 50, 58, 89, 255}) {
    ParsedPacket p;
    ASSERT_EQ(parse_raw(ipv4(protocol, Bytes(60, 0x11)), p), DropReason::kNone);
    EXPECT_EQ(p.protocol, protocol);
    EXPECT_EQ(p.source_port, 0);
    EXPECT_EQ(p.destination_port, 0);
    EXPECT_EQ(p.header_bytes, 20);
    EXPECT_EQ(p.wire_bytes, 80U);
  }
}

TEST(ParsePacket, OptionsAndTcpOptions_CountAsHeader) {
  ParsedPacket p;
  ASSERT_EQ(parse_raw(ipv4(kProtocolTcp, tcp(10, kTcpSyn, 12), kClient, kServer, zeros(8)), p),
            DropReason::kNone);
  EXPECT_EQ(p.header_bytes, 20 + 8 + 32);
  EXPECT_EQ(p.tcp_flags, kTcpSyn);
  EXPECT_EQ(p.source_port, kClientPort);
}

TEST(ParsePacket, Ipv6ExtensionChain_IsPassed) {
  const Bytes authentication = join({{kProtocolTcp, 4}, zeros(22)});
  const Bytes chain =
      join({options_header(43), options_header(60, 2), options_header(51), authentication, tcp(50)});
  ParsedPacket p;
  ASSERT_EQ(parse_raw(ipv6(0, chain), p), DropReason::kNone);
  EXPECT_EQ(p.protocol, kProtocolTcp);
  EXPECT_EQ(p.source_port, kClientPort);
  EXPECT_EQ(p.header_bytes, 40 + 8 + 24 + 8 + 24 + 20);
}

TEST(ParsePacket, Ipv4Authentication_IsPassed) {
  ParsedPacket p;
  ASSERT_EQ(parse_raw(ipv4(51, join({{kProtocolTcp, 4}, zeros(22), tcp(50)})), p), DropReason::kNone);
  EXPECT_EQ(p.protocol, kProtocolTcp);
  EXPECT_EQ(p.destination_port, kServerPort);
}

TEST(ParsePacket, NoNextHeader_LeavesPaddingOut) {
  Bytes frame = ethernet(0x86dd, ipv6(59, {}));
  frame.resize(64);
  ParsedPacket p;
  ASSERT_EQ(parse(LinkType::kEthernet, frame, p), DropReason::kNone);
  EXPECT_EQ(p.protocol, 59);
  EXPECT_EQ(p.wire_bytes, 40U);
}

// ---- fragments

TEST(ParsePacket, Ipv4Fragments_FirstHasPortsLaterHasNone) {
  ParsedPacket p;
  ASSERT_EQ(parse_raw(ipv4(kProtocolTcp, tcp(60), kClient, kServer, {}, 0x2000), p), DropReason::kNone);
  EXPECT_TRUE(p.first_fragment);
  EXPECT_FALSE(p.later_fragment);
  EXPECT_EQ(p.fragment_id, 0x1234U);
  EXPECT_EQ(p.source_port, kClientPort);
  for (const std::uint16_t fragment : std::vector<std::uint16_t>{0x2001, 0x0064}) {
    ASSERT_EQ(parse_raw(ipv4(kProtocolTcp, tcp(60), kClient, kServer, {}, fragment), p), DropReason::kNone);
    EXPECT_FALSE(p.first_fragment);
    EXPECT_TRUE(p.later_fragment);
    EXPECT_EQ(p.fragment_id, 0x1234U);
    EXPECT_EQ(p.source_port, 0);
    EXPECT_EQ(p.destination_port, 0);
    EXPECT_EQ(p.tcp_flags, 0);
    EXPECT_EQ(p.header_bytes, 20);
  }
}

TEST(ParsePacket, Ipv6Fragments_FirstHasPortsLaterHasNone) {
  const auto fragment = [](std::uint16_t offset, bool more) {
    return ipv6(44, join({fragment_header(kProtocolTcp, offset, more, 0xabcdef01), tcp(60)}));
  };
  ParsedPacket p;
  ASSERT_EQ(parse_raw(fragment(0, true), p), DropReason::kNone);
  EXPECT_TRUE(p.first_fragment);
  EXPECT_EQ(p.fragment_id, 0xabcdef01U);
  EXPECT_EQ(p.source_port, kClientPort);
  ASSERT_EQ(parse_raw(fragment(1480, false), p), DropReason::kNone);
  EXPECT_TRUE(p.later_fragment);
  EXPECT_EQ(p.fragment_id, 0xabcdef01U);
  EXPECT_EQ(p.source_port, 0);
  EXPECT_EQ(p.protocol, kProtocolTcp);
  ASSERT_EQ(parse_raw(fragment(0, false), p), DropReason::kNone);  // atomic: a whole packet
  EXPECT_FALSE(p.first_fragment);
  EXPECT_FALSE(p.later_fragment);
  EXPECT_EQ(p.fragment_id, 0U);
}

TEST(ParsePacket, FirstFragmentOfTunnel_IsFollowedLaterIsNot) {
  const Bytes gtp = gtp_u(0, {}, inner4());
  const Bytes inside = udp(kTunnelPort, 2152, gtp);
  ParsedPacket p;
  ASSERT_EQ(parse_raw(ipv4(kProtocolUdp, inside, kTunnelA, kTunnelB, {}, 0x2000), p), DropReason::kNone);
  EXPECT_EQ(p.source, address4(kClient));
  EXPECT_FALSE(p.first_fragment);
  ASSERT_EQ(parse_raw(ipv4(kProtocolUdp, inside, kTunnelA, kTunnelB, {}, 0x0010), p), DropReason::kNone);
  EXPECT_EQ(p.source, address4(kTunnelA));
  EXPECT_TRUE(p.later_fragment);
}

// ---- tunnels that carry no IP, and no tunnels at all

TEST(ParsePacket, TunnelWithoutIpInside_IsTheTunnelsFlow) {
  const Bytes arp = ethernet(0x0806, zeros(28));
  const Bytes bad_ip = join({{0x45, 0, 0, 3}, zeros(40)});
  struct Row {
    const char* name;
    Bytes packet;
    std::uint8_t protocol;
    std::uint16_t port;
  };
  for (const Row& row :
       {Row{"GtpEcho", outer_udp4(2152, gtp_u(2, zeros(4), {}, 1)), 17, 2152},
        Row{"GtpNotIp", outer_udp4(2152, gtp_u(0, {}, Bytes(40, 0x11))), 17, 2152},
        Row{"GtpBadInner", outer_udp4(2152, gtp_u(0, {}, bad_ip)), 17, 2152},
        Row{"GtpZeroExtension", outer_udp4(2152, gtp_u(4, {0, 0, 0, 0x85, 0, 0, 0, 0}, {})), 17, 2152},
        Row{"VxlanArp", outer_udp4(4789, vxlan(arp)), 17, 4789},
        Row{"VxlanNoFlag", outer_udp4(4789, zeros(60)), 17, 4789},
        Row{"Empty", outer_udp4(2152, {}), 17, 2152},
        Row{"GreKeepalive", outer4(47, gre(0, 0, 0, {})), 47, 0},
        Row{"GreRouting", outer4(47, gre(0x4000, 0x0800, 4, inner4())), 47, 0},
        Row{"PptpAckOnly", outer4(47, gre(0x2081, 0x880b, 8, {})), 47, 0},
        Row{"IpIpBad", outer4(4, bad_ip), 4, 0}}) {
    ParsedPacket p;
    ASSERT_EQ(parse_raw(row.packet, p), DropReason::kNone) << row.name;
    EXPECT_EQ(p.source, address4(kTunnelA)) << row.name;
    EXPECT_EQ(p.protocol, row.protocol) << row.name;
    EXPECT_EQ(p.destination_port, row.port) << row.name;
    EXPECT_EQ(p.wire_bytes, row.packet.size()) << row.name;
  }
}

TEST(ParsePacket, FrameWithoutIp_IsNotIp) {
  ParsedPacket p;
  for (const std::uint16_t type : std::vector<std::uint16_t>{0x0806, 0x88cc, 0x8863, 0x888e, 0x0900}) {
    EXPECT_EQ(parse(LinkType::kEthernet, ethernet(type, zeros(46)), p), DropReason::kNotIp) << type;
  }
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(38, Bytes(46, 0x42)), p), DropReason::kNotIp);  // STP
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(3, {0x42, 0x42, 3}), p), DropReason::kNotIp);
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(0x8847, mpls(true, Bytes(60, 0x10))), p), DropReason::kNotIp);
  EXPECT_EQ(parse(LinkType::kPpp, {0xff, 0x03, 0xc0, 0x21, 1, 2, 3, 4}, p), DropReason::kNotIp);
  EXPECT_EQ(parse(LinkType::kNull, join({{7, 0, 0, 0}, inner4()}), p), DropReason::kNotIp);
}

TEST(ParsePacket, UnknownLinkType_IsDropped) {
  ParsedPacket p;
  EXPECT_EQ(parse(static_cast<LinkType>(147), inner4(), p), DropReason::kLinkType);
  EXPECT_FALSE(is_supported(static_cast<LinkType>(147)));
  EXPECT_STREQ(name_of(static_cast<LinkType>(147)), "unknown");
}

TEST(ParsePacket, EncapsulationBomb_StopsAtTheBound) {
  const auto tags = [](int n) {
    Bytes payload = tag(0x0800, inner4());
    for (int i = 1; i < n; ++i) payload = tag(0x8100, payload);
    return ethernet(0x8100, payload);
  };
  ParsedPacket p;
  EXPECT_EQ(parse(LinkType::kEthernet, tags(kMaxEncapsulation), p), DropReason::kNone);
  EXPECT_EQ(parse(LinkType::kEthernet, tags(kMaxEncapsulation + 1), p), DropReason::kTunnelDepth);
  Bytes nested = inner4();
  for (int i = 0; i < kMaxEncapsulation; ++i) nested = outer4(4, nested);
  EXPECT_EQ(parse_raw(nested, p), DropReason::kNone);
  EXPECT_EQ(p.source, address4(kClient));
  EXPECT_EQ(parse_raw(outer4(4, nested), p), DropReason::kTunnelDepth);
  Bytes chain = tcp(10);
  for (int i = 0; i <= kMaxEncapsulation; ++i)
    chain = join({options_header(i == 0 ? kProtocolTcp : 60), chain});
  EXPECT_EQ(parse_raw(ipv6(60, chain), p), DropReason::kTunnelDepth);
  Bytes labels = mpls(true, inner4());
  for (int i = 0; i < 2000; ++i) labels = join({mpls(false, {}), labels});
  EXPECT_EQ(parse(LinkType::kEthernet, ethernet(0x8847, labels), p), DropReason::kTunnelDepth);
}

TEST(DropReason, EveryReason_HasItsOwnName) {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(DropReason::kCount); ++i)
    names.emplace_back(name_of(static_cast<DropReason>(i)));
  EXPECT_THAT(names, ::testing::Each(::testing::Not("unknown")));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace reelsense
