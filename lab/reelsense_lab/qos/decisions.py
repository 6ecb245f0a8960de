"""Reads what `reelsense decide --flows --format jsonl -` prints while a capture goes on, and writes its policy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from reelsense_lab.errors import LabError
from reelsense_lab.scenario import Session

VIDEO_DSCP = 26  # AF31: RS_DSCP_VIDEO of core/capi/reelsense.h
OWN = frozenset(("default", "non-video", "uncertain"))  # reasons with which an app does what it does without Reelsense


class FlowKey(NamedTuple):
    client_ip: str
    client_port: int
    server_ip: str
    server_port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class FlowMark:
    """How a flow is to be treated from the end of a second on."""

    second: int
    flow: FlowKey
    dscp: int
    probability: float  # of video
    bytes: int

    @property
    def is_video(self) -> bool:
        return self.dscp == VIDEO_DSCP


@dataclass(frozen=True, slots=True)
class SessionDecision:
    """What the app of one client is to do from the end of a second on."""

    second: int
    client_ip: str
    values: dict[str, int]  # of KEYS, without those where the app is to do as it likes
    reasons: dict[str, str]


KEYS = {  # decision → its reason
    "prefetch_depth": "prefetch_reason",
    "buffer_target_ms": "buffer_reason",
    "max_bitrate_kbps": "bitrate_reason",
}


def read(line: str) -> FlowMark | SessionDecision:
    """One line."""
    try:
        row: dict[str, Any] = json.loads(line)
        if row["kind"] == "flow":
            flow = FlowKey(*(row[name] for name in FlowKey._fields))
            confidence = float(row["confidence"])
            probability = confidence if row["label"] == "video" else 1 - confidence
            size = int(row["bytes_up"]) + int(row["bytes_down"])
            return FlowMark(int(row["time"]), flow, int(row["dscp"]), probability, size)
        reasons = {key: str(row[reason]) for key, reason in KEYS.items()}
        values = {key: int(row[key]) for key in KEYS if reasons[key] not in OWN}
        return SessionDecision(int(row["time"]), str(row["client_ip"]), values, reasons)
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"reelsense decide: expected a flow's or session's row as JSON, got {line[:200]!r}") from error


def policy_of(session: Session) -> dict[str, float]:
    """What somebody who builds Reelsense into this app would set: as defaults, the app's own prefetch and buffer."""
    opened = next(action["url"] for action in session.actions() if action["do"] == "open")
    options = parse_qs(urlsplit(opened).query)
    found: dict[str, float] = {}
    if "prefetch" in options:
        found["default_prefetch_depth"] = int(options["prefetch"][0])
    if "ahead" in options:
        found["default_buffer_target_ms"] = 1000 * int(options["ahead"][0])
    return found


def write_policy(session: Session, file: Path) -> Path:
    file.write_text(json.dumps(policy_of(session)))
    return file
