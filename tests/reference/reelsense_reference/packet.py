"""One captured record in, its innermost IP packet out.

The rules of core/include/reelsense/packet/packet.h, in plain form.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

TCP, UDP, DCCP, SCTP, UDP_LITE = 6, 17, 33, 132, 136
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
MTU_BYTES = 1500
MAX_SUPER_PACKET_BYTES = 1 << 20
MAX_ENCAPSULATION = 16

_IPV4_IN, _IPV6_IN, _GRE = 4, 41, 47
_FRAGMENT, _AUTHENTICATION = 44, 51
# Reading: mobility (135), HIP (139) and shim6 (140) are protocols of their own: no transport follows them.
_IPV6_OPTIONS = {0, 43, 60}  # extension headers whose length is in units of 8 bytes
_VLAN_TYPES = {0x8100, 0x88A8, 0x9100}
_MPLS_TYPES = {0x8847, 0x8848}
_VXLAN_PORT, _GTPU_PORT = 4789, 2152


class Drop(Exception):
    """The record holds no IP packet that counts; args[0] is the reason's name."""

    @property
    def reason(self) -> str:
        return str(self.args[0])


@dataclass
class Packet:
    source: Address
    destination: Address
    protocol: int  # after extension headers
    wire_bytes: int
    header_bytes: int  # IP + extension + transport headers
    source_port: int = 0
    destination_port: int = 0
    tcp_flags: int = 0
    fragment_id: int = 0
    first_fragment: bool = False
    later_fragment: bool = False
    time_ns: int = 0


def expand(packet: Packet) -> list[int]:
    """Wire bytes of the packets that one packet stands for (super-packet rule), the full ones first."""
    header = packet.header_bytes
    if packet.wire_bytes > MTU_BYTES and (header > MTU_BYTES // 2 or packet.wire_bytes > MAX_SUPER_PACKET_BYTES):
        return [min(packet.wire_bytes, 65535)]
    if packet.wire_bytes <= MTU_BYTES:
        return [packet.wire_bytes]
    sizes = []
    payload = packet.wire_bytes - header
    while payload > 0:
        part = min(payload, MTU_BYTES - header)
        sizes.append(part + header)
        payload -= part
    return sizes


def parse_packet(link: int, data: bytes, wire_bytes: int) -> Packet:
    """Raises Drop."""
    return _Parser(data, max(wire_bytes, len(data))).link_layer(link)


class _Parser:
    """Walks one record; every method takes the offset of its header."""

    def __init__(self, data: bytes, wire_bytes: int) -> None:
        self.data = data
        self.record_end = wire_bytes
        self.end = wire_bytes  # of the innermost packet so far, in the record as it was on the wire
        self.depth = 0  # tags, labels, tunnels and extension headers passed so far

    def need(self, at: int, count: int) -> bytes:
        if at + count > self.end:
            raise Drop("bad_header")  # the packet itself is too short
        if at + count > len(self.data):
            raise Drop("truncated")
        return self.data[at : at + count]

    def u16(self, at: int) -> int:
        return int(struct.unpack(">H", self.need(at, 2))[0])

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_ENCAPSULATION:
            raise Drop("tunnel_depth")

    # Link layers

    def link_layer(self, link: int) -> Packet:
        if link == 1:
            return self.ethernet(0)
        if link in (0, 108):
            family = self.need(0, 4)
            number = int.from_bytes(family, "big")
            if link == 0 and number > 0xFFFF:
                number = int.from_bytes(family, "little")
            if number == 2:
                return self.ipv4(4)
            if number in (10, 24, 28, 30):  # AF_INET6 of Linux, NetBSD/OpenBSD, FreeBSD and Darwin
                return self.ipv6(4)
            raise Drop("not_ip")
        if link == 9:
            return self.ppp(0)
        if link in (12, 14, 101):
            if self.need(0, 1)[0] >> 4 not in (4, 6):
                raise Drop("bad_header")  # the link promises IP
            return self.ip_by_version(0)
        if link == 104:  # Cisco HDLC
            self.need(0, 4)
            return self.by_ethertype(self.u16(2), 4)
        if link == 113:
            self.need(0, 16)
            return self.by_ethertype(self.u16(14), 16)
        if link == 276:
            self.need(0, 20)
            return self.by_ethertype(self.u16(0), 20)
        if link == 228:
            return self.ipv4(0)
        if link == 229:
            return self.ipv6(0)
        raise Drop("link_type")

    def ethernet(self, at: int) -> Packet:
        self.need(at, 14)
        ethertype = self.u16(at + 12)
        if ethertype > 1500:
            return self.by_ethertype(ethertype, at + 14)
        # An 802.3 length: IP only behind LLC and SNAP.
        if at + 22 > self.end or self.need(at + 14, 3) != b"\xaa\xaa\x03":
            raise Drop("not_ip")
        return self.by_ethertype(self.u16(at + 20), at + 22)

    def by_ethertype(self, ethertype: int, at: int) -> Packet:
        """`at` is behind the type field."""
        if ethertype == 0x0800:
            return self.ipv4(at)
        if ethertype == 0x86DD:
            return self.ipv6(at)
        if ethertype in _VLAN_TYPES:
            self.enter()
            return self.by_ethertype(self.u16(at + 2), at + 4)
        if ethertype in _MPLS_TYPES:
            return self.mpls(at)
        if ethertype == 0x8864:
            self.enter()
            version_and_type, code = self.need(at, 6)[:2]
            if version_and_type != 0x11:
                raise Drop("bad_header")
            if code != 0:  # not session data
                raise Drop("not_ip")
            return self.ppp(at + 6)
        raise Drop("not_ip")

    def mpls(self, at: int) -> Packet:
        self.enter()
        if not self.need(at, 4)[2] & 1:  # not the bottom of the stack
            return self.mpls(at + 4)
        at += 4
        if self.need(at, 1)[0] >> 4 == 0:  # the control word of a pseudowire that carries Ethernet
            # Reading: a pseudowire without one cannot be told from other payloads and is not followed here.
            return self.ethernet(at + 4)
        return self.ip_by_version(at)

    def ppp(self, at: int) -> Packet:
        if self.need(at, 1) == b"\xff" and self.need(at, 2) == b"\xff\x03":  # address and control
            at += 2
        protocol, size = self.need(at, 1)[0], 1
        if not protocol & 1:  # an odd byte is a protocol number compressed to one byte
            protocol, size = self.u16(at), 2
        if protocol == 0x0021:
            return self.ipv4(at + size)
        if protocol == 0x0057:
            return self.ipv6(at + size)
        raise Drop("not_ip")

    def ip_by_version(self, at: int) -> Packet:
        version = self.need(at, 1)[0] >> 4
        if version == 4:
            return self.ipv4(at)
        if version == 6:
            return self.ipv6(at)
        raise Drop("not_ip")

    # Network layer

    def wire_length(self, at: int, own_length: int) -> int:
        """The packet's own length field where it is set (not 0) and not beyond the record, else what is left.

        Reading: "beyond the record's original length" means that the packet's end, not its length alone, is.
        The length fields of what is around it (PPPoE, GTP-U, outer IP) have no say.
        """
        left = self.record_end - at
        length = own_length if 0 < own_length <= left else left
        self.end = at + length
        return length

    def ipv4(self, at: int) -> Packet:
        header = self.need(at, 20)
        header_bytes = (header[0] & 0x0F) * 4
        total, identification, fragment = struct.unpack(">HHH", header[2:8])
        if header[0] >> 4 != 4 or header_bytes < 20 or 0 < total < header_bytes:
            raise Drop("bad_header")
        self.need(at, header_bytes)
        packet = Packet(
            source=IPv4Address(header[12:16]),
            destination=IPv4Address(header[16:20]),
            protocol=header[9],
            wire_bytes=self.wire_length(at, total),
            header_bytes=header_bytes,
        )
        if not fragment & 0x1FFF and packet.protocol == _AUTHENTICATION:
            # Reading: AH is passed in IPv4 as in IPv6.
            self.authentication(packet, at)
        more, offset = bool(fragment & 0x2000), fragment & 0x1FFF
        return self.fragment_or_transport(packet, at + packet.header_bytes, more, offset, identification)

    def ipv6(self, at: int) -> Packet:
        header = self.need(at, 40)
        payload = int(struct.unpack(">H", header[4:6])[0])
        if header[0] >> 4 != 6:
            raise Drop("bad_header")
        packet = Packet(
            source=IPv6Address(header[8:24]),
            destination=IPv6Address(header[24:40]),
            protocol=header[6],
            wire_bytes=self.wire_length(at, payload + 40 if payload else 0),
            header_bytes=40,
        )
        more, offset, identification = False, 0, 0
        while offset == 0:
            here = at + packet.header_bytes
            if packet.protocol in _IPV6_OPTIONS:
                self.enter()
                packet.protocol, units = self.need(here, 2)
                packet.header_bytes += 8 * (units + 1)
            elif packet.protocol == _AUTHENTICATION:
                self.authentication(packet, at)
            elif packet.protocol == _FRAGMENT:
                self.enter()
                packet.protocol, _, bits, identification = struct.unpack(">BBHI", self.need(here, 8))
                packet.header_bytes += 8
                more, offset = bool(bits & 1), bits >> 3
            else:
                break
        # Reading: a later fragment's protocol is what its fragment header names. A first fragment with more
        # extension headers behind that has another protocol, and the two do not match.
        return self.fragment_or_transport(packet, at + packet.header_bytes, more, offset, identification)

    def authentication(self, packet: Packet, at: int) -> None:
        self.enter()
        packet.protocol, units = self.need(at + packet.header_bytes, 2)
        packet.header_bytes += 4 * (units + 2)

    def fragment_or_transport(
        self, packet: Packet, at: int, more: bool, offset: int, identification: int
    ) -> Packet:
        if offset > 0:
            packet.later_fragment = True
            packet.fragment_id = identification
            return packet
        if more:
            packet.first_fragment = True
            packet.fragment_id = identification
        return self.transport(packet, at)

    # Transport layer and tunnels

    def transport(self, packet: Packet, at: int) -> Packet:
        if packet.protocol == TCP:
            if at + 20 > self.end:
                raise Drop("bad_header")
            self.need(at, 14)  # ports, data offset and flags
            packet.header_bytes += (self.data[at + 12] >> 4) * 4
            packet.tcp_flags = self.data[at + 13]
            if self.data[at + 12] >> 4 < 5 or at + (self.data[at + 12] >> 4) * 4 > self.end:
                # Reading: a header that is longer than its packet contradicts it.
                raise Drop("bad_header")
        elif packet.protocol in (UDP, UDP_LITE):
            packet.header_bytes += 8
        elif packet.protocol == SCTP:
            packet.header_bytes += 12
        elif packet.protocol == DCCP:
            # Reading: the generic header with its short sequence number.
            packet.header_bytes += 12
        elif packet.protocol in (_IPV4_IN, _IPV6_IN):
            return self.inner_or(packet, lambda: self.ip_in_ip(packet.protocol, at))
        elif packet.protocol == _GRE:
            return self.inner_or(packet, lambda: self.gre(at))
        else:
            return packet  # no ports, no header that we know
        packet.source_port, packet.destination_port = self.u16(at), self.u16(at + 2)
        if packet.protocol == UDP and packet.destination_port == _VXLAN_PORT:
            return self.inner_or(packet, lambda: self.vxlan(at + 8))
        if packet.protocol == UDP and packet.destination_port == _GTPU_PORT:
            return self.inner_or(packet, lambda: self.gtpu(at + 8))
        return packet

    def inner_or(self, outer: Packet, inner: Callable[[], Packet]) -> Packet:
        """The packet inside a tunnel; the tunnel's own, `outer`, if there is none that can be read."""
        try:
            return inner()
        except Drop as drop:
            if drop.reason == "tunnel_depth":
                raise
            return outer

    def ip_in_ip(self, protocol: int, at: int) -> Packet:
        self.enter()
        return self.ipv4(at) if protocol == _IPV4_IN else self.ipv6(at)

    def gre(self, at: int) -> Packet:
        flags, ethertype = struct.unpack(">HH", self.need(at, 4))
        version = flags & 0x0007
        if version > 1 or flags & 0x4000:  # source routing
            raise Drop("not_ip")
        self.enter()
        sequence = bool(flags & 0x1000)
        at += 4 + 4 * bool(flags & 0x8000) + 4 * bool(flags & 0x2000) + 4 * sequence
        if version == 1:  # PPTP: a payload only with a sequence number
            if ethertype != 0x880B or not sequence:
                raise Drop("not_ip")
            return self.ppp(at + 4 * bool(flags & 0x0080))
        if ethertype == 0x6558:
            return self.ethernet(at)
        if ethertype == 0x88BE:  # ERSPAN type II; type I has no header of its own
            return self.ethernet(at + 8 * sequence)
        if ethertype == 0x22EB:  # ERSPAN type III, with or without its platform's part
            return self.ethernet(at + 12 + 8 * (self.need(at, 12)[11] & 1))
        return self.by_ethertype(ethertype, at)

    def vxlan(self, at: int) -> Packet:
        if not self.need(at, 8)[0] & 0x08:
            raise Drop("not_ip")
        self.enter()
        return self.ethernet(at + 8)

    def gtpu(self, at: int) -> Packet:
        flags, message = self.need(at, 8)[:2]
        if flags >> 5 != 1 or not flags & 0x10 or message != 255:  # version 1, GTP not GTP', G-PDU
            raise Drop("not_ip")
        self.enter()
        at += 8
        if flags & 0x07:
            extension = self.need(at, 4)[3]
            at += 4
            while flags & 0x04 and extension:
                self.enter()
                size = self.need(at, 1)[0] * 4
                if size == 0:
                    raise Drop("bad_header")
                extension = self.need(at, size)[size - 1]
                at += size
        return self.ip_by_version(at)
