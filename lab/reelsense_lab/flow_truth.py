"""truth.csv: the label of every flow and second, from the server's address and, for mixed flows, the network log."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reelsense_lab import truth
from reelsense_lab.netlog import Connection, NetLog, Received
from reelsense_lab.testbed import BACKGROUND, CLASS_OF, OTHER_DEVICE, ServerClass

COLUMNS = (*truth.COLUMNS, "class", "workload", "video_bytes_down")
MIXED = "mixed"
VIDEO, NON_VIDEO = "video", "non-video"


@dataclass(frozen=True, slots=True)
class FlowSecond:
    row: truth.Row  # its label is final
    server_class: str
    workload: str
    video_bytes_down: int

    @property
    def other_device(self) -> bool:
        return self.row.client.ip == OTHER_DEVICE


@dataclass(slots=True)
class FlowTruth:
    seconds: list[FlowSecond] = field(default_factory=list)
    background_bytes: Counter[str] = field(default_factory=Counter)  # "up", "down"
    background_flows: int = 0
    strangers: set[str] = field(default_factory=set)  # addresses that are not the lab's
    cdn_bytes_down: int = 0
    cdn_stream: Received = field(default_factory=Received)

    @property
    def attributed_share(self) -> float | None:
        """Of the stream bytes on mixed connections, those that belong to a known path."""
        stream = self.cdn_stream
        total = stream.video + stream.other + stream.unknown
        return (stream.video + stream.other) / total if total else None


def class_of(row: truth.Row) -> ServerClass | None:
    """A call's flow may be seen from either side: the side with the higher port is its client."""
    by_server = CLASS_OF.get(row.server.ip)
    return by_server or CLASS_OF.get(row.client.ip)


def flow_key(row: truth.Row) -> tuple[truth.Endpoint, truth.Endpoint, str]:
    return row.client, row.server, row.protocol


def mixed_labels(seconds: Sequence[int], received: dict[int, Received]) -> list[str]:
    """Majority of the down bytes; a second without any takes the flow's last label, the first ones the next."""
    known: list[str | None] = []
    for second in seconds:
        count = received.get(second)
        if count is None or not (count.video or count.other):
            known.append(None)
        else:
            known.append(VIDEO if count.video > count.other else NON_VIDEO)
    last = next((label for label in known if label is not None), NON_VIDEO)
    labels = []
    for label in known:
        last = label or last
        labels.append(last)
    return labels


def build(rows: Iterable[truth.Row], net_log: NetLog | None, workload_at: Callable[[int], str]) -> FlowTruth:
    made = FlowTruth()
    mixed: dict[tuple[truth.Endpoint, truth.Endpoint, str], list[truth.Row]] = defaultdict(list)
    kept: list[tuple[truth.Row, ServerClass]] = []
    background: set[tuple[truth.Endpoint, truth.Endpoint, str]] = set()
    for row in rows:
        server = class_of(row)
        if server is None:
            made.strangers |= {row.client.ip, row.server.ip}
        elif server is BACKGROUND:
            background.add(flow_key(row))
            made.background_bytes.update(up=row.bytes_up, down=row.bytes_down)
        else:
            kept.append((row, server))
            if server.label == MIXED:
                mixed[flow_key(row)].append(row)
    made.background_flows = len(background)
    labels: dict[tuple[tuple[truth.Endpoint, truth.Endpoint, str], int], tuple[str, int]] = {}
    for key, flow_rows in mixed.items():
        client, _, protocol = key
        received = (net_log.received if net_log else {}).get(Connection(protocol, client.port), {})
        seconds = [row.time for row in flow_rows]
        for row, label in zip(flow_rows, mixed_labels(seconds, received), strict=True):
            labels[key, row.time] = label, received.get(row.time, Received()).video
        made.cdn_bytes_down += sum(row.bytes_down for row in flow_rows)
        for count in received.values():
            made.cdn_stream.video += count.video
            made.cdn_stream.other += count.other
            made.cdn_stream.unknown += count.unknown
    for row, server in kept:
        label, video = server.label, row.bytes_down if server.label == VIDEO else 0
        if server.label == MIXED:
            label, video = labels[flow_key(row), row.time]
        workload = "download" if row.client.ip == OTHER_DEVICE else workload_at(row.time)
        made.seconds.append(FlowSecond(with_label(row, label), server.name, workload, video))
    return made


def with_label(row: truth.Row, label: str) -> truth.Row:
    counts = row.packets_up, row.packets_down, row.bytes_up, row.bytes_down
    return truth.Row(row.time, row.client, row.server, row.protocol, label, *counts)


def write(seconds: Iterable[FlowSecond], file: Path) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in seconds:
            writer.writerow([*truth.fields(each.row), each.server_class, each.workload, each.video_bytes_down])
