#!/usr/bin/env python3
"""Makes the golden captures: small, synthetic, the same bytes on every run.

    make_captures.py [FOLDER]    writes FOLDER/captures/*.pcap and, by tests/reference, FOLDER/vectors/*.jsonl
                                 (default: this script's folder)

A record keeps the headers only; lengths stand in the headers and in the record. README.md says what each
capture is about.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "reference"))

from reelsense_reference.flows import Options  # noqa: E402
from reelsense_reference.vectors import lines  # noqa: E402

NS = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * NS  # a whole second

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
TCP, UDP = 6, 17
NULL, ETHERNET, PPP, RAW, CISCO_HDLC, LOOP, SLL, SLL2 = 0, 1, 9, 101, 104, 108, 113, 276

PHONE, SERVER = "10.0.0.7", "203.0.113.80"
PHONE6, SERVER6 = "2001:db8:1::7", "2001:db8:80::1"


@dataclass(frozen=True)
class Data:
    """The first bytes of something, and how long it is as a whole."""

    head: bytes
    size: int

    def behind(self, header: bytes) -> Data:
        return Data(header + self.head, len(header) + self.size)


# Packets


def checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: Data,
    *,
    fragment: int = 0,
    identification: int = 0,
    total: int | None = None,
) -> Data:
    """`fragment`: flags and offset word; `total`: what the length field says, if not the truth."""
    length = payload.size + 20 if total is None else total
    fields = (0x45, 0, length & 0xFFFF, identification, fragment, 64, protocol)
    addresses = ip_address(source).packed + ip_address(destination).packed
    header = struct.pack(">BBHHHBBH", *fields, 0) + addresses
    return payload.behind(struct.pack(">BBHHHBBH", *fields, checksum(header)) + addresses)


def ipv6(source: str, destination: str, protocol: int, payload: Data, *, length: int | None = None) -> Data:
    length = payload.size if length is None else length
    addresses = ip_address(source).packed + ip_address(destination).packed
    return payload.behind(struct.pack(">IHBB", 6 << 28, length & 0xFFFF, protocol, 64) + addresses)


def ip(source: str, destination: str, protocol: int, payload: Data) -> Data:
    build = ipv6 if ":" in source else ipv4
    return build(source, destination, protocol, payload)


def tcp(source_port: int, destination_port: int, payload: int, flags: int = ACK) -> Data:
    header = struct.pack(">HHIIBBHHH", source_port, destination_port, 0, 0, 5 << 4, flags, 65535, 0, 0)
    return Data(header, 20 + payload)


def udp(source_port: int, destination_port: int, payload: Data) -> Data:
    length = payload.size + 8
    return payload.behind(struct.pack(">HHHH", source_port, destination_port, length & 0xFFFF, 0))


def plain(size: int) -> Data:
    return Data(b"", size)


# Link layers and tunnels around an IP packet


def ip_type(packet: Data) -> int:
    return 0x0800 if packet.head[0] >> 4 == 4 else 0x86DD


def ethernet(packet: Data, ethertype: int | None = None) -> Data:
    kind = ip_type(packet) if ethertype is None else ethertype
    return packet.behind(bytes.fromhex("020000000002020000000001") + struct.pack(">H", kind))


def vlan(packet: Data, *tags: int, outer: int = 0x8100) -> Data:
    kind = ip_type(packet)
    for tag in reversed(tags):
        packet, kind = packet.behind(struct.pack(">HH", tag, kind)), 0x8100
    return ethernet(packet, outer)


def mpls(packet: Data, *labels: int) -> Data:
    for place, label in enumerate(reversed(labels)):
        packet = packet.behind(struct.pack(">I", label << 12 | (place == 0) << 8 | 64))
    return ethernet(packet, 0x8847)


def pppoe(packet: Data) -> Data:
    kind = 0x0021 if ip_type(packet) == 0x0800 else 0x0057
    return ethernet(packet.behind(struct.pack(">BBHHH", 0x11, 0, 1, packet.size + 2, kind)), 0x8864)


def gre(packet: Data, *, key: int | None = None, ethertype: int | None = None) -> Data:
    kind = ip_type(packet) if ethertype is None else ethertype
    header = struct.pack(">HH", 0x2000 if key is not None else 0, kind)
    header += struct.pack(">I", key) if key is not None else b""
    return ip("192.0.2.1", "192.0.2.2", 47, packet.behind(header))


def gre_pptp(packet: Data) -> Data:
    """Version 1 with key, sequence and acknowledgement; PPP with its protocol in one byte."""
    payload = packet.behind(b"\xff\x03\x21")
    header = struct.pack(">HHHHII", 0x3081, 0x880B, payload.size, 7, 1, 1)
    return ip("192.0.2.1", "192.0.2.2", 47, payload.behind(header))


def erspan(packet: Data, kind: int) -> Data:
    frame = ethernet(packet)
    if kind == 2:
        header = struct.pack(">HHIII", 0x1000, 0x88BE, 1, 1 << 28, 0)
    else:  # with the platform's part
        header = struct.pack(">HHIIII", 0x1000, 0x22EB, 1, 2 << 28, 0, 1) + bytes(8)
    return ip("192.0.2.1", "192.0.2.2", 47, frame.behind(header))


def snap(packet: Data) -> Data:
    """An 802.3 frame; IP behind LLC and SNAP."""
    payload = packet.behind(b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ip_type(packet)))
    return ethernet(payload, min(payload.size, 1500))


def ip_in_ip(packet: Data, source: str = "192.0.2.1", destination: str = "192.0.2.2") -> Data:
    return ip(source, destination, 4 if ip_type(packet) == 0x0800 else 41, packet)


def vxlan(frame: Data) -> Data:
    payload = frame.behind(struct.pack(">II", 0x08 << 24, 42 << 8))
    return ip("192.0.2.1", "192.0.2.2", 17, udp(49152, 4789, payload))


def gtpu(packet: Data, *, extended: bool = False) -> Data:
    """With a sequence number and a PDU session container (5G) if `extended`."""
    optional = struct.pack(">HBB", 7, 0, 0x85) + bytes([1, 0x10, 9, 0]) if extended else b""
    flags = 0x36 if extended else 0x30
    header = struct.pack(">BBHI", flags, 255, (packet.size + len(optional)) & 0xFFFF, 0xCAFE) + optional
    return ip("192.0.2.1", "192.0.2.2", 17, udp(2152, 2152, packet.behind(header)))


@dataclass
class Capture:
    """A classic pcap file in the making. Records come in the order of the calls."""

    name: str
    link: int = RAW
    snap: int = 96
    order: str = "<"
    nanoseconds: bool = True
    options: Options = field(default_factory=Options)
    records: list[bytes] = field(default_factory=list)

    def add(self, time_ns: int, data: Data) -> None:
        kept = min(self.snap, data.size)
        bytes_kept = data.head[:kept].ljust(kept, b"\0")
        part = time_ns % NS if self.nanoseconds else time_ns % NS // 1000
        self.raw(time_ns // NS, part, bytes_kept, data.size)

    def raw(self, seconds: int, part: int, kept: bytes, size: int) -> None:
        self.records.append(struct.pack(self.order + "IIII", seconds, part, len(kept), size) + kept)

    def bytes(self) -> bytes:
        magic = 0xA1B23C4D if self.nanoseconds else 0xA1B2C3D4
        return struct.pack(self.order + "IHHiIII", magic, 2, 4, 0, 0, 65535, self.link) + b"".join(
            self.records
        )


Wrap = Callable[[Data], Data]


@dataclass
class Talk:
    """One conversation; sizes are those of the IP packet."""

    client: str = PHONE
    client_port: int = 40000
    server: str = SERVER
    server_port: int = 443
    protocol: int = TCP
    wrap: Wrap = lambda packet: packet

    def up(self, size: int, flags: int = ACK) -> Data:
        return self._packet(self.client, self.client_port, self.server, self.server_port, size, flags)

    def down(self, size: int, flags: int = ACK) -> Data:
        return self._packet(self.server, self.server_port, self.client, self.client_port, size, flags)

    def _packet(
        self, source: str, source_port: int, destination: str, destination_port: int, size: int, flags: int
    ) -> Data:
        size -= 40 if ":" in source else 20
        if self.protocol == TCP:
            segment = tcp(source_port, destination_port, size - 20, flags)
        elif self.protocol == UDP:
            segment = udp(source_port, destination_port, plain(size - 8))
        else:
            segment = plain(size)
        return self.wrap(ip(source, destination, self.protocol, segment))


Timed = list[tuple[int, Data]]


def write_sorted(capture: Capture, packets: Timed) -> None:
    for time_ns, data in sorted(packets, key=lambda item: item[0]):
        capture.add(time_ns, data)


# Kinds of traffic; each gives (time, packet) from `start`, sorted by nothing


def handshake(talk: Talk, start: int, rtt: int = 30 * MS) -> Timed:
    return [
        (start, talk.up(60, SYN)),
        (start + rtt, talk.down(60, SYN | ACK)),
        (start + rtt + 200_000, talk.up(52)),
        (start + rtt + MS, talk.up(569, PSH | ACK)),
        (start + 2 * rtt, talk.down(1500)),
        (start + 2 * rtt + 100_000, talk.down(1400, PSH | ACK)),
        (start + 2 * rtt + MS, talk.up(132, PSH | ACK)),
    ]


def down_run(
    rng: random.Random, talk: Talk, start: int, total: int, bytes_per_s: int, ack_every: int, merged: int
) -> Timed:
    """`total` down bytes at about a rate, one ACK for every `ack_every` records of up to `merged` packets."""
    packets: Timed = []
    now, left, count = start, total, 0
    while left > 0:
        payload = min(left, 1460 * rng.randint(1, merged))
        packets.append((now, talk.down(40 + payload)))
        left -= payload
        count += 1
        if count % ack_every == 0 or left == 0:
            packets.append((now + rng.randint(50, 900) * 1000, talk.up(40)))
        now += int(payload * NS / bytes_per_s * rng.uniform(0.5, 1.5))
    return packets


def video(
    rng: random.Random,
    talk: Talk,
    start: int,
    seconds: int,
    chunk_bytes: tuple[int, int],
    *,
    every_s: tuple[float, float] = (4.0, 5.0),
    bytes_per_s: int = 600_000,
    merged: int = 6,
) -> Timed:
    packets = handshake(talk, start)
    now = start + 100 * MS
    while now < start + seconds * NS:
        packets.append((now, talk.up(rng.randint(420, 700), PSH | ACK)))
        size = rng.randint(*chunk_bytes)
        packets += down_run(rng, talk, now + rng.randint(25, 60) * MS, size, bytes_per_s, 4, merged)
        now += int(rng.uniform(*every_s) * NS)
    return packets


def chat(rng: random.Random, talk: Talk, start: int, seconds: int) -> Timed:
    packets = handshake(talk, start)
    now = start + NS
    while now < start + seconds * NS:
        if rng.random() < 0.5:
            packets += [(now, talk.up(rng.randint(90, 400), PSH | ACK)), (now + 40 * MS, talk.down(52))]
        else:
            packets += [(now, talk.down(rng.randint(90, 900), PSH | ACK)), (now + MS, talk.up(52))]
        now += int(rng.expovariate(1.0) * NS)
    return packets


# The captures


def window_boundary() -> Capture:
    capture = Capture("window_boundary_ns", snap=40)
    talk, other = Talk(), Talk(client_port=40001, protocol=UDP)
    capture.add(START + NS - 1, talk.up(60, SYN))
    capture.add(START + NS, talk.down(60, SYN | ACK))
    capture.add(START + NS + 1, talk.up(52))
    for k in (1, 2, 3, 4):  # the edges of bins, of milliseconds and of microseconds
        base = START + k * NS
        for offset in (50 * MS, 100 * MS, 500 * MS, 950 * MS):
            for delta in (-1, 0, 1):
                capture.add(base + offset + delta, talk.down(1000 + k))
                capture.add(base + offset + delta, other.up(200 + k))
        for offset in (950 * MS + 1000 - 1, 950 * MS + 1000, 951 * MS - 1, 951 * MS):
            capture.add(base + offset, talk.up(40 + k))
        capture.add(base + NS - 1, other.down(700))
        capture.add(base + NS, other.down(701))
        capture.add(base + NS + 1, other.down(702))
    return capture


def one_packet_windows() -> Capture:
    capture = Capture("one_packet_windows", nanoseconds=False, order=">")
    talk = Talk(protocol=UDP)
    for second in range(12):
        packet = talk.down(300 + 100 * second) if second % 3 else talk.up(100 + second)
        capture.add(START + second * NS + 83 * MS * second, packet)
    capture.add(START + 12 * NS, Talk(client_port=40001).up(40))  # flows of one packet
    capture.add(START + 12 * NS + MS, Talk(client_port=40002).down(1500))
    capture.add(START + 12 * NS + 2 * MS, Talk(protocol=1).up(84))  # ICMP: no ports
    capture.add(START + 12 * NS + 3 * MS, Talk(protocol=1).down(84))
    capture.add(START + 12 * NS + 4 * MS, Talk(protocol=50).up(200))  # ESP
    return capture


def thresholds() -> Capture:
    """Each limit of the feature terms, one step to either side of it."""
    capture = Capture("thresholds", snap=40)
    talk = Talk(protocol=UDP)

    def at(ms: float) -> int:
        return START + int(ms * MS)

    for size in (499, 500, 500, 555, 556, 1500, 1350, 1349, 375, 376, 500, 499):  # full and small, M growing
        capture.add(at(len(capture.records)), talk.down(size))
    now = 100.0
    for size in (60, 40, 40, 80, 76, 77, 78, 300, 28, 1500, 1500, 40, 40, 61, 100):  # ACK size, large
        capture.add(at(now), talk.up(size))
        now += 310
    packets: Timed = []
    now = 6000.0
    for gap in (300, 299, 299, 600, 301, 300):  # requests; the chunk between them holds 4 or 5 full packets
        packets.append((at(now), talk.up(900)))
        for i in range(4 if gap == 301 else 5):
            packets.append((at(now + 10 + i), talk.down(1400)))
        now += gap
    now = 9000.0
    for count, gap in ((5, 150), (5, 151), (4, 151), (1, 152), (5, 1000), (5, 25_000), (5, 160), (1, 0)):
        for i in range(count):  # bursts; the gap is between the last of one and the first of the next
            packets.append((at(now + i), talk.down(1500)))
        now += count - 1 + gap
    base = now + 1000 - now % 1000
    for offset_us in (0, 10_000, 20_001, 70_001, 120_002, 500_000):  # gaps of 10 and 50 ms, and 1 us more
        packets.append((at(base) + offset_us * 1000, talk.down(600)))
    packets.append((at(base + 1000), talk.up(900)))  # request with T = t0 = t1 of the open chunk
    packets += [(at(base + 1000 + i * 0.05), talk.down(1500)) for i in range(10)]
    packets.append((at(base + 1300.5), talk.up(900)))
    packets += [(at(base + 1400), talk.down(1500)) for _ in range(5)]
    packets.append((at(base + 1600.5), talk.up(900)))
    packets.append((at(base + 2000), talk.up(4094)))
    packets.append((at(base + 2400), talk.up(5000)))  # a super-packet
    write_sorted(capture, packets)
    return capture


def gaps() -> Capture:
    capture = Capture("gaps", snap=40)
    talk, other = Talk(), Talk(client_port=40001)
    packets: Timed = []
    now = START + 500 * MS
    for gap_s in (2, 25, 75, 30, 3, 0):
        for i in range(8):
            packets.append((now + i * 20 * MS, talk.down(1500 - 100 * (i % 3))))
        packets.append((now + 170 * MS, talk.up(40)))
        now += (gap_s + 1) * NS
    write_sorted(capture, packets)
    capture.add(now + 119 * NS, talk.down(1200))  # less than the idle timeout
    capture.add(now + (119 + 140) * NS, talk.down(1200))  # more: a new flow
    capture.add(now + (119 + 141) * NS, other.down(1200))
    return capture


def idle_timeout() -> Capture:
    capture = Capture("idle_timeout", snap=40)
    exact, just_not = Talk(client_port=40001), Talk(client_port=40002)
    ticker, again = Talk(client_port=40003, protocol=UDP), Talk(client_port=40004)
    capture.add(START, exact.down(1000))
    capture.add(START + 1, just_not.down(1000))
    capture.add(START + 900 * MS, again.down(800))
    for second in range(10, 125, 10):
        capture.add(START + second * NS, ticker.up(100))
    capture.add(START + 120 * NS + 900 * MS, again.down(800))  # over 120 s, but not at the second's start
    capture.add(START + 121 * NS, exact.down(1000))
    capture.add(START + 121 * NS, just_not.down(1000))  # ended when second 121 began
    capture.add(START + 130 * NS, ticker.up(100))
    return capture


def idle_options() -> Capture:
    capture = Capture("short_timeouts", snap=40, options=Options(100, 3 * NS, 10 * NS))
    rng = random.Random(5)
    talks = [Talk(client_port=40000 + i) for i in range(4)]
    packets: Timed = []
    for place, talk in enumerate(talks):
        now = START + place * 300 * MS
        while now < START + 32 * NS:
            packets.append((now, talk.down(rng.choice((400, 1500)))))
            now += int(rng.uniform(0.2, 1.2 + place) * NS)
    write_sorted(capture, packets)
    return capture


def idle_seconds_64() -> Capture:
    capture = Capture("idle_seconds_64", snap=40)
    for port, idle in ((40000, 63), (40001, 64), (40002, 65), (40003, 100)):
        talk = Talk(client_port=port)
        base = START + (port - 40000) * 300 * NS
        for i in range(6):
            capture.add(base + i * 5 * MS, talk.down(1500))
        for i in range(3):
            capture.add(base + (idle + 1) * NS + i * 5 * MS, talk.down(1500))
        capture.add(base + (idle + 2) * NS, talk.up(40))
    return capture


def ipv6_extensions() -> Capture:
    capture = Capture("ipv6_extensions", link=ETHERNET, snap=150)
    talk = Talk(PHONE6, 50000, SERVER6, 443)
    segment = tcp(443, 50000, 1000)

    def options(next_header: int, units: int = 0) -> bytes:
        return bytes([next_header, units]) + bytes(6 + 8 * units)

    chains = (
        (6, b""),
        (0, options(6)),  # hop-by-hop
        (60, options(6, 2)),  # destination options of 24 bytes
        (43, options(6, 1)),  # routing
        (0, options(60) + options(43) + options(6)),
        (51, bytes([6, 4]) + bytes(22)),  # authentication header of 24 bytes
        (44, struct.pack(">BBHI", 6, 0, 0, 77)),  # an atomic fragment
        (135, options(59)),  # mobility: nothing may follow it
    )
    now = START
    for first, chain in chains * 3:
        capture.add(now, ethernet(ipv6(SERVER6, PHONE6, first, segment.behind(chain))))
        capture.add(now + MS, ethernet(talk.up(60)))
        now += 170 * MS
    others = (
        Talk("fd00::5", 53000, SERVER6, 53, UDP),
        Talk("fe80::1", 546, "ff02::1:2", 547, UDP),
        Talk(PHONE6, 50000, SERVER6, 443, UDP),  # HTTP/3 beside TCP with the same ports
        Talk("2001:db8:1::8", 0, SERVER6, 0, 58),  # ICMPv6
        Talk("::1", 5000, "::1", 6000),
    )
    for second in range(4):
        for other in others:
            for i in range(3):
                now += 20 * MS
                capture.add(now, ethernet(other.down(600 + 50 * i)))
                capture.add(now + MS, ethernet(other.up(90 + 10 * second)))
        now += 700 * MS
    # An Ethernet frame's padding is no part of the packet; a payload length of 0 leaves the record's length.
    capture.add(now, Data(ethernet(talk.up(60)).head.ljust(80, b"\0"), 80))
    capture.add(now + MS, ethernet(ipv6(SERVER6, PHONE6, 6, tcp(443, 50000, 1300), length=0)))
    capture.add(now + 2 * MS, ethernet(ipv6(SERVER6, PHONE6, 59, plain(20))))  # no next header
    return capture


def directions() -> Capture:
    capture = Capture("directions", link=ETHERNET)
    public_a, public_b = "198.51.100.4", "203.0.113.80"
    # (sender, port, receiver, port, protocol, TCP flags) of the first packet seen; an answer follows.
    firsts = (
        (public_b, 443, public_a, 51000, TCP, SYN),  # SYN: the sender, whatever its port
        (public_a, 50001, public_b, 443, TCP, SYN | ACK),  # SYN-ACK: the receiver
        (public_b, 443, PHONE, 50002, TCP, ACK),  # mid-way, private against public
        (PHONE, 443, public_b, 50003, TCP, ACK),  # the private side has the lower port
        (public_b, 443, public_a, 50004, TCP, ACK),  # both public: the higher port
        (public_b, 50005, public_a, 443, TCP, PSH | ACK),
        (public_b, 53, PHONE, 50006, UDP, 0),
        (public_b, 3478, public_a, 50007, UDP, 0),
        ("192.168.1.1", 53, PHONE, 50008, UDP, 0),  # both private
        ("172.31.0.1", 8000, "172.32.0.1", 9000, UDP, 0),  # just inside, just outside 172.16/12
        ("100.127.255.255", 8001, "100.128.0.0", 9000, UDP, 0),  # 100.64/10
        ("169.254.1.1", 8002, public_a, 9000, UDP, 0),
        (public_a, 9000, "127.0.0.1", 8003, UDP, 0),
        (public_b, 5353, "224.0.0.251", 60000, UDP, 0),  # multicast is never the client
        ("239.255.255.250", 1900, PHONE, 1900, UDP, 0),
        (PHONE, 68, "255.255.255.255", 60067, UDP, 0),
        (public_b, 4500, public_a, 4500, UDP, 0),  # equal ports: the sender
        (public_b, 0, public_a, 0, 1, 0),  # ICMP, both public
        ("240.0.0.1", 5000, public_a, 4000, UDP, 0),
        ("fd00::1", 443, "2001:db8::1", 50000, UDP, 0),
        ("2001:db8::1", 50000, "fe80::1", 443, UDP, 0),
        ("2001:db8::2", 443, "ff05::2", 50000, UDP, 0),
        ("2001:db8::3", 443, "2001:db8::4", 50000, TCP, ACK),
    )
    for second in range(3):
        for place, (source, source_port, destination, destination_port, protocol, flags) in enumerate(firsts):
            talk = Talk(source, source_port, destination, destination_port, protocol)
            now = START + second * NS + place * 40 * MS
            capture.add(now, ethernet(talk.up(100 + place, flags if second == 0 else ACK)))
            capture.add(now + 3 * MS, ethernet(talk.down(1000 + place)))
    return capture


def full_table() -> Capture:
    capture = Capture("full_table", snap=40, options=Options(max_flows=4))
    rng = random.Random(4)
    talks = [Talk(client_port=40000 + i) for i in range(12)]
    for step in range(150):  # a few flows at a time, the next ones come as the table is full
        talk = talks[(step // 12 + rng.randrange(5)) % 12]
        now = START + step * 97 * MS
        capture.add(now, talk.down(rng.choice((1500, 700, 90))) if rng.random() < 0.7 else talk.up(60))
    return capture


def full_table_finished() -> Capture:
    capture = Capture("full_table_finished", snap=40, options=Options(max_flows=4))
    talks = [Talk(client_port=40000 + i) for i in range(12)]
    now = START
    for talk in talks[:4]:
        capture.add(now, talk.down(1500))
        now += 10 * MS
    capture.add(now, talks[2].down(40, RST))  # the first to finish
    capture.add(now + MS, talks[0].up(40, FIN | ACK))
    capture.add(now + 2 * MS, talks[0].down(40, FIN | ACK))  # the second
    capture.add(now + 3 * MS, talks[2].down(40))  # does not change the order
    now += 10 * MS
    for talk in talks[4:8]:  # 4 takes the place of 2, 5 of 0, 6 of 1, 7 of 3
        capture.add(now, talk.up(60, SYN))
        now += 10 * MS
    now = START + 2 * NS
    for talk in (talks[7], talks[4], talks[6]):  # windows open in another order; 5 has none
        capture.add(now, talk.down(1000))
        now += 10 * MS
    for talk in talks[8:12]:  # 8 for 5, 9 for 7, 10 for 4, 11 for 6
        capture.add(now, talk.up(60, SYN))
        now += 10 * MS
    capture.add(now, talks[7].down(900))  # comes back: a new flow, a second row for the same second
    return capture


def full_table_storm() -> Capture:
    """Many more windows open in one second than the table holds flows."""
    capture = Capture("full_table_storm", snap=40, options=Options(max_flows=4))
    for step in range(240):
        talk = Talk(client_port=20_000 + step % 97)
        capture.add(START + step * 4 * MS, talk.up(60, SYN) if step % 3 else talk.down(1500))
    for step in range(120):  # and the same by flows that end and come back
        talk = Talk(client_port=40_000 + step % 3)
        capture.add(START + 200 * NS + step * 4 * MS, talk.up(60, SYN) if step % 2 else talk.down(40, RST))
    return capture


def finished_and_idle() -> Capture:
    """An idle timeout below the 5 s that a finished flow lingers: it ends by what comes first."""
    capture = Capture("finished_and_idle", snap=40, options=Options(idle_timeout_ns=2 * NS))
    reset, idle, ticker = Talk(client_port=40000), Talk(client_port=40001), Talk(client_port=40002)
    capture.add(START, reset.down(40, RST))
    capture.add(START + MS, idle.down(40))
    for step in range(1, 12):
        capture.add(START + step * 900 * MS, ticker.up(60))
    capture.add(START + 10 * NS, reset.down(40, RST))  # 6 s later both hold: the first of the page counts
    capture.add(START + 16 * NS, ticker.up(60))
    return capture


def time_back() -> Capture:
    capture = Capture("time_back", snap=40)
    rng = random.Random(6)
    talks = [Talk(client_port=40000 + i) for i in range(3)]
    for step in range(220):
        jitter = rng.choice((0, 0, 0, -5, -80, -400, -999)) * MS
        talk = talks[rng.randrange(3)]
        time_ns = START + 2 * NS + step * 37 * MS + jitter
        capture.add(
            time_ns, talk.down(rng.choice((1500, 1500, 400))) if step % 4 else talk.up(rng.choice((40, 300)))
        )
    last = START + 20 * NS + 500 * MS
    capture.add(last, talks[0].down(1500))
    capture.add(last - NS, talks[1].down(1500))  # just tolerated
    capture.add(last - NS - 1, talks[2].down(1500))  # held
    capture.add(last + 1, talks[0].down(1500))  # drops it
    capture.add(last + 300 * NS + 2, talks[0].down(1500))  # held: 300 s and 1 ns
    capture.add(last + 2, talks[0].down(1500))
    capture.add(last + 300 * NS + 2, talks[0].down(1500))  # just tolerated; all earlier flows are idle
    return capture


def absurd_time() -> Capture:
    capture = Capture("absurd_time", snap=40)
    talk = Talk()
    absurd = {
        10: 4_000_000_000,
        20: 0,
        30: 1,
        31: 4_000_000_000,
        32: 1_000_000,
        40: 1_800_000_000,
        41: 1_800_000_001,
    }
    for step in range(60):
        time_ns = absurd[step] * NS if step in absurd else START + step * 60 * MS
        capture.add(time_ns, talk.down(1500 - step) if step % 5 else talk.up(60))
    return capture


def clock_step_back() -> Capture:
    capture = Capture("clock_step_back", snap=40)
    talks = [Talk(client_port=40000 + i) for i in range(3)]
    now = START
    for step in range(40):
        if step in (15, 23):  # set an hour back; then ten minutes on
            now += -3600 * NS if step == 15 else 600 * NS
        now += 90 * MS
        capture.add(now, talks[step % 3].down(1000 + step) if step % 4 else talks[step % 3].up(60))
    for step in range(7):  # one too few for a step: dropped
        capture.add(now - 5000 * NS + step * MS, talks[0].down(900))
    capture.add(now + MS, talks[0].down(901))
    for step in range(10):  # each held packet fits the one before, all together go 6 s back
        capture.add(now - 7200 * NS - step * 900 * MS, talks[step % 2].down(800 + step))
    return capture


def step_at_end() -> Capture:
    capture = Capture("step_at_end", snap=40)
    talk = Talk()
    for step in range(20):
        capture.add(START + step * 100 * MS, talk.down(1500) if step % 4 else talk.up(60))
    for step in range(3):
        capture.add(START + 86_400 * NS + step * 700 * MS, talk.down(1200))
    return capture


def tunnel_video(wrap: Wrap) -> Timed:
    rng = random.Random(8)
    talk = Talk("10.45.0.9", 41000, SERVER, 443, wrap=wrap)
    return video(rng, talk, START, 20, (9_000, 45_000), every_s=(2.0, 3.5), bytes_per_s=60_000, merged=1)


def tunnels() -> list[Capture]:
    def sll(packet: Data) -> Data:
        return packet.behind(struct.pack(">HHH8sH", 0, 1, 6, b"", ip_type(packet)))

    def sll2(packet: Data) -> Data:
        return packet.behind(struct.pack(">HHIHBB8s", ip_type(packet), 0, 2, 1, 0, 6, b""))

    kinds: dict[str, tuple[int, Wrap]] = {
        "bare": (RAW, lambda p: p),
        "ethernet": (ETHERNET, ethernet),
        "null": (NULL, lambda p: p.behind(struct.pack("<I", 2))),
        "null_big_endian": (NULL, lambda p: p.behind(struct.pack(">I", 2))),
        "loop": (LOOP, lambda p: p.behind(struct.pack(">I", 2))),
        "ppp": (PPP, lambda p: p.behind(b"\xff\x03\x00\x21")),
        "cisco_hdlc": (CISCO_HDLC, lambda p: p.behind(b"\x0f\0" + struct.pack(">H", ip_type(p)))),
        "ethernet_snap": (ETHERNET, snap),
        "linux_cooked": (SLL, sll),
        "linux_cooked_2": (SLL2, sll2),
        "vlan": (ETHERNET, lambda p: vlan(p, 100)),
        "vlan_qinq": (ETHERNET, lambda p: vlan(p, 200, 100, outer=0x88A8)),
        "mpls": (ETHERNET, lambda p: mpls(p, 16, 17, 18)),
        "mpls_pseudowire": (ETHERNET, lambda p: mpls(ethernet(p).behind(bytes(4)), 16, 17)),
        "pppoe": (ETHERNET, pppoe),
        "vlan_pppoe": (ETHERNET, lambda p: pppoe_in_vlan(p)),
        "gre": (RAW, gre),
        "gre_key_ethernet": (RAW, lambda p: gre(ethernet(p), key=5, ethertype=0x6558)),
        "gre_pptp": (RAW, gre_pptp),
        "gre_erspan_2": (RAW, lambda p: erspan(p, 2)),
        "gre_erspan_3": (RAW, lambda p: erspan(p, 3)),
        "ip_in_ip": (RAW, ip_in_ip),
        "ip_in_ipv6": (RAW, lambda p: ip_in_ip(p, "2001:db8::1", "2001:db8::2")),
        "vxlan": (ETHERNET, lambda p: ethernet(vxlan(vlan(p, 7)))),
        "gtpu": (ETHERNET, lambda p: ethernet(gtpu(p))),
        "gtpu_extended": (ETHERNET, lambda p: vlan(gtpu(p, extended=True), 9)),
    }
    captures = []
    for name, (link, wrap) in kinds.items():
        bare = name == "bare"
        capture = Capture(f"tunnel_{name}", link=link, snap=40 if bare else 130)
        write_sorted(capture, [(t, cut_to(d, capture.snap)) for t, d in tunnel_video(wrap)])
        captures.append(capture)
    return captures


def pppoe_in_vlan(packet: Data) -> Data:
    inside = pppoe(packet)
    tag = struct.pack(">HH", 300, 0x8864)
    return ethernet(Data(inside.head[14:], inside.size - 14).behind(tag), 0x8100)


def cut_to(data: Data, snap: int) -> Data:
    """Keeps no more than the headers, so that no zeros fill the file."""
    return Data(data.head[:snap], data.size)


def fragments() -> Capture:
    capture = Capture("fragments", link=ETHERNET)
    down = (SERVER, PHONE)

    def v4(
        time_ms: int, identification: int, place: int, size: int, port: int = 40000, protocol: int = UDP
    ) -> None:
        """place: 0 the first, 1 between, 2 the last fragment."""
        head = udp(443, port, plain(4000)).head if place == 0 else b""
        word = (0x2000 if place < 2 else 0) | (0, 185, 370)[place]
        packet = ipv4(*down, protocol, Data(head, size - 20), fragment=word, identification=identification)
        capture.add(START + time_ms * MS, ethernet(packet))

    def v6(time_ms: int, identification: int, place: int, size: int) -> None:
        head = udp(443, 40006, plain(4000)).head if place == 0 else b""
        word = (0, 185, 370)[place] << 3 | (place < 2)
        fragment = Data(head, size - 48).behind(struct.pack(">BBHI", UDP, 0, word, identification))
        capture.add(START + time_ms * MS, ethernet(ipv6(SERVER6, PHONE6, 44, fragment)))

    for place in (0, 1, 2):
        v4(10 * place, 1, place, 1500)
        v6(10 * place + 1, 70_000, place, 1400)
    v4(100, 2, 1, 1500)  # its first fragment was not seen …
    v4(110, 2, 0, 1500)
    v4(120, 2, 2, 900)  # … now it was
    v6(130, 70_001, 2, 900)
    for place in (0, 1, 2):  # two flows, interleaved
        v4(200 + place, 3, place, 1400, port=40000)
        v4(200 + place, 4, place, 1300, port=40001)
    v4(300, 3, 1, 1200, protocol=132)  # another protocol: not the same packet
    v4(2000, 5, 0, 1500, port=40002)
    v4(2010, 5, 1, 1500)
    v4(3000, 5, 0, 1500, port=40003)  # the identification comes round
    v4(3010, 5, 1, 1500)
    v4(20_000, 6, 0, 1500, port=40004)
    v4(49_900, 6, 1, 1500)  # 29.9 s later
    v4(50_100, 6, 2, 700)  # 30.1 s later
    talk = Talk(protocol=UDP)
    for second in range(3):  # the flow goes on
        capture.add(START + (51 + second) * NS, ethernet(talk.down(1200)))
    return capture


def super_packets() -> Capture:
    capture = Capture("super_packets", link=ETHERNET)
    talk, talk6 = Talk(), Talk(PHONE6, 50000, SERVER6, 443)
    quic = Talk(client_port=40001, protocol=UDP)
    now = START
    for size in (1500, 1501, 1540, 2960, 2961, 4420, 20_000, 45_000, 65_535, 65_160):
        for packet in (
            talk.down(size),
            talk.up(size, PSH | ACK),
            talk6.down(size),
            quic.down(size),
            quic.up(size),
        ):
            capture.add(now, ethernet(packet))
            now += 7 * MS
        now += 200 * MS
    # TSO of a jumbo size: the length field is 0 and the record tells.
    segment = tcp(443, 40000, 70_000)
    capture.add(now, ethernet(ipv4(SERVER, PHONE, TCP, segment, total=0)))
    capture.add(now + MS, ethernet(ipv6(SERVER6, PHONE6, TCP, tcp(443, 50000, 70_000), length=0)))
    # A length field beyond the record's original length counts for nothing.
    capture.add(now + 2 * MS, ethernet(ipv4(SERVER, PHONE, TCP, tcp(443, 40000, 100), total=9000)))
    # No ports, no header behind IP's own; and a fragment longer than an MTU.
    capture.add(now + 3 * MS, ethernet(ip(SERVER, PHONE, 50, plain(5000))))
    first = udp(443, 40005, plain(9000))
    capture.add(now + 4 * MS, ethernet(ipv4(SERVER, PHONE, UDP, first, fragment=0x2000, identification=9)))
    capture.add(
        now + 5 * MS, ethernet(ipv4(SERVER, PHONE, UDP, plain(4000), fragment=1126, identification=9))
    )
    return capture


def huge_headers() -> Capture:
    """Headers longer than an MTU: not taken apart, whatever the length; M goes beyond 16 bits."""
    capture = Capture("huge_headers", snap=1700)
    chain = b"\x06\xbf" + bytes(8 * 0xBF + 6)  # 1536 bytes of destination options
    talk = Talk(PHONE6, 50000, SERVER6, 443)
    now = START
    for payload, length in ((1400, None), (60_000, None), (70_000, 0), (63_000, None)):
        data = tcp(443, 50000, payload).behind(chain)
        capture.add(now, ipv6(SERVER6, PHONE6, 60, data, length=length))
        capture.add(now + MS, cut_to(talk.down(1500), 60))
        capture.add(now + 2 * MS, cut_to(talk.up(60), 60))
        now += 400 * MS
    return capture


def tcp_ends() -> Capture:
    capture = Capture("tcp_ends", snap=60)
    packets: Timed = []
    talks = {
        name: Talk(client_port=40000 + i)
        for i, name in enumerate(("fin", "half", "rst", "again", "syn", "udp"))
    }
    talks["udp"].protocol = UDP
    for talk in talks.values():
        packets += handshake(talk, START + talk.client_port % 10 * 11 * MS)
    t = START + 2 * NS + 300 * MS
    fin, half, rst, again, syn, ticker = talks.values()
    packets += [(t, fin.up(40, FIN | ACK)), (t + 30 * MS, fin.down(40, FIN | ACK)), (t + 31 * MS, fin.up(40))]
    packets += [
        (t, half.up(40, FIN | ACK)),
        (t + 2 * NS, half.down(1500)),
        (t + 3 * NS, half.up(40, FIN | ACK)),
    ]
    packets += [(t, rst.down(40, RST)), (t + 100 * MS, rst.down(1500)), (t + 3 * NS, rst.down(1500))]
    packets += [
        (t, again.up(40, RST)),
        (t + 200 * MS, again.up(60, SYN)),
        (t + 230 * MS, again.down(60, SYN | ACK)),
    ]
    packets += [(t + 300 * MS, again.down(1500)), (t + 400 * MS, again.down(40, RST | ACK))]
    packets += [
        (t + NS, again.down(60, SYN)),
        (t + NS + MS, again.up(60, SYN | ACK)),
    ]  # opened from the other side
    packets += [(t, syn.up(60, SYN)), (t + NS, syn.up(60, SYN))]  # no end before: the same flow
    for second in range(20):
        packets.append((START + second * NS + 700 * MS, ticker.down(200)))
    packets.append((t + 4900 * MS, fin.up(40)))  # finished, but not yet forgotten
    packets.append((t + 12 * NS, fin.down(500)))  # forgotten: a new flow, opened mid-way
    write_sorted(capture, packets)
    return capture


def video_like() -> Capture:
    capture = Capture("video_like", snap=40)
    packets = video(random.Random(1), Talk(), START + 123_456_789, 60, (150_000, 600_000), merged=5)
    write_sorted(capture, packets)
    return capture


def video_like_ipv6_udp() -> Capture:
    capture = Capture("video_like_ipv6_udp", link=ETHERNET, snap=62, nanoseconds=False)
    rng = random.Random(9)
    talk = Talk(PHONE6, 50100, SERVER6, 443, UDP)
    packets: Timed = []
    now = START + 40 * MS
    while now < START + 40 * NS:
        packets.append((now, talk.up(rng.randint(120, 160))))
        run = down_run(rng, talk, now + 30 * MS, rng.randint(25_000, 60_000), 300_000, 4, 1)
        packets += [(t, shrink_quic(d, talk)) for t, d in run]
        now += int(rng.uniform(2.2, 2.6) * NS)
    write_sorted(capture, packets)
    return capture


def shrink_quic(packet: Data, talk: Talk) -> Data:
    is_up = packet.head[8:24] == ip_address(talk.client).packed
    size = 73 if is_up else min(packet.size, 1292)
    return ethernet(talk.up(size) if is_up else talk.down(max(size, 60)))


def download_like() -> Capture:
    capture = Capture("download_like", snap=40)
    rng, talk = random.Random(2), Talk()
    packets = handshake(talk, START + 700 * MS)
    packets.append((START + 800 * MS, talk.up(480, PSH | ACK)))
    packets += down_run(rng, talk, START + 850 * MS, 40_000_000, 4_000_000, 3, 44)
    write_sorted(capture, packets)
    return capture


def upload_like() -> Capture:
    capture = Capture("upload_like", snap=40)
    rng, talk = random.Random(3), Talk()
    packets = handshake(talk, START)
    now = START + 100 * MS
    while now < START + 14 * NS:
        packets.append((now, talk.up(40 + 1460 * rng.randint(1, 10), PSH | ACK)))
        if rng.random() < 0.4:
            packets.append((now + 20 * MS, talk.down(rng.choice((40, 52, 52, 64)))))
        now += rng.randint(5, 40) * MS
    write_sorted(capture, packets)
    return capture


def chat_like() -> Capture:
    capture = Capture("chat_like", snap=40, nanoseconds=False)
    write_sorted(capture, chat(random.Random(10), Talk(), START + 250 * MS, 90))
    return capture


def call_like() -> Capture:
    capture = Capture("call_like", snap=40)
    rng, talk = random.Random(11), Talk(client_port=52000, server_port=3478, protocol=UDP)
    packets: Timed = []
    for direction in (talk.up, talk.down):
        now = START + rng.randint(0, 20) * MS
        while now < START + 22 * NS:
            packets.append((now, direction(rng.randint(160, 200))))  # voice
            if rng.random() < 0.35:
                for i in range(rng.randint(1, 2)):
                    packets.append((now + (5 + i) * MS, direction(rng.randint(700, 1200))))  # picture
            now += rng.randint(35, 65) * MS
    write_sorted(capture, packets)
    return capture


def mixed_200() -> Capture:
    capture = Capture("mixed_200", link=ETHERNET, snap=74)
    rng = random.Random(12)
    packets: Timed = []
    for number in range(200):
        six = rng.random() < 0.3
        talk = Talk(
            f"2001:db8:2::{number:x}" if six else f"10.1.{number // 100}.{number}",
            rng.randint(1024, 65535),
            SERVER6 if six else f"203.0.113.{rng.randint(1, 9)}",
            rng.choice((80, 443, 443, 8080)),
            rng.choice((TCP, TCP, UDP)),
        )
        now = START + rng.randint(0, 20_000) * MS
        for _ in range(rng.randint(1, 10)):
            size = rng.choice((66, 80, 300, 800, 1400, 1500, 1500, 1500, 2960, 9000))
            up = rng.random() < 0.3
            flags = rng.choice((ACK,) * 12 + (SYN, SYN | ACK, FIN | ACK, RST))
            packets.append((now, ethernet(talk.up(min(size, 700), flags) if up else talk.down(size, flags))))
            now += int(rng.choice((0.0003, 0.02, 0.2, 1.5)) * rng.random() * 2 * NS)
    write_sorted(capture, packets)
    return capture


def active_timeout() -> Capture:
    capture = Capture("active_timeout", snap=40)
    talk, exact = Talk(), Talk(client_port=40001)
    for step in range(40):
        now = START + 400 * MS + step * 100 * NS
        capture.add(now, talk.down(1000 + step))
        if step % 2:
            capture.add(now + MS, talk.up(60))
    begin = START + 5000 * NS
    for step in range(38):  # first packet at a whole second: 3600 s is reached exactly
        capture.add(begin + step * 100 * NS, exact.down(1200))
    return capture


def odd_records() -> Capture:
    capture = Capture("odd_records", link=ETHERNET)
    talk, now = Talk(), START

    def add(data: Data) -> None:
        nonlocal now
        capture.add(now, data)
        now += 50 * MS

    add(ethernet(talk.down(1500)))
    add(ethernet(plain(28), 0x0806))  # ARP
    add(ethernet(plain(100), 0x88CC))  # LLDP
    add(ethernet(plain(100), 100))  # 802.3 length: STP
    add(ethernet(Data(struct.pack(">BBHHH", 0x11, 0, 1, 10, 0xC021), 14), 0x8864))  # PPP's own LCP
    cuts = (10, 14, 20, 33, 36, 46)  # in the Ethernet header, behind it, in IP's, in TCP's
    for cut in cuts:
        data = ethernet(talk.down(1500))
        capture.raw(now // NS, now % NS, data.head[:cut], data.size)
        now += 10 * MS
    tunnel = ethernet(gtpu(talk.down(1000)))
    capture.raw(now // NS, now % NS, tunnel.head[:60], tunnel.size)
    now += 10 * MS
    add(ethernet(Data(b"\x55" + talk.down(100).head[1:], 100), 0x0800))  # version 5
    add(ethernet(Data(b"\x44" + talk.down(100).head[1:], 100), 0x0800))  # a header of 16 bytes
    add(ethernet(ipv4(SERVER, PHONE, TCP, tcp(443, 40000, 60), total=19)))  # shorter than its header
    add(ethernet(Data(b"\x45" + talk.down(100).head[1:], 100), 0x86DD))  # IPv4 where IPv6 was announced
    deep = Capture("unused", link=ETHERNET, snap=200)
    for tags in (16, 17):
        data = vlan(talk.down(700), *range(1, tags + 1))
        deep.add(now, data)
        now += 50 * MS
    capture.records += deep.records
    add(ethernet(vxlan(ethernet(plain(28), 0x0806))))  # no IP packet inside: the tunnel's own packet counts
    add(ethernet(udp_gtp_echo()))
    add(ethernet(ip("192.0.2.1", "192.0.2.2", 47, Data(bytes.fromhex("000088cc"), 60))))
    add(ethernet(ipv4(SERVER, PHONE, TCP, tcp(443, 40000, 60), total=32)))  # no room for TCP's flags
    bad_inner = Data(b"\x4f" + talk.down(100).head[1:], 100)
    add(
        ethernet(ip_in_ip(bad_inner, "192.0.2.5", "192.0.2.6"))
    )  # a header of 60 bytes, cut by nothing but TCP
    add(ethernet(ip_in_ip(Data(b"\x41" + bad_inner.head[1:], 100), "192.0.2.5", "192.0.2.6")))
    for count in (16, 17):  # extension headers count as well
        chain = b"\x3c\x00" + bytes(6)
        data = tcp(443, 50000, 300).behind(chain * (count - 1) + b"\x06\x00" + bytes(6))
        capture.snap = 300
        add(ethernet(ipv6(SERVER6, PHONE6, 60, data)))
    for count in (15, 16):  # and those of GTP-U, with the tunnel itself
        data = talk.down(400).behind(b"\x01\x00\x00\x85" * (count - 1) + b"\x01\x00\x00\x00")
        header = struct.pack(">BBHIHBB", 0x34, 255, data.size + 4, 0xCAFE, 0, 0, 0x85)
        add(ethernet(ip("192.0.2.1", "192.0.2.2", UDP, udp(2152, 2152, data.behind(header)))))
    capture.snap = 96
    capture.raw(now // NS, NS, ethernet(talk.down(100)).head, 114)  # a sub-second part of a whole second
    for i in range(6):
        add(Data(ethernet(talk.up(40)).head.ljust(60, b"\0"), 60))  # padded to the least frame
        add(ethernet(talk.down(1200 + i)))
    return capture


def udp_gtp_echo() -> Data:
    return ip("192.0.2.3", "192.0.2.4", UDP, udp(2152, 2152, Data(bytes.fromhex("3201000400000000"), 12)))


def all_captures() -> list[Capture]:
    return [
        window_boundary(),
        one_packet_windows(),
        thresholds(),
        gaps(),
        idle_timeout(),
        idle_options(),
        idle_seconds_64(),
        ipv6_extensions(),
        directions(),
        full_table(),
        full_table_finished(),
        full_table_storm(),
        finished_and_idle(),
        time_back(),
        absurd_time(),
        clock_step_back(),
        step_at_end(),
        *tunnels(),
        fragments(),
        super_packets(),
        huge_headers(),
        tcp_ends(),
        video_like(),
        video_like_ipv6_udp(),
        download_like(),
        upload_like(),
        chat_like(),
        call_like(),
        mixed_200(),
        active_timeout(),
        odd_records(),
    ]


def write_all(folder: Path) -> None:
    captures, vectors = folder / "captures", folder / "vectors"
    captures.mkdir(parents=True, exist_ok=True)
    vectors.mkdir(parents=True, exist_ok=True)
    for capture in all_captures():
        path = captures / f"{capture.name}.pcap"
        path.write_bytes(capture.bytes())
        text = "".join(line + "\n" for line in lines(path, capture.options))
        (vectors / f"{capture.name}.jsonl").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE, help="where to write (default: here)")
    write_all(parser.parse_args().folder)


if __name__ == "__main__":
    main()
