"""A recorded session as text: down kB of each second and class, and what the player did."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

from reelsense_lab import summary
from reelsense_lab.errors import LabError

PLAYING, STALLED, NOTHING = "▶", "!", "."


def picture(folder: Path) -> list[str]:
    if not (folder / summary.SUMMARY).exists():
        raise LabError(f"{folder}: expected a recorded session, there is no {summary.SUMMARY}")
    described = json.loads((folder / summary.SUMMARY).read_text())
    index = described["index"]
    rate, rtt = index["rate_mbit"], index["rtt_ms"]
    head = f"{index['session']}: {index['design']} {index['workload']} ({index['label']}) on {index['path']}"
    lines = [f"{head}, {rate} Mbit/s, RTT {rtt} ms, {index['protocol']} {index['congestion']}, {index['seconds']} s"]
    with (folder / "session.csv").open(newline="") as text:
        seconds = list(csv.DictReader(text))
    with (folder / "truth.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    first, last = int(seconds[0]["time"]), int(seconds[-1]["time"])
    down: dict[tuple[str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        first, last = min(first, int(row["time"])), max(last, int(row["time"]))
        down[row["class"], row["label"]][int(row["time"])] += int(row["bytes_down"])
    columns = range(first, last + 1)
    for (name, label), by_second in sorted(down.items()):
        cells = " ".join(_cell(by_second, second) for second in columns)
        lines.append(f"  {name:7} {label:9} {cells}")
    state = {int(row["time"]): _state(row) for row in seconds}
    lines.append(f"  {'player':17} {' '.join(f'{state.get(second, NOTHING):>5}' for second in columns)}")
    player = described.get("player")
    if player and player["clips_started"]:
        lines.append(
            f"  {player['clips_started']} clips, {player['never_started']} never started, first frame "
            f"{player['first_frame_s_mean']} s (most {player['first_frame_s_max']}), {player['stalls']} stalls, "
            f"{player['stalled_s']} s of them"
        )
    lines += [f"  found: {each}" for each in described["findings"]]
    return lines


def _cell(by_second: dict[int, int], second: int) -> str:
    return f"{by_second[second] / 1000:>5.0f}" if second in by_second else f"{NOTHING:>5}"


def _state(row: dict[str, str]) -> str:
    if row["stalled"] == "1":
        return STALLED
    return PLAYING if row["playing"] == "1" else NOTHING
