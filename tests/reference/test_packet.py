"""The reference's packet parser, from headers written by hand."""

from __future__ import annotations

import unittest

from reelsense_reference.packet import Drop, Packet, parse_packet

RAW, ETHERNET = 101, 1
TCP_HEADER = bytes.fromhex("01bb9c40 00000000 00000000 5010ffff 00000000")  # 443 -> 40000, ACK
IPV4 = bytes.fromhex("45000064 00070000 40060000 cb007150 0a000007")  # 100 bytes, 203.0.113.80 -> 10.0.0.7
BARE = IPV4 + TCP_HEADER
ETHERNET_TO = bytes.fromhex("020000000002020000000001")


def parse(link: int, data: bytes, wire_bytes: int) -> Packet:
    return parse_packet(link, data, wire_bytes)


class Parse(unittest.TestCase):
    def assert_drop(self, reason: str, link: int, data: bytes, wire_bytes: int = 1500) -> None:
        with self.assertRaises(Drop) as caught:
            parse_packet(link, data, wire_bytes)
        self.assertEqual(caught.exception.reason, reason)

    def test_bare_ipv4(self) -> None:
        packet = parse(RAW, BARE, 100)
        self.assertEqual((str(packet.source), packet.source_port), ("203.0.113.80", 443))
        self.assertEqual((str(packet.destination), packet.destination_port), ("10.0.0.7", 40000))
        self.assertEqual((packet.wire_bytes, packet.header_bytes, packet.tcp_flags), (100, 40, 0x10))

    def test_wire_length_is_the_packets_own_where_it_fits(self) -> None:
        self.assertEqual(parse(ETHERNET, ETHERNET_TO + b"\x08\0" + BARE, 130).wire_bytes, 100)  # padding
        self.assertEqual(
            parse(ETHERNET, ETHERNET_TO + b"\x08\0" + BARE, 113).wire_bytes, 99
        )  # beyond the record
        unset = BARE[:2] + b"\0\0" + BARE[4:]
        self.assertEqual(parse(RAW, unset, 70_000).wire_bytes, 70_000)

    def test_later_fragment_has_no_ports(self) -> None:
        packet = parse(RAW, BARE[:6] + b"\x00\x10" + BARE[8:], 100)
        self.assertTrue(packet.later_fragment)
        self.assertEqual((packet.fragment_id, packet.source_port, packet.header_bytes), (7, 0, 20))

    def test_tunnels_lead_to_the_inner_packet(self) -> None:
        tags = b"\x88\xa8\0\x01\x81\0\0\x02\x08\0"
        labels = b"\x88\x47\0\x01\0\x40\0\x01\x01\x40"
        outer = IPV4[:9] + b"\x2f" + IPV4[10:12] + bytes.fromhex("c0000201c0000202")
        outer = outer[:2] + b"\0\0" + outer[4:]
        for link, before in ((ETHERNET, ETHERNET_TO + tags), (ETHERNET, ETHERNET_TO + labels)):
            self.assertEqual(parse(link, before + BARE, 130).wire_bytes, 100)
        inner = parse(RAW, outer + bytes.fromhex("20000800 00000005") + BARE, 128)
        self.assertEqual((str(inner.source), inner.wire_bytes), ("203.0.113.80", 100))

    def test_tunnel_with_something_else_inside_counts_itself(self) -> None:
        outer = IPV4[:9] + b"\x2f" + IPV4[10:]
        packet = parse(RAW, outer + bytes.fromhex("000088cc") + bytes(40), 100)
        self.assertEqual((packet.protocol, packet.wire_bytes, packet.source_port), (47, 100, 0))

    def test_tunnel_cut_inside_counts_itself(self) -> None:
        outer = IPV4[:9] + b"\x04" + IPV4[10:]
        packet = parse(RAW, outer + BARE[:10], 100)
        self.assertEqual((packet.protocol, packet.wire_bytes), (4, 100))

    def test_packet_too_short_for_its_transport_is_bad(self) -> None:
        short = BARE[:3] + b"\x20" + BARE[4:]  # 32 bytes: 12 of TCP
        self.assert_drop("bad_header", RAW, short)

    def test_drop_reasons(self) -> None:
        self.assert_drop("link_type", 105, BARE)
        self.assert_drop("not_ip", ETHERNET, ETHERNET_TO + b"\x08\x06" + bytes(28))
        self.assert_drop("truncated", RAW, BARE[:30])
        self.assert_drop("bad_header", 228, b"\x55" + BARE[1:])
        self.assert_drop("bad_header", RAW, b"\x44" + BARE[1:])
        self.assert_drop("tunnel_depth", ETHERNET, ETHERNET_TO + b"\x81\0\0\x01" * 17 + b"\x08\0" + BARE)


if __name__ == "__main__":
    unittest.main()
