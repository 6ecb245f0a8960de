"""The golden vectors' lines: tests/golden/README.md describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .features import NAMES, SCHEMA_VERSION
from .flows import Classifier, Flow, Options
from .packet import Drop, parse_packet
from .pcap import Capture


def classify(path: Path, options: Options) -> tuple[Classifier, dict[str, int]]:
    """The classifier after the whole capture, and the records that the reader left out, by reason."""
    capture = Capture(path)
    classifier = Classifier(options)
    for record in capture:
        try:
            packet = parse_packet(record.link, record.data, record.wire_bytes)
        except Drop as drop:
            classifier.count_drop(drop.reason)
            continue
        packet.time_ns = record.time_ns
        classifier.add(packet)
    classifier.finish()
    return classifier, capture.skipped


def lines(path: Path, options: Options) -> Iterator[str]:
    """The header, the rows in their order, the flows in order of their first packets."""
    classifier, skipped = classify(path, options)
    stats = classifier.stats
    header = {
        "capture": path.name,
        "options": {
            "max_flows": options.max_flows,
            "idle_timeout_ns": options.idle_timeout_ns,
            "active_timeout_ns": options.active_timeout_ns,
        },
        "schema": {"view": "packet", "version": SCHEMA_VERSION, "features": NAMES},
        "rows": len(classifier.rows),
        "stats": {
            "records": stats.records,
            "packets": stats.packets,
            "super_packets": stats.super_packets,
            "late": stats.late,
            "dropped": dict(sorted(stats.dropped.items())),
            "skipped": dict(sorted(skipped.items())),
            "time_steps": stats.time_steps,
            "flows": stats.flows,
            "peak_flows": stats.peak_flows,
            "ended": dict(sorted(stats.ended.items())),
            "windows": stats.windows,
            "idle_windows": stats.idle_windows,
        },
    }
    yield _dump(header)
    for row in classifier.rows:
        yield _dump(
            {
                "second": row.second,
                **_five_tuple(row.flow),
                "packets_up": row.packets_up,
                "packets_down": row.packets_down,
                "bytes_up": row.bytes_up,
                "bytes_down": row.bytes_down,
                "features": row.features,
                "bins": row.bins,
            }
        )
    for flow, reason in sorted(classifier.ended, key=lambda item: item[0].number):
        yield _dump(
            {
                "reason": reason,
                **_five_tuple(flow),
                "first_ns": flow.first_ns,
                "last_ns": flow.last_ns,
                "packets_up": flow.packets_up,
                "packets_down": flow.packets_down,
                "bytes_up": flow.bytes_up,
                "bytes_down": flow.bytes_down,
                "windows": flow.windows,
                "idle_windows": flow.idle_windows(),
            }
        )


def _five_tuple(flow: Flow) -> dict[str, object]:
    return {
        "flow": flow.number,
        "client": str(flow.client[0]),
        "client_port": flow.client[1],
        "server": str(flow.server[0]),
        "server_port": flow.server[1],
        "protocol": flow.protocol,
    }


def _dump(value: dict[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"))
