#!/usr/bin/env python3
"""Writes the golden logs of the views socket and record and their vectors, computed by tests/reference.

    make_views.py [FOLDER]     logs/*.csv (inputs), vectors/*.csv (rows), by default beside this file

A vector's line is flow,second and the features in the table's order; floats in full.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "reference"))
sys.dont_write_bytecode = True

from reelsense_reference import record_view, socket_view  # noqa: E402
from reelsense_reference.record_view import Record  # noqa: E402

T0 = 1_700_000_000 * 10**9
MS = 10**6
Event = tuple[int, str, str, int]


def reads(start_ms: int, total: int, over_ms: int, each: int, name: str = "a") -> list[Event]:
    """`total` bytes read in pieces of `each`, evenly over `over_ms`."""
    count = max(1, total // each)
    return [(T0 + start_ms * MS + i * over_ms * MS // count, name, "down", each) for i in range(count)]


def video_like(each: int) -> list[Event]:
    events: list[Event] = []
    for k in range(9):
        at = 350 + 4000 * k
        events += [(T0 + at * MS, "a", "up", 90), (T0 + (at + 20) * MS, "a", "up", 35)]
        events += reads(at + 60, 600_000 + 1000 * k, 1500, each)
    return sorted(events, key=lambda e: e[0])


def random_events(seed: int) -> list[Event]:
    rng = random.Random(seed)
    clock, events = T0 + 123_456_789, []
    for _ in range(600):
        clock += int(rng.choice([10**4, 10**6, 10**8, 4 * 10**8, 3 * 10**9]) * rng.random())
        late = rng.choice([0, 0, 0, 5 * 10**7])
        up = rng.random() < 0.3
        size = rng.choice([0, 1, 39, 40, 500, 70_000]) if up else int(2 ** rng.uniform(0, 21))
        events.append((clock - late, rng.choice("xyz"), "up" if up else "down", size))
    return events


SOCKET_LOGS = {
    "video_reads_of_16k": video_like(16_384),
    "video_reads_of_600k": video_like(600_000),
    "thresholds": [
        (T0, "a", "down", 1),
        (T0 + 1, "a", "up", 39),
        (T0 + 2, "a", "up", 40),
        (T0 + 10 * MS, "a", "down", 8190),
        (T0 + 301 * MS, "a", "up", 40),
        (T0 + 400 * MS, "a", "down", 8192),
        (T0 + 550 * MS, "a", "down", 1),
        (T0 + 701 * MS, "a", "down", 8191),
        (T0 + 999_999_999, "a", "up", 41),
        (T0 + 10**9, "a", "down", 2**31),
        (T0 + 10**9, "a", "down", 2**31),
        (T0 + 30 * 10**9, "a", "up", 100),
        (T0 + 150 * 10**9, "a", "down", 9000),
        (T0 + 150 * 10**9 - 1, "a", "down", 9000),
    ],
    "random_1": random_events(1),
    "random_2": random_events(2),
}


def regular_records(length_ms: int, count: int, each: int) -> list[tuple[str, Record]]:
    rows = []
    for k in range(count):
        start = T0 + 777 * MS + k * length_ms * MS
        on = k % 3 != 2
        down, up = (each, each // 40) if on else (900, 600)
        packets = max(1, up // 60), max(1, down // 1400)
        rows.append(("f", Record(start, start + (length_ms - 50) * MS, up, down, *packets)))
    return rows


def random_records(seed: int) -> list[tuple[str, Record]]:
    rng = random.Random(seed)
    clock, rows = T0, []
    for _ in range(200):
        length = int(rng.choice([0, 10**6, 1.4 * 10**9, 3.3 * 10**9, 6 * 10**10, 2 * 10**11]) * rng.random())
        start = clock - rng.choice([0, 0, 2 * 10**9])
        down, up = int(2 ** rng.uniform(0, 30)), int(2 ** rng.uniform(0, 24))
        way = rng.choice(["both", "both", "down", "up"])
        down, up = down * (way != "up"), up * (way != "down")
        packets = [0 if not size else max(1, size // rng.randint(60, 1400)) for size in (up, down)]
        rows.append((rng.choice("pq"), Record(start, start + length, up, down, *packets)))
        clock += length + int(rng.choice([0, 10**9, 9 * 10**10]) * rng.random())
    return rows


RECORD_LOGS = {
    "every_2_s": regular_records(2000, 40, 300_000),
    "every_60_s": regular_records(60_000, 5, 9_000_000),
    "edges": [
        ("f", Record(T0, T0, 60, 0, 1, 0)),
        ("f", Record(T0 + 999 * MS, T0 + 1000 * MS, 0, 2**50, 0, 1)),
        ("f", Record(T0 + 500 * MS, T0 + 700 * MS, 10, 10, 20, 1)),
        ("f", Record(T0 + 60 * 10**9, T0 + 119 * 10**9, 52, 20_000, 1, 15)),
        ("f", Record(T0 + 3600 * 10**9, T0 + 3600 * 10**9, 0, 0, 0, 3)),
    ],
    "random_1": random_records(1),
    "random_2": random_records(2),
}


def lines_of(rows: list[tuple[str, int, list[float]]], names: list[str]) -> str:
    text = ",".join(["flow", "second", *names]) + "\n"
    for flow, second, values in rows:
        text += ",".join([flow, str(second), *map(repr, values)]) + "\n"
    return text


def write_all(folder: Path) -> None:
    for part in ("logs", "vectors"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, events in SOCKET_LOGS.items():
        log = "time_ns,connection,direction,bytes\n"
        log += "".join(f"{time},{connection},{way},{size}\n" for time, connection, way, size in events)
        (folder / "logs" / f"socket_{name}.csv").write_text(log)
        rows = socket_view.rows_of(events)
        (folder / "vectors" / f"socket_{name}.csv").write_text(lines_of(rows, socket_view.NAMES))
    for name, records in RECORD_LOGS.items():
        log = "start_ns,end_ns,flow,bytes_up,bytes_down,packets_up,packets_down\n"
        for flow, r in records:
            log += f"{r.start_ns},{r.end_ns},{flow},{r.bytes_up},{r.bytes_down},{r.packets_up},{r.packets_down}\n"
        (folder / "logs" / f"record_{name}.csv").write_text(log)
        rows = record_view.rows_of(records)
        (folder / "vectors" / f"record_{name}.csv").write_text(lines_of(rows, record_view.NAMES))


if __name__ == "__main__":
    write_all(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
