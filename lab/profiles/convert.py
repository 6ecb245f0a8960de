#!/usr/bin/env python3
"""Turns measured radio traces into path profiles, at run time: the data is not ours to commit.

    lab/profiles/convert.py RADIO_FOLDER OUTPUT_FOLDER [--only SUBSTRING]

RADIO_FOLDER has one folder a source (any may be missing):

    mahimahi/NAME.down, NAME.up   a line per 1500-byte delivery opportunity, in ms
    ucc5g/NAME.csv                a line per second, kbit/s
    norway3g/NAME, puffer/NAME    lines "seconds Mbit/s": the rate from then to the next line

Only rates were measured; delay and queue are those of the profile that fits the radio type. An up direction that was
not measured gets a third of the down rate. Prints the name of each profile written.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
UP_SHARE = 1 / 3
QUEUE_S = 0.3
LEAST_QUEUE_BYTES = 15_000
OPPORTUNITY_BYTES = 1500
SMALLEST_TRACE_S = 10  # shorter ones say nothing about a network


class BadTraceError(Exception):
    """A file that is not what its folder's files are."""


@dataclass(frozen=True, slots=True)
class Source:
    rtt_ms: float
    jitter_ms: float
    read: Callable[[Path], Json]  # gives the rate of the profile


def numbers(file: Path, line: str, number: int, count: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) != count or any(not 0 <= value < 1e9 for value in values):
        raise BadTraceError(f"{file}:{number}: expected {count} numbers, not negative; got {line.strip()[:40]!r}")
    return values


def lines_of(file: Path, count: int) -> Iterator[list[float]]:
    with file.open(encoding="utf-8", errors="replace") as text:
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield numbers(file, line, number, count)


def read_opportunities(file: Path) -> Json:
    times = [int(value) for (value,) in lines_of(file, 1)]
    if not times or times != sorted(times) or times[-1] < SMALLEST_TRACE_S * 1000:
        raise BadTraceError(f"{file}: expected times in ms that never go back, over {SMALLEST_TRACE_S} s or more")
    return {"opportunities_ms": times}


def read_kbit_per_second(file: Path) -> Json:
    return per_second(file, [value / 1000 for (value,) in lines_of(file, 1)])


def read_steps(file: Path) -> Json:
    """Steps at uneven times become means over whole seconds: the same bits in all."""
    steps = [(time_s, mbit) for time_s, mbit in lines_of(file, 2)]
    if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(steps)):
        raise BadTraceError(f"{file}: expected times that never go back")
    seconds = int(steps[-1][0] - steps[0][0]) if steps else 0
    sums = [0.0] * seconds
    begin = steps[0][0] if steps else 0.0
    for (time_s, mbit), (next_s, _) in itertools.pairwise(steps):
        at, end = time_s - begin, min(next_s - begin, seconds)
        while at < end:
            second = int(at)
            until = min(end, second + 1)
            sums[second] += mbit * (until - at)
            at = until
    return per_second(file, sums)


def per_second(file: Path, mbit: list[float]) -> Json:
    if len(mbit) < SMALLEST_TRACE_S or max(mbit) < 0.01:
        raise BadTraceError(f"{file}: expected {SMALLEST_TRACE_S} s or more with a rate above 0")
    return {"trace_mbit": [round(value, 4) for value in mbit]}


SOURCES = {
    "mahimahi": Source(50, 3, read_opportunities),
    "ucc5g": Source(40, 3, read_kbit_per_second),
    "norway3g": Source(110, 8, read_steps),
    "puffer": Source(40, 2, read_steps),
}


def mean_mbit(rate: Json) -> float:
    if "trace_mbit" in rate:
        return float(sum(rate["trace_mbit"]) / len(rate["trace_mbit"]))
    if "mbit" in rate:
        return float(rate["mbit"])
    times = rate["opportunities_ms"]
    return float(len(times) * OPPORTUNITY_BYTES * 8 / times[-1] / 1000)


def direction(rate: Json, source: Source) -> Json:
    queue = max(LEAST_QUEUE_BYTES, round(mean_mbit(rate) * 1e6 / 8 * QUEUE_S))
    jitter = {"ms": source.jitter_ms, "correlation": 0.9}
    return {"rate": rate, "delay_ms": source.rtt_ms / 2, "jitter": jitter, "queue": {"bytes": queue}}


def share_of(rate: Json, share: float) -> Json:
    if "trace_mbit" in rate:
        return {"trace_mbit": [round(value * share, 4) for value in rate["trace_mbit"]]}
    return {"mbit": max(0.1, round(mean_mbit(rate) * share, 3))}


def profile_of(folder: str, file: Path) -> tuple[str, Json]:
    source = SOURCES[folder]
    down = source.read(file)
    measured_up = file.with_suffix(".up")
    up = source.read(measured_up) if folder == "mahimahi" and measured_up.is_file() else share_of(down, UP_SHARE)
    stem = file.stem if folder in ("mahimahi", "ucc5g") else file.name
    name = re.sub(r"[^A-Za-z0-9.]+", "-", stem.removeprefix(f"{folder}_")).strip("-").lower()
    profile = {
        "name": f"{folder}-{name}",
        "description": f"Rates measured on a real network: {folder}/{file.name}",
        "down": direction(down, source),
        "up": direction(up, source),
    }
    return f"{folder}-{name}", profile


def traces(radio: Path) -> Iterator[tuple[str, Path]]:
    for folder in SOURCES:
        for file in sorted((radio / folder).glob("*")):
            wanted = {"mahimahi": file.suffix == ".down", "ucc5g": file.suffix == ".csv"}
            if file.is_file() and wanted.get(folder, file.name.upper() not in ("LICENSE", "README")):
                yield folder, file


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("radio", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--only", default="", help="only files whose folder/name contains this")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    written = 0
    for folder, file in traces(arguments.radio):
        if arguments.only not in f"{folder}/{file.name}":
            continue
        try:
            name, profile = profile_of(folder, file)
        except (BadTraceError, OSError) as error:
            print(f"convert.py: left out: {error}", file=sys.stderr)
            continue
        (arguments.output / f"{name}.json").write_text(json.dumps(profile) + "\n", encoding="utf-8")
        print(name)
        written += 1
    if not written:
        print(f"convert.py: {arguments.radio}: expected mahimahi/, ucc5g/, norway3g/ or puffer/", file=sys.stderr)
    return 0 if written else 2


if __name__ == "__main__":
    sys.exit(main())
