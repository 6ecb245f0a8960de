"""Reads captures that others took: classic pcap and pcapng, from the link types of phones and routers, as IP packets.

Untrusted input: every length is checked, what cannot be read is an error that names the file and the byte, and frames
of other protocols are counted and left out.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reelsense_lab import truth

NG_SECTION, NG_INTERFACE, NG_SIMPLE, NG_ENHANCED = 0x0A0D0D0A, 1, 3, 6
NG_BYTE_ORDER = 0x1A2B3C4D
NG_RESOLUTION = 9  # the interface option if_tsresol
ETHERNET, RAW_OLD, RAW_BSD, RAW, COOKED, RAW_V4, RAW_V6, COOKED2 = 1, 12, 14, 101, 113, 228, 229, 276
VLAN_TYPES = (0x8100, 0x88A8)
IP_TYPES = (0x0800, 0x86DD)
MAX_BLOCK_BYTES = 16 * 1024 * 1024
MICROSECOND_NS = 1000


class IpPacket(NamedTuple):
    time_ns: int
    data: bytes  # from the IP header on, as much as was captured


class Interface(NamedTuple):
    link_type: int
    ticks_per_second: int


def read(path: Path, skipped: Counter[str]) -> Iterator[IpPacket]:
    data = truth.read_bytes(path)
    frames = _pcapng(path, data) if data[:4] == struct.pack("<I", NG_SECTION) else _pcap(path, data)
    for link_type, time_ns, frame in frames:
        packet = _ip_of(link_type, frame)
        if packet:
            yield IpPacket(time_ns, packet)
        else:
            skipped["not IP"] += 1


def _pcap(path: Path, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    magics = {0xA1B2C3D4: MICROSECOND_NS, 0xA1B23C4D: 1}
    for order in "<>":
        if len(data) >= 24 and (scale := magics.get(struct.unpack_from(order + "I", data)[0])):
            break
    else:
        raise truth.CaptureError(f"{path}: expected classic pcap or pcapng, got first bytes {data[:4].hex() or 'none'}")
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFF_FFFF
    offset, header = 24, struct.Struct(order + "IIII")
    while offset < len(data):
        if offset + header.size > len(data):
            raise truth.CaptureError(f"{path}: cut in a record header at byte {offset}")
        seconds, fraction, captured, _ = header.unpack_from(data, offset)
        offset += header.size
        if captured > truth.MAX_RECORD_BYTES or offset + captured > len(data):
            raise truth.CaptureError(f"{path}: record at byte {offset - header.size} claims {captured} bytes")
        yield link_type, seconds * 1_000_000_000 + fraction * scale, data[offset : offset + captured]
        offset += captured


def _pcapng(path: Path, data: bytes) -> Iterator[tuple[int, int, bytes]]:
    interfaces: list[Interface] = []
    offset, order = 0, "<"
    while offset < len(data):
        if offset + 12 > len(data):
            raise truth.CaptureError(f"{path}: cut in a block header at byte {offset}")
        kind = struct.unpack_from(order + "I", data, offset)[0]
        if kind == NG_SECTION:
            order = "<" if struct.unpack_from("<I", data, offset + 8)[0] == NG_BYTE_ORDER else ">"
            interfaces = []
        length = struct.unpack_from(order + "I", data, offset + 4)[0]
        if length < 12 or length % 4 or length > MAX_BLOCK_BYTES or offset + length > len(data):
            raise truth.CaptureError(f"{path}: block at byte {offset} claims {length} bytes")
        body = data[offset + 8 : offset + length - 4]
        if kind == NG_INTERFACE and len(body) >= 8:
            link_type = struct.unpack_from(order + "H", body)[0]
            interfaces.append(Interface(link_type, _resolution(order, body[8:])))
        elif kind == NG_ENHANCED and len(body) >= 20:
            number, high, low, captured, _ = struct.unpack_from(order + "IIIII", body)
            if number >= len(interfaces) or 20 + captured > len(body):
                raise truth.CaptureError(f"{path}: packet at byte {offset} of interface {number}, {captured} bytes")
            ticks = high << 32 | low
            interface = interfaces[number]
            time_ns = ticks * 1_000_000_000 // interface.ticks_per_second
            yield interface.link_type, time_ns, body[20 : 20 + captured]
        elif kind == NG_SIMPLE:
            raise truth.CaptureError(f"{path}: packet at byte {offset} has no time")
        offset += length


def _resolution(order: str, options: bytes) -> int:
    offset = 0
    while offset + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, offset)
        if code == NG_RESOLUTION and length >= 1 and offset + 4 < len(options):
            value = options[offset + 4]
            return int(2 ** (value & 0x7F)) if value & 0x80 else int(10 ** min(value, 18))
        if code == 0:
            break
        offset += 4 + (length + 3) // 4 * 4
    return 1_000_000


def _ip_of(link_type: int, frame: bytes) -> bytes | None:
    if link_type in (RAW, RAW_OLD, RAW_BSD, RAW_V4, RAW_V6):
        return frame if frame and frame[0] >> 4 in (4, 6) else None
    position = {ETHERNET: 12, COOKED: 14, COOKED2: 0}.get(link_type)
    if position is None or len(frame) < position + 2:
        return None
    header = {ETHERNET: 14, COOKED: 16, COOKED2: 20}[link_type]
    ether_type = struct.unpack_from(">H", frame, position)[0]
    while ether_type in VLAN_TYPES and len(frame) >= header + 4:
        ether_type = struct.unpack_from(">H", frame, header + 2)[0]
        header += 4
    return frame[header:] if ether_type in IP_TYPES else None
