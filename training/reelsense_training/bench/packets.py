"""A lab session as packets: each packet of ``trace.pcap`` with its flow, direction, size and truth."""

from __future__ import annotations

import csv
import gzip
import ipaddress
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelsense_training.bench.lab_data import trace_of
from reelsense_training.data.series import DataError, PacketSeries

ETHERNET, IPV4, IPV6 = 1, 0x0800, 0x86DD
PROTOCOLS = {6: "tcp", 17: "udp"}
_BIG = np.int64(1) << 40  # µs; more than a session lasts


@dataclass(frozen=True)
class Packets:
    """``N`` flows, ``P`` packets; flow ``i`` owns ``off[i]:off[i+1]``, times non-decreasing in a flow.

    Times are µs since the session's first packet, the same clock for all flows, as they share one link.
    """

    off: NDArray[np.int64]
    t_us: NDArray[np.int64]
    size: NDArray[np.int64]  # IP bytes
    up: NDArray[np.bool_]
    video: NDArray[np.bool_]  # truth of the flow and second that the packet was recorded in
    workload: NDArray[np.int16]  # index in ``workloads``
    workloads: tuple[str, ...]

    @property
    def flows(self) -> int:
        return len(self.off) - 1

    def flow(self) -> NDArray[np.int64]:
        """Flow of each packet [P]."""
        return np.repeat(np.arange(self.flows), np.diff(self.off))

    def take(self, index: NDArray, t_us: NDArray) -> Packets:
        """The packets of ``index`` [Q] (one may be taken twice) at new times [Q], in order again."""
        flow = self.flow()[index]
        order = np.lexsort((t_us, flow))
        chosen = index[order]
        off = np.searchsorted(flow[order], np.arange(self.flows + 1)).astype(np.int64)
        return replace(self, off=off, t_us=t_us[order], size=self.size[chosen], up=self.up[chosen],
                       video=self.video[chosen], workload=self.workload[chosen])  # fmt: skip

    def at(self, t_us: NDArray) -> Packets:
        """The same packets at other times [P]."""
        return self.take(np.arange(len(self.t_us)), np.asarray(t_us, np.int64))

    def series(self) -> PacketSeries:
        """For the extractor: every flow since its own first packet."""
        filled = np.diff(self.off) > 0
        first = np.zeros(self.flows, np.int64)
        first[filled] = self.t_us[self.off[:-1][filled]]
        since = self.t_us - np.repeat(first, np.diff(self.off))
        return PacketSeries(self.off, np.minimum(since, 2**32 - 1).astype(np.uint32),
                            np.minimum(self.size, 65_535).astype(np.uint16), self.up)  # fmt: skip

    def through(self, series: PacketSeries) -> Packets:
        """What a transform of ``series()`` made, with truth back.

        Packet by packet where none was dropped or merged, else that of the last packet recorded by then.
        """
        starts = np.where(np.diff(self.off) > 0, self.t_us[np.minimum(self.off[:-1], len(self.t_us) - 1)], 0)
        flow = np.repeat(np.arange(series.flows), series.lengths())
        t_us = series.t_us.astype(np.int64) + starts[flow]
        recorded = self.flow() * _BIG + self.t_us
        source = np.searchsorted(recorded, flow * _BIG + t_us, side="right") - 1
        source = np.maximum(source, self.off[flow])
        if np.array_equal(series.off, self.off):
            source = np.arange(len(t_us))
        return replace(self, off=series.off, t_us=t_us, size=series.size.astype(np.int64), up=series.up,
                       video=self.video[source], workload=self.workload[source])  # fmt: skip


def _bytes(path: Path) -> bytes:
    if path.suffix == ".zst":
        done = subprocess.run(["zstd", "-dc", str(path)], capture_output=True, check=False)
        if done.returncode != 0:
            raise DataError(f"{path}: zstd: {done.stderr.decode()[-200:].strip()}")
        return done.stdout
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _records(data: bytes, path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Offset of each frame, bytes kept of it, and its time in µs."""
    magic = data[:4]
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<"}.get(magic)
    if order is None or struct.unpack(order + "I", data[20:24])[0] != ETHERNET:
        raise DataError(f"{path}: not a classic pcap of Ethernet frames")
    divisor = 1000 if magic == b"\x4d\x3c\xb2\xa1" else 1
    unpack, offset, end = struct.Struct(order + "IIII").unpack_from, 24, len(data) - 16
    found = []
    while offset <= end:
        seconds, fraction, kept, _ = unpack(data, offset)
        if offset + 16 + kept > len(data):
            break
        found.append((offset + 16, kept, seconds * 1_000_000 + fraction // divisor))
        offset += 16 + kept
    table = np.array(found, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _parse(data: bytes, offset: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Five-tuple bytes [P, 38] (version, protocol, source, destination; zero where not TCP or UDP) and IP bytes."""
    raw = np.frombuffer(data + bytes(64), np.uint8)

    def at(where: NDArray, count: int) -> NDArray[np.uint8]:
        return raw[where[:, None] + np.arange(count)]

    def number(where: NDArray) -> NDArray[np.int64]:
        return raw[where].astype(np.int64) * 256 + raw[where + 1]

    tuples = np.zeros((len(offset), 38), np.uint8)
    size = np.zeros(len(offset), np.int64)
    kind = number(offset + 12)
    v4 = np.flatnonzero((kind == IPV4) & np.isin(raw[offset + 23], list(PROTOCOLS)))
    o = offset[v4]
    ports = o + 14 + (raw[o + 14] & 15).astype(np.int64) * 4
    size[v4] = number(o + 16)
    tuples[v4, 0], tuples[v4, 1] = 4, raw[o + 23]
    tuples[v4, 2:6], tuples[v4, 18:20] = at(o + 26, 4), at(ports, 2)
    tuples[v4, 20:24], tuples[v4, 36:38] = at(o + 30, 4), at(ports + 2, 2)
    v6 = np.flatnonzero((kind == IPV6) & np.isin(raw[offset + 20], list(PROTOCOLS)))
    o = offset[v6]
    size[v6] = number(o + 18) + 40
    tuples[v6, 0], tuples[v6, 1] = 6, raw[o + 20]
    tuples[v6, 2:18], tuples[v6, 18:20] = at(o + 22, 16), at(o + 54, 2)
    tuples[v6, 20:36], tuples[v6, 36:38] = at(o + 38, 16), at(o + 56, 2)
    return tuples, size


def _text(row: NDArray[np.uint8]) -> tuple[str, ...]:
    """(source ip, port, destination ip, port, protocol) as the truth writes them."""
    width = 4 if row[0] == 4 else 16
    source, target = (str(ipaddress.ip_address(row[start : start + width].tobytes())) for start in (2, 20))
    ports = [str(int(row[at]) * 256 + int(row[at + 1])) for at in (18, 36)]
    return source, ports[0], target, ports[1], PROTOCOLS.get(int(row[1]), "")


def read_packets(folder: Path) -> Packets:
    """The packets of a session's flows that its truth names, TCP and UDP."""
    path = trace_of(folder)
    data = _bytes(path)
    offset, _, time = _records(data, path)
    tuples, size = _parse(data, offset)
    with (folder / "truth.csv").open(newline="") as file:
        truth = list(csv.DictReader(file))
    names = ("client_ip", "client_port", "server_ip", "server_port", "protocol")
    flows = {five: i for i, five in enumerate(dict.fromkeys(tuple(row[n] for n in names) for row in truth))}
    distinct, kind = np.unique(tuples.view(f"V{tuples.shape[1]}").ravel(), return_inverse=True)
    flow_of = np.full(len(distinct), -1, np.int64)
    up_of = np.zeros(len(distinct), np.bool_)
    for i, row in enumerate(np.frombuffer(distinct.tobytes(), np.uint8).reshape(-1, tuples.shape[1])):
        if row[0] == 0:
            continue
        five = _text(row)
        up_of[i] = five in flows
        flow_of[i] = flows.get(five, flows.get((five[2], five[3], five[0], five[1], five[4]), -1))
    mine = np.flatnonzero(flow_of[kind] >= 0)
    flow = flow_of[kind][mine]
    order = mine[np.lexsort((time[mine], flow))]
    flow = flow_of[kind][order]
    if not len(order):
        raise DataError(f"{path}: no packet of a flow that truth.csv names")
    video, workload, workloads = _truth_of_packets(truth, flow, time[order] // 1_000_000, flows, names)
    return Packets(
        off=np.searchsorted(flow, np.arange(len(flows) + 1)).astype(np.int64),
        t_us=time[order] - int(time[order].min()), size=size[order], up=up_of[kind][order],
        video=video, workload=workload, workloads=workloads,
    )  # fmt: skip


def _truth_of_packets(
    truth: list[dict[str, str]], flow: NDArray[np.int64], second: NDArray[np.int64],
    flows: dict[tuple[str, ...], int], names: tuple[str, ...],
) -> tuple[NDArray[np.bool_], NDArray[np.int16], tuple[str, ...]]:  # fmt: skip
    workloads = tuple(sorted({row["workload"] for row in truth}))
    keys = np.array([flows[tuple(row[n] for n in names)] * _BIG + int(row["time"]) for row in truth], np.int64)
    order = np.argsort(keys)
    found = order[np.maximum(np.searchsorted(keys[order], flow * _BIG + second, side="right") - 1, 0)]
    video = np.array([row["label"] == "video" for row in truth], np.bool_)
    workload = np.array([workloads.index(row["workload"]) for row in truth], np.int16)
    return video[found], workload[found], workloads
