"""Which bytes of a mixed connection were video: Chromium's network log, read line by line.

Stream bytes received (`HTTP2_SESSION_RECV_DATA`, `QUIC_SESSION_STREAM_FRAME_RECEIVED`) are joined to the `:path` of
their stream and to the client's port of their connection. The log's clock is in milliseconds since an offset that it
gives itself, so each received piece has an epoch second. The log holds one event a line; only lines of the few types
needed are parsed as JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from reelsense_lab.errors import LabError

VIDEO_FOLDERS = frozenset(("video", "live"))
SESSION_START, SESSION_SOCKET = "HTTP2_SESSION", "HTTP2_SESSION_INITIALIZED"
CONNECT = "TCP_CONNECT"
H2_REQUEST, H2_DATA = "HTTP2_SESSION_SEND_HEADERS", "HTTP2_SESSION_RECV_DATA"
H3_REQUEST, H3_DATA = "HTTP3_HEADERS_SENT", "QUIC_SESSION_STREAM_FRAME_RECEIVED"
QUIC_PACKET = "QUIC_SESSION_PACKET_RECEIVED"
EVENTS = (SESSION_SOCKET, CONNECT, H2_REQUEST, H2_DATA, H3_REQUEST, H3_DATA, QUIC_PACKET)
TYPE_AT_END = re.compile(r'"type":(\d+)\},?\s*$')


class Connection(NamedTuple):
    """A connection as the capture sees it from the client."""

    protocol: str  # tcp or udp
    port: int


@dataclass(slots=True)
class Received:
    """Stream bytes of one connection and second."""

    video: int = 0
    other: int = 0
    unknown: int = 0  # of streams without a request: HTTP/3 control and header-compression streams


@dataclass(slots=True)
class NetLog:
    received: dict[Connection, dict[int, Received]] = field(default_factory=lambda: defaultdict(dict))
    bytes_by_folder: Counter[str] = field(default_factory=Counter)


def folder_of(path: str) -> str:
    """`/video/a/0.m4s?x` → `video`."""
    return path.split("?", 1)[0].lstrip("/").split("/", 1)[0]


class _Reader:
    def __init__(self, names: dict[int, str], offset_ms: int) -> None:
        self.names = names
        self.offset_ms = offset_ms
        self.log = NetLog()
        self.socket_ports: dict[int, int] = {}
        self.connections: dict[int, Connection] = {}  # by the id of the HTTP/2 or QUIC session
        self.paths: dict[tuple[int, int], str] = {}  # by session and stream

    def event(self, event: dict[str, Any]) -> None:
        name, source = self.names[event["type"]], event["source"]["id"]
        params = event.get("params", {})
        if name == CONNECT:
            if local := params.get("local_address"):
                self.socket_ports[source] = _port(local)
        elif name == SESSION_SOCKET:
            socket = params.get("source_dependency", {}).get("id")
            if socket in self.socket_ports:
                self.connections[source] = Connection("tcp", self.socket_ports[socket])
        elif name == QUIC_PACKET:
            # Kept per packet: a connection may move to another port.
            self.connections[source] = Connection("udp", _port(params["self_address"]))
        elif name in (H2_REQUEST, H3_REQUEST):
            for header in params.get("headers", ()):
                if header.startswith(":path: "):
                    self.paths[source, params["stream_id"]] = header.removeprefix(":path: ")
        else:
            size = params["size"] if name == H2_DATA else params["length"]
            self._received(source, params["stream_id"], size, int(event["time"]))

    def _received(self, source: int, stream: int, size: int, ticks_ms: int) -> None:
        connection = self.connections.get(source)
        if connection is None:
            return
        second = (ticks_ms + self.offset_ms) // 1000
        count = self.log.received[connection].setdefault(second, Received())
        path = self.paths.get((source, stream))
        if path is None:
            count.unknown += size
            return
        folder = folder_of(path)
        self.log.bytes_by_folder[folder] += size
        if folder in VIDEO_FOLDERS:
            count.video += size
        else:
            count.other += size


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def read(path: Path) -> NetLog:
    """Reads a log of any size with little memory; a log cut short (the browser was killed) counts as far as it goes."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = next(lines, "")
        try:
            constants = json.loads(first.strip().rstrip(",") + "}")["constants"]
            types = constants["logEventTypes"]
            wanted = {types[name]: name for name in EVENTS}
            reader = _Reader(wanted, int(constants["timeTickOffset"]))
        except (ValueError, KeyError) as error:
            raise LabError(f"{path}: not a network log of Chromium that this tool knows: {error}") from error
        for line in lines:
            kind = TYPE_AT_END.search(line[-40:])
            if kind is None or int(kind.group(1)) not in wanted:
                continue
            try:
                reader.event(json.loads(line.strip().rstrip(",")))
            except ValueError:
                continue
    return reader.log
