"""Per-flow, per-second truth of a lab capture, worked out without any code of the product.

Every content class of the lab has a server address of its own, so the label of a flow follows from the
address of its server; this tool reads the capture with a small reader of its own, counts packets and IP bytes
of each flow and second, and writes one CSV row for each flow and second that has packets.

    python -m reelsense_lab.truth tests/captures/reels-h3.pcap       # labels from reels-h3.scenario.json beside it
    python -m reelsense_lab.truth trace.pcap.zst --video 10.77.0.10 --out t.csv  # no scenario: say who serves video

Only what the lab records is read: Ethernet, unfragmented IPv4, IPv6 without extension headers, TCP and UDP.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import ipaddress
import json
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

COLUMNS = (
    "time",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "protocol",
    "label",
    "packets_up",
    "packets_down",
    "bytes_up",
    "bytes_down",
)
COMPRESSED = {".gz", ".zst"}
PROTOCOL_NAMES = {6: "tcp", 17: "udp"}
LINKTYPE_ETHERNET = 1
MAX_RECORD_BYTES = 262_144
SYN, ACK = 0x02, 0x10
PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    ]
)


class CaptureError(Exception):
    """The file is not a capture this tool can read; the message names the file and the reason."""


class Endpoint(NamedTuple):
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Packet:
    """One TCP or UDP packet. `ip_bytes` is the IPv4 total length, or the IPv6 payload length + 40."""

    time_ns: int
    source: Endpoint
    destination: Endpoint
    protocol: str
    ip_bytes: int
    opens: bool  # a TCP SYN without ACK: its sender is the client


@dataclass(frozen=True, slots=True)
class Flow:
    number: int  # in order of the first packet
    client: Endpoint
    server: Endpoint
    protocol: str


@dataclass(frozen=True, slots=True)
class Row:
    time: int
    client: Endpoint
    server: Endpoint
    protocol: str
    label: str
    packets_up: int
    packets_down: int
    bytes_up: int
    bytes_down: int


def stem(capture: Path) -> Path:
    """`x/reels-h2.pcap.zst` → `x/reels-h2`: the path that the truth and scenario files share."""
    path = capture.with_suffix("") if capture.suffix in COMPRESSED else capture
    return path.with_suffix("")


def read_bytes(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], check=True, stdout=subprocess.PIPE).stdout
    return path.read_bytes()


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """(time in ns, captured bytes) of each record of a classic pcap file, any byte order, µs or ns."""
    data = read_bytes(path)
    magics = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
    for order in "<>":
        if len(data) >= 24 and (scale := magics.get(struct.unpack_from(order + "I", data)[0])):
            break
    else:
        raise CaptureError(f"{path}: not a classic pcap file (first bytes {data[:4].hex() or 'none'})")
    link_type = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFF_FFFF
    if link_type != LINKTYPE_ETHERNET:
        raise CaptureError(f"{path}: link type {link_type}, the lab records Ethernet (1)")
    header = struct.Struct(order + "IIII")
    offset = 24
    while offset < len(data):
        if offset + header.size > len(data):
            raise CaptureError(f"{path}: cut in a record header at byte {offset}")
        seconds, fraction, captured, _ = header.unpack_from(data, offset)
        if captured > MAX_RECORD_BYTES or offset + header.size + captured > len(data):
            raise CaptureError(f"{path}: record at byte {offset} claims {captured} bytes")
        offset += header.size
        yield seconds * 1_000_000_000 + fraction * scale, data[offset : offset + captured]
        offset += captured


def parse(time_ns: int, frame: bytes) -> Packet | None:
    """The TCP or UDP packet in an Ethernet frame, or None for anything else."""
    if len(frame) < 14:
        return None
    ether_type, ip = struct.unpack_from(">H", frame, 12)[0], frame[14:]
    if ether_type == 0x0800 and len(ip) >= 20:
        header_bytes, protocol = (ip[0] & 0x0F) * 4, ip[9]
        ip_bytes, fragment = struct.unpack_from(">H", ip, 2)[0], struct.unpack_from(">H", ip, 6)[0] & 0x3FFF
        if fragment:
            return None
        source, destination = str(ipaddress.IPv4Address(ip[12:16])), str(ipaddress.IPv4Address(ip[16:20]))
    elif ether_type == 0x86DD and len(ip) >= 40:
        header_bytes, protocol = 40, ip[6]
        ip_bytes = struct.unpack_from(">H", ip, 4)[0] + 40
        source, destination = str(ipaddress.IPv6Address(ip[8:24])), str(ipaddress.IPv6Address(ip[24:40]))
    else:
        return None
    transport = ip[header_bytes:]
    if protocol not in PROTOCOL_NAMES or len(transport) < (14 if protocol == 6 else 8):
        return None
    source_port, destination_port = struct.unpack_from(">HH", transport)
    opens = protocol == 6 and transport[13] & (SYN | ACK) == SYN
    return Packet(
        time_ns,
        Endpoint(source, source_port),
        Endpoint(destination, destination_port),
        PROTOCOL_NAMES[protocol],
        ip_bytes,
        opens,
    )


def read_packets(path: Path, skipped: Counter[str] | None = None) -> Iterator[Packet]:
    for time_ns, frame in records(path):
        packet = parse(time_ns, frame)
        if packet is not None:
            yield packet
        elif skipped is not None:
            skipped["not TCP or UDP over IP"] += 1


def is_private(ip: str) -> bool:
    return any(ipaddress.ip_address(ip) in network for network in PRIVATE if network.version == (6 if ":" in ip else 4))


def client_of(first: Packet) -> Endpoint:
    """Who opened it: the sender of the SYN, else the private side, else (both private, or none) the higher port."""
    if first.opens:
        return first.source
    private = is_private(first.source.ip)
    if private != is_private(first.destination.ip):
        return first.source if private else first.destination
    return first.source if first.source.port >= first.destination.port else first.destination


def truth_rows(packets: Iterable[Packet], video_addresses: frozenset[str]) -> list[Row]:
    """One row for each flow and second with packets, by time and then by order of the flow's first packet."""
    flows: dict[tuple[frozenset[Endpoint], str], Flow] = {}
    counts: dict[tuple[int, int], list[int]] = {}  # (second, flow number) → packets up, down, bytes up, down
    for packet in packets:
        key = (frozenset((packet.source, packet.destination)), packet.protocol)
        flow = flows.get(key)
        if flow is None:
            client = client_of(packet)
            server = packet.destination if client == packet.source else packet.source
            flow = flows[key] = Flow(len(flows), client, server, packet.protocol)
        count = counts.setdefault((packet.time_ns // 1_000_000_000, flow.number), [0, 0, 0, 0])
        down = packet.source == flow.server
        count[down] += 1
        count[2 + down] += packet.ip_bytes
    by_number = list(flows.values())
    return [
        Row(
            second,
            flow.client,
            flow.server,
            flow.protocol,
            "video" if flow.server.ip in video_addresses else "non-video",
            *counts[second, number],
        )
        for second, number in sorted(counts)
        for flow in (by_number[number],)
    ]


def write_csv(rows: Iterable[Row], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(fields(row))


def fields(row: Row) -> list[object]:
    """A row in the order of COLUMNS."""
    counts = row.packets_up, row.packets_down, row.bytes_up, row.bytes_down
    return [row.time, *row.client, *row.server, row.protocol, row.label, *counts]


def video_addresses_of(scenario: Path) -> frozenset[str]:
    servers = json.loads(scenario.read_text())["servers"]
    return frozenset(address for address, server in servers.items() if server["label"] == "video")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", type=Path, help="classic pcap file, may be .gz or .zst")
    parser.add_argument("--scenario", type=Path, help="scenario file (default: beside the capture)")
    parser.add_argument("--video", action="append", metavar="ADDRESS", help="a server of video; instead of a scenario")
    parser.add_argument("--out", type=Path, help="CSV file (default: standard output)")
    arguments = parser.parse_args()
    scenario = arguments.scenario or stem(arguments.capture).with_suffix(".scenario.json")
    skipped: Counter[str] = Counter()
    try:
        video = frozenset(arguments.video) if arguments.video else video_addresses_of(scenario)
        rows = truth_rows(read_packets(arguments.capture, skipped), video)
        if arguments.out:
            with arguments.out.open("w", newline="") as out:
                write_csv(rows, out)
        else:
            write_csv(rows, sys.stdout)
    except (CaptureError, OSError, KeyError, subprocess.CalledProcessError) as error:
        print(f"truth: {error}", file=sys.stderr)
        return 2
    for reason, frames in skipped.items():
        print(f"truth: {frames} frames skipped: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
