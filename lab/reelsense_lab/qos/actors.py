"""Who acts on what was heard: the app's player, the path emulator's priority, the kernel's HTB."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from reelsense_lab import testbed
from reelsense_lab.errors import LabError
from reelsense_lab.qos.decisions import FlowKey, FlowMark, SessionDecision
from reelsense_lab.qos.gate import Gate

CONTROL_PATIENCE_S = 5


class PathControl:
    """The emulator's control socket: a line of JSON in, a line out."""

    def __init__(self, address: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(CONTROL_PATIENCE_S)
        self.socket.connect(str(address))
        self.file = self.socket.makefile("rw")

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()
        answer: dict[str, Any] = json.loads(self.file.readline() or '{"error": "the emulator closed the socket"}')
        if "error" in answer:
            raise LabError(f"the path emulator refused {next(iter(request))}: {answer['error']}")
        return answer

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Lanes(Protocol):
    """Something that lets some flows go first."""

    def first(self, flows: list[FlowKey]) -> None: ...


class EmulatorLanes:
    def __init__(self, control: PathControl) -> None:
        self.control = control

    def first(self, flows: list[FlowKey]) -> None:
        rules = [
            {
                "client": flow.client_ip,
                "client_port": flow.client_port,
                "server": flow.server_ip,
                "server_port": flow.server_port,
                "protocol": flow.protocol,
            }
            for flow in flows
        ]
        self.control.ask({"priority": rules})


class GateLanes:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def first(self, flows: list[FlowKey]) -> None:
        self.gate.mark(flows)


class NetworkActor:
    """Gives the flows that `goes_first` takes for video the right of way; keeps when which flows had it."""

    def __init__(self, lanes: Lanes, goes_first: Callable[[FlowMark], bool]) -> None:
        self.lanes, self.goes_first = lanes, goes_first
        self.flows: set[FlowKey] = set()
        self.history: list[tuple[float, frozenset[FlowKey]]] = []

    def __call__(self, heard: FlowMark | SessionDecision) -> None:
        if not isinstance(heard, FlowMark):
            return
        first = self.goes_first(heard)
        if first == (heard.flow in self.flows):
            return
        (self.flows.add if first else self.flows.remove)(heard.flow)
        self.lanes.first(sorted(self.flows))
        self.history.append((time.time(), frozenset(self.flows)))

    def in_force(self, first: int, last: int) -> dict[int, set[tuple[str, int, str, int, str]]]:
        """The flows that went first in the middle of each epoch second."""
        found: dict[int, set[tuple[str, int, str, int, str]]] = {}
        for second in range(first, last + 1):
            now: frozenset[FlowKey] = frozenset()
            for since, flows in self.history:
                if since <= second + 0.5:
                    now = flows
            found[second] = {tuple(flow) for flow in now}
        return found


class AppActor:
    """Hands the app's decisions to the page in front, through the file that the driver follows."""

    def __init__(self, file: Path) -> None:
        self.file = file.open("a", buffering=1)
        self.given: list[dict[str, Any]] = []

    def __call__(self, heard: FlowMark | SessionDecision) -> None:
        if not isinstance(heard, SessionDecision) or heard.client_ip != testbed.CLIENT_IPV4:
            return
        self.given.append({"second": heard.second, **heard.values, "reasons": heard.reasons})
        self.file.write(json.dumps(heard.values) + "\n")

    def close(self) -> None:
        self.file.close()
