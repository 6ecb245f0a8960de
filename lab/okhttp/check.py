#!/usr/bin/env python3
"""Compares the socket view derived from a capture with what the sockets of the same session really read and wrote.

    check.py EVENTS.csv TRACE.pcap --reelsense build/release/bin/reelsense

Prints, by direction, the bytes that both saw, how far bytes per second are apart (the sum of differences over the sum
of bytes, per connection and second) and the median and 90th percentile over seconds of more than 20 kB. Exit 1 if bytes
per second of reads are more than --tolerance apart.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ACTIVE_BYTES = 20_000
Bytes = dict[tuple[int, int], int]  # (local port, second) → bytes


def logged(path: Path) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {"up": defaultdict(int), "down": defaultdict(int)}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = int(row["connection"]), int(row["time_ns"]) // 10**9
            found[row["direction"]][key] += int(row["bytes"])
    return found


def table(reelsense: Path, *arguments: str | Path) -> list[dict[str, str]]:
    command = [reelsense, "features", "--view", "socket", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return list(csv.DictReader(io.StringIO(done.stdout)))


def derived(rows: list[dict[str, str]], ports: set[int]) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {"up": {}, "down": {}}
    for row in rows:
        if int(row["client_port"]) in ports:
            key = int(row["client_port"]), int(row["time"])
            found["up"][key], found["down"][key] = int(row["bytes_up"]), int(row["bytes_down"])
    return found


def agreement(truth: Bytes, model: Bytes) -> dict[str, float]:
    keys = truth.keys() | model.keys()
    apart = {key: abs(truth.get(key, 0) - model.get(key, 0)) for key in keys}
    relative = sorted(apart[key] / truth[key] for key in truth if truth[key] > ACTIVE_BYTES)
    total = sum(truth.values())
    result = {
        "bytes": total,
        "bytes_derived": sum(model.values()),
        "apart": round(sum(apart.values()) / total, 4) if total else 0.0,
        "active_seconds": len(relative),
    }
    if relative:
        result["median"] = round(statistics.median(relative), 4)
        result["p90"] = round(relative[int(0.9 * (len(relative) - 1))], 4)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=Path)
    parser.add_argument("capture", type=Path)
    parser.add_argument("--reelsense", type=Path, required=True)
    parser.add_argument("--tolerance", type=float, default=0.05, help="of bytes per second read")
    given = parser.parse_args()
    truth = logged(given.events)
    ports = {port for way in truth.values() for port, _ in way}
    model = derived(table(given.reelsense, given.capture), ports)
    result = {way: agreement(truth[way], model[way]) for way in ("down", "up")}
    print(json.dumps({"connections": len(ports), **result}, indent=1))
    return 0 if result["down"]["bytes"] and result["down"]["apart"] <= given.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
