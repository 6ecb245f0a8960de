"""The tools that bench/datapath.py runs: how each is called, and how its own figures are read."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Peer program → Debian package.
PEER_PACKAGES = {"ndpiReader": "libndpi-bin", "softflowd": "softflowd", "nfpcapd": "nfdump"}
NFSTREAM = "nfstream==6.6.0"
MAX_FLOWS = 131_072  # reelsense's default, given to every tool that can be told

NFSTREAM_PROGRAM = """
import sys
from nfstream import NFStreamer
if __name__ == "__main__":
    flows = packets = 0
    for flow in NFStreamer(source=sys.argv[1], statistical_analysis=True, n_meters=1):
        flows += 1
        packets += flow.bidirectional_packets
    print(flows, packets)
"""


class WrongAnswer(Exception):
    """A tool failed, or its own figures disagree with the capture."""


@dataclasses.dataclass(frozen=True)
class Account:
    """What a tool says it saw, under the names of the truth file; None: it does not say."""

    packets: int
    flows: int | None = None
    windows: int | None = None
    ip_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Capture:
    path: Path
    truth: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    build: Path
    reelsense: Path
    model: str | None
    work: Path
    nfstream_python: Path


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    does: str
    argv: list[str]
    capture: Capture
    check: Callable[[Path], Account]
    complete: bool = False  # must agree with the truth in everything it says
    most_rounds: int = 100
    prepare: Callable[[], None] | None = None


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def number(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise WrongAnswer(f"no /{pattern}/ in its output")
    return int(found.group(1))


# ---------------------------------------------------------------- ours and the limits


def check_csv(output: Path) -> Account:
    """Sums the rows themselves, not the summary: one row a flow and second."""
    packets = windows = ip_bytes = 0
    flows: set[tuple[str, ...]] = set()
    seen: set[tuple[str, ...]] = set()
    with output.open(newline="") as file:
        for row in csv.DictReader(file):
            windows += 1
            packets += int(row["packets_up"]) + int(row["packets_down"])
            ip_bytes += int(row["bytes_up"]) + int(row["bytes_down"])
            flow = tuple(row[c] for c in ("client_ip", "client_port", "server_ip", "server_port", "protocol"))
            flows.add(flow)
            seen.add((row["time"], *flow))
            if row["label"] not in ("video", "non-video") or not 0.5 <= float(row["confidence"]) <= 1:
                raise WrongAnswer(f"row {windows}: no label or confidence")
    if len(seen) != windows:
        raise WrongAnswer(f"{windows - len(seen)} rows repeat a flow and second")
    return Account(packets, len(flows), windows, ip_bytes)


def reelsense(setting: Setting, capture: Capture) -> Tool:
    model = ["--model", setting.model] if setting.model else []
    argv = [str(setting.reelsense), "classify", "--format", "csv", *model, str(capture.path)]
    return Tool("reelsense", "packets to labels in CSV", argv, capture, check_csv, complete=True)


def check_limit(output: Path) -> Account:
    got = json.loads(output.read_text())
    flows = got["flows"] or None
    return Account(got["packets"], flows, got["windows"] or None, got["bytes"] if flows else None)


def limits(setting: Setting, capture: Capture) -> list[Tool]:
    program = str(setting.build / "bin" / "datapath_limits")
    what = {
        "walk": "limit: mmap, record to record",
        "flows": "limit: mmap + parse + flow table",
        "windows": "limit: the same with 1 s windows",
        "libpcap": "limit: libpcap doing nothing",
    }
    return [
        Tool(f"limit-{mode}", does, [program, mode, str(capture.path)], capture, check_limit, complete=True)
        for mode, does in what.items()
    ]


# ---------------------------------------------------------------- peers


def check_ndpi(output: Path) -> Account:
    text = output.read_text(errors="replace")
    return Account(number(text, r"IP packets:\s+(\d+)"), number(text, r"Unique flows:\s+(\d+)"))


def ndpi(full: Capture) -> Tool:
    # It takes a packet that the snap length cut for broken, so it gets a tenth of the traffic, uncut.
    argv = ["ndpiReader", "-v", "0", "-i", str(full.path)]
    does = "DPI of whole packets, on a tenth of the traffic"
    return Tool("ndpiReader", does, argv, full, check_ndpi, most_rounds=3)


def softflowd(capture: Capture, sink_port: int) -> Tool:
    def check(output: Path) -> Account:
        text = output.read_text() + output.with_suffix(".err").read_text()
        total = number(text, r"Packets processed:\s+(\d+)")
        return Account(total, number(text, r"Flows expired:\s+(\d+)"))

    program = find_program("softflowd") or "softflowd"
    export = ["-v", "9", "-n", f"127.0.0.1:{sink_port}"]
    argv = [program, "-r", str(capture.path), "-m", str(MAX_FLOWS), *export]
    return Tool("softflowd", "flow records (NetFlow v9)", argv, capture, check, most_rounds=5)


def nfpcapd(setting: Setting, capture: Capture) -> Tool:
    folder = setting.work / "nfpcapd"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def check(_: Path) -> Account:
        # -N: plain numbers; its flows are one-way, so only packets and bytes are comparable.
        summary = subprocess.run(
            ["nfdump", "-N", "-R", str(folder), "-o", "null"], capture_output=True, text=True, check=False
        ).stdout
        return Account(number(summary, r"total packets: (\d+)"))

    argv = ["nfpcapd", "-r", str(capture.path), "-w", str(folder)]
    return Tool("nfpcapd", "one-way flow records", argv, capture, check, most_rounds=5, prepare=prepare)


def nfstream(setting: Setting, capture: Capture) -> Tool:
    def check(output: Path) -> Account:
        flows, packets = output.read_text().split()[:2]
        return Account(int(packets), int(flows))

    program = setting.work / "nfstream_peer.py"
    program.write_text(NFSTREAM_PROGRAM)
    argv = [str(setting.nfstream_python), str(program), str(capture.path)]
    return Tool("nfstream", "flow statistics in Python, n_meters=1", argv, capture, check, most_rounds=2)


def all_tools(
    setting: Setting, capture: Capture, full: Capture, sink_port: int
) -> tuple[list[Tool], dict[str, str]]:
    """The tools that can run here, and why the others cannot."""
    tools: list[Tool] = []
    skipped: dict[str, str] = {}
    if setting.reelsense.exists():
        tools.append(reelsense(setting, capture))
    else:
        skipped["reelsense"] = f"no {setting.reelsense.name} in the build folder: build preset bench"
    tools += limits(setting, capture)
    peers: dict[str, Callable[[], Tool]] = {
        "ndpiReader": lambda: ndpi(full),
        "softflowd": lambda: softflowd(capture, sink_port),
        "nfpcapd": lambda: nfpcapd(setting, capture),
    }
    for name, make in peers.items():
        if find_program(name) is None:
            skipped[name] = f"not installed: Debian package {PEER_PACKAGES[name]} (or --install)"
        else:
            tools.append(make())
    if setting.nfstream_python.exists():
        tools.append(nfstream(setting, capture))
    else:
        skipped["nfstream"] = f"not installed: PyPI {NFSTREAM} in build/bench/venv (or --install)"
    return tools, skipped
