"""Frames and captures built by hand, for the tests."""

from __future__ import annotations

import socket
import struct

SECOND = 1_000_000_000
End = tuple[str, int]


def transport_of(source: End, destination: End, protocol: int, flags: int) -> bytes:
    ports = struct.pack(">HH", source[1], destination[1])
    if protocol == 6:
        return ports + struct.pack(">IIBBHHH", 1, 1, 0x50, flags, 1000, 0, 0)
    return ports + struct.pack(">HH", 8, 0)


def frame(source: End, destination: End, payload_bytes: int = 0, *, protocol: int = 17, flags: int = 0x10) -> bytes:
    """An Ethernet frame cut after its headers, as a snap length leaves it; IP lengths count the payload."""
    transport = transport_of(source, destination, protocol, flags)
    length = len(transport) + payload_bytes
    if ":" in source[0]:
        addresses = b"".join(socket.inet_pton(socket.AF_INET6, end[0]) for end in (source, destination))
        header = struct.pack(">IHBB", 6 << 28, length, protocol, 64)
        return bytes(12) + b"\x86\xdd" + header + addresses + transport
    addresses = b"".join(socket.inet_aton(end[0]) for end in (source, destination))
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 1, 0x4000, 64, protocol, 0)
    return bytes(12) + b"\x08\x00" + header + addresses + transport


def pcap(frames: list[tuple[int, bytes]], *, order: str = "<", nanoseconds: bool = True, link: int = 1) -> bytes:
    magic, unit = (0xA1B23C4D, 1) if nanoseconds else (0xA1B2C3D4, 1000)
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 96, link)
    for time_ns, data in frames:
        fraction = time_ns % SECOND // unit
        out += struct.pack(order + "IIII", time_ns // SECOND, fraction, len(data), len(data)) + data
    return out


def pcapng(frames: list[tuple[int, bytes]], *, link: int = 101) -> bytes:
    """Little-endian, one interface, microseconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += block(1, struct.pack("<HHI", link, 0, 0))
    for time_ns, data in frames:
        ticks = time_ns // 1000
        head = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFF_FFFF, len(data), len(data))
        out += block(6, head + data)
    return out
