"""summary.json of a session, index.csv of a run, and the table at its end."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

INDEX_COLUMNS = (
    "session",
    "design",
    "workload",
    "label",
    "path",
    "rate_mbit",
    "rtt_ms",
    "loss_pct",
    "policed",
    "outage",
    "protocol",
    "congestion",
    "cdn",
    "ipv6",
    "downloads",
    "seed",
    "seconds",
    "flow_seconds",
    "packets",
    "ok",
)
SUMMARY = "summary.json"


def write_json(value: Any, file: Path) -> None:
    """Never half-written: readers see the old file or the new one."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(value, indent=2) + "\n")
    unfinished.replace(file)


def read_all(out: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(out.glob(f"*/{SUMMARY}"))]


def write_index(out: Path) -> list[dict[str, Any]]:
    """index.csv from the sessions that are there; gives their summaries."""
    summaries = read_all(out)
    unfinished = out / f".index.csv.{os.getpid()}"
    with unfinished.open("w", newline="") as text:
        writer = csv.DictWriter(text, INDEX_COLUMNS, lineterminator="\n")
        writer.writeheader()
        # Summaries of before there were downloads do not name them.
        writer.writerows({"downloads": each["settings"].get("downloads", 0), **each["index"]} for each in summaries)
    unfinished.replace(out / "index.csv")
    return summaries


def table(summaries: Sequence[Mapping[str, Any]], failures: Mapping[str, str]) -> list[str]:
    """What a run gave: totals, then the label mix by design × workload and by path."""
    seconds = sum(each["index"]["seconds"] for each in summaries)
    flow_seconds = sum(each["index"]["flow_seconds"] for each in summaries)
    down = sum(each["bytes_down"] for each in summaries)
    packets = sum(each["index"]["packets"] for each in summaries)
    lines = [
        f"{len(summaries)} sessions, {seconds / 3600:.2f} h of Chromium flow time, {flow_seconds:,} flow seconds, "
        f"{packets:,} packets, {down / 1e9:.2f} GB down, {len(failures)} failed"
    ]
    for title, key in (("design × workload", ("design", "workload")), ("path", ("path",))):
        lines += ["", *_mix(title, key, summaries)]
    lines += [f"failed: {name}: {reason}" for name, reason in failures.items()]
    return lines


def _mix(title: str, keys: Sequence[str], summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    count: Counter[tuple[str, ...]] = Counter()
    mix: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for each in summaries:
        key = tuple(str(each["index"][name]) for name in keys)
        count[key] += 1
        mix[key].update(each["flow_seconds_by_label"])
        mix[key]["down"] += each["bytes_down"]
    lines = [f"{title:32} sessions  video s  non-video s  MB down"]
    for key in sorted(count):
        lines.append(
            f"{' '.join(key):32} {count[key]:8}  {mix[key]['video']:7}  {mix[key]['non-video']:11}"
            f"  {mix[key]['down'] / 1e6:7.1f}"
        )
    return lines
