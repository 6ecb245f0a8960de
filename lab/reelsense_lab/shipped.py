"""Shows the captures that ship in tests/captures second by second and checks that they are what their scenarios say.

They are of the lab's first release: NAME.pcap, NAME.truth.csv and NAME.scenario.json instead of a folder a session.

python -m reelsense_lab.shipped tests/captures/*.scenario.json              # the picture and the findings of each
python -m reelsense_lab.shipped --table tests/captures/*.scenario.json      # the table of tests/captures/README.md
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import ipaddress
import json
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from reelsense_lab import truth

MTU = 1500
LAB_NETWORKS = (ipaddress.ip_network("10.77.0.0/24"), ipaddress.ip_network("fd77:77::/64"))
MIN_PLAYING_VIDEO_MBIT = 0.8
MAX_CLOCK_SKEW_S = 2
MAX_STEP_BACK_NS = 1_000_000  # packets of two directions may swap places on two CPUs


def csv_text(rows: list[truth.Row]) -> str:
    out = io.StringIO()
    truth.write_csv(rows, out)
    return out.getvalue()


def findings(scenario: dict[str, Any], packets: list[truth.Packet], rows: list[truth.Row]) -> list[str]:
    """Everything about a capture that contradicts its scenario; empty when all is well."""
    found: list[str] = []
    if not rows:
        return ["no TCP or UDP packet"]
    if (big := max(packet.ip_bytes for packet in packets)) > MTU:
        found.append(f"a packet of {big} bytes is longer than the MTU: offloads are on")
    outside = {
        end.ip
        for row in rows
        for end in (row.client, row.server)
        if not any(ipaddress.ip_address(end.ip) in network for network in LAB_NETWORKS)
    }
    if outside:
        found.append(f"addresses outside the lab: {', '.join(sorted(outside))}")
    if strangers := {row.client.ip for row in rows} - {scenario["client"]}:
        found.append(f"clients that are not the lab's: {', '.join(sorted(strangers))}")
    transport = "udp" if scenario["protocol"] == "h3" else "tcp"
    if wrong := {(row.protocol, row.server) for row in rows if (row.protocol, row.server.port) != (transport, 443)}:
        found.append(f"flows that are not {transport}/443: {sorted(wrong)}")
    step_back_ns = max((earlier.time_ns - later.time_ns for earlier, later in pairwise(packets)), default=0)
    if step_back_ns > MAX_STEP_BACK_NS:
        found.append(f"time steps back by {step_back_ns} ns")
    first, last = scenario["events"][0]["time"], scenario["events"][-1]["time"]
    if rows[0].time < first - MAX_CLOCK_SKEW_S or rows[-1].time > last + MAX_CLOCK_SKEW_S:
        found.append("packets before the first or after the last event")
    found += label_findings(scenario, rows)
    if len(packets) != scenario["capture"]["packets"]:
        found.append(f"{len(packets)} TCP and UDP packets, tcpdump counted {scenario['capture']['packets']}")
    if scenario["capture"]["dropped_by_kernel"]:
        found.append(f"tcpdump lost {scenario['capture']['dropped_by_kernel']} packets")
    return found


def label_findings(scenario: dict[str, Any], rows: list[truth.Row]) -> list[str]:
    """What the page saw against what the capture holds: video seconds, protocol, bit rate."""
    found = []
    down = {label: sum(row.bytes_down for row in rows if row.label == label) for label in ("video", "non-video")}
    plays = sorted(event["time"] for event in scenario["events"] if event["event"] == "first_frame")
    if bool(plays) != bool(down["video"]):
        found.append(f"{len(plays)} clips played but {down['video']} bytes of video came down")
    errors = [event for event in scenario["events"] if event["event"] == "error"]
    found += [f"the browser reported an error: {event}" for event in errors]
    seconds = {row.time for row in rows if row.label == "video" and row.bytes_down > 10_000}
    if plays and seconds:
        mbit = down["video"] * 8 / (max(seconds) - min(seconds) + 1) / 1e6
        if mbit < MIN_PLAYING_VIDEO_MBIT:
            found.append(f"video at {mbit:.2f} Mbit/s, expected {MIN_PLAYING_VIDEO_MBIT} or more")
    expected = "http/1.1" if scenario["protocol"] == "h1" else scenario["protocol"]
    if unlike := {key: n for key, n in scenario["requests"].items() if not key.endswith(f" {expected}")}:
        found.append(f"requests not over {expected}: {unlike}")
    return found


def picture(rows: list[truth.Row], scenario: dict[str, Any]) -> list[str]:
    """Down kB of each second, one line for each flow; `.` is a second without packets."""
    first, last = rows[0].time, rows[-1].time
    lines: dict[tuple[truth.Endpoint, int], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row.server, row.client.port), ["."] * (last - first + 1))
        line[row.time - first] = f"{row.bytes_down / 1000:.0f}"
    labels = {row.server: row.label for row in rows}
    return [
        f"  {scenario['servers'][server.ip]['class']:9} {labels[server]:9} :{port:<5} {' '.join(line)}"
        for (server, port), line in lines.items()
    ]


def totals(rows: list[truth.Row]) -> dict[str, str]:
    by_label: dict[str, int] = defaultdict(int)
    windows: dict[str, int] = defaultdict(int)
    for row in rows:
        by_label[row.label] += row.bytes_down
        windows[row.label] += 1
    return {
        "seconds": str(rows[-1].time - rows[0].time + 1),
        "packets": f"{sum(row.packets_up + row.packets_down for row in rows):,}",
        "flows": str(len({(row.client, row.server, row.protocol) for row in rows})),
        "windows": f"{windows['video']} / {windows['non-video']}",
        "down": f"{by_label['video'] / 1e6:.1f} / {by_label['non-video'] / 1e6:.1f}",
    }


def table_row(capture: Path, scenario: dict[str, Any], rows: list[truth.Row]) -> str:
    total = totals(rows)
    digest = hashlib.sha256(capture.read_bytes()).hexdigest()
    path = scenario["path"]
    return (
        f"| `{capture.name}` | {scenario['about']} | {path['rate_mbit']:g} Mbit/s, {path['congestion']} "
        f"| {total['seconds']} | {total['packets']} | {total['flows']} | {total['windows']} "
        f"| {total['down']} | {capture.stat().st_size / 1e6:.2f} | `{digest}` |"
    )


TABLE_HEAD = (
    "| file | what it is | path | s | packets | flows | windows video / non-video "
    "| down MB video / non-video | size MB | SHA-256 |\n|---|---|---|---|---|---|---|---|---|---|"
)


def check(scenario_file: Path) -> tuple[dict[str, Any], list[truth.Row], list[str]]:
    """Reads a capture through its scenario file; the findings include a truth file that no longer fits."""
    scenario = json.loads(scenario_file.read_text())
    capture = scenario_file.with_name(scenario["capture"]["file"])
    packets = list(truth.read_packets(capture))
    rows = truth.truth_rows(packets, truth.video_addresses_of(scenario_file))
    found = findings(scenario, packets, rows)
    truth_file = truth.stem(capture).with_suffix(".truth.csv")
    if truth_file.read_text() != csv_text(rows):
        with truth_file.open() as text:
            found.append(f"{truth_file.name} ({len(list(csv.reader(text))) - 1} rows) is not the truth of the capture")
    return scenario, rows, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+", type=Path, metavar="SCENARIO", help="*.scenario.json files")
    parser.add_argument("--table", action="store_true", help="print the Markdown table instead of the pictures")
    arguments = parser.parse_args()
    wrong = 0
    if arguments.table:
        print(TABLE_HEAD)
    for file in arguments.scenarios:
        try:
            scenario, rows, found = check(file)
        except (OSError, KeyError, ValueError, truth.CaptureError) as error:
            print(f"check: {file}: {error}", file=sys.stderr)
            return 2
        if arguments.table:
            print(table_row(file.with_name(scenario["capture"]["file"]), scenario, rows))
        else:
            print(
                f"{scenario['name']}: {scenario['about']}; "
                + ", ".join(f"{key} {value}" for key, value in totals(rows).items())
            )
            print("\n".join(picture(rows, scenario)))
        for finding in found:
            print(f"check: {file.name}: {finding}", file=sys.stderr)
        wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
