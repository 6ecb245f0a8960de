"""What is sent: the released models' golden vectors, and windows and packets of the shipped captures."""

from __future__ import annotations

import csv
import functools
import io
import itertools
import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from harness import CAPTURES, CLI, MODELS

FEATURES = 48
BINS = 40
CLOSE = 1e-5  # an engine agrees with golden.json within this

CAPTURE_NAMES = sorted(p.name for p in CAPTURES.iterdir() if ".pcap" in p.name)

_flow_numbers = itertools.count()


def new_flow(prefix: str = "flow") -> str:
    """A name that no other test uses."""
    return f"{prefix}-{next(_flow_numbers)}"


@dataclass(frozen=True)
class EdgeGolden:
    windows: np.ndarray  # [Q, T, 88]
    probability: np.ndarray  # [Q, T]
    state: np.ndarray  # [Q, S], after the last window


@dataclass(frozen=True)
class UeGolden:
    rows: np.ndarray  # [N, 48], by the schema
    probability: np.ndarray  # [N]


def _read(model: str, file: str) -> dict[str, Any]:
    return json.loads((MODELS / model / "1.0.0" / file).read_text())


@functools.cache
def edge_golden() -> EdgeGolden:
    golden = _read("reelsense-edge", "golden.json")
    return EdgeGolden(*(np.asarray(golden[key], np.float32) for key in ("windows", "probability", "state")))


@functools.cache
def ue_golden() -> UeGolden:
    golden = _read("reelsense-ue", "golden.json")
    schema: list[str] = _read("reelsense-edge", "golden.json")["features"]
    rows = np.zeros((len(golden["rows"]), FEATURES), np.float32)
    rows[:, [schema.index(name) for name in golden["features"]]] = np.asarray(golden["rows"], np.float32)
    return UeGolden(rows, np.asarray(golden["probability"], np.float32))


def window(flow: str, second: int, row: np.ndarray, **more: Any) -> dict[str, Any]:
    """A row of 48 features, or of 48 and 40 bins, as /v1/classify takes it."""
    values = [float(value) for value in row]
    out = {"flow": flow, "second": second, "features": values[:FEATURES], **more}
    if len(values) > FEATURES:
        out["bins"] = [int(value) for value in values[FEATURES:]]
    return out


@dataclass(frozen=True)
class CaptureWindow:
    flow: int
    second: int
    row: np.ndarray  # 48 features, 40 bins


@functools.cache
def capture_windows(name: str) -> tuple[CaptureWindow, ...]:
    """A capture's windows as the extractor writes them, in the order of their seconds."""
    with tempfile.TemporaryDirectory() as folder:
        rows, index = Path(folder, "rows.npy"), Path(folder, "index.csv")
        subprocess.run(
            [CLI, "features", CAPTURES / name, "--bins", "--format", "npy", "-o", rows, "--index", index], check=True
        )
        table = np.load(rows)
        places = list(csv.DictReader(io.StringIO(index.read_text())))
    return tuple(CaptureWindow(int(at["flow"]), int(at["time"]), row) for at, row in zip(places, table, strict=True))


@dataclass(frozen=True)
class CapturePacket:
    time_us: int
    size: int  # of the IP packet
    up: bool


@functools.cache
def udp_flows(name: str) -> dict[tuple[Any, ...], tuple[CapturePacket, ...]]:
    """Packets of an Ethernet/IPv4/UDP capture (classic pcap, microseconds) by flow; the first packet goes up."""
    flows: dict[tuple[Any, ...], list[CapturePacket]] = {}
    for time_us, frame in _pcap_records((CAPTURES / name).read_bytes()):
        if frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        ip = frame[14:]
        header = (ip[0] & 15) * 4
        source = (ip[12:16], *struct.unpack("!H", ip[header : header + 2]))
        target = (ip[16:20], *struct.unpack("!H", ip[header + 2 : header + 4]))
        up = (target, source) not in flows
        key = (source, target) if up else (target, source)
        size: int = struct.unpack("!H", ip[2:4])[0]
        flows.setdefault(key, []).append(CapturePacket(time_us, size, up))
    return {key: tuple(packets) for key, packets in flows.items()}


def _pcap_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    assert struct.unpack("<I", data[:4])[0] == 0xA1B2C3D4
    at = 24
    while at < len(data):
        seconds, micros, kept, _ = struct.unpack("<IIII", data[at : at + 16])
        yield seconds * 1_000_000 + micros, data[at + 16 : at + 16 + kept]
        at += 16 + kept


def decimal_seconds(time_us: int) -> float:
    """Exact to the microsecond when it is written in decimal again."""
    return time_us / 1_000_000
