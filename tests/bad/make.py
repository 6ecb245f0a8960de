#!/usr/bin/env python3
"""Makes the small bad captures beside it, one for each row of the bad-input table; ingest/bad_files_test.cc and
the walk-through in the README read them. Run without arguments; the same bytes come out every time."""

import gzip
import struct
from pathlib import Path

FOLDER = Path(__file__).parent
START = 1_700_000_000  # seconds since the epoch


def packet(i: int) -> bytes:
    """One Ethernet/IPv4/TCP packet, turn about up and down, of 100 payload bytes."""
    client, server = (bytes([10, 0, 0, 1]), 51111), (bytes([192, 0, 2, 1]), 443)
    source, destination = (client, server) if i % 2 == 0 else (server, client)
    tcp = struct.pack(">HHIIBBHHH", source[1], destination[1], i, i, 0x50, 0x10, 1000, 0, 0) + bytes(100)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), i, 0x4000, 64, 6, 0) + source[0] + destination[0]
    return bytes.fromhex("020000000001020000000002") + b"\x08\x00" + ip + tcp


def header(link: int = 1) -> bytes:
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)


def record(i: int, micros: int = 0, length: int | None = None) -> bytes:
    data = packet(i)
    length = len(data) if length is None else length
    return struct.pack("<IIII", START + i // 4, micros or i % 4 * 200_000, length, len(data)) + data


def records(first: int, last: int) -> bytes:
    return b"".join(record(i) for i in range(first, last))


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def enhanced(i: int, captured: int | None = None) -> bytes:
    data = packet(i)
    time = (START + i) * 1_000_000
    fields = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, captured or len(data), len(data))
    return block(6, fields + data)


def section(link: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", link, 0, 0))


FILES = {
    "not_a_capture.pcap": b"GIF89a: not a capture at all\n",
    "empty.pcap": b"",
    "header_cut_short.pcap": header()[:11],
    "unknown_link_type.pcap": header(189) + records(0, 4),
    "cut_inside_a_record.pcap": (header() + records(0, 8))[:-7],
    "cut_inside_a_record.pcap.gz": gzip.compress((header() + records(0, 8))[:-7], mtime=0),
    "length_above_the_bound.pcap": header() + records(0, 4) + record(4, length=0x7FFFFFFF) + records(5, 9),
    "length_beyond_the_file.pcap": header() + records(0, 4) + record(4, length=60000) + records(5, 9),
    "absurd_timestamp.pcap": header() + records(0, 4) + record(4, micros=0xFFFFFFF0) + records(5, 9),
    "cut_inside_a_block.pcapng": (section() + b"".join(map(enhanced, range(8))))[:-7],
    "length_beyond_the_block.pcapng": section() + enhanced(0) + enhanced(1, captured=60000) + enhanced(2),
    "unknown_link_type.pcapng": section(189) + enhanced(0),
}

if __name__ == "__main__":
    for name, content in FILES.items():
        (FOLDER / name).write_bytes(content)
