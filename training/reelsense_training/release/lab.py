"""How a released model does on the lab captures in tests/captures: never trained on, never mixed with the
rest.
"""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from pathlib import Path

from reelsense_training.data.dataset import ACTIVE_DOWN_BYTES, ACTIVE_PACKETS

KEY = ("time", "client_ip", "client_port", "server_ip", "server_port", "protocol")
Counts = Counter[tuple[str, str]]


class LabError(Exception):
    """A capture could not be classified; the message names it."""


def _rows(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    return {tuple(row[key] for key in KEY): row for row in csv.DictReader(text.splitlines())}


def _is_active(row: dict[str, str]) -> bool:
    packets = int(row["packets_up"]) + int(row["packets_down"])
    return packets >= ACTIVE_PACKETS and int(row["bytes_down"]) >= ACTIVE_DOWN_BYTES


def classify(program: Path, model: Path, truth: Path) -> Counts:
    """(truth, label) of the capture's active windows; a window that was not labelled counts as "missing"."""
    captures = sorted(truth.parent.glob(truth.name.removesuffix(".truth.csv") + ".pcap*"))
    if not captures:
        raise LabError(f"{truth}: no capture beside it")
    command = [str(program), "classify", str(captures[0]), "--format", "csv", "--model", str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    found = _rows(done.stdout)
    return Counter(
        (row["label"], found[key]["label"] if key in found else "missing")
        for key, row in _rows(truth.read_text()).items()
        if _is_active(row)
    )


def lab_table(program: Path, model: Path, captures: Path) -> str:
    """Recall of each class on every capture and over all, as Markdown."""
    lines = [
        "| capture | video windows | recall | non-video windows | specificity |",
        "|---|---:|---:|---:|---:|",
    ]
    total: Counts = Counter()
    truths = sorted(captures.glob("*.truth.csv"))
    for truth in truths:
        counts = classify(program, model, truth)
        total += counts
        lines.append(_line(truth.name.removesuffix(".truth.csv"), counts))
    return "\n".join([*lines, _line("all", total)])


def _line(name: str, counts: Counts) -> str:
    cells = []
    for label in ("video", "non-video"):
        windows = sum(n for (truth, _), n in counts.items() if truth == label)
        cells += [str(windows), f"{100 * counts[label, label] / windows:.1f}" if windows else "–"]
    return f"| {name} | {' | '.join(cells)} |"
