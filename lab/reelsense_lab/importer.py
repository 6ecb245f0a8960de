"""A labelled capture of a real phone into the lab's format: capture + action log → trace, truth, session, summary.

The action log is CSV with the columns time, label, workload and, where wanted, server: from `time` on (epoch seconds or
ISO 8601 with its offset) the person does `workload`, which is `video` or `non-video`; `server` names the networks that
carry it, separated by spaces. Without `server`, a flow of a video action is video if it brings at least 100 kB in it.
"""

from __future__ import annotations

import argparse
import csv
import ipaddress
import json
import secrets
import struct
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import yaml

from reelsense_lab import anonymise, flow_truth, foreign, session, summary, truth
from reelsense_lab.errors import LabError

MIN_VIDEO_FLOW_BYTES = 100_000
LABELS = (flow_truth.VIDEO, flow_truth.NON_VIDEO)
MIN_KEY_BYTES = 16
PCAPDROID_COLUMNS = ("IPProto", "SrcIP", "SrcPort", "DstIp", "DstPort", "App")
PROTOCOLS = {"6": "tcp", "17": "udp"}
OPTIONS = ("capture", "actions", "out", "name", "design", "clock_offset", "key", "pcapdroid", "app")


@dataclass(frozen=True, slots=True)
class Request:
    capture: Path
    actions: Path
    out: Path
    name: str | None = None
    design: str = "phone"
    clock_offset: float = 0.0  # added to the log's times
    key: Path | None = None
    pcapdroid: Path | None = None
    app: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Action:
    time: float
    label: str
    workload: str
    servers: tuple[str, ...] = ()  # networks, before scrambling


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FlowKey = tuple[truth.Endpoint, truth.Endpoint, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("capture", type=Path, metavar="CAPTURE", help="pcap or pcapng, may be .gz or .zst")
    parser.add_argument("--actions", type=Path, required=True, metavar="LOG.csv", help="time,label,workload[,server]")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--name", help="of the session (default: the capture's)")
    parser.add_argument("--design", default="phone", help="the app's name for splits by app (default phone)")
    parser.add_argument("--clock-offset", type=float, default=0.0, metavar="S", help="added to the log's times")
    parser.add_argument("--key", type=Path, metavar="FILE", help="of the scrambling (default: a new one, forgotten)")
    parser.add_argument("--pcapdroid", type=Path, metavar="CSV", help="PCAPdroid's connections, with apps")
    parser.add_argument("--app", action="append", default=[], help="only flows of this app; repeatable")


def read_actions(file: Path, offset: float) -> list[Action]:
    found, problems = [], []
    with file.open(newline="") as text:
        reader = csv.DictReader(text)
        for key in ("time", "label", "workload"):
            if key not in (reader.fieldnames or ()):
                raise LabError(f"{file}: {key}: expected this column, got {reader.fieldnames}")
        for number, row in enumerate(reader, start=2):
            try:
                time = _time(row["time"] or "") + offset
                servers = tuple(str(ipaddress.ip_network(word)) for word in (row.get("server") or "").split())
            except ValueError as error:
                problems.append(f"{file}: line {number}: expected epoch seconds or ISO 8601, and networks: {error}")
                continue
            if row["label"] not in LABELS:
                expected = f"expected one of {', '.join(LABELS)}, got {row['label']!r}"
                problems.append(f"{file}: line {number}: label: {expected}")
            found.append(Action(time, row["label"], row["workload"], servers))
    if not found and not problems:
        problems.append(f"{file}: expected at least one action")
    if any(later.time < earlier.time for earlier, later in pairwise(found)):
        problems.append(f"{file}: time: expected times that never go back")
    if problems:
        raise LabError("\n".join(problems))
    return found


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None:
            raise ValueError(f"{text!r} has no offset from UTC") from None
        return parsed.timestamp()


def read_apps(file: Path) -> dict[frozenset[truth.Endpoint], str]:
    """The app of each connection that PCAPdroid lists; addresses as captured."""
    apps = {}
    with file.open(newline="") as text:
        reader = csv.DictReader(text)
        if missing := [name for name in PCAPDROID_COLUMNS if name not in (reader.fieldnames or ())]:
            raise LabError(f"{file}: expected the columns of PCAPdroid's CSV, there is no {', '.join(missing)}")
        for row in reader:
            ends = (row["SrcIP"], row["SrcPort"]), (row["DstIp"], row["DstPort"])
            apps[frozenset(truth.Endpoint(ip, int(port)) for ip, port in ends)] = row["App"]
    return apps


def write_trace(
    packets: Iterator[foreign.IpPacket], scrambler: anonymise.Scrambler, file: Path, skipped: Counter[str]
) -> int:
    """Classic pcap in microseconds, Ethernet with empty addresses, headers only. Gives how many packets."""
    count = 0
    with file.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, truth.LINKTYPE_ETHERNET))
        for packet in packets:
            stripped = anonymise.strip(packet.data, scrambler)
            if stripped is None:
                skipped["not whole TCP or UDP headers"] += 1
                continue
            frame, wire_bytes = stripped[0][:96], stripped[1]
            seconds, rest = divmod(packet.time_ns, 1_000_000_000)
            out.write(struct.pack("<IIII", seconds, rest // 1000, len(frame), wire_bytes) + frame)
            count += 1
    return count


def run(wanted: Request) -> str:
    actions = read_actions(wanted.actions, wanted.clock_offset)
    key = wanted.key.read_bytes() if wanted.key else secrets.token_bytes(32)
    if len(key) < MIN_KEY_BYTES:
        raise LabError(f"{wanted.key}: expected at least {MIN_KEY_BYTES} bytes, got {len(key)}")
    scrambler = anonymise.Scrambler(key)
    name = wanted.name or truth.stem(wanted.capture).name
    folder = wanted.out / name
    folder.mkdir(parents=True, exist_ok=True)
    skipped: Counter[str] = Counter()
    packets = write_trace(foreign.read(wanted.capture, skipped), scrambler, folder / "trace.pcap", skipped)
    rows = truth.truth_rows(truth.read_packets(folder / "trace.pcap"), frozenset())
    if not rows:
        raise LabError(f"{wanted.capture}: no TCP or UDP packet in it")
    if not rows[0].time <= actions[-1].time or actions[0].time > rows[-1].time:
        raise LabError(
            f"{wanted.actions}: the log ({actions[0].time:.0f} to {actions[-1].time:.0f}) and the capture "
            f"({rows[0].time} to {rows[-1].time}) do not overlap: set --clock-offset"
        )
    kept, left_out = _kept(rows, wanted, scrambler, actions[0].time)
    labelled = _labelled(kept, actions, scrambler)
    flow_truth.write(labelled, folder / "truth.csv")
    _write_session(labelled, actions, rows[-1].time, folder / "session.csv")
    events = ({"time": a.time, "tab": "phone", "event": a.label, "workload": a.workload} for a in actions)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    described = _summary(wanted, name, labelled, actions, packets, rows[-1].time, dict(skipped), left_out)
    (folder / "scenario.yaml").write_text(yaml.safe_dump({**described["settings"]}, sort_keys=False))
    summary.write_json(described, folder / summary.SUMMARY)
    summary.write_index(wanted.out)
    return (
        f"{folder}: {packets} packets, {len(labelled)} flow seconds "
        f"({described['flow_seconds_by_label']}), {left_out} of other apps or before the log left out"
    )


def _kept(
    rows: Sequence[truth.Row], wanted: Request, scrambler: anonymise.Scrambler, begin: float
) -> tuple[list[truth.Row], int]:
    """Rows from the log's first action on, of the wanted apps."""
    kept = [row for row in rows if row.time >= int(begin)]
    if wanted.app:
        if wanted.pcapdroid is None:
            raise LabError("--app needs --pcapdroid, which says what flow is of what app")
        apps = {
            frozenset(truth.Endpoint(scrambler.address(end.ip), end.port) for end in ends): app
            for ends, app in read_apps(wanted.pcapdroid).items()
        }
        kept = [row for row in kept if apps.get(frozenset((row.client, row.server))) in wanted.app]
        if not kept:
            there = ", ".join(sorted(set(apps.values())))
            raise LabError(f"{wanted.pcapdroid}: no flow of {', '.join(wanted.app)}; apps: {there}")
    return kept, len(rows) - len(kept)


def _labelled(
    rows: Sequence[truth.Row], actions: Sequence[Action], scrambler: anonymise.Scrambler
) -> list[flow_truth.FlowSecond]:
    starts = [action.time for action in actions]

    def at(second: int) -> int:
        return max(0, bisect_right(starts, second + session.HALF_SECOND) - 1)

    down: Counter[tuple[FlowKey, int]] = Counter()
    for row in rows:
        down[flow_truth.flow_key(row), at(row.time)] += row.bytes_down
    networks = {server: _scrambled(server, scrambler) for action in actions for server in action.servers}
    made = []
    for row in rows:
        number = at(row.time)
        action = actions[number]
        if action.servers:
            carries = any(_is_in(row.server.ip, networks[server]) for server in action.servers)
        else:
            carries = down[flow_truth.flow_key(row), number] >= MIN_VIDEO_FLOW_BYTES
        is_video = action.label == flow_truth.VIDEO and carries
        label = flow_truth.VIDEO if is_video else flow_truth.NON_VIDEO
        made.append(
            flow_truth.FlowSecond(
                flow_truth.with_label(row, label), "phone", action.workload, row.bytes_down if is_video else 0
            )
        )
    return made


def _scrambled(server: str, scrambler: anonymise.Scrambler) -> Network:
    """Prefixes stay together, so a network is again a network: that of its first address."""
    network = ipaddress.ip_network(server)
    return ipaddress.ip_network(f"{scrambler.address(str(network.network_address))}/{network.prefixlen}", strict=False)


def _is_in(ip: str, network: Network) -> bool:
    address = ipaddress.ip_address(ip)
    return address.version == network.version and address in network


def _write_session(labelled: Sequence[flow_truth.FlowSecond], actions: Sequence[Action], last: int, file: Path) -> None:
    """Playing and stalled stay empty: a phone's player tells nobody."""
    down: dict[int, int] = defaultdict(int)
    for each in labelled:
        down[each.row.time] += each.row.bytes_down
    starts = [action.time for action in actions]
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(session.COLUMNS)
        for second in range(int(actions[0].time), last + 1):
            action = actions[max(0, bisect_right(starts, second + session.HALF_SECOND) - 1)]
            writer.writerow([second, action.label, action.workload, "", "", down.get(second, 0)])


def _summary(
    wanted: Request,
    name: str,
    labelled: Sequence[flow_truth.FlowSecond],
    actions: Sequence[Action],
    packets: int,
    last: int,
    skipped: dict[str, int],
    left_out: int,
) -> dict[str, object]:
    by_label = Counter(each.row.label for each in labelled)
    labels, names = {a.label for a in actions}, {a.workload for a in actions}
    udp = sum(each.row.bytes_down for each in labelled if each.row.protocol == "udp")
    down = sum(each.row.bytes_down for each in labelled)
    index = {
        "session": name,
        "design": wanted.design,
        "workload": names.pop() if len(names) == 1 else "mixed",
        "label": labels.pop() if len(labels) == 1 else "mixed",
        "path": "real",
        "rate_mbit": "",
        "rtt_ms": "",
        "loss_pct": "",
        "policed": "",
        "outage": "",
        "protocol": "h3" if 2 * udp > down else "h2",
        "congestion": "",
        "cdn": "",
        "ipv6": int(any(":" in each.row.client.ip for each in labelled)),
        "seed": "",
        "seconds": last - int(actions[0].time) + 1,
        "flow_seconds": len(labelled),
        "packets": packets,
        "ok": 1,
    }
    return {
        "index": index,
        "settings": {"imported": True, "name": name, "design": wanted.design, "clock_offset": wanted.clock_offset},
        "media": None,
        "bytes_down": down,
        "flow_seconds_by_label": dict(sorted(by_label.items())),
        "flow_seconds_left_out": left_out,
        "frames_left_out": skipped,
        "findings": [],
    }
